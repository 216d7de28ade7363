/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `synproxy` share in user space. Nothing outside includes it. */
#ifndef WEIR_SYNPROXY_STATE_H
#define WEIR_SYNPROXY_STATE_H

#include "core/feature.h"
#include "features/synproxy/synproxy.h"

/* An entry of `services:`, as written. */
struct synproxy_text {
	char *ports;
	char **to;
	unsigned to_count;
	int mode;  /* enum synproxy_mode */
	int where; /* enum synproxy_where */
	struct weir_quantity on, off, hold;
};

enum synproxy_mode {
	SYNPROXY_ALWAYS,
	SYNPROXY_RATE,
};

enum synproxy_where {
	SYNPROXY_AT_HERE,
	SYNPROXY_AT_BEHIND,
	SYNPROXY_AT_BOTH,
};

struct synproxy_section {
	struct synproxy_text *services;
	unsigned service_count;
	uint32_t mss;
};

/* What an entry means. */
struct synproxy_meaning {
	struct synproxy_service service;
	struct synproxy_destination to[SYNPROXY_DESTINATIONS];
};

struct synproxy {
	struct weir_engine *engine;	 /* NULL: a look at a configuration */
	struct weir_map *counters;	 /* borrowed from the object; NULL before the first */
	struct weir_map_memory services; /* st_synproxy */
	bool was_on[SYNPROXY_SERVICES_MAX];
	/* synproxy_standin.c: by services, what limits stand in for, and what they could not; the
	 * service that is asked about now, and what for. */
	uint64_t stands_for[SYNPROXY_SERVICES_MAX], refused[SYNPROXY_SERVICES_MAX];
	unsigned standing;
	uint64_t asked;
	bool is_asking, has_begun;
};

extern const struct weir_feature weir_synproxy;
extern const struct weir_field synproxy_fields[];
extern const struct weir_op *const synproxy_ops[];
extern const char *const synproxy_mode_names[];
extern const char *const synproxy_where_names[];

/* synproxy_config.c */
int synproxy_check(const struct weir_config *config, const void *section, struct weir_diag *diag);
/* synproxy_read.c: what entry `index` means; -EINVAL: diag (may be NULL) says why not. */
int synproxy_read(const struct synproxy_text *text, unsigned index, struct weir_diag *diag,
		  struct synproxy_meaning *ret_meaning);
/* synproxy_covered.c: warns of each that an earlier one leaves nothing to. */
void synproxy_covered_tell(const struct synproxy_meaning *meanings, unsigned count,
			   struct weir_diag *diag);
/* synproxy_offer.c: what answers offer of options, which is what this host's own would. */
void synproxy_offer(const struct synproxy_section *section,
		    struct weir_cookie_constants *ret_constants);
/* synproxy_standin.c: once a tick */
void synproxy_stand_in(struct synproxy *state);
/* synproxy.c */
const struct synproxy_section *synproxy_section_of(const struct synproxy *state);
/* synproxy_means.c: NULL: nothing is missing. Else a sentence on what this kernel lacks, by which
 * no SYN is answered. */
const char *synproxy_lack(void);
/* The same of what only interfaces with XDP need, for what the section asks for. */
const char *synproxy_lack_at_xdp(const struct synproxy_section *section);
/* Whether any connection would be relayed. A listener's is handed to it where the kernel can, and
 * relayed like a server's where not. */
bool synproxy_section_relays(const struct synproxy_section *section);
/* By what means of the kernel connections come about: cookie_constants, beside what is offered. */
void synproxy_means(struct weir_cookie_constants *constants);
/* Of the live policy, where it asks for it. */
const char *synproxy_lack_of(const struct synproxy *state);
void synproxy_sums(const struct synproxy *state, uint64_t sums[SYNPROXY_COUNTER_COUNT]);
struct synproxy_view {
	bool is_on;
	uint64_t syns;	  /* in the present window, and 0 where they are not counted */
	uint64_t left_ns; /* for so long it goes on, if as few come as now; 0: always, or off */
};
void synproxy_look(const struct synproxy *state, unsigned index, struct synproxy_view *ret_view);

#endif
