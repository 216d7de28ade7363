/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds packets for the test written in Python: a line "src=192.0.2.1 dst=192.0.2.2 proto=tcp …"
 * in (fields as a person writes them, src first), a line of hex or of what is wrong out.
 */
#include <stdio.h>
#include <string.h>

#include "core/frame_fields.h"

static void fields_read(char *line, struct weir_frame_spec *spec, struct weir_diag *diag)
{
	char *rest = NULL;

	for (char *word = strtok_r(line, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
		char *equals = strchr(word, '=');

		if (!equals)
			continue;
		*equals = '\0';
		weir_frame_set(spec, word, equals + 1, diag);
	}
	if (!diag->errors)
		weir_frame_complete(spec, diag);
}

int main(void)
{
	char line[512];

	while (fgets(line, sizeof(line), stdin)) {
		_cleanup_diag_ struct weir_diag diag = { 0 };
		_cleanup_buf_ struct weir_buf wrong = { 0 };
		struct weir_frame_spec spec = { 0 };
		unsigned char frame[WEIR_FRAME_BYTES];

		fields_read(line, &spec, &diag);
		if (diag.errors) {
			weir_diag_entry_format(&diag.entries[0], &wrong);
			printf("%s\n", weir_buf_str(&wrong));
			continue;
		}
		size_t len = weir_frame_build(&spec, frame);

		for (size_t i = 0; i < len; i++)
			printf("%02x", frame[i]);
		printf("\n");
	}
	return 0;
}
