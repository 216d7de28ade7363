/* SPDX-License-Identifier: Apache-2.0 */
/* weir summary: what goes by, every few seconds, for people who leave it running. */
#include <stdlib.h>
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

enum word {
	WORD_TITLE,
	WORD_TIME,
	WORD_HOSTS,
	WORD_HOSTS_LIVE,
	WORD_HOST,
	WORD_TRAFFIC,
	WORD_ACTIVE,
	WORD_STATE,
	WORD_TOTAL,
	WORD_TOTAL_ACTIVE,
	WORD_OPENING,
	WORD_ESTABLISHED,
	WORD_CLOSING,
	WORD_RESET,
	WORD_ONE_WAY,
	WORD_ANSWERED,
	WORD_STREAM,
	WORD_ECHO,
	WORD_OTHER,
	WORDS,
};

const char *const weir_summary_langs[] = { "en", "zh", NULL };

static const char *const words[][WORDS] = {
	{ "=== Traffic ===", "At", "--- By address ---",
	  "--- By address, of the connections there are ---", "IP", "traffic",
	  "--- Active connections ---", "state", "connections", "active connections", "opening",
	  "established", "closing", "reset", "one way", "answered", "both ways", "echo", "other" },
	{ "=== 流量统计汇总 ===", "更新时间", "--- IP流量统计 ---",
	  "--- IP流量统计（现有连接） ---", "IP", "流量", "--- 活跃连接 ---", "状态", "总连接数",
	  "活跃连接数", "建立中", "已建立", "关闭中", "已重置", "单向", "已应答", "双向", "回显",
	  "其他" },
};

struct summary {
	const struct weir_command *command;
	struct weir_terminal *terminal;
	const char *const *words;
	uint64_t interval_ns, rounds; /* rounds 0: until Ctrl-C */
};

static int ask(const struct summary *summary, const char *target, struct weir_json **ret_answer)
{
	struct weir_question question = { .target = target };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	int r = weir_ask(summary->command, &question, &diag, ret_answer);

	if (r)
		weir_terminal_diag(summary->terminal, &diag);
	return r;
}

static void hosts_add(const struct summary *summary, const struct weir_json *top,
		      struct weir_buf *out)
{
	const struct weir_json *rows = weir_json_get(top, "rows");

	weir_buf_addf(out, "\n%s\n",
		      summary->words[weir_json_get(top, "ended") ? WORD_HOSTS : WORD_HOSTS_LIVE]);
	for (size_t i = 0; i < weir_json_size(rows); i++) {
		const struct weir_json *row = weir_json_at(rows, i);

		weir_buf_addf(out, "%s: %-39s | %s: ", summary->words[WORD_HOST],
			      weir_view_str(row, "name"), summary->words[WORD_TRAFFIC]);
		weir_size_format(weir_view_uint(row, "bytes"), out);
		weir_buf_add_char(out, '\n');
	}
}

/* States of conntrack and the document's words for them. TCP and SCTP have its four. */
static const struct state {
	const char *name;
	enum word word;
	bool is_active;
} states[] = {
	{ "syn_sent", WORD_OPENING, false },
	{ "syn_received", WORD_OPENING, false },
	{ "established", WORD_ESTABLISHED, true },
	{ "fin_wait", WORD_CLOSING, false },
	{ "closing", WORD_CLOSING, false },
	{ "time_wait", WORD_CLOSING, false },
	{ "reset", WORD_RESET, false },
	{ "one_way", WORD_ONE_WAY, true },
	{ "answered", WORD_ANSWERED, true },
	{ "stream", WORD_STREAM, true },
	{ "echo", WORD_ECHO, true },
	{ "other", WORD_OTHER, true },
};

static const char *state_word(const struct summary *summary, const struct weir_json *flow)
{
	const char *name = weir_view_str(flow, "state");

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(states); i++)
		if (strcmp(states[i].name, name) == 0)
			return summary->words[states[i].word];
	return name;
}

/* A flood of SYNs is a flood of connections, and none of them is active. */
static uint64_t active_count(const struct weir_json *count)
{
	const struct weir_json *by_state = weir_json_get(count, "states");
	uint64_t sum = 0;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(states); i++)
		if (states[i].is_active)
			sum += weir_view_uint(by_state, states[i].name);
	return sum;
}

static void flows_add(const struct summary *summary, const struct weir_json *top,
		      struct weir_buf *out)
{
	const struct weir_json *flows = weir_json_get(top, "flows");

