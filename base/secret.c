/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes from the kernel and comparison in constant time. Not a cipher, not a hash. */
#include "base/secret.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"

int weir_random_bytes(void *bytes, size_t len)
{
	uint8_t *p = bytes;
	while (len) {
		ssize_t n = getrandom(p, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

char *weir_random_hex(size_t len)
{
	if (len > SIZE_MAX / 2 - 1)
		return NULL;
	_cleanup_free_ char *text = malloc(2 * len + 1);
	/*
	 * The bytes stand in the upper half and are spread downwards: each is read before it is
	 * written over.
	 */
	if (!text || weir_random_bytes(text + len, len) < 0)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = (uint8_t)text[len + i];
		text[2 * i] = "0123456789abcdef"[byte >> 4];
		text[2 * i + 1] = "0123456789abcdef"[byte & 15];
	}
	text[2 * len] = '\0';
	return weir_take(text);
}

bool weir_secret_equal(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	/* Volatile: else a compiler may see that one difference settles it, and stop there. */
	volatile unsigned char difference = a_len != b_len;
	for (size_t i = 0; i < a_len; i++)
		difference |= (unsigned char)(a[i] ^ b[b_len ? i % b_len : 0]);
	return difference == 0;
}
