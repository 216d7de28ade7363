/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot as Prometheus text. */
#ifndef WEIR_API_METRICS_H
#define WEIR_API_METRICS_H

#include "../base/buf.h"

struct weir_api;

#define WEIR_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Text exposition format 0.0.4: samples of the snapshot with the configured prefix, then those of
 * the API and the process. */
void weir_metrics_write(struct weir_api *api, struct weir_buf *text);

#endif
