/* SPDX-License-Identifier: Apache-2.0 */
/* Writes metrics. Values were taken when the snapshot was made; only the API's own counts and the
 * memory are of now. */
#include "api/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/service.h"
#include "base/cleanup.h"
#include "base/units.h"

#define EXACT_INTEGERS 9007199254740992.0 /* 2^53: beyond it a double skips integers anyway */

static const char *const rejections[WEIR_HTTP_REJECTIONS] = {
	[WEIR_HTTP_REJECT_TOKEN] = "token", [WEIR_HTTP_REJECT_ROLE] = "role",
	[WEIR_HTTP_REJECT_HOST] = "host",   [WEIR_HTTP_REJECT_ORIGIN] = "origin",
	[WEIR_HTTP_REJECT_SIZE] = "size",   [WEIR_HTTP_REJECT_CONNECTION] = "connections",
	[WEIR_HTTP_REJECT_SLOW] = "slow",   [WEIR_HTTP_REJECT_STREAM] = "streams",
};

struct metrics {
	struct weir_buf *text;
	const char *prefix;
	struct weir_series *series;
};

/* Names of the API itself, which the snapshot does not have. */
static const char *const own[] = { "build_info",	   "revision",
				   "metrics_series_limit", "metrics_series_left_out",
				   "http_requests_total",  "http_rejected_total" };

static bool is_own(const char *name)
{
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(own); i++)
		if (strcmp(own[i], name) == 0)
			return true;
	return false;
}

/* In HELP only backslash and newline are special. */
static void help_put(struct weir_buf *text, const char *help)
{
	for (; *help; help++) {
		if (*help == '\\')
			weir_buf_add_str(text, "\\\\");
		else if (*help == '\n')
			weir_buf_add_str(text, "\\n");
		else
			weir_buf_add_char(text, *help);
	}
}

static void head_put(const struct metrics *metrics, const char *name, const char *help,
		     const char *type)
{
	weir_buf_addf(metrics->text, "# HELP %s%s ", metrics->prefix, name);
	help_put(metrics->text, help);
	weir_buf_addf(metrics->text, "\n# TYPE %s%s %s\n", metrics->prefix, name, type);
}

static void value_put(struct weir_buf *text, double value)
{
	if (isnan(value))
		weir_buf_add_str(text, "NaN");
	else if (isinf(value))
		weir_buf_add_str(text, value > 0 ? "+Inf" : "-Inf");
	else if (value == floor(value) && fabs(value) < EXACT_INTEGERS)
		weir_buf_addf(text, "%.0f", value);
	else
		weir_real_format(value, text);
	weir_buf_add_char(text, '\n');
}

static void series_put(const struct metrics *metrics, const char *name, const char *suffix,
		       const char *labels, double value)
{
	weir_buf_add_str(metrics->text, metrics->prefix);
	weir_buf_add_str(metrics->text, name);
	weir_buf_add_str(metrics->text, suffix);
	if (labels && *labels) {
		weir_buf_add_char(metrics->text, '{');
		weir_buf_add_str(metrics->text, labels);
		weir_buf_add_char(metrics->text, '}');
	}
	weir_buf_add_char(metrics->text, ' ');
	value_put(metrics->text, value);
}

static void sample_put(const struct metrics *metrics, const char *name, const char *labels,
		       double value)
{
	series_put(metrics, name, "", labels, value);
}

static const struct {
	const char *type, *suffix;
} kinds[] = {
	[WEIR_SAMPLE_COUNTER] = { "counter", "" },
	[WEIR_SAMPLE_FOREIGN] = { "counter", "" },
	[WEIR_SAMPLE_GAUGE] = { "gauge", "" },
	[WEIR_SAMPLE_BUCKET] = { "histogram", "_bucket" },
	[WEIR_SAMPLE_SUM] = { "histogram", "_sum" },
	[WEIR_SAMPLE_COUNT] = { "histogram", "_count" },
};

/* What is folded of the metric before: its labels are those of the one that was folded. */
static void rest_put(const struct metrics *metrics, struct weir_buf *labels)
{
	struct weir_series_rest rest = weir_series_rest(metrics->series);

	if (rest.is_there)
		series_put(metrics, rest.name, "", weir_buf_str(labels), rest.value);
	weir_buf_done(labels);
}

