/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines to a syslog daemon: to the local socket as syslog(3) writes them (RFC 3164 without a host),
 * which is what daemons there expect, to another host as RFC 5424 by UDP (RFC 5426) or TCP with
 * octet counts (RFC 6587).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "features/log/log_send.h"
#include "features/log/log_target.h"

#define REFUSAL_MS 200 /* a host far away takes to say that nobody listens */

struct log_syslog {
	struct log_target target; /* first */
	struct log_address address;
	int fd;		  /* -1: not open */
	uint64_t sent_ns; /* its last datagram that was not refused; 0: none yet */
};

static void header_local(const struct log_syslog *syslog, const struct log_entry *entry,
			 const struct log_record *record, struct weir_buf *text)
{
	time_t now = (time_t)(entry->happening.real_ns / WEIR_NS_PER_S);
	char when[32];
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(when, sizeof(when), "%b %e %H:%M:%S", &tm);
	weir_buf_addf(text, "<%d>%s weir[%d]: ",
		      syslog->target.want.facility * 8 + record->kind->severity, when, getpid());
}

/* No structured data: an enterprise number would have to be somebody's. */
static void header_remote(const struct log_syslog *syslog, const struct log_entry *entry,
			  const struct log_record *record, struct weir_buf *text)
{
	const char *when = log_record_get(record, "@timestamp");
	const char *host = log_record_get(record, "observer.hostname");

	weir_buf_addf(text, "<%d>1 %s %s weir %d %.32s - ",
		      syslog->target.want.facility * 8 + record->kind->severity, when ? when : "-",
		      host ? host : "-", getpid(), entry->happening.kind);
}

static int text_make(const struct log_syslog *syslog, const struct log_entry *entry,
		     struct weir_buf *text)
{
	struct log_record record;
	const char *message;
	int r = log_record_make(&entry->happening, &record);

	if (!r && syslog->address.kind == LOG_ADDRESS_UNIX)
		header_local(syslog, entry, &record, text);
	else if (!r)
		header_remote(syslog, entry, &record, text);
	message = r ? NULL : log_record_get(&record, "message");
	if (!r && syslog->target.want.as_json) {
		weir_buf_add_str(text, "@cee: ");
		log_record_write(&record, text);
		if (!text->failed)
			text->data[--text->len] = '\0'; /* the end of the line */
	} else if (!r) {
		weir_buf_add_str(text, message ? message : "");
	}
	log_record_done(&record);
	return r ? r : text->failed ? -ENOMEM : 0;
}

static void syslog_close(struct log_syslog *syslog)
{
	if (syslog->fd >= 0)
		close(syslog->fd);
	syslog->fd = -1;
}

static bool syslog_open(struct log_target *target)
{
	struct log_syslog *syslog = (struct log_syslog *)target;

	if (syslog->fd >= 0)
		return true;
	int fd = log_connect(&syslog->address);

	if (fd < 0) {
		log_problem_set(target, "cannot be reached", -fd);
		return false;
	}
	target->problem[0] = '\0';
	syslog->fd = fd;
	syslog->sent_ns = 0;
	return true;
}

/*
 * A collector that ended is not known of before something was sent to it, and that would be lost:
 * the first line behind a silence, as the first of all, is waited for. A new socket for each would
 * else never hear of it. In the midst of a stream what is on its way by then is lost at the most,
 * and nothing at this host, which says so at once.
 */
static int datagram_send(struct log_syslog *syslog, const struct weir_buf *text)
{
	uint64_t silent_ns = weir_clock_monotonic_ns() - syslog->sent_ns;
	int r = log_send_datagram(syslog->fd, weir_buf_str(text), text->len);

	if (!r && syslog->address.kind == LOG_ADDRESS_UDP)
		r = log_refused(syslog->fd,
				silent_ns > REFUSAL_MS * WEIR_NS_PER_MS ? REFUSAL_MS : 0);
	if (!r)
		syslog->sent_ns = weir_clock_monotonic_ns();
	return r;
}

static int text_send(struct log_syslog *syslog, const struct weir_buf *text)
{
	_cleanup_buf_ struct weir_buf counted = { 0 };

	/* As syslog(3) does it, with the zero at its end. */
	if (syslog->address.kind == LOG_ADDRESS_UNIX && log_is_stream(syslog->fd))
		return log_send_stream(syslog->fd, weir_buf_str(text), text->len + 1);
	if (syslog->address.kind != LOG_ADDRESS_TCP)
		return datagram_send(syslog, text);
	weir_buf_addf(&counted, "%zu ", text->len);
	weir_buf_add(&counted, weir_buf_str(text), text->len);
	return counted.failed ? -ENOMEM :
				log_send_stream(syslog->fd, weir_buf_str(&counted), counted.len);
}

static size_t syslog_put(struct log_target *target, struct log_entry *const *entries, size_t count)
{
	struct log_syslog *syslog = (struct log_syslog *)target;

	for (size_t i = 0; i < count; i++) {
		_cleanup_buf_ struct weir_buf text = { 0 };

		if (!syslog_open(target))
			return i;
		int r = text_make(syslog, entries[i], &text);

		if (!r)
			r = text_send(syslog, &text);
		entries[i]->is_bad = r == -EINVAL || r == -EMSGSIZE;
		if (!r || entries[i]->is_bad)
			continue;
		log_problem_set(target, "cannot be sent to", -r);
		syslog_close(syslog);
		return i;
	}
	return count;
}

static void syslog_free(struct log_target *target)
{
	struct log_syslog *syslog = (struct log_syslog *)target;

	syslog_close(syslog);
	free(syslog);
}

struct log_target *log_syslog_new(const struct log_want *want)
{
	struct log_syslog *syslog = calloc(1, sizeof(*syslog));

	if (!syslog)
		return NULL;
	syslog->fd = -1;
	syslog->target = (struct log_target){
		.want = *want, .put = syslog_put, .open = syslog_open, .free = syslog_free
	};
	log_where_set(&syslog->target, want->where);
	if (log_address_read(want->where, &syslog->address)) {
		free(syslog); /* log_check() has refused it */
		return NULL;
	}
	return &syslog->target;
}
