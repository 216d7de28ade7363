/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

size_t weir_utf8_length(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	unsigned char lead = p[0];
	size_t len = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	if (len < 2 || lead > 0xf4)
		return lead > 0xf4 ? 0 : len;

	/*
	 * The second byte is narrower after four of the leads: no overlong forms, no surrogates,
	 * not past U+10FFFF.
	 */
	unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}
