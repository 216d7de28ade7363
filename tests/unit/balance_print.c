/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a configuration with one service from stdin, and prints the numbers of its backends in a
 * line, and in another those of its slots. For tests/unit/balance_model_test.py. */
#include <stdio.h>
#include <stdlib.h>

#include "abi/policy_head.h"
#include "core/compile.h"
#include "features/balance/balance_maglev.h"
#include "features/balance/balance_state.h"

static void section_print(const struct weir_line *lines)
{
	const struct balance_head *head = (const void *)lines;
	const struct balance_service *service = (const void *)&lines[head->services];

	for (unsigned i = 0; i < head->backend_count; i++) {
		const struct balance_backend *backend = (const void *)&lines[head->backends + i];

		printf("%u ", backend->number);
	}
	printf("\n");
	for (unsigned i = 0; i < service->slots; i++)
		printf("%u ", lines[service->slot].u16[i]);
	printf("\n");
}

int main(void)
{
	static char text[1 << 20];
	size_t len = fread(text, 1, sizeof(text), stdin);
	struct weir_config *config = NULL;
	struct weir_image *image = NULL;
	uint32_t count;

	if (weir_config_parse(text, len, "stdin", NULL, &config) ||
	    weir_compile(config, NULL, &image) || weir_image_parts_make(image))
		return 1;
	const struct weir_line *lines = weir_image_lines(image, &count);
	const struct weir_policy_head *head = (const void *)lines;

	section_print(&lines[head->header.first_line[WEIR_SECTION_BALANCE]]);
	weir_image_free(image);
	weir_config_free(config);
	return 0;
}
