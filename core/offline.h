/* SPDX-License-Identifier: Apache-2.0 */
/* What can be known and undone of Weir in the kernel while no daemon runs: from its pins alone. */
#ifndef WEIR_CORE_OFFLINE_H
#define WEIR_CORE_OFFLINE_H

#include "../base/buf.h"

#define WEIR_SERIES_FILE "metric-series" /* the API's, in the run's directory (api/series.h) */

/*
 * Appends the members of weir_status_write() that the pins tell, "daemon": false, "maps" (each
 * pinned map with its capacity and bytes) and "sets" (each live set with its entries). -ENOENT:
 * nothing is pinned below pin_dir: Weir is not running and has left nothing in the kernel. Others:
 * -EPERM and -EACCES without the capability to read pins.
 */
int weir_offline_status(const char *pin_dir, struct weir_buf *reply);

/*
 * Detaches every program and removes every pin below pin_dir, and what a daemon that was killed
 * left in run_dir (NULL: none): its socket, and what features and the API keep there. A second call
 * finds nothing and succeeds. A running daemon is told of, not stopped. What is not Weir's stays:
 * other programs, other files below pin_dir, a clsact qdisc that somebody else made.
 *
 * Appends {"daemon":bool,"removed":[sentence…],"failed":[{"what":…,"why":…}]}. An error (-errno) is
 * returned only when nothing could be tried.
 */
int weir_cleanup(const char *pin_dir, const char *run_dir, struct weir_buf *reply);

#endif
