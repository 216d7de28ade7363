/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the kernel makes no cookies, limits on SYNs stand in for each service: of run time, added
 * and deleted by the operations that people have, so that they show where limits show. One is asked
 * for at a time, by the tick; what fails is told of, and tried again when anything has changed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/json.h"
#include "core/engine.h"
#include "core/inside.h"
#include "features/synproxy/synproxy_state.h"

#define WHO "synproxy"
/* A browser opens half a dozen connections at once, a network behind one address some hundred. */
#define PACKETS "50/s"
#define BURST 200
#define PER "source/32,/64"

/* By the text of its ports; 0: none is wanted. */
static uint64_t wanted_of(const struct synproxy *state, unsigned index)
{
	const struct synproxy_section *section = synproxy_section_of(state);

	if (index >= section->service_count || !synproxy_lack())
		return 0;
	const char *ports = section->services[index].ports;

	return weir_hash_bytes(ports, strlen(ports), 1) | 1;
}

static const char *name_of(unsigned index, char name[24])
{
	snprintf(name, 24, WHO "-%u", index);
	return name;
}

static void fail(struct synproxy *state, int result, const struct weir_diag *diag)
{
	_cleanup_buf_ struct weir_buf why = { 0 };

	if (diag && diag->count)
		weir_diag_entry_format(&diag->entries[0], &why);
	else
		weir_buf_add_str(&why, strerror(-result));
	weir_engine_warn(state->engine, WHO, "no limit stands in for services[%u]: %s",
			 state->standing, weir_buf_str(&why));
}

static void added(void *arg, int result, const struct weir_json *reply,
		  const struct weir_diag *diag)
{
	struct synproxy *state = arg;

	(void)reply;
	state->is_asking = false;
	if (result >= 0) {
		state->stands_for[state->standing] = state->asked;
		return;
	}
	state->refused[state->standing] = state->asked;
	fail(state, result, diag);
}

static void limit_add(struct synproxy *state)
{
	_cleanup_buf_ struct weir_buf args = { 0 };
	struct weir_json_out json = { .out = &args };
	char name[24];

	state->asked = wanted_of(state, state->standing);
	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "name", name_of(state->standing, name));
	weir_json_put_str(&json, "proto", "tcp");
	weir_json_put_str(&json, "flags", "syn");
	weir_json_put_str(&json, "dport",
			  synproxy_section_of(state)->services[state->standing].ports);
	weir_json_put_str(&json, "per", PER);
	weir_json_put_str(&json, "packets", PACKETS);
	weir_json_put_uint(&json, "burst", BURST);
	weir_json_close_object(&json);
	int r = weir_inside_run(state->engine, "limit.add", weir_buf_str(&args), WHO, added, state);

	if (r < 0)
		added(state, r, NULL, NULL);
}

/* What stood in before is gone, or never was, which is as good. */
static void deleted(void *arg, int result, const struct weir_json *reply,
		    const struct weir_diag *diag)
{
	struct synproxy *state = arg;

	(void)result, (void)reply, (void)diag;
	state->stands_for[state->standing] = 0;
	if (wanted_of(state, state->standing))
		limit_add(state);
	else
		state->is_asking = false;
}

static void limit_del(struct synproxy *state)
{
	_cleanup_buf_ struct weir_buf args = { 0 };
	struct weir_json_out json = { .out = &args };
	char name[24];

	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "name", name_of(state->standing, name));
	weir_json_close_object(&json);
	int r = weir_inside_run(state->engine, "limit.del", weir_buf_str(&args), WHO, deleted,
				state);

	if (r < 0)
		deleted(state, r, NULL, NULL);
}

/* One of the name that is not known to stand in is somebody's own, and is left to him. */
static void stand_in(struct synproxy *state, unsigned index)
{
	state->standing = index;
	state->is_asking = true;
	if (state->stands_for[index])
		limit_del(state);
	else
		limit_add(state);
}

/* Named and written as those that limit_add() asks for. */
static bool is_ours(const struct weir_json *limit, unsigned index)
{
	static const struct {
		const char *key, *value;
	} texts[] = { { "origin", "runtime" }, { "per", PER }, { "rate", PACKETS } };
	char name[24];

	if (strcmp(weir_json_str(weir_json_get(limit, "name"), ""), name_of(index, name)) != 0)
		return false;
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(texts); i++)
		if (strcmp(weir_json_str(weir_json_get(limit, texts[i].key), ""), texts[i].value))
			return false;
	return weir_json_int(weir_json_get(limit, "burst"), 0) == BURST;
}

/* A limit of the run before stands for what is not known any more: other services, or a kernel that
 * was older. */
static void found(void *arg, int result, const struct weir_json *reply,
		  const struct weir_diag *diag)
{
	struct synproxy *state = arg;
	const struct weir_json *limits =
		result < 0 || !reply ? NULL : weir_json_get(reply, "limits");

	(void)diag;
	for (size_t i = 0; limits && i < weir_json_size(limits); i++)
		for (unsigned index = 0; index < SYNPROXY_SERVICES_MAX; index++)
			if (is_ours(weir_json_at(limits, i), index))
				state->stands_for[index] = UINT64_MAX;
	state->is_asking = false;
}

static void begin(struct synproxy *state)
{
	state->has_begun = state->is_asking = true;
	int r = weir_inside_run(state->engine, "limit.show", "{}", WHO, found, state);

	if (r < 0)
		found(state, r, NULL, NULL);
}

void synproxy_stand_in(struct synproxy *state)
{
	if (!state->has_begun)
		begin(state);
	if (state->is_asking)
		return;
	for (unsigned i = 0; i < SYNPROXY_SERVICES_MAX; i++) {
		uint64_t wanted = wanted_of(state, i);

		if (state->stands_for[i] == wanted || (wanted && state->refused[i] == wanted))
			continue;
		stand_in(state, i);
		return;
	}
}
