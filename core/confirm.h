/* SPDX-License-Identifier: Apache-2.0 */
/* Configurations on trial: what the engine, its queue and its worker need of confirm.c. */
#ifndef WEIR_CORE_CONFIRM_H
#define WEIR_CORE_CONFIRM_H

#include "engine_private.h"

#define WEIR_CONFIRM_WHO "confirm timer" /* in the record of changes */
#define WEIR_CONFIRM_LEAST_NS (5 * 1000000000ull)
#define WEIR_CONFIRM_MOST_NS (60 * 60 * 1000000000ull)

/* Worker: -EEXIST while a trial is under way that this apply is no part of; -ECANCELED when the one
 * it was to end is not there any more. */
int weir_confirm_check(struct job *job);
/* Worker: job->policy is what policy.json is to say after this apply or confirmation. */
int weir_confirm_draft(struct job *job);
/* Whether nobody asked for this apply but the end of a trial. */
bool weir_confirm_is_timed(const struct job *job);

/* Start, after policy.json was read: a trial that ended meanwhile is lost, one that has time left
 * goes on; neither gives way to the configuration file. */
void weir_confirm_resume(struct weir_engine *engine, struct weir_diag *diag);
/* Start, when events are kept: makes the timer, and tells of a trial that was lost. -ENOMEM. */
int weir_confirm_watch(struct weir_engine *engine);
/* Loop, before job->policy becomes the engine's: warns of a trial that nobody confirmed. */
void weir_confirm_tell(struct job *job);
/* Loop: another policy.trial went live. */
void weir_confirm_arm(struct weir_engine *engine);
/* Loop: the apply that a trial's end began is done, or refused and to be tried again. */
void weir_confirm_ended(struct weir_engine *engine, int result);
/* "confirm": {until, within_s, seconds_left} into an open object; nothing without a trial. */
void weir_confirm_put(const struct weir_engine *engine, struct weir_json_out *json);

#endif
