/* SPDX-License-Identifier: Apache-2.0 */
/* The hash is SHA-1 (RFC 3174) as the specification wants it: a name for a flow, no secret. */
#include "features/log/log_community.h"

#include <string.h>

#include "base/addr.h"

#define BLOCK 64
#define DIGEST 20
#define INPUT_MAX (2 + 2 * 16 + 2 + 2 * 2) /* with its padding it is one block */

static uint32_t rotated(uint32_t x, unsigned by)
{
	return x << by | x >> (32 - by);
}

static void schedule_fill(const uint8_t block[BLOCK], uint32_t w[80])
{
	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
		       (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	for (int i = 16; i < 80; i++)
		w[i] = rotated(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
}

/* Of what fits into one block. */
static void sha1_of_block(const uint8_t block[BLOCK], uint8_t ret_digest[DIGEST])
{
	static const uint32_t start[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
					   0xc3d2e1f0 };
	static const uint32_t constants[4] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6 };
	uint32_t w[80], h[5];

	memcpy(h, start, sizeof(h));
	schedule_fill(block, w);
	for (int i = 0; i < 80; i++) {
		uint32_t f = i < 20	       ? (h[1] & h[2]) | (~h[1] & h[3]) :
			     i < 40 || i >= 60 ? h[1] ^ h[2] ^ h[3] :
						 (h[1] & h[2]) | (h[1] & h[3]) | (h[2] & h[3]);
		uint32_t next = rotated(h[0], 5) + f + h[4] + constants[i / 20] + w[i];

		h[4] = h[3];
		h[3] = h[2];
		h[2] = rotated(h[1], 30);
		h[1] = h[0];
		h[0] = next;
	}
	for (int i = 0; i < DIGEST; i++) {
		uint32_t word = h[i / 4] + start[i / 4];

		ret_digest[i] = (uint8_t)(word >> (24 - 8 * (i % 4)));
	}
}

/* RFC 4648; of 20 bytes the last letter stands for 16 bits and '='. */
static void base64_write(const uint8_t digest[DIGEST], char *text)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (int i = 0; i < DIGEST; i += 3) {
		uint32_t word = (uint32_t)digest[i] << 16 | (uint32_t)digest[i + 1] << 8 |
				(i + 2 < DIGEST ? digest[i + 2] : 0);

		*text++ = letters[word >> 18];
		*text++ = letters[word >> 12 & 63];
		*text++ = letters[word >> 6 & 63];
		*text++ = i + 2 < DIGEST ? letters[word & 63] : '=';
	}
	*text = '\0';
}

static size_t put(uint8_t *block, size_t at, const void *bytes, size_t len)
{
	memcpy(block + at, bytes, len);
	return at + len;
}

static size_t put_port(uint8_t *block, size_t at, uint16_t port)
{
	uint8_t bytes[2] = { (uint8_t)(port >> 8), (uint8_t)port };

	return put(block, at, bytes, sizeof(bytes));
}

/* The lower end comes first, so that both directions are one. */
static bool is_turned(const struct log_flow *flow)
{
	int order = weir_addr_compare(&flow->src, &flow->dst);

	return order > 0 || (order == 0 && flow->has_ports && flow->sport > flow->dport);
}

void log_community_id(const struct log_flow *flow, char text[LOG_COMMUNITY_TEXT])
{
	bool turned = is_turned(flow);
	const struct weir_addr *one = turned ? &flow->dst : &flow->src;
	const struct weir_addr *other = turned ? &flow->src : &flow->dst;
	size_t skip = weir_addr_is_v4(one) ? 12 : 0; /* v4 is ::ffff:a.b.c.d */
	uint8_t block[BLOCK] = { 0 }, digest[DIGEST];
	size_t at = 2; /* the seed, which is 0 */

	at = put(block, at, (const uint8_t *)one + skip, 16 - skip);
	at = put(block, at, (const uint8_t *)other + skip, 16 - skip);
	block[at] = flow->proto;
	at += 2;
	if (flow->has_ports) {
		at = put_port(block, at, turned ? flow->dport : flow->sport);
		at = put_port(block, at, turned ? flow->sport : flow->dport);
	}
	block[at] = 0x80;
	put_port(block, BLOCK - 2, (uint16_t)(at * 8));
	sha1_of_block(block, digest);
	memcpy(text, "1:", 2);
	base64_write(digest, text + 2);
}

_Static_assert(INPUT_MAX + 1 + 8 <= BLOCK, "what is hashed fits into one block");
