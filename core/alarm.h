/* SPDX-License-Identifier: Apache-2.0 */
/* How much each interface is under attack, as the data path and other features read it. */
#ifndef WEIR_CORE_ALARM_H
#define WEIR_CORE_ALARM_H

#include "../abi/alarm.h"
#include "map.h"

/* What is known of the interface `ifindex`, whose row of the counters is `slot`: its levels, for
 * weir_alarm_level() and weir_alarm_of_flood(). -ENOENT: nobody has judged it yet. */
int weir_alarm_get(struct weir_object *object, uint32_t slot, uint32_t ifindex, uint32_t *ret_word);
/* `ifindex` 0: nothing is known any more. */
int weir_alarm_set(struct weir_object *object, uint32_t slot, uint32_t ifindex, uint32_t word);

const char *weir_alarm_name(enum weir_alarm level);
const char *weir_flood_name(enum weir_flood flood);

#endif
