/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends and reads at the same time: a daemon that refuses an upload at its first bytes answers at
 * once and stops reading, and whoever only writes would then never hear why.
 */
#include "cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/answer.h"

#define PIECE_BYTES (256u << 10)
#define TICK_MS 100 /* how often progress is told of while nothing moves */

void weir_answer_done(struct weir_answer *answer)
{
	weir_buf_done(&answer->body);
}

void weir_query_add_escaped(struct weir_buf *query, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			     (c >= 'A' && c <= 'Z') || strchr("-._~", c);

		if (plain)
			weir_buf_add_char(query, (char)c);
		else
			weir_buf_addf(query, "%%%02X", c);
	}
}

/* One exchange under way. */
struct exchange {
	const struct weir_request *request;
	struct weir_diag *diag;
	struct weir_answer *answer;
	int fd;
	struct weir_buf out; /* bytes on their way; from out_at on not yet sent */
	size_t out_at;
	uint64_t sent_body;
	uint64_t out_body; /* how many of the bytes in `out` are body, for progress */
	bool body_ended;   /* nothing more comes into out */
	bool deaf;	   /* the daemon reads no more; only its answer is of interest */
	struct weir_answer_reader reader;
};

static int connect_explain(int error, const char *path, struct weir_diag *diag)
{
	if (error == ENOENT || error == ECONNREFUSED)
		weir_diag_error(diag,
				"start it with 'weir daemon' or 'systemctl start weir', or name "
				"its socket with --socket",
				"no daemon listens at %s", path);
	else if (error == EACCES || error == EPERM)
		weir_diag_error(diag, "run it as root, or join the group of api.socket-group",
				"not allowed to open %s", path);
	else if (error == EAGAIN)
		weir_diag_error(diag, "try again, or restart the daemon",
				"the daemon at %s takes no connection", path);
	else
		weir_diag_error(diag, NULL, "cannot reach %s: %s", path, strerror(error));
	return error == EPERM ? -EACCES : error == EAGAIN ? -ETIMEDOUT : -error;
}

static int client_connect(const struct weir_request *request, struct weir_diag *diag)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(request->socket);
	struct timeval wait = {
		.tv_sec = (time_t)(request->timeout_ms / 1000),
		.tv_usec = (suseconds_t)(request->timeout_ms % 1000 * 1000),
	};

	if (len >= sizeof(address.sun_path))
		return connect_explain(ENAMETOOLONG, request->socket, diag);
	memcpy(address.sun_path, request->socket, len);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* The send timeout is also how long connect() waits for a place in a full queue. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0)
		return connect_explain(errno, request->socket, diag);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return connect_explain(errno, request->socket, diag);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return connect_explain(errno, request->socket, diag);
	return weir_take_fd(fd);
}

static bool is_chunked(const struct weir_request *request)
{
	return request->content_type && !request->body && request->body_fd_size < 0;
}

static void head_write(struct exchange *exchange)
{
	const struct weir_request *request = exchange->request;
	struct weir_buf *out = &exchange->out;

	weir_buf_addf(out,
		      "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
		      "User-Agent: weir/" WEIR_VERSION "\r\n",
		      request->method, request->target);
	if (request->expect)
		weir_buf_addf(out, "If-Match: \"%llu\"\r\n", (unsigned long long)*request->expect);
	if (request->content_type)
		weir_buf_addf(out, "Content-Type: %s\r\n", request->content_type);
	if (is_chunked(request))
		weir_buf_add_str(out, "Transfer-Encoding: chunked\r\n");
	else if (request->content_type)
		weir_buf_addf(out, "Content-Length: %llu\r\n",
			      request->body ? (unsigned long long)request->body_len :
					      (unsigned long long)request->body_fd_size);
	weir_buf_add_str(out, "\r\n");
	if (request->body) {
		weir_buf_add(out, request->body, request->body_len);
		exchange->out_body = request->body_len;
	}
	exchange->body_ended =
		request->body || !request->content_type || request->body_fd_size == 0;
}

