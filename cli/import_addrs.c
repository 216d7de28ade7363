/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses are cut with one another as numbers; a named set only with itself. */
#include "cli/import_addrs.h"

#include <string.h>

#include "cli/import_source.h"

#define ADDRS_MAX 4096 /* of one field after cutting: what a person can still read is far less */

struct import_addrs import_addrs_add(struct import_arena *arena, struct import_addrs addrs,
				     struct import_addr item)
{
	struct import_addr *grown =
		import_grow(arena, (struct import_addr *)addrs.at, addrs.count, sizeof(*grown));

	if (!grown)
		return addrs;
	grown[addrs.count] = item;
	return (struct import_addrs){ .at = grown, .count = addrs.count + 1 };
}

int import_addr_read(struct import *import, const char *text, bool is_v6,
		     struct import_addr *ret_addr)
{
	struct import_addr addr = { 0 };

	if (weir_range_from_string(text, strlen(text), &addr.range, NULL, NULL) < 0 ||
	    weir_addr_is_v4(&addr.range.from) == is_v6)
		return import_cannot(import, "'%s' is no %s address", text,
				     is_v6 ? "IPv6" : "IPv4");
	*ret_addr = addr;
	return 0;
}

void import_addr_format(const struct import_addr *addr, struct weir_buf *text)
{
	char range[WEIR_RANGE_TEXT];

	weir_buf_add_str(text, addr->set ? addr->set : weir_range_to_string(&addr->range, range));
}

static bool addr_equal(const struct import_addr *a, const struct import_addr *b)
{
	if (a->set || b->set)
		return a->set && b->set && strcmp(a->set, b->set) == 0;
	return weir_range_compare(&a->range, &b->range) == 0;
}

static bool addrs_equal(struct import_addrs a, struct import_addrs b)
{
	for (size_t i = 0; i < a.count && i < b.count; i++)
		if (!addr_equal(&a.at[i], &b.at[i]))
			return false;
	return a.count == b.count;
}

static bool addrs_have_set(struct import_addrs addrs)
{
	for (size_t i = 0; i < addrs.count; i++)
		if (addrs.at[i].set)
			return true;
	return false;
}

/* Ends of v4 and v6 never compare as overlapping: weir_range_overlaps() knows the families. */
static struct import_addrs ranges_both(struct import *import, struct import_addrs a,
				       struct import_addrs b)
{
	struct import_addrs both = { 0 };

	for (size_t i = 0; i < a.count; i++)
		for (size_t j = 0; j < b.count; j++) {
			const struct weir_range *x = &a.at[i].range, *y = &b.at[j].range;
			if (!weir_range_overlaps(x, y))
				continue;
			struct import_addr cut = { 0 };
			cut.range.from =
				weir_addr_compare(&x->from, &y->from) > 0 ? x->from : y->from;
			cut.range.to = weir_addr_compare(&x->to, &y->to) < 0 ? x->to : y->to;
			both = import_addrs_add(&import->arena, both, cut);
		}
	return both;
}

static int addrs_both(struct import *import, struct import_addrs *mine, struct import_addrs more)
{
	if (addrs_equal(*mine, more))
		return 0;
	if (addrs_have_set(*mine) || addrs_have_set(more))
		return import_cannot(import,
				     "a rule here cannot ask for addresses that are in two sets");
	if (more.count && mine->count > ADDRS_MAX / more.count)
		return import_cannot(import, "too many addresses to compare with one another");
	*mine = ranges_both(import, *mine, more);
	return 0;
}

int import_match_addr(struct import *import, struct import_match *match, enum import_end end,
		      const struct import_addr_field *field)
{
	struct import_addr_field *mine = &match->addr[end];

	if (field->in.count && mine->in.count) {
		int result = addrs_both(import, &mine->in, field->in);
		if (result < 0)
			return result;
		match->never |= mine->in.count == 0;
	} else if (field->in.count) {
		mine->in = field->in;
	}
	if (addrs_equal(mine->out, field->out))
		return 0;
	struct import_addrs all = { 0 };
	for (size_t i = 0; i < mine->out.count; i++)
		all = import_addrs_add(&import->arena, all, mine->out.at[i]);
	for (size_t i = 0; i < field->out.count; i++)
		all = import_addrs_add(&import->arena, all, field->out.at[i]);
	mine->out = all;
	return 0;
}
