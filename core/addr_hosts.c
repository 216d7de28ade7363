/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuckoo hashing with two choices and buckets of three (Pagh and Rodler 2001; Dietzfelbinger and
 * Weidling 2007), at four fifths of its room, where moving a few addresses always finds a place
 * unless the addresses were chosen to collide.
 */
#include "addr_hosts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cleanup.h"

#define SEEDS 4
#define MOVES_MAX 128
#define NOBODY UINT32_MAX
#define FILLERS 64 /* candidates for an unused place; each is unfit for two buckets at most */

struct hosts {
	struct weir_host6 *host;
	uint64_t *hash;
	uint32_t *place; /* WEIR_ADDR_HOSTS6 for each bucket: host number or NOBODY */
	uint32_t count;
	uint32_t buckets;
	uint64_t seed;
};

static void hosts_done(struct hosts *hosts)
{
	free(hosts->hash);
	free(hosts->place);
}

static bool bucket_put(struct hosts *hosts, uint32_t bucket, uint32_t host)
{
	uint32_t *place = hosts->place + (size_t)bucket * WEIR_ADDR_HOSTS6;

	for (uint32_t i = 0; i < WEIR_ADDR_HOSTS6; i++) {
		if (place[i] != NOBODY)
			continue;
		place[i] = host;
		return true;
	}
	return false;
}

static uint32_t host_bucket(const struct hosts *hosts, uint32_t host)
{
	return weir_addr_bucket6(hosts->hash[host], hosts->buckets);
}

static uint32_t host_second(const struct hosts *hosts, uint32_t host)
{
	return weir_addr_bucket6_second(hosts->hash[host], hosts->buckets);
}

/* Put the host in a full bucket and move one from there to its other bucket, and so on. Returns who
 * is left over, or NOBODY. */
static uint32_t host_push(struct hosts *hosts, uint32_t host, uint32_t bucket)
{
	for (uint32_t move = 0; move < MOVES_MAX; move++) {
		uint32_t *place = hosts->place + (size_t)bucket * WEIR_ADDR_HOSTS6 +
				  (host + move) % WEIR_ADDR_HOSTS6;
		uint32_t moved = *place;

		*place = host;
		host = moved;
		bucket = host_bucket(hosts, host) == bucket ? host_second(hosts, host) :
							      host_bucket(hosts, host);
		if (bucket_put(hosts, bucket, host))
			return NOBODY;
	}
	return host;
}

/* One attempt with one seed. Returns how many have no place. */
static uint32_t hosts_place(struct hosts *hosts)
{
	uint32_t homeless = 0;

	memset(hosts->place, 0xff,
	       (size_t)hosts->buckets * WEIR_ADDR_HOSTS6 * sizeof(*hosts->place));
	for (uint32_t i = 0; i < hosts->count; i++) {
		hosts->hash[i] =
			weir_addr_hash6(hosts->host[i].high, hosts->host[i].low, hosts->seed);
		hosts->host[i].placed = true;
	}
	for (uint32_t i = 0; i < hosts->count; i++) {
		if (bucket_put(hosts, host_bucket(hosts, i), i) ||
		    bucket_put(hosts, host_second(hosts, i), i))
			continue;

		uint32_t left = host_push(hosts, i, host_bucket(hosts, i));

		if (left == NOBODY)
			continue;
		hosts->host[left].placed = false;
		homeless++;
	}
	return homeless;
}

/* An address that no look-up of this bucket can be for, so that finding it in an unused place is
 * impossible. */
static uint64_t filler_for(const struct hosts *hosts, uint32_t bucket)
{
	uint64_t low = 0;

	for (; low < FILLERS; low++) {
		uint64_t hash = weir_addr_hash6(0, low, hosts->seed);

		if (weir_addr_bucket6(hash, hosts->buckets) != bucket &&
		    weir_addr_bucket6_second(hash, hosts->buckets) != bucket)
			break;
	}
	return low;
}

static void bucket_pack(const struct hosts *hosts, uint32_t bucket, struct weir_addr_hosts6 *line)
{
	const uint32_t *place = hosts->place + (size_t)bucket * WEIR_ADDR_HOSTS6;

	for (uint32_t i = 0; i < WEIR_ADDR_HOSTS6; i++) {
		/* Places fill from the front: an unused one repeats the first, whose answer is the
		 * same. */
		uint32_t host = place[i] == NOBODY ? place[0] : place[i];

		if (host == NOBODY) {
			line->key[i][1] = filler_for(hosts, bucket);
			continue;
		}
		line->key[i][0] = hosts->host[host].high;
		line->key[i][1] = hosts->host[host].low;
		line->class[i] = (uint16_t)hosts->host[host].class;
	}
}

/* Every address that stands in its second bucket leaves its bit in the first. */
static void moved_mark(const struct hosts *hosts, struct weir_addr_hosts6 *line, uint32_t bucket)
{
	const uint32_t *place = hosts->place + (size_t)bucket * WEIR_ADDR_HOSTS6;

	for (uint32_t i = 0; i < WEIR_ADDR_HOSTS6 && place[i] != NOBODY; i++) {
		uint32_t first = host_bucket(hosts, place[i]);

		if (first != bucket)
			line[first].moved |= weir_addr_moved6(hosts->hash[place[i]]);
	}
}

/* The seed that leaves the fewest without a place; nearly always the first, which leaves none. */
static void seed_choose(struct hosts *hosts)
{
	uint32_t least = UINT32_MAX;
	uint64_t best = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		hosts->seed = seed * 0x9e3779b97f4a7c15ULL;

		uint32_t homeless = hosts_place(hosts);

		if (homeless == 0)
			return;
		if (homeless < least) {
			least = homeless;
			best = hosts->seed;
		}
	}
	hosts->seed = best;
	hosts_place(hosts);
}

int weir_hosts6_build(struct weir_lines *lines, struct weir_host6 *host, uint32_t count,
		      struct weir_addr_root *root)
{
	/* Two buckets at least: a filler must have another bucket than its own to belong to. */
	_cleanup_(hosts_done) struct hosts hosts = { .host = host,
						     .count = count,
						     .buckets = (uint32_t)(count / 2.4) + 4 };
	uint32_t first;

	if (!count)
		return 0;
	hosts.hash = malloc(count * sizeof(*hosts.hash));
	hosts.place = malloc((size_t)hosts.buckets * WEIR_ADDR_HOSTS6 * sizeof(*hosts.place));
	if (!hosts.hash || !hosts.place)
		return -ENOMEM;

	int r = weir_lines_add(lines, hosts.buckets, &first);

	if (r < 0)
		return r;
	seed_choose(&hosts);

	struct weir_addr_hosts6 *line = weir_lines_at(lines, first);

	for (uint32_t i = 0; i < hosts.buckets; i++)
		bucket_pack(&hosts, i, line + i);
	for (uint32_t i = 0; i < hosts.buckets; i++)
		moved_mark(&hosts, line, i);
	root->hosts6 = first;
	root->hosts6_buckets = hosts.buckets;
	root->hosts6_seed = hosts.seed;
	return 0;
}
