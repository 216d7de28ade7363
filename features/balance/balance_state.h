/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `balance` share in user space. Nothing outside includes it. */
#ifndef WEIR_BALANCE_STATE_H
#define WEIR_BALANCE_STATE_H

#include "base/addr.h"
#include "core/feature.h"
#include "core/ways.h"
#include "features/balance/balance.h"
#include "features/balance/balance_active.h"
#include "features/balance/balance_census.h"
#include "features/balance/balance_count.h"
#include "features/balance/balance_leave.h"
#include "features/balance/health_text.h"

#define BALANCE_NAME_MAX 31
#define BALANCE_SERVICES_MAX 10000
#define BALANCE_WEIGHT_MAX 65535
#define BALANCE_AFFINITY_MOST_NS (30ull * 24 * 3600 * 1000000000)

/* An entry of `backends:`, as written. */
struct balance_backend_text {
	char *address;
	uint32_t port; /* 0: the service's; of several the first */
	uint32_t weight;
};

/* How long clients are remembered. */
struct balance_affinity_text {
	struct weir_quantity timeout; /* 0: they are not */
	uint32_t client_prefix;	      /* 0: the whole address */
};

/* An entry of `services:`. */
struct balance_text {
	char *name;
	char *address;
	uint32_t port;		/* base/ports.h */
	int proto;		/* enum balance_proto */
	int forward;		/* enum weir_forward */
	char *source;		/* NULL: backends see the clients */
	int scheduler;		/* enum balance_scheduler */
	uint32_t client_prefix; /* 0: the whole address */
	struct balance_affinity_text affinity;
	struct balance_backend_text *backends;
	unsigned backend_count;
	unsigned leaving_count; /* of these, the last: balance_leave.h */
	struct health_text health;
	int on_all_down; /* enum health_all_down */
	bool announce;	 /* its address, to neighbours */
};

/* How many of its backends are not just leaving: the first. */
static inline unsigned balance_staying(const struct balance_text *text)
{
	return text->backend_count - text->leaving_count;
}

enum balance_proto {
	BALANCE_TCP,
	BALANCE_UDP,
	BALANCE_SCTP,
};

enum balance_scheduler {
	BALANCE_MAGLEV,
	BALANCE_ROUND_ROBIN,
	BALANCE_SOURCE_HASH,
	BALANCE_LEAST_CONNECTIONS,
};

struct balance_section {
	struct balance_text *services;
	unsigned service_count;
	char *tunnel_source, *tunnel_source6; /* NULL: the address that the route gives */
	uint32_t source_ports;		      /* lines of st_balance_port */
	uint32_t affinity_clients;	      /* there may be remembered at once */
	uint32_t shortcut_flows;	      /* likewise, of all CPUs together; 0 for none */
	int shortcut;			      /* enum balance_shortcut */
};

enum balance_shortcut {
	BALANCE_SHORTCUT_NONE,
	BALANCE_SHORTCUT_TC,
	BALANCE_SHORTCUT_XDP, /* and at TC what XDP leaves to it */
};

/* An address and port with its protocol, as packets bear them: compared and hashed as bytes. */
struct balance_end {
	struct weir_addr addr;
	uint16_t port; /* host byte order; of several the first, of every one 0 */
	uint8_t proto; /* IANA's number */
	uint8_t spare;
	uint16_t last;	  /* 0: it is one port */
	uint16_t only_in; /* balance_end_in() */
};
_Static_assert(sizeof(struct balance_end) == 24, "no bytes that nobody sets");

struct balance_runtime;
struct balance_live;
struct weir_watch;

/* How far the data path may remember ways: balance_ways.c. */
struct balance_ways {
	struct weir_map *map;		   /* borrowed from the object */
	struct weir_watch *watch, *second; /* NULL: nothing is watched */
	int fd;
	uint64_t generation;
	uint32_t changed;	    /* weir_way_watch.changed */
	struct weir_ways_near near; /* nobody while nothing is watched */
	struct weir_ways by;
	bool is_stale; /* `by` is to be asked again */
};

/* What the shortcut at XDP leaves to the kernel, for its checksum is still to be computed. */
struct balance_unsummed {
	uint64_t packets, all; /* counted so far, as of the last look */
	bool is_told;	       /* by what passed last, however long ago */
};

struct balance {
	struct weir_engine *engine; /* NULL: a look at a configuration */
	struct weir_map *counters;  /* borrowed from the object; NULL before the first */
	char *dir;		    /* NULL: nothing is kept */
	struct balance_runtime *runtime;
	struct balance_live *live;	  /* what is in force; read by balance_live_of() */
	const struct weir_config *config; /* live; NULL before the first */
	bool is_stale;			  /* `live` is of a policy before */
	struct weir_map *shortcut;	  /* as counters */
	uint32_t senders[SHORTCUT_CELLS]; /* as that map has them */
	struct balance_unsummed unsummed;
	struct balance_ways ways;
	struct health *health;	     /* NULL without an engine */
	struct announce *announce;   /* likewise */
	struct balance_paths *paths; /* likewise */
	struct balance_counts counts;
	struct balance_actives *actives; /* NULL without an engine */
	struct balance_census *census;	 /* likewise */
	struct weir_map_memory affinity; /* nothing before the first object */
	struct balance_leave leave;
};

