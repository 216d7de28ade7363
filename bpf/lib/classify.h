/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * From an address to its class, in as few cache lines as can be: the reading side of
 * abi/addr_table.h. Compiles natively too. It knows nothing of what a class means.
 */
#ifndef WEIR_BPF_CLASSIFY_H
#define WEIR_BPF_CLASSIFY_H

#include "../../abi/addr_table.h"
#include "image.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define classify_swap32(x) __builtin_bswap32(x)
#define classify_swap64(x) __builtin_bswap64(x)
#else
#define classify_swap32(x) (x)
#define classify_swap64(x) (x)
#endif

#ifdef __clang__
#define CLASSIFY_UNROLL _Pragma("unroll")
#else
#define CLASSIFY_UNROLL _Pragma("GCC unroll 8")
#endif

/*
 * Number of keys below x, without a branch: a key is below x when (not key) + x carries out of its
 * 16-bit lane. A carry is the majority of the two top bits and the carry into them, which the
 * 15-bit sums give without disturbing a neighbour.
 */
static __always_inline __u32 node4_below(const struct weir_addr_node4 *node, __u32 x)
{
	const __u64 ones = 0x0001000100010001ULL, low15 = 0x7fff7fff7fff7fffULL;
	__u64 lanes = x * ones, lanes15 = lanes & low15, sum = 0;

	CLASSIFY_UNROLL
	for (int i = 0; i < WEIR_ADDR_KEYS4 / 4; i++) {
		__u64 not_key = node->word[i];
		__u64 into = (not_key & low15) + lanes15;
		__u64 carry = (not_key & lanes) | ((not_key ^ lanes) & into);

		sum += (carry >> 15) & ones;
	}
	return (sum * ones) >> 48;
}

/* The key after those below x is the only one that can equal it. Masked for the verifier: index 20
 * reads an answer, which does no harm, since the answers on both sides of it are the same. */
static __always_inline __u32 node4_class(const struct weir_addr_node4 *node, __u32 x, __u32 below)
{
	__u32 differs = node->not_key[below & 31] ^ x;
	__u32 answer = 2 * below + ((differs + 1) >> 16);
	__u32 slot = node->answers[(answer >> 2) & 15] >> (2 * (answer & 3));

	return node->palette[slot & 3];
}

static __always_inline __u32 classify_v4(void *image, __u32 word, __u32 addr)
{
	__u32 bits = word >> WEIR_ADDR_INDEX_SHIFT;

	if (bits == WEIR_ADDR_INDEX_CLASS)
		return word & 0xffff;

	__u32 x = addr & 0xffff, line = (word & WEIR_ADDR_INDEX_LINE) + (x >> (16 - bits));

	for (int depth = 0; depth < WEIR_ADDR_DEPTH4_MAX; depth++) {
		const struct weir_addr_node4 *node = image_line(image, line);

		if (!node)
			return 0;

		__u32 below = node4_below(node, x);

		if (node->palette[0] != WEIR_ADDR_MARK)
			return node4_class(node, x, below);
		line = node->line + below;
	}
	return 0;
}

/* Where x stands among the keys of a node: how many are below it, and which answer of a leaf is its
 * own. */
struct classify_place {
	__u32 below;
	__u32 answer;
};

static __always_inline struct classify_place node6_place(const struct weir_addr_node6 *node,
							 __u64 x)
{
	struct classify_place place = {};

	CLASSIFY_UNROLL
	for (int i = 0; i < WEIR_ADDR_KEYS6; i++) {
		/* 48-bit numbers: the sign of a difference is the comparison. */
		__u64 difference = ((__u64)node->key_high[i] << 16 | node->key_low[i]) - x;

		place.below += difference >> 63;
		place.answer += (difference - 1) >> 63;
	}
	place.answer += place.below;
	return place;
}

static __always_inline struct classify_place tail6_place(const struct weir_addr_tail6 *node,
							 __u64 x)
{
	struct classify_place place = {};

	CLASSIFY_UNROLL
	for (int i = 0; i < WEIR_ADDR_TAIL_KEYS6; i++) {
		__u64 key = node->key[i], difference = key - x;
		/* The borrow of key - x, all 64 bits in use; arithmetic, so that no path of the
		 * verifier forks. */
		__u64 below = ((~key & x) | ((~key | x) & difference)) >> 63;

		place.below += below;
		place.answer += below | (((difference | -difference) >> 63) ^ 1);
	}
	place.answer += place.below;
	return place;
}

/* How many of a leaf's first `below` keys are tails: slot 3 in odd answers, four bits apart, so a
 * multiplication adds them. */
static __always_inline __u32 node6_tails_before(__u64 meta, __u32 below)
{
	__u64 tails = meta & (meta >> 1) & 0x444444444ULL & ((1ULL << (4 * (below & 15))) - 1);

	return (__u32)(((__u32)(tails >> 2) * 0x11111111U) >> 28);
}

static __always_inline __u32 classify_tail6(void *image, __u32 line, __u64 x)
{
	for (int depth = 0; depth < WEIR_ADDR_TAIL6_MAX; depth++) {
		const struct weir_addr_tail6 *node = image_line(image, line);

		if (!node)
			return 0;

		struct classify_place place = tail6_place(node, x);

		if (node->palette[0] != WEIR_ADDR_MARK)
			return node->palette[(node->meta >> (2 * (place.answer & 31))) & 3];
		line = (__u32)(node->meta >> WEIR_ADDR_META_SHIFT) + place.below;
	}
	return 0;
}