static void snapshot_put(const struct metrics *metrics, const struct weir_snapshot *snapshot)
{
	struct weir_buf other = { 0 };
	const char *last = "";

	for (size_t i = 0; i < snapshot->sample_count; i++) {
		const struct weir_sample *sample = &snapshot->samples[i];
		if (is_own(sample->name))
			continue;
		if (strcmp(sample->name, last) != 0) {
			if (*last)
				rest_put(metrics, &other);
			head_put(metrics, sample->name, sample->help, kinds[sample->kind].type);
		}
		last = sample->name;
		if (weir_series_shows(metrics->series, sample))
			series_put(metrics, sample->name, kinds[sample->kind].suffix,
				   sample->labels, sample->value);
		if (!other.len && sample->labels)
			weir_series_labels_other(sample->labels, &other);
	}
	if (*last)
		rest_put(metrics, &other);
}

static void capped_put(const struct metrics *metrics, unsigned most)
{
	head_put(metrics, "metrics_series_limit", "Most series that are told here.", "gauge");
	sample_put(metrics, "metrics_series_limit", NULL, most);
	head_put(metrics, "metrics_series_left_out",
		 "Series that are not told by themselves: counters are in \"other\".", "gauge");
	sample_put(metrics, "metrics_series_left_out", NULL, weir_series_left_out(metrics->series));
}

static void http_put(const struct metrics *metrics, const struct weir_http_counts *counts)
{
	char labels[64];
	head_put(metrics, "http_requests_total",
		 "Requests answered, by status code, since the daemon started.", "counter");
	for (unsigned code = 0; code < WEIR_HTTP_STATUS_MAX; code++) {
		/* 200 always, so that the metric is never without a sample. */
		if (!counts->answers[code] && code != 200)
			continue;
		snprintf(labels, sizeof(labels), "code=\"%u\"", code);
		sample_put(metrics, "http_requests_total", labels, (double)counts->answers[code]);
	}
	head_put(metrics, "http_rejected_total",
		 "Requests and connections turned away, by cause, since the daemon started.",
		 "counter");
	for (size_t i = 0; i < WEIR_HTTP_REJECTIONS; i++) {
		snprintf(labels, sizeof(labels), "reason=\"%s\"", rejections[i]);
		sample_put(metrics, "http_rejected_total", labels, (double)counts->rejected[i]);
	}
}

/* Second field of statm, in pages; 0 when it cannot be read. */
static double resident_bytes(void)
{
	unsigned long pages = 0;
	_cleanup_fclose_ FILE *statm = fopen("/proc/self/statm", "re");
	if (!statm || fscanf(statm, "%*u %lu", &pages) != 1)
		return 0;
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* Before it is told: what a scrape has seen must not be chosen otherwise by the next run. */
static void series_keep(struct weir_api *api)
{
	int r = weir_series_keep(api->series);

	if (r && !api->is_series_loss_told)
		weir_engine_warn(api->engine, "metrics",
				 "which series are told cannot be kept in the run's directory: %s; "
				 "after a restart others may be",
				 strerror(-r));
	api->is_series_loss_told = r != 0;
}

void weir_metrics_write(struct weir_api *api, struct weir_buf *text)
{
	const struct weir_snapshot *snapshot = weir_engine_snapshot(api->engine);
	const struct metrics metrics = { text, api->metrics_prefix, api->series };
	const struct metrics bare = { text, "", NULL }; /* names that all programs share */

	if (weir_series_begin(api->series, snapshot, api->metrics_series)) {
		text->failed = true;
		return;
	}
	snapshot_put(&metrics, snapshot);
	capped_put(&metrics, api->metrics_series);
	weir_series_end(api->series);
	series_keep(api);
	head_put(&metrics, "build_info", "Always 1; the label is the version that runs.", "gauge");
	sample_put(&metrics, "build_info", "version=\"" WEIR_VERSION "\"", 1);
	head_put(&metrics, "revision", "The revision of the policy that is live.", "gauge");
	sample_put(&metrics, "revision", NULL, (double)weir_engine_revision(api->engine));
	http_put(&metrics, &api->counts);
	head_put(&bare, "process_resident_memory_bytes", "Resident memory of the daemon, in bytes.",
		 "gauge");
	sample_put(&bare, "process_resident_memory_bytes", NULL, resident_bytes());
}