extern const struct weir_feature weir_balance;
extern const struct weir_field balance_fields[];
extern const struct weir_field balance_affinity_fields[]; /* balance_affinity.c */
extern const struct weir_op *const balance_ops[];
extern const struct weir_op health_op;	      /* health_ops.c */
extern const struct weir_op announce_op;      /* announce_ops.c */
extern const struct weir_op balance_stats_op; /* balance_stats_ops.c */
extern const struct weir_op balance_affinity_list_op, balance_affinity_clear_op;
extern const char *const balance_proto_names[];
extern const char *const balance_forward_names[];
extern const char *const balance_scheduler_names[]; /* balance_scheduler.c */

/* balance_config.c */
int balance_check(const struct weir_config *config, const void *section, struct weir_diag *diag);
/* `path` is what stands before the key: "balance.services[3]", or nothing. */
int balance_name_check(const char *name, const char *path, struct weir_diag *diag);
/* What services need of the rest of the configuration: that connections are tracked. Of what makes
 * them do less there are warnings. */
int balance_needs_check(const struct weir_config *config, const char *key, struct weir_diag *diag);
/* health_config.c: of a service. */
int health_check(const struct balance_section *section, unsigned index, struct weir_diag *diag);
/* health_tunnel.c: whether checks of its backends may go by a tunnel. */
bool health_tunnels(const struct balance_text *service);
/* … and that they can, to one backend more, where they must; messages name the key. */
int health_tunnel_backend_check(const struct balance_text *service,
				const struct balance_end *backend, const char *key,
				struct weir_diag *diag);
/* balance_read.c: a protocol by its name, -1: there is no such one; and its number by IANA. */
int balance_proto_parse(const char *name);
uint8_t balance_proto_number(int proto);
/* Where service `index` is; its backend `backend`. -EINVAL: diag (may be NULL) says
 * what is wrong. */
int balance_service_read(const struct balance_section *section, unsigned index,
			 struct weir_diag *diag, struct balance_end *ret_end);
/* What backends see in the clients' place; zeros: the clients. */
int balance_source_read(const struct balance_section *section, unsigned index,
			struct weir_diag *diag, struct weir_addr *ret_source);
int balance_backend_read(const struct balance_section *section, unsigned index, unsigned backend,
			 struct weir_diag *diag, struct balance_end *ret_end);
/* The same of a service or backend that stands elsewhere; `key` is what messages name. */
int balance_service_read_as(const struct balance_text *text, const char *key,
			    struct weir_diag *diag, struct balance_end *ret_end);
int balance_source_read_as(const struct balance_text *service, const char *key,
			   struct weir_diag *diag, struct weir_addr *ret_source);
int balance_backend_read_as(const struct balance_text *service,
			    const struct balance_backend_text *text, const char *key,
			    struct weir_diag *diag, struct balance_end *ret_end);
int balance_addr_read(const char *text, const char *key, struct weir_diag *diag,
		      struct weir_addr *ret_addr);
/* balance_direct.c: what is wrong with services whose backends answer by themselves, and with the
 * sources of tunnels; those sources, all zero where none is written. */
int balance_direct_check(const struct balance_section *section, struct weir_diag *diag);
/* … with one backend; messages name the keys. */
int balance_direct_backend_check(const struct balance_text *service,
				 const struct balance_backend_text *text, const char *port_key,
				 const char *address_key, struct weir_diag *diag);
/* … with a source that stands for its clients. */
int balance_direct_source_check(const struct balance_text *service, const char *key,
				struct weir_diag *diag);
bool balance_tunnels(const struct balance_text *service);
/* -1: there is none of this name. */
int balance_forward_parse(const char *name);
void balance_sources_read(const struct balance_section *section, struct weir_addr ret_sources[2]);
/* balance_scheduler.c: what is wrong with how a service chooses. */
int balance_scheduler_check(const struct balance_section *section, unsigned index,
			    struct weir_diag *diag);
int balance_client_prefix_check(const struct balance_text *service, const char *key,
				struct weir_diag *diag);
struct balance_maglev_backend;
/* How many slots there are for these shares; -ENOMEM. */
int balance_scheduler_slots(enum balance_scheduler scheduler,
			    const struct balance_maglev_backend *shares, unsigned count);
/* Writes into its line what a service with more than one slot needs besides. */
void balance_scheduler_write(const struct balance_text *text, struct balance_service *service);
/* Fills as many slots, where there is more than one. -ENOMEM. */
int balance_scheduler_fill(enum balance_scheduler scheduler,
			   const struct balance_maglev_backend *shares, unsigned count,
			   uint16_t *slots);
struct weir_addr balance_prefix_mask(uint32_t prefix, bool is_v4);
/* balance_affinity.c: what is wrong with how long clients are remembered. */
int balance_affinity_check(const struct balance_section *section, unsigned index,
			   struct weir_diag *diag);
/* Of one service, by the key and the words that it was given by. */
int balance_affinity_prefix_check(const struct balance_text *service, const char *key,
				  const char *mend, struct weir_diag *diag);
