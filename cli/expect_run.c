/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `weir rule test`: asks about each expectation in turn, the daemon or, with --config, a private
 * copy of the data path, and sums up. Both give the same answer, that of explain.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/maps.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/expect.h"
#include "cli/local.h"
#include "cli/remote.h"
#include "core/probe.h"

#define FILE_BYTES_MAX (16u << 20)

/* One run over one file. */
struct run {
	const struct weir_command *command;
	struct weir_probe *probe;  /* NULL: the daemon is asked */
	struct weir_json_out json; /* failures, an open array */
	size_t passed, failed;
	/* Those the lines name, numbered as they come: the private copy has them, whatever this
	 * machine has. */
	struct weir_probe_iface ifaces[WEIR_INTERFACES_MAX - 1];
	size_t iface_count;
};

/* 0 for no name, and for one that is not among them. */
static uint32_t iface_number(const struct run *run, const char *name)
{
	for (size_t i = 0; i < run->iface_count; i++)
		if (strcmp(run->ifaces[i].name, name) == 0)
			return run->ifaces[i].ifindex;
	return 0;
}

static int ifaces_name(struct run *run, const struct weir_expectations *expectations,
		       struct weir_diag *diag)
{
	for (size_t i = 0; i < expectations->count; i++) {
		const char *name = expectations->rows[i].interface;

		if (!name[0] || iface_number(run, name))
			continue;
		if (run->iface_count == WEIR_ARRAY_SIZE(run->ifaces))
			return weir_diag_error(diag, "make several files of it",
					       "line %u: more than %zu interfaces are named",
					       expectations->rows[i].line, run->iface_count);
		run->ifaces[run->iface_count] =
			(struct weir_probe_iface){ .ifindex = (uint32_t)run->iface_count + 1,
						   .name = name };
		run->iface_count++;
	}
	return 0;
}

/* Appends what explain answers, or why it refuses, as JSON. -errno: nobody can be asked. */
static int daemon_ask(const struct run *run, const struct weir_expectation *expectation,
		      struct weir_diag *diag, struct weir_buf *answer)
{
	_cleanup_answer_ struct weir_answer reply = { 0 };
	_cleanup_buf_ struct weir_buf target = { 0 };
	struct weir_request request = {
		.socket = weir_remote_socket(run->command),
		.method = "GET",
		.timeout_ms = weir_remote_timeout_ms(run->command),
		.body_fd = -1,
	};

	weir_op_route(weir_op_find("explain"), &target);
	weir_buf_addf(&target, "?%s", expectation->query);
	if (target.failed)
		return -ENOMEM;
	request.target = weir_buf_str(&target);
	int result = weir_client_ask(&request, diag, &reply);
	return result ? result : weir_buf_add(answer, weir_buf_str(&reply.body), reply.body.len);
}

static int probe_ask(const struct run *run, const struct weir_expectation *expectation,
		     struct weir_diag *diag, struct weir_buf *answer)
{
	struct weir_json_out json = { .out = answer };
	struct weir_probe_result result;
	unsigned char frame[WEIR_FRAME_BYTES];
	size_t len = weir_frame_build(&expectation->spec, frame);
	int r = weir_probe_run_on(run->probe, expectation->direction,
				  iface_number(run, expectation->interface), frame, len, &result);

	if (r)
		return weir_diag_error(diag, NULL, "cannot try a packet: %s", strerror(-r));
	weir_json_open_object(&json, NULL);
	weir_probe_put_verdict(run->probe, &result, &json);
	weir_json_close_object(&json);
	return answer->failed ? -ENOMEM : 0;
}

static void expected_put(const struct weir_expectation *expectation, struct weir_json_out *json)
{
	weir_json_open_object(json, "expected");
	weir_json_put_str(json, "outcome", weir_outcome_name(expectation->outcome));
	if (expectation->by[0])
		weir_json_put_str(json, "by", expectation->by);
	weir_json_close_object(json);
}

static void found_put(const struct weir_json *answer, struct weir_json_out *json)
{
	static const char *const keys[] = { "list", "entry" };
	const struct weir_json *rule = weir_json_get(answer, "rule");

	weir_json_open_object(json, "found");
	weir_json_put_str(json, "outcome", weir_outcome_name(weir_outcome_of(answer)));
	weir_json_put_str(json, "reason", weir_json_str(weir_json_get(answer, "reason"), NULL));
	if (rule) {
		weir_json_open_object(json, "rule");
		weir_json_put_str(json, "name", weir_json_str(weir_json_get(rule, "name"), NULL));
		weir_json_put_int(json, "id", weir_json_int(weir_json_get(rule, "id"), 0));
		weir_json_close_object(json);
	}
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(keys); i++)
		if (weir_json_get(answer, keys[i]))
			weir_json_put_str(json, keys[i],
					  weir_json_str(weir_json_get(answer, keys[i]), NULL));
	weir_json_close_object(json);
}

