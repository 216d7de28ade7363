/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of ctr_reason for interfaces. Row 0 is nobody's: packets met there are shown as "other". */
#ifndef WEIR_CORE_IFACE_ROWS_H
#define WEIR_CORE_IFACE_ROWS_H

#include "object.h"

/* An interface the map knows already keeps its row and its counts. `raw_ip`: its packets have no
 * link header at TC. -ENOSPC: none is free. */
int weir_iface_row_take(struct weir_object *object, uint32_t ifindex, bool raw_ip,
			uint32_t *ret_row);
void weir_iface_row_give_back(struct weir_object *object, uint32_t ifindex);

/* Each interface that has a row, attached or not. */
void weir_iface_rows_each(struct weir_object *object,
			  void (*each)(void *arg, uint32_t ifindex, uint32_t row), void *arg);

#endif
