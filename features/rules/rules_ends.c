/* SPDX-License-Identifier: Apache-2.0 */
/* Fields that are not numbers: addresses with sets by name, interfaces, services. */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/rules/rules_items.h"

static void addresses_done(struct rules_addresses *addresses)
{
	for (uint32_t i = 0; i < addresses->set_count; i++)
		free(addresses->sets[i]);
	free(addresses->sets);
	free(addresses->ranges);
}

void rules_end_done(struct rules_end *end)
{
	addresses_done(&end->in);
	addresses_done(&end->out);
	*end = (struct rules_end){ 0 };
}

static int range_add(struct rules_addresses *addresses, const struct weir_range *range)
{
	struct weir_range *ranges =
		reallocarray(addresses->ranges, addresses->range_count + 1, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	addresses->ranges = ranges;
	ranges[addresses->range_count++] = *range;
	return 0;
}

static int set_add(struct rules_addresses *addresses, const char *name)
{
	char **sets = reallocarray(addresses->sets, addresses->set_count + 1, sizeof(*sets));
	if (!sets)
		return -ENOMEM;
	addresses->sets = sets;
	sets[addresses->set_count] = strdup(name);
	return sets[addresses->set_count] ? addresses->set_count++, 0 : -ENOMEM;
}

/* A name has no ':' and is no number with dots, so it cannot be taken for an address. */
static bool is_set_name(const char *text)
{
	return !rules_name_fault(text) && strspn(text, "0123456789./-") < strlen(text);
}

static int end_refuse(const char *key, struct weir_diag *diag, const char *item, const char *why)
{
	return weir_diag_key(diag, key,
			     "write addresses, CIDRs, ranges FROM-TO and names of sets: "
			     "10.0.0.0/8, 2001:db8::1, office, not 10.1.0.0/16",
			     "'%s': %s", item, why);
}

/* "any" and the whole of a family need no name of their own. */
static int end_item(const struct rules_item *item, const char *key, struct weir_diag *diag,
		    struct rules_end *end)
{
	struct rules_addresses *addresses = item->is_negated ? &end->out : &end->in;
	struct weir_range range;
	const char *why;
	bool had_host_bits;
	if (weir_range_from_string(item->text, strlen(item->text), &range, &had_host_bits, &why)) {
		return is_set_name(item->text) ? set_add(addresses, item->text) :
						 end_refuse(key, diag, item->text, why);
	}
	if (had_host_bits) {
		char text[WEIR_RANGE_TEXT];
		weir_diag_warning_key(diag, key, "write the network itself",
				      "%s has host bits set: taken as %s", item->text,
				      weir_range_to_string(&range, text));
	}
	return range_add(addresses, &range);
}

int rules_end_read(const char *text, const char *path, struct weir_diag *diag,
		   struct rules_end *ret_end)
{
	const char *at = text, *why = NULL;
	struct rules_item item;
	struct rules_end end = { .is_given = true };
	int r, told = 0;
	while (!told && (r = rules_item_next(&at, ",", &item, &why)) > 0)
		told = end_item(&item, path, diag, &end);
	if (!told && r < 0)
		told = end_refuse(path, diag, text, why);
	if (!told && !end.in.range_count && !end.in.set_count && !end.out.range_count &&
	    !end.out.set_count)
		told = end_refuse(path, diag, text, "it says nothing");
	if (told) {
		rules_end_done(&end);
		return told;
	}
	*ret_end = end;
	return 0;
}

static void names_free(char **names)
{
	for (size_t i = 0; names && names[i]; i++)
		free(names[i]);
	free(names);
}

void rules_names_done(struct rules_names *names)
{
	names_free(names->in);
	names_free(names->out);
	*names = (struct rules_names){ 0 };
}

static int name_add(char ***names, const char *name)
{
	size_t count = 0;
	while (*names && (*names)[count])
		count++;
	char **grown = reallocarray(*names, count + 2, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	*names = grown;
	grown[count] = strdup(name);
	grown[count + 1] = NULL;
	return grown[count] ? 0 : -ENOMEM;
}

static const char *interface_fault(const char *name)
{
	if (strlen(name) > 15)
		return "is longer than the 15 bytes a name of an interface may have";
	for (const char *c = name; *c; c++)
		if (isspace((unsigned char)*c) || *c == '/' || !isprint((unsigned char)*c))
			return "has a byte that no name of an interface has";
	return NULL;
}

int rules_names_read(const char *text, const char *path, struct weir_diag *diag,
		     struct rules_names *ret_names)
{
	const char *at = text, *why = NULL, *blamed = text;
	struct rules_item item;
	struct rules_names names = { 0 };
	int r;
	while ((r = rules_item_next(&at, ",", &item, &why)) > 0) {
		why = interface_fault(item.text);
		blamed = why ? item.text : text;
		r = why ? -EINVAL : name_add(item.is_negated ? &names.out : &names.in, item.text);
		if (r < 0)
			break;
	}
	if (r == 0 && !names.in && !names.out) {
		why = "it says nothing";
		r = -EINVAL;
	}
	if (r == -EINVAL)
		weir_diag_key(diag, path, "write names or patterns: eth0, ppp*, not lo", "'%s': %s",
			      blamed, why);
	if (r < 0) {
		rules_names_done(&names);
		return r;
	}
	*ret_names = names;
	return 0;
}

static bool is_among(char *const *names, const char *name)
{
	for (; names && *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

static int service_refuse(const char *path, struct weir_diag *diag, const char *item,
			  const char *why)
{
	return weir_diag_key(diag, path, "write names of services: web, or web, dns", "'%s': %s",
			     item, why);
}

static int service_item(const struct rules_item *item, const char *path, struct weir_diag *diag,
			struct rules_names *names)
{
	const char *fault = rules_name_fault(item->text);
	if (item->is_negated)
		return weir_diag_key(diag, path,
				     "write a rule for that service ahead, and this one without "
				     "`service`",
				     "'not %s': services are named, not taken out", item->text);
	if (!fault && is_among(names->in, item->text))
		fault = "is named twice";
	return fault ? service_refuse(path, diag, item->text, fault) :
		       name_add(&names->in, item->text);
}

int rules_services_read(const char *text, const char *path, struct weir_diag *diag,
			struct rules_names *ret_names)
{
	const char *at = text, *why = NULL;
	struct rules_item item;
	struct rules_names names = { 0 };
	int r, told = 0;
	while (!told && (r = rules_item_next(&at, ",", &item, &why)) > 0)
		told = service_item(&item, path, diag, &names);
	if (!told && (r < 0 || !names.in))
		told = service_refuse(path, diag, text, r < 0 ? why : "it says nothing");
	if (told) {
		rules_names_done(&names);
		return told;
	}
	*ret_names = names;
	return 0;
}

static bool any_matches(char *const *patterns, const char *name)
{
	for (; patterns && *patterns; patterns++)
		if (fnmatch(*patterns, name, 0) == 0)
			return true;
	return false;
}

bool rules_names_match(const struct rules_names *names, const char *name)
{
	return (!names->in || any_matches(names->in, name)) && !any_matches(names->out, name);
}
