/* SPDX-License-Identifier: Apache-2.0 */
/* Programs at the TC hooks of a device, seen from outside: ours and those of others. Nothing is
 * attached here; hook.c does. */
#ifndef WEIR_CORE_TC_FILTERS_H
#define WEIR_CORE_TC_FILTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "../abi/packet.h"

/* Filters of clsact without our handle and priorities; 0 when there is no clsact. -errno. */
int weir_tc_foreign_count(uint32_t ifindex, enum weir_direction direction);
/* Id of the program that our clsact filter runs, 0 when there is none. */
uint32_t weir_tc_program_id(uint32_t ifindex, enum weir_direction direction);
/* -ENOENT when there is none. */
int weir_tc_filter_remove(uint32_t ifindex, enum weir_direction direction);
int weir_tc_qdisc_remove(uint32_t ifindex);

#endif
