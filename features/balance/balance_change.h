/* SPDX-License-Identifier: Apache-2.0 */
/* An edit of run time becomes the live policy. */
#ifndef WEIR_BALANCE_CHANGE_H
#define WEIR_BALANCE_CHANGE_H

#include "features/balance/balance_edit.h"

/* Of an operation's `run`: the row's closure is a struct balance_verb. */
struct balance_verb {
	balance_edit_fn *edit;
};
int balance_change_run(struct weir_engine *engine, struct weir_call *call);

/* Tables of operations, which balance_ops.c puts in a row. */
extern const struct weir_op balance_add_op, balance_set_op, balance_del_op, balance_enable_op,
	balance_disable_op;
extern const struct weir_op balance_backend_add_op, balance_backend_del_op, balance_backend_set_op,
	balance_backend_drain_op, balance_backend_undrain_op;
extern const struct weir_op balance_dnat_add_op, balance_dnat_list_op, balance_dnat_remove_op,
	balance_on_op, balance_off_op, balance_flows_op, balance_cleanup_op;

#endif
