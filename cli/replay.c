/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a capture through a private copy of the data path and says how its packets would have ended.
 * The only reader of captures; the running daemon, if any, is not touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/link.h"
#include "cli/local.h"
#include "cli/progress.h"
#include "cli/replay_flows.h"
#include "core/probe.h"

#define DEFAULT_CONFIG "/etc/weir/weir.yaml"
#define TELL_EVERY 1024		/* packets between two looks at the clock */
#define FLUSH_BYTES (64u << 10) /* of lines kept before they are written */

WEIR_DEFINE_CLEANUP(pcap_t *, pcap_close);

/* One run over one file. */
struct replay {
	struct weir_terminal *terminal;
	struct weir_probe *probe;
	pcap_t *capture;
	enum weir_link link;
	uint64_t limit;
	struct weir_replay_sums sums;
	struct weir_buf lines; /* --json */
	bool tells_flows;      /* --flows, and no lines then */
	struct weir_replay_flows flows;
	struct weir_progress progress;
	bool reader_gone;
};

static int link_of(pcap_t *capture, struct weir_diag *diag, enum weir_link *ret_link)
{
	static const struct {
		int type;
		enum weir_link link;
	} known[] = {
		{ DLT_EN10MB, WEIR_LINK_ETHERNET }, { DLT_RAW, WEIR_LINK_RAW },
		{ DLT_IPV4, WEIR_LINK_RAW },	    { DLT_IPV6, WEIR_LINK_RAW },
		{ DLT_NULL, WEIR_LINK_NULL },	    { DLT_LOOP, WEIR_LINK_LOOP },
		{ DLT_LINUX_SLL, WEIR_LINK_SLL },   { DLT_LINUX_SLL2, WEIR_LINK_SLL2 },
	};
	int type = pcap_datalink(capture);
	const char *name = pcap_datalink_val_to_name(type);

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(known); i++)
		if (known[i].type == type) {
			*ret_link = known[i].link;
			return 0;
		}
	return weir_diag_error(diag, "capture on an Ethernet, loopback or 'any' interface",
			       "link type %d (%s) cannot be replayed", type,
			       name ? name : "unknown");
}

/* NULL with errno set. The stream owns its descriptor; "-" is a second one of standard input. */
static FILE *stream_open(const char *path)
{
	_cleanup_close_ int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) :
							  open(path, O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

	if (file)
		(void)weir_take_fd(fd);
	return file;
}

static int capture_open(const char *path, struct weir_diag *diag, pcap_t **ret_capture,
			uint64_t *ret_bytes)
{
	_cleanup_fclose_ FILE *file = stream_open(path);
	char why[PCAP_ERRBUF_SIZE] = "";
	struct stat status;

	if (!file || fstat(fileno(file), &status) < 0)
		return weir_diag_error(diag, NULL, "cannot open %s: %s", path, strerror(errno));
	pcap_t *capture =
		pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, why);
	if (!capture)
		return weir_diag_error(diag, "give a pcap or pcapng file, as tcpdump -w writes",
				       "%s: not a capture: %s", path, why);
	(void)weir_take(file); /* pcap_close() closes it */
	*ret_capture = capture;
	*ret_bytes = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
	return 0;
}

static bool is_ip(const struct weir_probe_result *result)
{
	static const struct weir_addr none;

	return memcmp(&result->src, &none, sizeof(none)) != 0 ||
	       memcmp(&result->dst, &none, sizeof(none)) != 0;
}

static void time_put(struct weir_json_out *json, const struct pcap_pkthdr *head)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	weir_buf_addf(&text, "%lld.%09ld", (long long)head->ts.tv_sec, (long)head->ts.tv_usec);
	weir_json_put_raw(json, "time", weir_buf_str(&text));
}

