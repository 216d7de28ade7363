/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of events: one text for all who want it, a short queue for each. What the events say is
 * the engine's and delta.c's. */
#include "api/sse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/delta.h"
#include "api/service.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "core/event_log.h"

#define HEARTBEAT_MS 15000
#define RETRY_MS 3000

/* The text of one event, shared by all queues it stands in. */
struct frame {
	unsigned references;
	size_t len;
	char text[];
};

struct stream {
	struct weir_http_stream http; /* first: the server knows only this */
	struct weir_sse *sse;
	struct stream *next;
	char *kinds;
	struct frame *queue[WEIR_SSE_QUEUE_MAX];
	size_t first, count;
	struct frame *current; /* being sent, from offset */
	size_t offset;
	uint64_t lost;
	uint64_t sent_ms; /* when something was last queued */
	bool is_ending;
};

struct weir_sse {
	struct weir_subscriber subscriber; /* first: the engine knows only this */
	const struct weir_api *api;
	struct stream *streams;
	unsigned stream_count;
	bool is_subscribed;
	uint64_t id;
	struct weir_snapshot *before;
};

static uint64_t now_ms(void)
{
	return weir_clock_monotonic_ns() / WEIR_NS_PER_MS;
}

/* --- frames --- */

static struct frame *frame_new(const struct weir_buf *text)
{
	struct frame *frame = text->failed ? NULL : malloc(sizeof(*frame) + text->len);
	if (!frame)
		return NULL;
	frame->references = 1;
	frame->len = text->len;
	memcpy(frame->text, text->data, text->len);
	return frame;
}

static struct frame *frame_ref(struct frame *frame)
{
	frame->references++;
	return frame;
}

static void frame_unref(struct frame *frame)
{
	if (frame && --frame->references == 0)
		free(frame);
}

/* A line break would end the field; in JSON it is only ever a blank. */
static void data_put(struct weir_buf *text, const char *json, size_t len)
{
	weir_buf_add_str(text, "data: ");
	for (size_t i = 0; i < len; i++)
		weir_buf_add_char(text, json[i] == '\n' || json[i] == '\r' ? ' ' : json[i]);
	weir_buf_add_str(text, "\n\n");
}

/* --- one stream --- */

/* After the first loss everything is lost until the queue is empty: one gap, told where it was, and
 * not many small ones. */
static void stream_put(struct stream *stream, struct frame *frame)
{
	if (stream->lost || stream->count == WEIR_SSE_QUEUE_MAX) {
		stream->lost++;
		return;
	}
	stream->queue[(stream->first + stream->count++) % WEIR_SSE_QUEUE_MAX] = frame_ref(frame);
	stream->sent_ms = now_ms();
	weir_http_stream_wake(&stream->http);
}

static struct frame *stream_lost_frame(struct stream *stream)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	weir_buf_addf(&text, "event: lost\ndata: {\"lost\":%" PRIu64 "}\n\n", stream->lost);
	struct frame *frame = frame_new(&text);
	if (frame)
		stream->lost = 0;
	return frame;
}

static struct frame *stream_next(struct stream *stream)
{
	if (stream->count > 0) {
		struct frame *frame = stream->queue[stream->first];
		stream->first = (stream->first + 1) % WEIR_SSE_QUEUE_MAX;
		stream->count--;
		return frame;
	}
	return stream->lost ? stream_lost_frame(stream) : NULL;
}

static ssize_t stream_read(struct weir_http_stream *http, char *bytes, size_t max)
{
	struct stream *stream = (struct stream *)http;
	size_t n = 0;
	while (n < max) {
		if (!stream->current) {
			stream->current = stream_next(stream);
			stream->offset = 0;
		}
		if (!stream->current)
			break;
		size_t left = stream->current->len - stream->offset;
		size_t part = left < max - n ? left : max - n;
		memcpy(bytes + n, stream->current->text + stream->offset, part);
		n += part;
		stream->offset += part;
		if (part == left) {
			frame_unref(stream->current);
			stream->current = NULL;
		}
	}
	return n == 0 && stream->is_ending ? -1 : (ssize_t)n;
}

static void stream_free(struct stream *stream)
{
	while (stream->count > 0)
		frame_unref(stream_next(stream));
	frame_unref(stream->current);
	free(stream->kinds);
	free(stream);
}

static void stream_closed(struct weir_http_stream *http)
{
	struct stream *stream = (struct stream *)http;
	for (struct stream **at = &stream->sse->streams; *at; at = &(*at)->next)
		if (*at == stream) {
			*at = stream->next;
			stream->sse->stream_count--;
			break;
		}
	stream_free(stream);
}

/* --- all streams --- */

/* Ended flows come in masses: who asks for everything does not mean them. */
static bool stream_wants(const struct stream *stream, const char *kind)
{
	return weir_event_is_wanted(stream->kinds, kind) &&
	       (strcmp(kind, "flow") != 0 || (stream->kinds && stream->kinds[0]));
}

static bool sse_is_wanted(const struct weir_sse *sse, const char *kind)
{
	for (const struct stream *stream = sse->streams; stream; stream = stream->next)
		if (stream_wants(stream, kind))
			return true;
	return false;
}