/* … in seconds, as a command says it. -EINVAL: diag says what is wrong. */
int balance_affinity_parse(const char *text, struct weir_diag *diag,
			   struct balance_affinity_text *ret_affinity);
void balance_affinity_write(const struct balance_affinity_text *text,
			    const struct balance_end *service, struct balance_choice *choice);
/* What a service is called in the table. Neither this nor its seed may change from one version to
 * the next, or nobody is known after an upgrade. */
uint64_t balance_affinity_name(const struct balance_end *service);
int balance_affinity_attach(struct balance *state, struct weir_object *object);
/* enum balance_choice_flags. */
uint8_t balance_choice_flags(const struct balance_text *text);
/* -1: there is none of this name. */
int balance_scheduler_parse(const char *name);
/* balance_twice.c: that nothing is two things. */
int balance_twice_check(const struct balance_section *section, struct weir_diag *diag);
/* What of a backend there may be once. Who is sent packets as they are bears the service's address
 * and port: his own are nobody's, and may stand in as many services as one likes. */
struct balance_end balance_end_in(const struct balance_section *section, unsigned service,
				  const struct balance_end *backend);
/* balance_compile.c */
int balance_compile(struct weir_compile *compile);
/* What there is of run time in the policy that is compiled. */
const struct balance_runtime *balance_runtime_of(const struct weir_compile *compile);
/* balance_services.c */
int balance_services(const struct weir_compile *compile, struct weir_services *services);
/* Whether the policy has services. NULL, no policy yet: it has none. */
bool balance_is_in(const struct weir_image *image);
/* … and one of them an address that stands for its clients. */
bool balance_hides_clients(const struct weir_image *image);
bool balance_is_direct(const struct weir_image *image);
bool balance_remembers(const struct weir_image *image);
bool balance_counts_active(const struct weir_image *image);
bool balance_tunnels_checks(const struct weir_image *image);
bool balance_takes_turns(const struct weir_image *image);
bool balance_is_wide(const struct weir_image *image);
/* balance_cells.c: how many lines of cells so many things need, and puts one among them. -ENOSPC:
 * twice as many are needed. */
uint32_t balance_cell_lines(uint32_t count);
int balance_cell_put(struct balance_cell *cells, uint32_t lines, const struct balance_cell *cell);
/* balance_numbers.c: of the backends of a service, from 1. `held`: those that they have already, 0
 * for who has none yet, and NULL where nobody has; they keep them, whoever comes and goes. -E2BIG,
 * -ENOMEM. */
int balance_numbers(const struct balance_end *backends, unsigned count, const uint16_t *held,
		    uint16_t *ret_numbers);
/* The number that a backend asks for by what it is, and has unless another had it before. */
uint16_t balance_number_wanted(const struct balance_end *backend);
/* What is in force. Loop's thread; until the next change. NULL: out of memory. */
const struct balance_live *balance_live_of(struct balance *state);
/* The services that packets meet, in the order in which they were compiled. */
const struct balance_section *balance_acting_of(const struct balance *state);
/* Whether this one (NULL: any) is among them: 0, -ENOENT, -EINVAL, -ENOMEM; what is wrong is said
 * of the argument `key`. */
int balance_acting_check(struct balance *state, const char *name, const char *key,
			 struct weir_diag *diag);
/* balance_shortcut.c: who may be sent on to is asked for, where the live policy wants it. */
void balance_shortcut_look(struct balance *state);
/* Likewise: once a second, whether checksums keep packets from it. */
void balance_unsummed_look(struct balance *state);
/* balance_ways.c: once a second, after balance_shortcut_look(). */
void balance_ways_look(struct balance *state);
/* What is remembered of flows does not hold any more. */
void balance_ways_changed(struct balance *state);
void balance_flows_gone(void *state);
/* balance_microflow.c. 0, or -errno. */
int balance_microflows_set(const struct balance_section *section, bool shortcuts,
			   struct weir_constants *constants);
void balance_ways_end(struct balance *state);
/* health_ops.c: whether backend `index` of a service of state->live, or the service with all that
 * stay, is "up", "down", "drained", "disabled" …; NULL: nobody looks. */
const char *health_backend_word(const struct balance *state, unsigned service, unsigned index);
const char *health_service_word(const struct balance *state, unsigned service);
/* … and the weight that each backend of it has, as packets go by it: who has none gets nothing new.
 * To be freed with free(). NULL: -ENOMEM. */
struct balance_maglev_backend *health_shares_new(const struct balance *state, unsigned service);
/* balance_count_metrics.c */
int balance_samples_add(const struct balance *state, struct weir_snapshot *snapshot);
struct weir_served_flow;
/* balance_name.c */
bool balance_served_name(void *data, const struct weir_served_flow *flow, struct weir_buf *name);
void balance_describe(void *data, const struct weir_verdict *verdict, struct weir_json_out *json);
/* balance.c: of the live policy; without an engine there are none. */
const struct balance_section *balance_section_of(const struct balance *state);
void balance_sums(const struct balance *state, uint64_t sums[BALANCE_COUNTER_COUNT]);

#endif
