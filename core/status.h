/* SPDX-License-Identifier: Apache-2.0 */
/* What `weir status` says, from the latest snapshot. */
#ifndef WEIR_CORE_STATUS_H
#define WEIR_CORE_STATUS_H

#include "engine.h"

int weir_status_write(struct weir_engine *engine, struct weir_buf *text);
/* "interfaces": […] with counts by direction; for an open object. */
void weir_status_put_interfaces(const struct weir_snapshot *snapshot, struct weir_json_out *json);
/* "reasons": […] over all interfaces, and "events": {…} by kind; likewise. */
void weir_status_put_reasons(const struct weir_snapshot *snapshot, struct weir_json_out *json);
void weir_status_put_events(const struct weir_snapshot *snapshot, struct weir_json_out *json);

#endif
