/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditions on interfaces, compared as texts: which interfaces there will be is not known. "No"
 * may mean "cannot be told", "yes" is always so.
 */
#include <fnmatch.h>
#include <string.h>

#include "features/rules/rules_overlap_shape.h"

/* Bytes before the first that is special in a pattern. */
static size_t literal_len(const char *pattern)
{
	return strcspn(pattern, "*?[\\");
}

static bool is_literal(const char *pattern)
{
	return !pattern[literal_len(pattern)];
}

/* "eth*" and the like: everything that begins so. */
static bool is_prefix(const char *pattern)
{
	return strcmp(pattern + literal_len(pattern), "*") == 0;
}

static bool pattern_covers(const char *outer, const char *inner)
{
	size_t len = literal_len(outer);
	if (strcmp(outer, inner) == 0)
		return true;
	if (is_literal(inner))
		return fnmatch(outer, inner, 0) == 0;
	return is_prefix(outer) && literal_len(inner) >= len && strncmp(outer, inner, len) == 0;
}

/* Whether no name can match both. */
static bool patterns_differ(const char *a, const char *b)
{
	size_t a_len = literal_len(a), b_len = literal_len(b);
	if (is_literal(a))
		return fnmatch(b, a, 0) != 0;
	if (is_literal(b))
		return fnmatch(a, b, 0) != 0;
	return strncmp(a, b, a_len < b_len ? a_len : b_len) != 0;
}

static bool any_covers(char *const *outer, const char *inner)
{
	for (; outer && *outer; outer++)
		if (pattern_covers(*outer, inner))
			return true;
	return false;
}

static bool is_everything(char *const *in)
{
	return !in || any_covers(in, "*");
}

/* Whether `out` takes nothing from what is asked for: its own negations take it, or it is
 * elsewhere. */
static bool is_out_of(const struct rules_names *names, const char *out)
{
	if (any_covers(names->out, out))
		return true;
	for (char *const *in = names->in; in && *in; in++)
		if (!patterns_differ(*in, out))
			return false;
	return names->in != NULL;
}

bool rules_names_are_all(const struct rules_names *names)
{
	return is_everything(names->in) && !names->out;
}

bool rules_names_are_none(const struct rules_names *names)
{
	for (char *const *in = names->in; in && *in; in++)
		if (!any_covers(names->out, *in))
			return false;
	return names->in || any_covers(names->out, "*");
}

bool rules_names_cover(const struct rules_names *outer, const struct rules_names *inner)
{
	if (!is_everything(outer->in)) {
		if (!inner->in)
			return false;
		for (char *const *in = inner->in; *in; in++)
			if (!any_covers(outer->in, *in) && !any_covers(inner->out, *in))
				return false;
	}
	for (char *const *out = outer->out; out && *out; out++)
		if (!is_out_of(inner, *out))
			return false;
	return true;
}