	weir_buf_addf(out, "\n%s\n", summary->words[WORD_ACTIVE]);
	for (size_t i = 0; i < weir_json_size(flows); i++) {
		const struct weir_json *flow = weir_json_at(flows, i);

		weir_view_add_endpoint(out, flow, "src", "sport");
		weir_buf_add_str(out, " -> ");
		weir_view_add_endpoint(out, flow, "dst", "dport");
		weir_buf_addf(out, " | %s: %s | %s: ", summary->words[WORD_STATE],
			      state_word(summary, flow), summary->words[WORD_TRAFFIC]);
		weir_size_format(weir_view_uint(flow, "bytes"), out);
		weir_buf_add_char(out, '\n');
	}
}

static void text_make(const struct summary *summary, const struct weir_json *hosts,
		      const struct weir_json *flows, const struct weir_json *count,
		      struct weir_buf *out)
{
	char clock[32] = "";
	time_t now = time(NULL);
	struct tm local;

	if (localtime_r(&now, &local))
		strftime(clock, sizeof(clock), "%Y-%m-%d %H:%M:%S", &local);
	weir_buf_addf(out, "%s\n%s: %s\n", summary->words[WORD_TITLE], summary->words[WORD_TIME],
		      clock);
	hosts_add(summary, hosts, out);
	flows_add(summary, flows, out);
	weir_buf_addf(out, "\n%s: ", summary->words[WORD_TOTAL]);
	weir_count_format(weir_view_uint(count, "total"), out);
	weir_buf_addf(out, "\n%s: ", summary->words[WORD_TOTAL_ACTIVE]);
	weir_count_format(active_count(count), out);
	weir_buf_add_str(out, "\n========================\n");
}

/* With what ended carried; of the living alone where the configuration keeps no totals. */
static int hosts_ask(const struct summary *summary, struct weir_json **ret_hosts)
{
	static const char target[] = "/api/v1/flow/top?by=bytes&group=host&limit=10",
			  whole[] = "/api/v1/flow/top?by=bytes&group=host&limit=10&ended=true";
	struct weir_question question = { .target = whole };
	_cleanup_diag_ struct weir_diag diag = { 0 };

	if (!weir_ask(summary->command, &question, &diag, ret_hosts))
		return 0;
	return ask(summary, target, ret_hosts);
}

/* With --json a line each time: what was asked for it. */
static void json_make(const struct weir_json *hosts, const struct weir_json *flows,
		      const struct weir_json *count, struct weir_buf *out)
{
	weir_buf_add_str(out, "{\"hosts\":");
	weir_json_add(hosts, out);
	weir_buf_add_str(out, ",\"active\":");
	weir_json_add(flows, out);
	weir_buf_add_str(out, ",\"count\":");
	weir_json_add(count, out);
	weir_buf_add_str(out, "}\n");
}

/* What is over is not active; what begins carries too little to stand before others. */
#define ACTIVE "not%20stage%3Dclosing%2Creset"

/* 1: nobody reads it any more. */
static int round_print(const struct summary *summary)
{
	_cleanup_json_ struct weir_json *hosts = NULL, *flows = NULL, *count = NULL;
	_cleanup_buf_ struct weir_buf out = { 0 };

	if (hosts_ask(summary, &hosts) ||
	    ask(summary, "/api/v1/flow/top?by=bytes&limit=10&filter=" ACTIVE, &flows) ||
	    ask(summary, "/api/v1/flow/count", &count))
		return -1;
	if (summary->terminal->json)
		json_make(hosts, flows, count, &out);
	else
		text_make(summary, hosts, flows, count, &out);
	return weir_terminal_print(summary->terminal, &out) ? 0 : 1;
}

static int summary_read(struct summary *summary)
{
	const char *rounds = weir_command_str(summary->command, "rounds"),
		   *lang = weir_command_str(summary->command, "lang");

	if (weir_interval_refuses_csv(summary->command, summary->terminal) ||
	    !weir_interval_read(summary->command, summary->terminal, &summary->interval_ns))
		return -1;
	summary->rounds = rounds ? strtoull(rounds, NULL, 10) : 0;
	summary->words = words[lang && strcmp(lang, "zh") == 0];
	return 0;
}

int weir_local_summary(const struct weir_command *command, struct weir_terminal *terminal)
{
	struct summary summary = { command, terminal, NULL, 5 * WEIR_NS_PER_S, 0 };

	if (summary_read(&summary))
		return WEIR_EXIT_USAGE;
	for (uint64_t done = 1;; done++) {
		int r = round_print(&summary);

		/* A daemon that is restarted comes back. */
		if (r < 0 && (done == 1 || done == summary.rounds))
			return WEIR_EXIT_FAILED;
		if (r > 0 || done == summary.rounds)
			return WEIR_EXIT_OK;
		weir_interval_wait(summary.interval_ns);
	}
}
