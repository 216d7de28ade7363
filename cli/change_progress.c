/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/change_progress.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/client.h"
#include "cli/view.h"

#define ASK_EVERY_NS (200 * WEIR_NS_PER_MS)
#define ASK_TIMEOUT_MS 500 /* the answer that matters comes on the other connection */

static const struct {
	const char *step, *words;
} steps[] = {
	{ "compile", "compiling" },	     { "load", "loading the program" },
	{ "stage", "placing the policy" },   { "switch", "switching programs" },
	{ "settle", "bringing state over" },
};

void weir_change_progress_read(const struct weir_json *status, struct weir_progress *progress)
{
	const struct weir_json *change = weir_json_get(status, "change");
	const char *step = weir_view_str(change, "step");

	for (size_t i = 0; change && i < WEIR_ARRAY_SIZE(steps); i++) {
		if (strcmp(step, steps[i].step))
			continue;
		progress->working = steps[i].words;
		progress->step_done = weir_view_uint(change, "done");
		progress->step_total = weir_view_uint(change, "total");
	}
}

static void status_ask(struct weir_change_progress *watching)
{
	_cleanup_diag_ struct weir_diag unheard = { 0 };
	_cleanup_answer_ struct weir_answer answer = { 0 };
	_cleanup_json_ struct weir_json *status = NULL;
	const struct weir_request request = {
		.socket = watching->socket,
		.method = "GET",
		.target = "/api/v1/status",
		.timeout_ms = ASK_TIMEOUT_MS,
		.body_fd = -1,
	};

	if (weir_client_ask(&request, &unheard, &answer) == 0 && answer.status == 200 &&
	    weir_json_parse(weir_buf_str(&answer.body), answer.body.len, NULL, &unheard, &status) ==
		    0)
		weir_change_progress_read(status, watching->progress);
}

void weir_change_progress_tell(void *arg, uint64_t sent_bytes, bool all_sent)
{
	struct weir_change_progress *watching = arg;
	struct weir_progress *progress = watching->progress;
	uint64_t now_ns = weir_clock_monotonic_ns();

	if (progress->on && all_sent && now_ns - watching->asked_ns >= ASK_EVERY_NS) {
		/* What takes less time than that is not asked for at all. */
		if (watching->asked_ns)
			status_ask(watching);
		watching->asked_ns = now_ns;
	}
	weir_progress_tell(progress, sent_bytes, all_sent);
}