static int body_read_error(struct exchange *exchange, const char *why)
{
	weir_diag_error(exchange->diag, "nothing was changed; try again",
			"cannot read the file: %s", why);
	return -EIO;
}

/* Fills `out` with the next piece of the file. A file that grew is cut where it ended at first. */
static int body_read(struct exchange *exchange)
{
	const struct weir_request *request = exchange->request;
	char piece[16384];
	size_t want = sizeof(piece);
	uint64_t taken = exchange->sent_body + exchange->out_body;

	if (request->body_fd_size >= 0 && (uint64_t)request->body_fd_size - taken < want)
		want = (size_t)((uint64_t)request->body_fd_size - taken);
	ssize_t got;
	do {
		got = read(request->body_fd, piece, want);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return body_read_error(exchange, strerror(errno));
	if (got == 0 && request->body_fd_size >= 0)
		return body_read_error(exchange, "it became shorter while it was read");
	if (is_chunked(request))
		weir_buf_addf(&exchange->out, "%zx\r\n", (size_t)got);
	weir_buf_add(&exchange->out, piece, (size_t)got);
	if (is_chunked(request))
		weir_buf_add_str(&exchange->out, "\r\n");
	exchange->out_body += (uint64_t)got;
	exchange->body_ended =
		got == 0 || (request->body_fd_size >= 0 &&
			     taken + (uint64_t)got == (uint64_t)request->body_fd_size);
	return exchange->out.failed ? -ENOMEM : 0;
}

/* Sends what is in `out`, refilled from the file; a full socket is no error. */
static int send_more(struct exchange *exchange)
{
	while (exchange->out_at < exchange->out.len) {
		ssize_t done = send(exchange->fd, exchange->out.data + exchange->out_at,
				    exchange->out.len - exchange->out_at, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		if (done < 0) {
			exchange->deaf = true;
			return 0;
		}
		exchange->out_at += (size_t)done;
	}
	exchange->sent_body += exchange->out_body;
	exchange->out_body = 0;
	exchange->out_at = 0;
	weir_buf_clear(&exchange->out);
	while (!exchange->body_ended && exchange->out.len < PIECE_BYTES) {
		int result = body_read(exchange);

		if (result < 0)
			return result;
		/* A pipe may give little at a time, then nothing for long: send what there is. */
		if (exchange->request->body_fd_size < 0)
			break;
	}
	return 0;
}

static bool is_sending(const struct exchange *exchange)
{
	return !exchange->deaf && (exchange->out_at < exchange->out.len || !exchange->body_ended);
}

static int body_collect(void *arg, unsigned status, const char *bytes, size_t len)
{
	struct exchange *exchange = arg;

	if (exchange->request->piece && status / 100 == 2)
		return exchange->request->piece(exchange->request->arg, bytes, len);
	if (exchange->answer->body.len + len > WEIR_ANSWER_BYTES_MAX)
		return -EFBIG;
	return weir_buf_add(&exchange->answer->body, bytes, len);
}

/* Reads what is there. 1 when the answer is whole. */
static int receive_more(struct exchange *exchange)
{
	char piece[65536];
	ssize_t got = recv(exchange->fd, piece, sizeof(piece), 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got > 0) {
		int result = weir_answer_reader_feed(&exchange->reader, piece, (size_t)got);

		if (result != 0)
			return result;
		return exchange->reader.state == WEIR_ANSWER_DONE;
	}
	int result = weir_answer_reader_end(&exchange->reader);
	return result < 0 ? result : 1;
}

static void progress_tell(const struct exchange *exchange)
{
	const struct weir_request *request = exchange->request;
	uint64_t sent = exchange->sent_body;

	if (!request->progress)
		return;
	/* Head bytes in front of an in-memory body are few; they do not show in a bar. */
	if (exchange->out_body > 0 && exchange->out_at < exchange->out_body)
		sent += exchange->out_at;
	request->progress(request->arg, sent, !is_sending(exchange));
}

static int exchange_step(struct exchange *exchange, bool *ret_moved)
{
	struct pollfd wait = { .fd = exchange->fd, .events = POLLIN };
	int result = 0;

	if (is_sending(exchange))
		wait.events |= POLLOUT;
	int ready = poll(&wait, 1, TICK_MS);
	if (ready < 0 && errno != EINTR)
		return -errno;
	*ret_moved = ready > 0;
	if (ready <= 0)
		return 0;
	if (wait.revents & (POLLIN | POLLHUP | POLLERR))
		result = receive_more(exchange);
	if (result == 0 && (wait.revents & POLLOUT))
		result = send_more(exchange);
	return result;
}

static int exchange_run(struct exchange *exchange)
{
	uint64_t moved_ns = weir_clock_monotonic_ns();
	int result = 0;

	while (result == 0) {
		bool moved = false;

		result = exchange_step(exchange, &moved);
		progress_tell(exchange);
		uint64_t now_ns = weir_clock_monotonic_ns();
		if (moved)
			moved_ns = now_ns;
		else if (now_ns - moved_ns > exchange->request->timeout_ms * WEIR_NS_PER_MS)
			result = -ETIMEDOUT;
	}
	exchange->answer->status = exchange->reader.status;
	exchange->answer->sent_bytes = exchange->sent_body;
	return result < 0 ? result : result == 1 && exchange->reader.status == 0 ? -EPROTO : 0;
}

static int exchange_explain(const struct exchange *exchange, int result)
{
	const char *socket = exchange->request->socket;

	if (result == -ETIMEDOUT)
		weir_diag_error(exchange->diag,
				"the change may still take effect: look with 'weir status'; wait "
				"longer with --timeout",
				"no answer from the daemon at %s for %llu s", socket,
				(unsigned long long)exchange->request->timeout_ms / 1000);
	else if ((result == -EPROTO || result == -ECONNRESET) && is_chunked(exchange->request) &&
		 !exchange->reader.status && !exchange->body_ended)
		weir_diag_error(exchange->diag,
				"it may be larger than api.upload-size; from a file instead of a "
				"pipe you are told at once",
				"the daemon at %s ended the upload after %llu MiB", socket,
				(unsigned long long)exchange->sent_body >> 20);
	else if (result == -EPROTO || result == -ECONNRESET)
		weir_diag_error(exchange->diag, "see whether it still runs with 'weir status'",
				"the daemon at %s went away %s", socket,
				exchange->reader.status ? "in the middle of its answer" :
							  "without an answer");
	else if (result == -EFBIG)
		weir_diag_error(exchange->diag, "ask for less, with --limit",
				"the answer is larger than %llu MiB", WEIR_ANSWER_BYTES_MAX >> 20);
	else if (result < 0 && exchange->diag->errors == 0)
		weir_diag_error(exchange->diag, NULL, "talking to %s: %s", socket,
				strerror(-result));
	return result;
}

int weir_client_ask(const struct weir_request *request, struct weir_diag *diag,
		    struct weir_answer *ret_answer)
{
	_cleanup_close_ int fd = client_connect(request, diag);

	if (fd < 0)
		return fd;
	struct exchange exchange = {
		.request = request,
		.diag = diag,
		.answer = ret_answer,
		.fd = fd,
	};
	*ret_answer = (struct weir_answer){ 0 };
	exchange.reader.body = body_collect;
	exchange.reader.arg = &exchange;
	head_write(&exchange);
	int result = exchange.out.failed ? -ENOMEM : exchange_run(&exchange);
	/* What `piece` ended itself it also explains itself. */
	if (result < 0 &&
	    !(request->piece && exchange.reader.status / 100 == 2 && result == -ECANCELED))
		result = exchange_explain(&exchange, result);
	weir_answer_reader_done(&exchange.reader);
	weir_buf_done(&exchange.out);
	return result;
}
