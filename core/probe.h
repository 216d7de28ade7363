/* SPDX-License-Identifier: Apache-2.0 */
/* A private copy of the data path with one configuration: no pins, nothing attached. For replay,
 * and for trying a policy. */
#ifndef WEIR_CORE_PROBE_H
#define WEIR_CORE_PROBE_H

#include "../abi/probe.h"
#include "config.h"
#include "snapshot.h"

struct weir_probe;

/* An interface that packets may be judged as if on; it need not exist. */
struct weir_probe_iface {
	uint32_t ifindex; /* not 0, no other's */
	const char *name; /* borrowed until the copy is made */
};

/* What a copy knows besides its configuration. NULL stands for nothing of it. */
struct weir_probe_options {
	/* What was added at run time. Features may write there too: not the daemon's own folder. */
	const char *state_dir;
	const struct weir_probe_iface *ifaces; /* WEIR_INTERFACES_MAX - 1 at most */
	size_t iface_count;
	/* Connections are followed from packet to packet; else each is judged as if alone. */
	bool learns;
	/* It knows the connections of this network namespace: they are adopted, as a start does. */
	bool adopts;
	bool adopts_granted; /* and they pass where no rule speaks */
};

/* options may be NULL. */
int weir_probe_new(const struct weir_config *config, const struct weir_probe_options *options,
		   struct weir_diag *diag, struct weir_probe **ret_probe);
void weir_probe_free(struct weir_probe *probe);
static inline void weir_probe_freep(struct weir_probe **probe)
{
	weir_probe_free(*probe);
}
#define _cleanup_probe_ __attribute__((cleanup(weir_probe_freep)))

/* Whether its configuration follows connections, and so looks at packets that leave. */
bool weir_probe_follows(const struct weir_probe *probe);
/* Judges a frame (Ethernet header first; 14 bytes at least, 2,048 are looked at) as the XDP program
 * does where it arrives, the TC one where it leaves. About 2 us. */
int weir_probe_run(struct weir_probe *probe, enum weir_direction direction, const void *frame,
		   size_t captured, struct weir_probe_result *ret_result);
/* As if on that interface, one of the options'. */
int weir_probe_run_on(struct weir_probe *probe, enum weir_direction direction, uint32_t ifindex,
		      const void *frame, size_t captured, struct weir_probe_result *ret_result);
/* Members that say what list and entry decided, into an open object. */
void weir_probe_describe(struct weir_probe *probe, const struct weir_probe_result *result,
			 struct weir_json_out *json);

/* What explain answers of a packet: "verdict", "reason", "help", "stage" and the words of the
 * features, whose states these are, into an open object. */
void weir_verdict_put(void *const *states, const struct weir_probe_result *result,
		      struct weir_json_out *json);
/* The same of this copy. */
void weir_probe_put_verdict(struct weir_probe *probe, const struct weir_probe_result *result,
			    struct weir_json_out *json);
void weir_verdict_from_probe(const struct weir_probe_result *result,
			     struct weir_verdict *ret_verdict);
/* "packet": {src, dst, proto, ports, tags …} as parsed. */
void weir_probe_put_packet(const struct weir_probe_result *result, struct weir_json_out *json);

#endif
