/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services as they are in force: those of the configuration, those of run time, and what run time
 * has changed of either. Whoever walks services walks these.
 */
#ifndef WEIR_BALANCE_LIVE_H
#define WEIR_BALANCE_LIVE_H

#include "features/balance/balance_wide.h"

#define BALANCE_BACKENDS_MAX 65535 /* of a service: each has a number */

/* What run time says of a backend: that it is there, or what is changed of one of the file. */
struct balance_row {
	char *service; /* its name */
	char *address;
	uint32_t port; /* 0: every one of the service's */
	uint32_t weight;
	bool has_weight;
	bool is_added;	 /* it is of run time itself */
	bool is_drained; /* no new connections, whatever its weight */
	bool is_leaving; /* likewise, and gone once none lives: balance_leave.h */
};

/* All that is of run time (balance.json), in the order it came. */
struct balance_runtime {
	struct balance_text *services; /* without `backends`: those are rows */
	unsigned service_count;
	struct balance_row *rows;
	unsigned row_count;
	char **disabled; /* names of services */
	unsigned disabled_count;
	bool is_off; /* the whole balancer */
};

/* What became of something of run time beside the configuration. */
enum balance_fate {
	BALANCE_ACTS,
	BALANCE_IS_WRITTEN, /* the configuration says the same by now */
	BALANCE_IS_GONE,    /* what it was about is no longer there */
	BALANCE_NAME_TAKEN, /* by a service of the configuration, which is another */
	BALANCE_END_TAKEN,  /* its address, port and protocol are somebody else's */
	BALANCE_NO_ROOM,
};

struct balance_live_backend {
	struct balance_end end;
	uint32_t weight;	 /* as set, here or there */
	uint32_t weight_written; /* … by the configuration */
	bool is_runtime, is_drained, is_leaving;
	unsigned row; /* 1 + where run time speaks of it; 0: nowhere */
};

struct balance_live_service {
	struct balance_end end;
	unsigned first; /* its first backend, of all */
	bool is_runtime, is_enabled;
};

struct balance_live {
	/* All services, those of the configuration first. Texts are borrowed; a backend's weight is
	 * the one that acts. */
	struct balance_section all;
	struct balance_section acting;	       /* of them, those that packets meet */
	struct balance_live_service *services; /* what else is known, in the order of `all` */
	struct balance_live_backend *backends; /* … of each service in a row */
	unsigned backend_count;
	struct balance_backend_text *texts;		     /* what `all` points into */
	uint8_t *service_fates, *row_fates, *disabled_fates; /* enum balance_fate; of run time's */
	struct balance_use *uses;
	unsigned use_count;
	struct balance_index names, ends;
	struct balance_spans spans;
};

/* Borrows both until balance_live_done(). -ENOMEM. */
int balance_live_make(const struct balance_section *section, const struct balance_runtime *runtime,
		      struct balance_live *ret_live);
void balance_live_done(struct balance_live *live);
#define _cleanup_live_ _cleanup_(balance_live_done)
/* Where in `all`; -1: there is none. */
int balance_live_service(const struct balance_live *live, const char *name);
/* … and where there is none, that is said of the argument `key`. */
int balance_live_find(const struct balance_live *live, const char *name, const char *key,
		      struct weir_diag *diag);
/* … and likewise where packets do not meet it: -ENOENT, -EINVAL. */
int balance_live_acting(const struct balance_live *live, const struct balance_runtime *runtime,
			const char *name, const char *key, struct weir_diag *diag);
/* The service that has this end, or (`ret_backend` not -1) whose backend has it; -1: nobody. */
int balance_live_end(const struct balance_live *live, const struct balance_end *end,
		     int *ret_backend);
/* The service that packets to this address, port and protocol are of; -1: none. */
int balance_live_met(const struct balance_live *live, const struct balance_end *end);
/* The service that has, or whose backend has, a port of the span's, so that nobody could tell whose
 * a packet is; -1: none. */
int balance_live_clash(const struct balance_live *live, const struct balance_span *span);
/* The backend of the service that has this address and port; -1: none has. */
int balance_live_backend(const struct balance_live *live, unsigned service,
			 const struct balance_end *end);
/*
 * balance_live_check.c: of a configuration that was made without knowing of run time: what cannot
 * be beside it is refused where somebody is there to mend it, else told of; what it leaves without
 * meaning is told of. Those who need what the configuration does not give do not act.
 */
int balance_live_check(const struct weir_compile *compile, const struct balance_runtime *runtime,
		       struct balance_live *live);

/* balance_runtime.c */
void balance_runtime_done(struct balance_runtime *runtime);
/* -ENOMEM, as all that add. */
int balance_runtime_copy(const struct balance_runtime *from, struct balance_runtime *ret_runtime);
int balance_runtime_add_service(struct balance_runtime *runtime, const struct balance_text *text);
/* In the place of what it was; the text may borrow from that. Behind it `live` no longer fits. */
int balance_runtime_set_service(struct balance_runtime *runtime, unsigned index,
				const struct balance_text *text);
int balance_runtime_add_row(struct balance_runtime *runtime, const struct balance_row *row);
int balance_runtime_disable(struct balance_runtime *runtime, const char *name);
void balance_runtime_enable(struct balance_runtime *runtime, const char *name);
/* Takes away what was added last, until no more than this is left of each. */
void balance_runtime_cut(struct balance_runtime *runtime, unsigned services, unsigned rows,
			 unsigned disabled);
void balance_runtime_del_row(struct balance_runtime *runtime, unsigned index);
/* … and all that is said of its backends. */
void balance_runtime_del_service(struct balance_runtime *runtime, const char *name);
bool balance_runtime_is_empty(const struct balance_runtime *runtime);
/* Leaves out what the configuration says itself by now, and what has lost what it was about. True:
 * there was such. */
bool balance_runtime_prune(struct balance_runtime *runtime, const struct balance_live *live);

/* balance_store.c: balance.json in the state directory. `dir` NULL: nothing is kept. */
int balance_store_save(const char *dir, const struct balance_runtime *runtime);
/* What is damaged is kept aside and told of as a warning; what is good of it is read. -ENOMEM. */
int balance_store_load(const char *dir, struct weir_diag *diag,
		       struct balance_runtime *ret_runtime);

#endif
