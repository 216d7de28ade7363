/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of that which is live now a configuration would cut. Each live connection is judged as the
 * packet that would arrive for it next, and its answer where what leaves is judged, by the programs
 * themselves: a private copy with the next configuration, and one with that of now; who is dropped
 * already is not cut.
 */
#ifndef WEIR_CLI_PREVIEW_H
#define WEIR_CLI_PREVIEW_H

#include <stdbool.h>

#include "base/diag.h"
#include "base/json.h"
#include "cli/flows.h"
#include "core/config.h"

struct weir_preview_wish {
	const struct weir_config *now, *next;
	const char *state_dir;		    /* the daemon's */
	const struct weir_json *interfaces; /* of its status: those it watches */
	const struct weir_flow *session;    /* of the administrator, or NULL */
	bool is_tracked_now; /* live connections are known, and judged again; else they are taken
				over */
};

struct weir_preview {
	struct weir_flows cut;	  /* connections */
	struct weir_flows closed; /* ports that strangers can reach now, and then no more */
	size_t looked_at;	  /* connections and ports on watched interfaces */
	uint32_t session_reason;  /* how its packets will end; 0: as now, or there is none */
};

void weir_preview_done(struct weir_preview *preview);
#define _cleanup_preview_ __attribute__((cleanup(weir_preview_done)))
/* -errno with diag. */
int weir_preview_make(const struct weir_preview_wish *wish, struct weir_diag *diag,
		      struct weir_preview *ret_preview);
/* {"cut", "closed_ports", "looked_at"}, with the names of programs and interfaces. */
void weir_preview_put(const struct weir_preview *preview, struct weir_buf *text);

#endif