static __always_inline __u32 classify_ranges6(void *image, __u32 word, __u64 high, __u64 low)
{
	__u32 bits = word >> WEIR_ADDR_INDEX_SHIFT;

	if (bits == WEIR_ADDR_INDEX_CLASS)
		return word & 0xffff;

	__u64 x = high & 0xffffffffffffULL;
	__u32 line = (word & WEIR_ADDR_INDEX_LINE) + (__u32)(x >> (48 - bits));

	for (int depth = 0; depth < WEIR_ADDR_DEPTH6_MAX; depth++) {
		const struct weir_addr_node6 *node = image_line(image, line);

		if (!node)
			return 0;

		struct classify_place place = node6_place(node, x);

		line = (__u32)(node->meta >> WEIR_ADDR_META_SHIFT);
		if (node->palette[0] == WEIR_ADDR_MARK) {
			line += place.below;
			continue;
		}

		__u32 class = node->palette[(node->meta >> (2 * (place.answer & 31))) & 3];

		if (class != WEIR_ADDR_MARK)
			return class;
		return classify_tail6(image, line + node6_tails_before(node->meta, place.below),
				      low);
	}
	return 0;
}

#define CLASSIFY_NO_HOST 0xffffffffU

static __always_inline __u32 hosts6_find(const struct weir_addr_hosts6 *bucket, __u64 high,
					 __u64 low)
{
	CLASSIFY_UNROLL
	for (int i = 0; i < WEIR_ADDR_HOSTS6; i++)
		if (!((bucket->key[i][0] ^ high) | (bucket->key[i][1] ^ low)))
			return bucket->class[i];
	return CLASSIFY_NO_HOST;
}

static __always_inline __u32 classify_hosts6(void *image, const struct weir_addr_root *root,
					     __u64 high, __u64 low)
{
	__u32 buckets = root->hosts6_buckets;
	__u64 hash = weir_addr_hash6(high, low, root->hosts6_seed);
	const struct weir_addr_hosts6 *bucket =
		image_line(image, root->hosts6 + weir_addr_bucket6(hash, buckets));

	if (!bucket)
		return CLASSIFY_NO_HOST;

	__u32 class = hosts6_find(bucket, high, low);

	if (class != CLASSIFY_NO_HOST || !(bucket->moved & weir_addr_moved6(hash)))
		return class;
	bucket = image_line(image, root->hosts6 + weir_addr_bucket6_second(hash, buckets));
	return bucket ? hosts6_find(bucket, high, low) : CLASSIFY_NO_HOST;
}

/* CLASSIFY_NO_HOST when it is not among the single addresses, whose class would be final. */
static __always_inline __u32 classify_v6_host(void *image, const struct weir_addr_root *root,
					      const struct weir_addr *addr)
{
	if (!root->hosts6_buckets)
		return CLASSIFY_NO_HOST;
	return classify_hosts6(image, root, classify_swap64(addr->be64[0]),
			       classify_swap64(addr->be64[1]));
}

/*
 * The class of an address, 0 when it is in no range. `head` is what the table begins with, wherever
 * the caller has it; `image` is where line numbers lead. An IPv6 packet with an address in
 * ::ffff:0:0/96 is looked up among the IPv6 ranges: is_v4 says what the packet was.
 */
static __always_inline __u32 classify_addr(void *image, const struct weir_addr_head *head,
					   const struct weir_addr *addr, bool is_v4)
{
	if (is_v4) {
		__u32 addr4 = classify_swap32(addr->be32[3]);

		return head->root.index4 ? classify_v4(image, head->index4[addr4 >> 16], addr4) : 0;
	}

	__u32 class = classify_v6_host(image, &head->root, addr);
	__u64 high = classify_swap64(addr->be64[0]);

	if (class != CLASSIFY_NO_HOST)
		return class;
	return head->root.index6 ? classify_ranges6(image, head->index6[high >> 48], high,
						    classify_swap64(addr->be64[1])) :
				   0;
}

static __always_inline __u32 classify_index_word(void *image, __u32 index, __u32 part)
{
	const struct weir_line *line = image_line(image, index + part / 16);

	return line ? line->u32[part & 15] : (__u32)WEIR_ADDR_INDEX_CLASS << WEIR_ADDR_INDEX_SHIFT;
}

/* The same where only the root is at hand, and the index is one more line of the image. */
static __always_inline __u32 classify_addr_root(void *image, const struct weir_addr_root *root,
						const struct weir_addr *addr, bool is_v4)
{
	if (is_v4) {
		__u32 addr4 = classify_swap32(addr->be32[3]);

		return root->index4 ?
			       classify_v4(image,
					   classify_index_word(image, root->index4, addr4 >> 16),
					   addr4) :
			       0;
	}

	__u32 class = classify_v6_host(image, root, addr);
	__u64 high = classify_swap64(addr->be64[0]);

	if (class != CLASSIFY_NO_HOST || !root->index6)
		return class == CLASSIFY_NO_HOST ? 0 : class;
	return classify_ranges6(image,
				classify_index_word(image, root->index6, (__u32)(high >> 48)), high,
				classify_swap64(addr->be64[1]));
}

#endif
