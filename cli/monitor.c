/* SPDX-License-Identifier: Apache-2.0 */
/* weir monitor IF start, status, realtime, stop: one interface, in xnet's words. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/interval.h"
#include "cli/local.h"
#include "cli/view.h"

#define INTERVAL_DEFAULT_NS WEIR_NS_PER_S

struct monitor {
	const struct weir_command *command;
	struct weir_terminal *terminal;
	const char *interface;
};

static int ask(const struct monitor *monitor, const char *target, const char *body,
	       struct weir_json **ret_answer)
{
	struct weir_question question = { .target = target, .body = body };
	_cleanup_diag_ struct weir_diag diag = { 0 };

	if (weir_ask(monitor->command, &question, &diag, ret_answer) == 0)
		return 0;
	weir_terminal_diag(monitor->terminal, &diag);
	return -EIO;
}

/* Its row of interface list; NULL: it is not watched, which is said. */
static const struct weir_json *row_find(const struct monitor *monitor,
					const struct weir_json *answer)
{
	const struct weir_json *rows = weir_json_get(answer, "interfaces");

	for (size_t i = 0; i < weir_json_size(rows); i++)
		if (strcmp(weir_view_str(weir_json_at(rows, i), "name"), monitor->interface) == 0)
			return weir_json_at(rows, i);
	_cleanup_buf_ struct weir_buf mend = { 0 };

	weir_buf_addf(&mend, "weir monitor %s start", monitor->interface);
	weir_terminal_problem(monitor->terminal, weir_buf_str(&mend), "%s is not watched",
			      monitor->interface);
	return NULL;
}

static int status_run(const struct monitor *monitor)
{
	_cleanup_json_ struct weir_json *answer = NULL;
	_cleanup_buf_ struct weir_buf text = { 0 };

	if (ask(monitor, "/api/v1/interface/list", NULL, &answer))
		return WEIR_EXIT_FAILED;
	const struct weir_json *row = row_find(monitor, answer);

	if (!row)
		return WEIR_EXIT_FAILED;
	weir_buf_add_str(&text, "{\"interfaces\":[");
	if (weir_json_add(row, &text))
		return WEIR_EXIT_FAILED;
	weir_buf_add_str(&text, "]}");
	return weir_local_show(monitor->command, monitor->terminal, &text);
}

/* For programs the interfaces that are left. */
static int end_show(const struct monitor *monitor, const struct weir_json *answer)
{
	_cleanup_buf_ struct weir_buf said = { 0 };

	if (monitor->terminal->json || weir_command_flag(monitor->command, "csv"))
		return weir_json_add(answer, &said) ?
			       WEIR_EXIT_FAILED :
			       weir_local_show(monitor->command, monitor->terminal, &said);
	weir_buf_addf(&said, "%s is watched no longer\n", monitor->interface);
	return weir_terminal_print(monitor->terminal, &said) ? WEIR_EXIT_OK : WEIR_EXIT_FAILED;
}

/* Attaches or detaches it, then says how it stands. */
static int change_run(const struct monitor *monitor, const char *target, bool is_start)
{
	_cleanup_json_ struct weir_json *answer = NULL;
	_cleanup_buf_ struct weir_buf body = { 0 };
	struct weir_json_out json = { .out = &body };

	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "interface", monitor->interface);
	weir_json_close_object(&json);
	if (body.failed || ask(monitor, target, weir_buf_str(&body), &answer))
		return WEIR_EXIT_FAILED;
	return is_start ? status_run(monitor) : end_show(monitor, answer);
}

static uint64_t rate_of(const struct weir_json *device, const char *key)
{
	return (uint64_t)(weir_json_real(weir_json_get(device, key), 0) + 0.5);
}

static void way_add(struct weir_buf *out, const char *word, const struct weir_json *device,
		    const char *bytes, const char *packets)
{
	weir_buf_addf(out, "  %s ", word);
	if (!weir_json_get(device, bytes)) {
		weir_buf_add_char(out, '-'); /* it was not looked at for a second yet */
		return;
	}
	weir_size_format(rate_of(device, bytes), out);
	weir_buf_add_str(out, "/s ");
	weir_count_format(rate_of(device, packets), out);
	weir_buf_add_str(out, " packets/s");
}

static uint64_t dropped_of(const struct weir_json *row)
{
	return weir_view_uint(weir_json_get(row, "ingress_counts"), "drop_packets") +
	       weir_view_uint(weir_json_get(row, "egress_counts"), "drop_packets");
}

/* Its row of interface list, and when that was asked for. */
static void json_make(const struct weir_json *row, struct weir_buf *out)
{
	_cleanup_buf_ struct weir_buf members = { 0 };
	char when[WEIR_CLOCK_MS_TEXT];

	if (weir_json_add(row, &members)) {
		out->failed = true;
		return;
	}
	weir_clock_format_ms(weir_clock_real_ns(), when);
	/* Past the bracket: a row has a name at the least. */
	weir_buf_addf(out, "{\"time\":\"%s\",%s\n", when, weir_buf_str(&members) + 1);
}

/* "12:00:01  in 1.2MiB/s 900 packets/s  out 60KiB/s 400 packets/s  dropped 3" */
static void text_make(const struct weir_json *row, struct weir_buf *line)
{
	time_t now = time(NULL);
	struct tm local;
	char clock[16] = "";
	const struct weir_json *device = weir_json_get(row, "device");

	if (localtime_r(&now, &local))
		strftime(clock, sizeof(clock), "%H:%M:%S", &local);
	weir_buf_add_str(line, clock);
	way_add(line, "in", device, "rx_bytes_per_s", "rx_packets_per_s");
	way_add(line, "out", device, "tx_bytes_per_s", "tx_packets_per_s");
	weir_buf_add_str(line, "  dropped ");
	weir_count_format(dropped_of(row), line);
	weir_buf_add_char(line, '\n');
}

static bool line_print(const struct monitor *monitor, const struct weir_json *row)
{
	_cleanup_buf_ struct weir_buf line = { 0 };

	if (monitor->terminal->json)
		json_make(row, &line);
	else
		text_make(row, &line);
	return weir_terminal_print(monitor->terminal, &line);
}

/* Until Ctrl-C, or until nobody reads it: a daemon that is restarted comes back. */
static int realtime_run(const struct monitor *monitor)
{
	uint64_t interval_ns = INTERVAL_DEFAULT_NS;
	bool was_told = false;

	if (weir_interval_refuses_csv(monitor->command, monitor->terminal) ||
	    !weir_interval_read(monitor->command, monitor->terminal, &interval_ns))
		return WEIR_EXIT_USAGE;
	for (;;) {
		_cleanup_json_ struct weir_json *answer = NULL;

		int r = ask(monitor, "/api/v1/interface/list", NULL, &answer);
		const struct weir_json *row = r ? NULL : row_find(monitor, answer);

		if (!row && (!r || !was_told))
			return WEIR_EXIT_FAILED;
		if (row && !line_print(monitor, row))
			return WEIR_EXIT_OK;
		was_told = true;
		weir_interval_wait(interval_ns);
	}
}

int weir_local_monitor(const struct weir_command *command, struct weir_terminal *terminal)
{
	const char *action = weir_command_str(command, "action");
	const struct monitor monitor = { command, terminal,
					 weir_command_str(command, "interface") };

	if (strcmp(action, "start") == 0)
		return change_run(&monitor, "/api/v1/interface/attach", true);
	if (strcmp(action, "stop") == 0)
		return change_run(&monitor, "/api/v1/interface/detach", false);
	if (strcmp(action, "realtime") == 0)
		return realtime_run(&monitor);
	return status_run(&monitor);
}