static void line_put(struct replay *replay, const struct pcap_pkthdr *head,
		     const struct weir_probe_result *result)
{
	struct weir_json_out json = { .out = &replay->lines };
	char text[WEIR_ADDR_TEXT];

	weir_json_open_object(&json, NULL);
	weir_json_put_uint(&json, "n", replay->sums.tally.packets + 1);
	time_put(&json, head);
	weir_json_put_uint(&json, "len", head->len);
	if (is_ip(result)) {
		weir_json_put_str(&json, "src", weir_addr_to_string(&result->src, text));
		weir_json_put_str(&json, "dst", weir_addr_to_string(&result->dst, text));
		weir_json_put_uint(&json, "proto", result->proto);
	}
	if (result->sport || result->dport) {
		weir_json_put_uint(&json, "sport", be16toh(result->sport));
		weir_json_put_uint(&json, "dport", be16toh(result->dport));
	}
	weir_json_put_str(&json, "verdict", weir_reason_is_drop(result->reason) ? "drop" : "pass");
	weir_json_put_str(&json, "reason", weir_reason_name(result->reason));
	weir_probe_describe(replay->probe, result, &json);
	weir_json_close_object(&json);
	weir_buf_add_char(&replay->lines, '\n');
}

static int lines_flush(struct replay *replay, size_t above)
{
	if (replay->lines.len <= above)
		return 0;
	if (!weir_terminal_print(replay->terminal, &replay->lines)) {
		replay->reader_gone = true;
		return -EPIPE;
	}
	weir_buf_clear(&replay->lines);
	return 0;
}

static int frame_judge(struct replay *replay, const struct weir_link_frame *frame, uint64_t time_ns,
		       struct weir_probe_result *ret_result)
{
	if (!replay->tells_flows)
		return weir_probe_run(replay->probe, WEIR_INGRESS, frame->bytes, frame->captured,
				      ret_result);
	const struct weir_replay_packet packet = {
		.frame = frame->bytes,
		.captured = frame->captured,
		.time_ns = time_ns,
		.wire_bytes = (uint32_t)frame->wire_len,
	};

	return weir_replay_run(&replay->flows.replay, &packet, ret_result);
}

static int packet_judge(struct replay *replay, const struct pcap_pkthdr *head,
			const unsigned char *bytes)
{
	struct weir_replay_sums *sums = &replay->sums;
	struct weir_probe_result result;
	struct weir_link_frame frame;
	uint64_t time_ns = (uint64_t)head->ts.tv_sec * WEIR_NS_PER_S + (uint64_t)head->ts.tv_usec;

	weir_link_to_ethernet(replay->link, bytes, head->caplen, head->len, &frame);
	int failed = frame_judge(replay, &frame, time_ns, &result);
	if (failed < 0)
		return failed;
	if (replay->terminal->json && !replay->tells_flows)
		line_put(replay, head, &result);
	if (sums->tally.packets == 0 || time_ns < sums->first_ns)
		sums->first_ns = time_ns;
	if (time_ns > sums->last_ns)
		sums->last_ns = time_ns;
	sums->cut_short += head->caplen < head->len;
	failed = weir_tally_add(&sums->tally, &(struct weir_tally_packet){
						      .reason = result.reason,
						      .dropped = weir_reason_is_drop(result.reason),
						      .bytes = frame.wire_len,
						      .source = is_ip(&result) ? &result.src : NULL,
					      });
	return failed < 0 ? failed : lines_flush(replay, FLUSH_BYTES);
}

static void progress_tell(struct replay *replay)
{
	FILE *file = pcap_file(replay->capture);
	off_t at = file ? ftello(file) : -1;

	if (replay->sums.tally.packets % TELL_EVERY == 0)
		weir_progress_tell(&replay->progress, at > 0 ? (uint64_t)at : 0, false);
}

/* Goes on to the end, the limit or the first damage; 0, or -errno with diag. */
static int replay_run(struct replay *replay, const char *path, struct weir_diag *diag)
{
	struct pcap_pkthdr *head;
	const unsigned char *bytes;
	int result = 0;
	int got = 1;

	weir_progress_start(&replay->progress);
	while (result == 0 && (!replay->limit || replay->sums.tally.packets < replay->limit) &&
	       (got = pcap_next_ex(replay->capture, &head, &bytes)) == 1) {
		result = packet_judge(replay, head, bytes);
		progress_tell(replay);
	}
	replay->sums.took_ms = weir_progress_elapsed_ms(&replay->progress);
	weir_progress_clear(&replay->progress);
	if (result == 0)
		result = lines_flush(replay, 0);
	unsigned long long number = replay->sums.tally.packets + 1;
	if (replay->reader_gone)
		return 0;
	if (result < 0)
		return weir_diag_error(diag, NULL, "%s: packet %llu: %s", path, number,
				       strerror(-result));
	if (got == PCAP_ERROR)
		return weir_diag_error(
			diag, "what comes before it is judged above; the rest cannot be read",
			"%s: damaged at packet %llu: %s", path, number,
			pcap_geterr(replay->capture));
	return 0;
}

