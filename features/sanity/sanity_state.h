/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `sanity` share in user space. */
#ifndef WEIR_SANITY_STATE_H
#define WEIR_SANITY_STATE_H

#include "base/addr.h"
#include "core/feature.h"
#include "features/sanity/sanity.h"

/* A switch: what the level says of it, or what is written. */
enum sanity_switch {
	SANITY_BY_LEVEL,
	SANITY_ON,
	SANITY_OFF,
};

enum sanity_level {
	SANITY_LEVEL_OFF,
	SANITY_LEVEL_BASIC,
	SANITY_LEVEL_STRICT,
};

/* `sanity:` of weir.yaml; numbers are as in the tables of sanity_config.c. */
struct sanity_section {
	int level; /* enum sanity_level */
	/* enum sanity_switch: */
	int tcp_flags, land, martian, malformed;
	struct {
		int tiny, overlapping;
	} fragments;
	int ethertype; /* likewise: strict is on, any is off */
	char **ethertypes;
	unsigned ethertype_count;
	int arp, neighbour; /* 0: pass, 1: drop */
	char **bogons;	    /* names and shell patterns of interfaces */
	unsigned bogon_count;
	struct {
		char **interfaces;
		unsigned interface_count;
		int mode; /* 0: strict, 1: loose */
	} reverse_path;
};

extern const struct weir_feature weir_sanity;
extern const struct weir_field sanity_fields[];

int sanity_check(const struct weir_config *config, const void *data, struct weir_diag *diag);
/* enum sanity_check of everything that any interface is to be asked. */
uint32_t sanity_checks(const struct sanity_section *section);
/* What `ethertypes:` names, in network byte order; -EINVAL and why in *ret_fault. */
int sanity_ethertype(const char *text, uint16_t *ret_ethertype, const char **ret_fault);

/* Sources that are bogons, from the registries of special-purpose addresses. */
struct sanity_bogon {
	const char *range;
	const char *why; /* what it is set apart for, and where that is written */
};
extern const struct sanity_bogon sanity_bogons[]; /* ends with range NULL */

int sanity_compile(struct weir_compile *compile);
int sanity_classes(struct weir_compile *compile);
void sanity_interface(const struct weir_iface_patch *patch);

#endif