static void sse_publish(struct weir_sse *sse, const char *kind, const char *json, size_t len)
{
	if (!sse_is_wanted(sse, kind))
		return;
	_cleanup_buf_ struct weir_buf text = { 0 };
	weir_buf_addf(&text, "id: %" PRIu64 "\nevent: %s\n", ++sse->id, kind);
	data_put(&text, json, len);
	struct frame *frame = frame_new(&text);
	for (struct stream *stream = sse->streams; stream; stream = stream->next) {
		if (!stream_wants(stream, kind))
			continue;
		if (frame)
			stream_put(stream, frame);
		else
			stream->lost++;
	}
	frame_unref(frame);
}

static void sse_event(struct weir_subscriber *subscriber, const char *kind, const char *json,
		      size_t len)
{
	sse_publish((struct weir_sse *)subscriber, kind, json, len);
}

static void sse_snapshot(struct weir_subscriber *subscriber, struct weir_snapshot *snapshot)
{
	struct weir_sse *sse = (struct weir_sse *)subscriber;
	if (sse->before && sse_is_wanted(sse, "snapshot")) {
		_cleanup_buf_ struct weir_buf text = { 0 };
		weir_delta_write(sse->before, snapshot, &text);
		if (!text.failed)
			sse_publish(sse, "snapshot", text.data, text.len);
	}
	if (sse->before)
		weir_snapshot_unref(sse->before);
	sse->before = weir_snapshot_ref(snapshot);
}

static bool sse_streams(struct weir_subscriber *subscriber, const char *kind)
{
	return sse_is_wanted((struct weir_sse *)subscriber, kind);
}

static void sse_subscribe(struct weir_sse *sse)
{
	if (sse->is_subscribed)
		return;
	sse->is_subscribed = true;
	sse->before = weir_snapshot_ref(weir_engine_snapshot(sse->api->engine));
	weir_engine_subscribe(sse->api->engine, &sse->subscriber);
}

static void sse_unsubscribe(struct weir_sse *sse)
{
	if (!sse->is_subscribed)
		return;
	sse->is_subscribed = false;
	weir_engine_unsubscribe(sse->api->engine, &sse->subscriber);
	weir_snapshot_unref(sse->before);
	sse->before = NULL;
}

int weir_sse_new(const struct weir_api *api, struct weir_sse **ret_sse)
{
	struct weir_sse *sse = calloc(1, sizeof(*sse));
	if (!sse)
		return -ENOMEM;
	sse->api = api;
	sse->subscriber.event = sse_event;
	sse->subscriber.snapshot = sse_snapshot;
	sse->subscriber.streams = sse_streams;
	*ret_sse = sse;
	return 0;
}

void weir_sse_free(struct weir_sse *sse)
{
	if (!sse)
		return;
	sse_unsubscribe(sse);
	free(sse);
}

static struct stream *stream_new(struct weir_sse *sse, const char *kinds)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	if (!stream)
		return NULL;
	stream->http.read = stream_read;
	stream->http.closed = stream_closed;
	stream->sse = sse;
	stream->kinds = strdup(kinds ? kinds : "");
	_cleanup_buf_ struct weir_buf text = { 0 };
	weir_buf_addf(&text, "retry: %d\n: weir\n\n", RETRY_MS);
	stream->current = frame_new(&text);
	stream->sent_ms = now_ms();
	if (stream->kinds && stream->current)
		return stream;
	stream_free(stream);
	return NULL;
}

int weir_sse_open(struct weir_sse *sse, struct weir_http_request *request, const char *kinds)
{
	if (sse->stream_count >= WEIR_SSE_STREAMS_MAX)
		return -EUSERS;
	struct stream *stream = stream_new(sse, kinds);
	if (!stream)
		return -ENOMEM;
	stream->next = sse->streams;
	sse->streams = stream;
	sse->stream_count++;
	sse_subscribe(sse);
	weir_answer_headers(sse->api, request);
	weir_http_answer_stream(request, "text/event-stream", &stream->http);
	return 0;
}

/*
 * A client that went away is noticed only by writing to it, hence the heartbeat. Unsubscribing
 * waits for this tick, too: a stream may close while the engine walks its subscribers.
 */
void weir_sse_tick(struct weir_sse *sse, uint64_t tick_now_ms)
{
	static const char beat[] = ":\n\n";
	const struct weir_buf text = { .data = (char *)beat, .len = sizeof(beat) - 1 };

	if (sse->stream_count == 0) {
		sse_unsubscribe(sse);
		return;
	}
	struct frame *frame = frame_new(&text);
	for (struct stream *stream = sse->streams; stream && frame; stream = stream->next)
		if (stream->count == 0 && tick_now_ms >= stream->sent_ms + HEARTBEAT_MS)
			stream_put(stream, frame);
	frame_unref(frame);
}

void weir_sse_end_all(struct weir_sse *sse)
{
	for (struct stream *stream = sse->streams; stream; stream = stream->next) {
		stream->is_ending = true;
		weir_http_stream_wake(&stream->http);
	}
}
