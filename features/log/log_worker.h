/* SPDX-License-Identifier: Apache-2.0 */
/* What the loop's side of a sink and its thread share; for log_sink.c and log_worker.c. */
#ifndef WEIR_LOG_WORKER_H
#define WEIR_LOG_WORKER_H

#include <pthread.h>

#include "features/log/log_sink.h"
#include "features/log/log_target.h"

struct log_sink {
	pthread_mutex_t lock; /* of all below but `target` */
	pthread_cond_t work, over;
	enum log_place place;
	bool is_on, is_ending, is_over, is_left;
	uint32_t kinds;
	uint64_t sequence, lost_before;
	struct log_entry *first, **end;
	uint64_t waiting, bytes;   /* of those with the thread, too */
	struct log_target *next;   /* to be taken in the place of `target` */
	struct log_target *target; /* the thread's alone */
	bool told;		   /* of the problem there is */
	struct log_sink_view view;
};

void *log_worker_run(void *arg);
void log_entries_free(struct log_entry *first);

#endif
