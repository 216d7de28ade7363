/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: commands that change run time beside a configuration, without an engine. */
#ifndef WEIR_BALANCE_EDIT_FAKE_H
#define WEIR_BALANCE_EDIT_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "features/balance/balance_edit.h"

#define WEB                                                             \
	"interfaces: [{name: eth0}]\nbalance:\n  services:\n"           \
	"    - {name: web, address: 192.0.2.1, port: 80, backends: [\n" \
	"        {address: 10.0.0.1, port: 8080, weight: 3}]}\n"
#define DIRECT WEB "    - {name: direct, address: 192.0.2.2, port: 80, forward: l2, backends: []}\n"

struct policy {
	struct weir_config *config;
	struct balance_runtime runtime;
	struct weir_diag diag;
	enum weir_role role; /* of who gives commands */
	char service[BALANCE_NAME_MAX + 1];
};

static inline void policy_make_of(struct policy *policy, const char *text)
{
	assert_int_equal(weir_config_parse(text, strlen(text), NULL, NULL, &policy->config), 0);
}

static inline void policy_make(struct policy *policy)
{
	policy_make_of(policy, WEB);
}

static inline void policy_done(struct policy *policy)
{
	balance_runtime_done(&policy->runtime);
	weir_diag_done(&policy->diag);
	weir_config_free(policy->config);
}

#define _cleanup_policy_ _cleanup_(policy_done)

/* 192.0.2.0/24 is a network of this host, which is the first there. */
static inline bool neighbours_fake(const struct weir_addr *one, const struct weir_addr *other,
				   struct weir_addr *ret_own)
{
	weir_addr_from_string("192.0.2.1", strlen("192.0.2.1"), ret_own);
	return memcmp(one, ret_own, 15) == 0 && memcmp(other, ret_own, 15) == 0;
}

/* As a change does it: on a copy, which becomes what is of run time if nothing is wrong. */
static inline int edit(struct policy *policy, balance_edit_fn *does, const char *args)
{
	_cleanup_json_ struct weir_json *json = NULL;
	_cleanup_live_ struct balance_live live = { 0 };
	struct balance_runtime draft = { 0 };

	weir_diag_done(&policy->diag);
	policy->diag = (struct weir_diag){ 0 };
	assert_int_equal(weir_json_parse(args, strlen(args), NULL, NULL, &json), 0);
	assert_int_equal(balance_runtime_copy(&policy->runtime, &draft), 0);
	assert_int_equal(
		balance_live_make(policy->config->sections[weir_feature_index(&weir_balance)],
				  &policy->runtime, &live),
		0);
	struct balance_edit edit = {
		.args = json,
		.role = policy->role,
		.config = policy->config,
		.live = &live,
		.runtime = &draft,
		.diag = &policy->diag,
		.neighbours = neighbours_fake,
	};
	int r = does(&edit);

	snprintf(policy->service, sizeof(policy->service), "%s", edit.service);
	if (r == 0) {
		balance_runtime_done(&policy->runtime);
		policy->runtime = draft;
	} else {
		balance_runtime_done(&draft);
	}
	return r;
}

#endif
