/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of backends: what the files health_*.c share. All of it is the loop's thread's, but the
 * set of who is down (health_set.h), which whoever compiles reads.
 */
#ifndef WEIR_HEALTH_H
#define WEIR_HEALTH_H

#include <sys/types.h>

#include "base/buf.h"
#include "core/engine.h"
#include "features/balance/balance_live.h"
#include "features/balance/health_heap.h"
#include "features/balance/health_machine.h"
#include "features/balance/health_set.h"
#include "features/balance/health_silence.h"

#define HEALTH_UNDER_WAY_MOST 8192 /* checks at a time */

struct health_target;
struct health_trust;

/* A type of check. It is one descriptor that is waited for. */
struct health_probe {
	/* Begins it. HEALTH_PENDING: target->fd is watched for `events` from now on. */
	enum health_result (*start)(struct health_target *target);
	/* The descriptor has something to say. */
	enum health_result (*ready)(struct health_target *target, uint32_t events);
	/* The time is up. NULL: that is a failure. */
	enum health_result (*late)(struct health_target *target);
	uint32_t events; /* of epoll */
};

/* What is done about a backend. Who is not checked is here for being down as he was found last. */
enum health_duty {
	HEALTH_CHECKED,
	HEALTH_RESTING, /* his service meets no packets, and may be enabled again */
	HEALTH_LEAVING, /* he has connections, and is to get no more */
};

/* A backend as part of a service. */
struct health_target {
	struct health_key key; /* first: targets are sorted by it */
	struct health *health;
	const struct balance_text *text; /* of the live policy */
	uint64_t text_hash;		 /* of what its check goes by */
	enum health_duty duty;
	struct health_machine machine;
	struct health_due start, deadline; /* one of the two is in its heap */

	/* While a check is under way. */
	const struct health_probe *probe; /* NULL: none is */
	uint64_t began_ns;
	int fd;				 /* -1: none */
	int pid;			 /* of a command, and of its group; 0: none */
	char reason[HEALTH_REASON_TEXT]; /* of how it ends */
	bool is_connected, is_shaken;
	bool is_tunnelled; /* the data path knows the socket, by check_key */
	struct balance_check_key check_key;
	struct weir_tls_client *tls;
	struct weir_buf out, in;
	size_t sent; /* of out */
	uint16_t dns_id;
	struct health_silence silence;
};

struct health {
	struct weir_engine *engine;
	struct weir_loop *loop;
	struct health_target **targets; /* by key */
	unsigned count;
	struct health_heap starts, deadlines;
	unsigned under_way, most; /* checks at a time */
	int epoll_fd;
	struct weir_watch *ready, *timer;
	uint64_t results[HEALTH_UNASKED + 1]; /* of checks that ended, by enum health_result */
	uint64_t late;			      /* checks that began long after they were due */
	int *killed;			      /* commands that were late and have not ended yet */
	unsigned killed_count;
	uint64_t timer_ns;   /* what the timer is set to; 0: to nothing */
	uint64_t refused_ns; /* when ICMP refused a datagram last, whose ever; 0: never */

	/* health_tls.c: what `ca` names, as it was read for these services. */
	struct health_trust *trusts;
	unsigned trust_count;

	/* health_tunnel.c */
	struct weir_map *checks;     /* borrowed from the object */
	struct weir_addr sources[2]; /* of tunnels: IPv4, IPv6 */

	/* health_change.c */
	struct weir_watch *join;
	struct health_set *downs; /* that the policy goes by, or will from the change under way */
	bool is_joining;
	bool is_changing; /* a change waits or is under way */
	bool is_refused;  /* what `downs` is now has not been accepted */
	bool is_own;	  /* what goes live now came from here: the services are as they were */
	bool has_begun;	  /* until then `downs` are those of the daemon before */
	int kept_error;	  /* of the last time that they were written down */
	uint64_t changes;
};

/* health.c: NULL without an engine. -ENOMEM or what descriptors cost. */
int health_new(struct weir_engine *engine, struct weir_diag *diag, struct health **ret_health);
void health_free(struct health *health);
/* The services that are live, which stay where they are until the next call. NULL: there are none.
 */
void health_live(struct health *health, const struct balance_live *live);
struct health_target *health_find(const struct health *health, const struct health_key *key);

/* health_run.c: begins, ends. A check that is under way ends without a result. */
int health_run_init(struct health *health);
void health_run_done(struct health *health);
void health_run_add(struct health_target *target);
void health_run_del(struct health_target *target);
void health_run_due(void *arg);
struct health_settings health_settings_of(const struct health_text *text);

/* What its descriptor is waited for from now on. */
void health_watch(struct health_target *target, uint32_t events);

/* health_change.c: somebody went up or down, or may have. */
void health_change_ask(struct health *health);
void health_change_done(struct health *health);

/* health_kept.c: who is down, for the daemon that comes next. `dir` NULL: nothing is kept. -ENOMEM;
 * of damaged ones `diag` has a warning, and nobody is known. */
#define HEALTH_FILE "health.json"
int health_kept_load(const char *dir, struct weir_diag *diag, struct health_set **ret_set);
int health_kept_save(const char *dir, const struct health_set *set);

/* health_command.c: ends it with all it began, if there is one. */
void health_command_kill(struct health_target *target);
/* Those that were killed, as far as they have ended. */
void health_command_reap(struct health *health);

/* health_tell.c: it went up or down, and was the other for so long. */
void health_tell(const struct health_target *target, uint64_t lasted_ns);
int health_snapshot(const struct health *health, struct weir_snapshot *snapshot);

/* health_socket.c: a descriptor that is on its way to the target's address, at its port or that of
 * the check; what `type` is as for socket(). */
enum health_result health_socket_start(struct health_target *target, int type);
/* It was answered, but the data path has not seen it go. */
enum health_result health_unseen(struct health_target *target);
/* Whether it arrived. */
enum health_result health_socket_ready(struct health_target *target);
/* health_tls.c: the handshake on a connection that is there; and what is sent and read by one, with
 * TLS or without, as by send() and recv(), with -errno. */
enum health_result health_tls_shake(struct health_target *target);
/* Files of certificates are to be read anew. */
void health_tls_forget(struct health *health);
ssize_t health_stream_send(struct health_target *target, const void *bytes, size_t len);
ssize_t health_stream_recv(struct health_target *target, void *bytes, size_t len);
/* Behind -EAGAIN of those: TLS may want to write where one reads, and the other way round; else a
 * descriptor that is watched for the other would have the loop go round again and again. */
void health_stream_wait(struct health_target *target);
/* health_udp.c: a datagram goes to the target; and one that has come, of at most *len bytes. */
enum health_result health_datagram_send(struct health_target *target, const struct weir_buf *bytes);
enum health_result health_datagram_read(struct health_target *target, void *bytes, size_t *len);
/* Why it ends; `error` is an errno, or 0. */
enum health_result health_end(struct health_target *target, enum health_result result,
			      const char *what, int error);
const char *health_error(int error);

extern const struct health_probe health_tcp_probe, health_http_probe, health_command_probe,
	health_udp_probe, health_dns_probe, health_tls_probe;

#endif
