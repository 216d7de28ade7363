/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the reference page of the configuration; tools/gen-docs puts it where it belongs. */
#include <stdio.h>

#include "core/config_page.h"

int main(void)
{
	_cleanup_buf_ struct weir_buf page = { 0 };
	weir_config_page(&page);
	if (page.failed || fputs(weir_buf_str(&page), stdout) < 0 || fflush(stdout) != 0) {
		perror("weir-gen-docs");
		return 1;
	}
	return 0;
}
