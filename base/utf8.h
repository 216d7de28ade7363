/* SPDX-License-Identifier: Apache-2.0 */
/* Text that may be no text: names of devices are any bytes. */
#ifndef WEIR_BASE_UTF8_H
#define WEIR_BASE_UTF8_H

#include <stddef.h>

/* What stands for a byte that belongs to no character: U+FFFD. */
#define WEIR_UTF8_REPLACEMENT "\xef\xbf\xbd"

/* How many bytes at `text` are one well-formed character (RFC 3629, table in section 4), 0 for
 * none; 1 for the end. Reads not past the end. */
size_t weir_utf8_length(const char *text);

#endif
