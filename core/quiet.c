/* SPDX-License-Identifier: Apache-2.0 */
#include "quiet.h"

#include <stdarg.h>

static int nothing_print(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level, (void)format, (void)args;
	return 0;
}

libbpf_print_fn_t weir_quiet(void)
{
	return libbpf_set_print(nothing_print);
}

void weir_quiet_end(libbpf_print_fn_t *print)
{
	libbpf_set_print(*print);
}