/* --config, else the system's, else nothing but defaults, which is told. */
static int replay_config(const struct weir_command *command, struct weir_diag *diag,
			 struct weir_config **ret_config)
{
	const char *path = weir_command_str(command, "config");
	struct stat status;

	if (path)
		return weir_local_config(path, diag, ret_config);
	if (stat(DEFAULT_CONFIG, &status) == 0)
		return weir_local_config(DEFAULT_CONFIG, diag, ret_config);
	weir_diag_warning(diag, "name one with --config",
			  "there is no " DEFAULT_CONFIG
			  ": judged by the defaults, without any list");
	return weir_config_parse("", 0, NULL, diag, ret_config);
}

int weir_local_probe(const struct weir_config *config, const struct weir_probe_options *options,
		     struct weir_diag *diag, struct weir_probe **ret_probe)
{
	int result = weir_probe_new(config, options, diag, ret_probe);

	if (result < 0 && diag->errors == 0)
		weir_diag_error(diag,
				result == -EPERM ?
					"run it as root: the packets are judged in the kernel" :
					NULL,
				"cannot load the data path: %s", strerror(-result));
	return result;
}

static int replay_show(const struct weir_command *command, struct replay *replay)
{
	_cleanup_buf_ struct weir_buf json = { 0 };

	if (replay->tells_flows && !replay->reader_gone) {
		if (weir_replay_flows_end(&replay->flows, &replay->sums) < 0) {
			weir_terminal_problem(replay->terminal, "say --limit N",
					      "the flows of that capture do not fit into memory");
			return WEIR_EXIT_FAILED;
		}
		return weir_local_show(command, replay->terminal, &replay->flows.text);
	}
	if (replay->terminal->json)
		return WEIR_EXIT_OK;
	weir_replay_put(&replay->sums, &json);
	return weir_local_show(command, replay->terminal, &json);
}

static int flows_begin(struct replay *replay, struct weir_probe *probe, struct weir_diag *diag)
{
	int result = weir_replay_flows_begin(&replay->flows, probe);

	if (result < 0)
		weir_diag_error(diag, NULL, "cannot hear of flows: %s", strerror(-result));
	return result;
}

int weir_local_replay(const struct weir_command *command, struct weir_terminal *terminal)
{
	const char *path = weir_command_str(command, "file");
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_(pcap_closep) pcap_t *capture = NULL;
	_cleanup_config_ struct weir_config *config =
		NULL; /* outlives the probe, whose features look into it */
	_cleanup_probe_ struct weir_probe *probe = NULL;
	struct replay replay = {
		.terminal = terminal,
		.limit = weir_command_uint(command, "limit", 0),
		.tells_flows = weir_command_flag(command, "flows"),
		.progress = { .fd = terminal->err, .on = terminal->progress, .quiet_ms = 1000 },
	};
	int result = capture_open(path, &diag, &capture, &replay.progress.total);

	if (result == 0)
		result = link_of(capture, &diag, &replay.link);
	if (result == 0)
		result = replay_config(command, &diag, &config);
	if (result == 0 && replay.tells_flows)
		result = weir_replay_config(config, &diag);
	if (result == 0)
		result = weir_local_probe(config, &(struct weir_probe_options){ .learns = true },
					  &diag, &probe);
	if (result == 0 && replay.tells_flows)
		result = flows_begin(&replay, probe, &diag);
	weir_terminal_diag(terminal, &diag);
	if (result < 0) {
		weir_replay_flows_done(&replay.flows);
		return WEIR_EXIT_FAILED;
	}
	weir_diag_done(&diag);
	replay.capture = capture;
	replay.probe = probe;
	result = replay_run(&replay, path, &diag);
	int code = replay_show(command, &replay);
	weir_terminal_diag(terminal, &diag);
	weir_tally_done(&replay.sums.tally);
	weir_buf_done(&replay.lines);
	weir_replay_flows_done(&replay.flows);
	return result < 0 ? WEIR_EXIT_FAILED : code;
}
