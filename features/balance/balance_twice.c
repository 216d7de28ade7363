/* SPDX-License-Identifier: Apache-2.0 */
/* That no address and port is two things: packets say no more than that. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/twice.h"
#include "features/balance/balance_wide.h"

struct used {
	struct balance_end end;
	unsigned service;
	int backend; /* -1: the service itself */
};

static int used_compare(const void *a, const void *b)
{
	const struct used *x = a, *y = b;
	int order = memcmp(&x->end, &y->end, sizeof(x->end));

	if (!order)
		order = (x->service > y->service) - (x->service < y->service);
	return order ? order : (x->backend > y->backend) - (x->backend < y->backend);
}

static const char *path_of(const struct used *used, char path[64])
{
	if (used->backend < 0)
		snprintf(path, 64, "balance.services[%u]", used->service);
	else
		snprintf(path, 64, "balance.services[%u].backends[%d]", used->service,
			 used->backend);
	return path;
}

static int refuse(const struct used *first, const struct used *second, struct weir_diag *diag)
{
	const struct used *both[] = { first, second };
	bool is_later = first->service == second->service ? first->backend < second->backend :
							    first->service < second->service;
	char key[64], other[64];

	path_of(both[is_later], key);
	path_of(both[!is_later], other);
	if (first->backend >= 0 && second->backend >= 0 && first->service == second->service)
		return weir_diag_key(diag, key, "leave it out, and give that one more weight",
				     "%s is the same already", other);
	if (first->backend >= 0 && second->backend >= 0)
		return weir_diag_key(diag, key,
				     "give each service a port of its own on the backend",
				     "its answers could not be told from those of %s: it has the "
				     "same address, port and protocol",
				     other);
	return weir_diag_key(diag, key, "change the address, the port or the protocol of one",
			     "%s has the same address, port and protocol", other);
}

static size_t uses_count(const struct balance_section *section)
{
	size_t count = section->service_count;

	for (unsigned i = 0; i < section->service_count; i++)
		count += section->services[i].backend_count;
	return count;
}

struct balance_end balance_end_in(const struct balance_section *section, unsigned service,
				  const struct balance_end *backend)
{
	struct balance_end end = *backend;

	if (section->services[service].forward != WEIR_FORWARD_NAT)
		end.only_in = (uint16_t)(service + 1);
	return end;
}

static size_t uses_read(const struct balance_section *section, struct used *uses)
{
	size_t count = 0;

	for (unsigned i = 0; i < section->service_count; i++)
		for (int j = -1; j < (int)section->services[i].backend_count; j++) {
			struct used *use = &uses[count++];

			*use = (struct used){ .service = i, .backend = j };
			if (j < 0)
				balance_service_read(section, i, NULL, &use->end);
			else
				balance_backend_read(section, i, (unsigned)j, NULL, &use->end);
			if (j >= 0)
				use->end = balance_end_in(section, i, &use->end);
		}
	return count;
}

static int ends_check(const struct balance_section *section, struct weir_diag *diag)
{
	_cleanup_free_ struct used *uses = calloc(uses_count(section) + 1, sizeof(*uses));
	int r = 0;

	if (!uses)
		return -ENOMEM;
	size_t count = uses_read(section, uses);

	qsort(uses, count, sizeof(*uses), used_compare);
	for (size_t i = 1; i < count; i++)
		if (memcmp(&uses[i - 1].end, &uses[i].end, sizeof(uses[i].end)) == 0)
			r = refuse(&uses[i - 1], &uses[i], diag);
	return r;
}

static int name_twice(const struct weir_named *earlier, const struct weir_named *named, void *diag)
{
	char key[64];

	snprintf(key, sizeof(key), "balance.services[%u].name", named->index);
	return weir_diag_key(diag, key, "give each a name of its own",
			     "'%s' is the name of services[%u] too", named->name, earlier->index);
}

static int names_check(const struct balance_section *section, struct weir_diag *diag)
{
	unsigned count = section->service_count;
	_cleanup_free_ struct weir_named *names = calloc(count + 1ul, sizeof(*names));

	if (!names)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++)
		names[i] = (struct weir_named){ section->services[i].name, i };
	return weir_twice(names, count, name_twice, diag);
}

int balance_twice_check(const struct balance_section *section, struct weir_diag *diag)
{
	int names = names_check(section, diag);
	int ends = ends_check(section, diag);

	if (!ends)
		ends = balance_wide_check(section, diag);
	return names ? names : ends;
}
