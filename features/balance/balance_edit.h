/* SPDX-License-Identifier: Apache-2.0 */
/* What commands change of run time. Each looks at what is in force first, and says what is wrong
 * before it changes anything. */
#ifndef WEIR_BALANCE_EDIT_H
#define WEIR_BALANCE_EDIT_H

#include "base/json.h"
#include "core/ops.h"
#include "features/balance/balance_live.h"

/* An edit on its way: `live` is made of `runtime` as it was. */
struct balance_edit {
	const struct weir_json *args; /* of the command */
	enum weir_role role;	      /* of who gave it */
	const struct weir_config *config;
	const struct balance *state;
	const struct balance_live *live;
	struct balance_runtime *runtime; /* a copy, to be changed */
	struct weir_diag *diag;
	/* weir_neighbours(); NULL: nobody is. */
	bool (*neighbours)(const struct weir_addr *one, const struct weir_addr *other,
			   struct weir_addr *ret_own);
	/* For the answer. */
	const char *result;
	char service[BALANCE_NAME_MAX + 1];
	char address[WEIR_ADDR_TEXT];
	uint32_t port;	  /* base/ports.h; 0: it was about no backend */
	unsigned count;	  /* of backends that are gone */
	unsigned several; /* backends that came at once: told in the place of one of them */
};

/* 0; -EINVAL, -EACCES, -EEXIST, -ENOENT, -ENOSPC with a message; -ENOMEM. */
typedef int balance_edit_fn(struct balance_edit *edit);

/* balance_edit_service.c */
balance_edit_fn balance_edit_add, balance_edit_del, balance_edit_enable, balance_edit_disable;
balance_edit_fn balance_edit_on, balance_edit_off;
/* balance_edit_set.c: of a service of run time */
balance_edit_fn balance_edit_set;
/* balance_edit_backend.c */
balance_edit_fn balance_edit_backend_add, balance_edit_backend_del, balance_edit_backend_set,
	balance_edit_backend_drain, balance_edit_backend_undrain;
/* balance_leave.c: those that have left are forgotten; -EALREADY: there are none. */
balance_edit_fn balance_edit_left;
/* balance_edit_dnat.c */
balance_edit_fn balance_edit_dnat_add, balance_edit_dnat_remove;

/* What of these they share. */
const char *balance_edit_str(const struct balance_edit *edit, const char *key);
bool balance_edit_flag(const struct balance_edit *edit, const char *key);
/* A number within bounds, `fallback` where it is not given. -EINVAL with a message. */
int balance_edit_number(const struct balance_edit *edit, const char *key, uint32_t least,
			uint32_t most, uint32_t fallback, uint32_t *ret_number);
/* Ports, `fallback` where none are given. -EINVAL with a message. */
int balance_edit_ports(const struct balance_edit *edit, const char *key, uint32_t *ret_ports);
/* The service named; -ENOENT with a message. */
int balance_edit_find(struct balance_edit *edit, const char *name, unsigned *ret_service);
int balance_edit_service_new(struct balance_edit *edit, const struct balance_text *text);
int balance_edit_service_gone(struct balance_edit *edit, unsigned service);
/* A backend of a service; `key` is what messages name. */
int balance_edit_backend_new(struct balance_edit *edit, const struct balance_text *service,
			     const struct balance_backend_text *text, const char *key);
/* Who leaves gives way to whoever comes; `backend` as balance_live_end() says it. */
bool balance_edit_gives_way(const struct balance_edit *edit, int service, int backend);
int balance_edit_backend_gone(struct balance_edit *edit, unsigned service, unsigned backend);
/* "10.0.0.1:80", "[2001:db8::1]:80", or an address alone. -EINVAL with a message. */
int balance_backend_parse(const char *text, const char *key, struct weir_diag *diag,
			  char address[WEIR_ADDR_TEXT], uint32_t *ret_port);

#endif