static void failure_put(struct run *run, const struct weir_expectation *expectation,
			const struct weir_json *answer)
{
	struct weir_json_out *json = &run->json;
	const char *refused = weir_json_str(weir_json_get(answer, "error"), NULL);

	weir_json_open_object(json, NULL);
	weir_json_put_uint(json, "line", expectation->line);
	weir_json_put_str(json, "text", expectation->text);
	expected_put(expectation, json);
	if (refused)
		weir_json_put_str(json, "error", refused);
	else
		found_put(answer, json);
	weir_json_close_object(json);
}

static int expectation_try(struct run *run, const struct weir_expectation *expectation,
			   struct weir_diag *diag)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	_cleanup_json_ struct weir_json *answer = NULL;
	int r = run->probe ? probe_ask(run, expectation, diag, &text) :
			     daemon_ask(run, expectation, diag, &text);

	if (!r)
		r = weir_json_parse(weir_buf_str(&text), text.len, "answer", diag, &answer);
	if (r)
		return r;
	if (!weir_json_get(answer, "error") && weir_expectation_is_met(expectation, answer)) {
		run->passed++;
		return 0;
	}
	run->failed++;
	failure_put(run, expectation, answer);
	return 0;
}

static const char *shown_name(const char *path)
{
	return strcmp(path, "-") == 0 ? WEIR_STDIN_NAME : path;
}

static int file_read(const char *path, struct weir_diag *diag, struct weir_expectations *ret)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	int r = weir_file_read(path, FILE_BYTES_MAX, &text);

	if (r == -EFBIG)
		return weir_diag_error(diag, "make several files of it", "%s: larger than %u MiB",
				       path, FILE_BYTES_MAX >> 20);
	if (r < 0)
		return weir_diag_error(diag, NULL, "cannot read %s: %s", path, strerror(-r));
	return weir_expectations_read(weir_buf_str(&text), text.len, shown_name(path), diag, ret);
}

static int run_all(struct run *run, const struct weir_expectations *expectations,
		   struct weir_diag *diag, struct weir_buf *out)
{
	int r = 0;

	run->json = (struct weir_json_out){ .out = out };
	weir_json_open_object(&run->json, NULL);
	weir_json_put_str(&run->json, "file", shown_name(weir_command_str(run->command, "file")));
	weir_json_open_array(&run->json, "failures");
	for (size_t i = 0; i < expectations->count && !r; i++)
		r = expectation_try(run, &expectations->rows[i], diag);
	weir_json_close_array(&run->json);
	weir_json_put_uint(&run->json, "passed", run->passed);
	weir_json_put_uint(&run->json, "failed", run->failed);
	weir_json_close_object(&run->json);
	return r;
}

static int run_prepare(struct run *run, struct weir_diag *diag, struct weir_config **ret_config,
		       struct weir_expectations *ret_expectations)
{
	const char *path = weir_command_str(run->command, "config");
	int r = file_read(weir_command_str(run->command, "file"), diag, ret_expectations);

	if (!r && !ret_expectations->count)
		r = weir_diag_error(diag,
				    "write one a line: tcp 10.0.0.1:5 > 10.0.0.2:22 is denied",
				    "%s: there is no expectation in it",
				    shown_name(weir_command_str(run->command, "file")));

	if (r || !path)
		return r;
	r = ifaces_name(run, ret_expectations, diag);
	if (!r)
		r = weir_local_config(path, diag, ret_config);
	if (r)
		return r;
	return weir_local_probe(*ret_config,
				&(struct weir_probe_options){ .ifaces = run->ifaces,
							      .iface_count = run->iface_count },
				diag, &run->probe);
}

static int refuse(struct weir_terminal *terminal, const struct weir_diag *diag, int result)
{
	(void)weir_local_refuse(terminal, diag);
	return result == -ENOENT || result == -ECONNREFUSED ? WEIR_EXIT_NO_DAEMON :
							      WEIR_EXIT_FAILED;
}

int weir_local_rule_test(const struct weir_command *command, struct weir_terminal *terminal)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_config_ struct weir_config *config =
		NULL; /* outlives the probe, whose features look into it */
	_cleanup_probe_ struct weir_probe *probe = NULL;
	_cleanup_expectations_ struct weir_expectations expectations = { 0 };
	_cleanup_buf_ struct weir_buf json = { 0 };
	struct run run = { .command = command };
	int r = run_prepare(&run, &diag, &config, &expectations);

	probe = run.probe;
	if (!r)
		r = run_all(&run, &expectations, &diag, &json);
	if (r && !diag.errors)
		weir_diag_error(&diag, NULL, "cannot try the expectations: %s", strerror(-r));
	if (r)
		return refuse(terminal, &diag, r);
	weir_terminal_diag(terminal, &diag);
	r = weir_local_show(command, terminal, &json);
	return r == WEIR_EXIT_OK && run.failed ? WEIR_EXIT_FAILED : r;
}
