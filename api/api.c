/* SPDX-License-Identifier: Apache-2.0 */
/* Opens, changes and closes the doors. The unix socket has a server of its own: whatever comes over
 * TCP, it answers. */
#include "api/api.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/service.h"
#include "api/tls.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "core/offline.h"

#define SOCKET_NAME "weir.sock"
#define SOCKET_CONNECTIONS 256
#define SOCKET_MEMORY_BYTES (128u << 10) /* large imports come this way: fewer, larger reads */
#define TCP_MEMORY_BYTES (32u << 10)
#define RETIRED_MS 30000 /* a server that was replaced may finish its requests so long */

static uint64_t now_ms(void)
{
	return weir_clock_monotonic_ns() / WEIR_NS_PER_MS;
}

static uint64_t idle_ms(const struct weir_config *config)
{
	uint64_t ms = config->api.idle_timeout.value / WEIR_NS_PER_MS;
	return ms < 1000 ? 1000 : ms;
}

static struct weir_http_options options_of(struct weir_api *api)
{
	return (struct weir_http_options){
		.loop = api->loop,
		.handler = &weir_api_handler,
		.closure = api,
		.counts = &api->counts,
	};
}

/* --- the unix socket --- */

static int socket_open(struct weir_api *api, const struct weir_config *config,
		       struct weir_diag *diag)
{
	const char *run_dir = weir_engine_options(api->engine)->run_dir;
	_cleanup_close_ int fd = -1;
	struct stat facts;

	api->socket_path = weir_path_join(run_dir, SOCKET_NAME);
	if (!api->socket_path)
		return -ENOMEM;
	int r = weir_file_make_dirs(run_dir, 0755);
	if (r < 0) {
		weir_diag_error(diag, NULL, "cannot make the directory %s: %s", run_dir,
				strerror(-r));
		return r;
	}
	r = weir_listen_unix(api->socket_path, config->api.socket_group, diag, &fd);
	if (r < 0)
		return r;
	api->socket_inode = stat(api->socket_path, &facts) == 0 ? facts.st_ino : 0;

	struct weir_http_options options = options_of(api);
	options.connections = SOCKET_CONNECTIONS;
	options.idle_ms = idle_ms(config);
	options.memory_bytes = SOCKET_MEMORY_BYTES;
	r = weir_http_server_new(&options, fd, diag, &api->socket);
	if (r == 0)
		weir_take_fd(fd);
	return r;
}

/* Only if it is still ours: another daemon may have taken the path over after we stopped answering.
 */
static void socket_remove(const struct weir_api *api)
{
	struct stat facts;
	if (api->socket_inode && stat(api->socket_path, &facts) == 0 &&
	    facts.st_ino == api->socket_inode)
		unlink(api->socket_path);
}

/* --- TCP --- */

static void tcp_done(struct weir_api_tcp *tcp)
{
	weir_http_server_free(tcp->server);
	if (tcp->key.data)
		explicit_bzero(tcp->key.data, tcp->key.len);
	weir_buf_done(&tcp->certificate);
	weir_buf_done(&tcp->key);
	*tcp = (struct weir_api_tcp){ 0 };
}

/* What the configuration asks for; the server is not there yet. */
static int tcp_plan(const struct weir_config *config, enum weir_api_door door,
		    struct weir_diag *diag, struct weir_api_tcp *tcp)
{
	bool is_api = door == WEIR_DOOR_API;
	int r = weir_listen_parse(is_api ? "api.listen" : "metrics.listen",
				  is_api ? config->api.listen : config->metrics.listen, diag,
				  &tcp->listen);
	if (r < 0 || tcp->listen.is_off)
		return r;
	tcp->connections = config->api.connections;
	tcp->connections_per_address = config->api.connections_per_address;
	tcp->idle_ms = idle_ms(config);
	if (!is_api || !config->api.certificate || !config->api.key)
		return 0;
	return weir_tls_read(config->api.certificate, config->api.key, diag, &tcp->certificate,
			     &tcp->key);
}

static bool buf_equal(const struct weir_buf *a, const struct weir_buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static bool listen_equal(const struct weir_listen *a, const struct weir_listen *b)
{
	return a->is_off == b->is_off && a->address_len == b->address_len &&
	       memcmp(&a->address, &b->address, a->address_len) == 0;
}

static bool tcp_equal(const struct weir_api_tcp *a, const struct weir_api_tcp *b)
{
	return listen_equal(&a->listen, &b->listen) && a->connections == b->connections &&
	       a->connections_per_address == b->connections_per_address &&
	       a->idle_ms == b->idle_ms && buf_equal(&a->certificate, &b->certificate) &&
	       buf_equal(&a->key, &b->key);
}

/*
 * Serves what is planned. On an unchanged address the new server listens on a duplicate of the old
 * one's socket: at no moment is a connection refused, and no port has to be had twice.
 */
static int tcp_serve(struct weir_api *api, enum weir_api_door door, struct weir_api_tcp *tcp,
		     struct weir_diag *diag)
{
	struct weir_api_tcp *live = &api->doors[door];

	if (tcp->listen.is_off)
		return 0;
	_cleanup_close_ int fd = -1;
	if (live->server && listen_equal(&live->listen, &tcp->listen))
		fd = fcntl(weir_http_server_fd(live->server), F_DUPFD_CLOEXEC, 3);
	int r = fd >= 0 ? 0 : weir_listen_tcp(&tcp->listen, diag, &fd);
	if (r < 0)
		return r;

	struct weir_http_options options = options_of(api);
	if (door == WEIR_DOOR_METRICS)
		options.handler = &weir_scrape_handler;
	options.connections = tcp->connections;
	options.connections_per_address = tcp->connections_per_address;
	options.idle_ms = tcp->idle_ms;
	options.memory_bytes = TCP_MEMORY_BYTES;
	options.certificate = tcp->certificate.data;
	options.key = tcp->key.data;
	r = weir_http_server_new(&options, fd, diag, &tcp->server);
	if (r == 0)
		weir_take_fd(fd);
	return r;
}

/* Freeing the old server here could pull it from under the very request that changed the
 * configuration. */
static int tcp_retire(struct weir_api *api, struct weir_api_tcp *tcp)
{
	if (!tcp->server)
		return 0;
	struct weir_api_retired *retired = malloc(sizeof(*retired));
	if (!retired)
		return -ENOMEM;
	weir_http_server_retire(tcp->server);
	*retired = (struct weir_api_retired){ weir_take(tcp->server), api->retired,
					      now_ms() + RETIRED_MS };
	api->retired = retired;
	return 0;
}

static void retired_free(struct weir_api_retired **at)
{
	struct weir_api_retired *retired = *at;
	*at = retired->next;
	weir_http_server_free(retired->server);
	free(retired);
}

static void retired_tick(struct weir_api *api, uint64_t tick_now_ms)
{
	for (struct weir_api_retired **at = &api->retired; *at;) {
		weir_http_server_sweep((*at)->server, tick_now_ms);
		if (weir_http_server_load((*at)->server) == 0 || tick_now_ms >= (*at)->until_ms)
			retired_free(at);
		else
			at = &(*at)->next;
	}
}

/* --- the whole --- */

static void api_tick(void *arg)
{
	struct weir_api *api = arg;
	uint64_t ms = now_ms();
	weir_http_server_sweep(api->socket, ms);
	for (int door = 0; door < WEIR_DOORS; door++)
		if (api->doors[door].server)
			weir_http_server_sweep(api->doors[door].server, ms);
	retired_tick(api, ms);
	weir_sse_tick(api->sse, ms);
}

static int limits_set(struct weir_api *api, const struct weir_config *config)
{
	char *prefix = strdup(config->metrics.prefix ? config->metrics.prefix : "weir_");
	if (!prefix)
		return -ENOMEM;
	free(api->metrics_prefix);
	api->metrics_prefix = prefix;
	api->metrics_series = config->metrics.series;
	api->request_bytes_max = config->api.request_size.value;
	api->upload_bytes_max = config->api.upload_size.value;
	return 0;
}

static int api_open(struct weir_api *api, struct weir_diag *diag)
{
	const struct weir_config *config = weir_engine_config(api->engine);
	int r = limits_set(api, config);
	if (r == 0)
		r = weir_tokens_open(weir_engine_options(api->engine)->state_dir, diag,
				     &api->tokens);
	if (r == 0)
		r = weir_sse_new(api, &api->sse);
	if (r == 0)
		r = socket_open(api, config, diag);
	for (int door = 0; door < WEIR_DOORS && r == 0; door++) {
		r = tcp_plan(config, door, diag, &api->doors[door]);
		if (r == 0)
			r = tcp_serve(api, door, &api->doors[door], diag);
	}
	if (r < 0)
		return r;
	api->second = api->loop->timer(api->loop, 1000, 1000, api_tick, api);
	return api->second ? 0 : -ENOMEM;
}

WEIR_DEFINE_CLEANUP(struct weir_api *, weir_api_free);

int weir_api_new(struct weir_engine *engine, struct weir_diag *diag, struct weir_api **ret_api)
{
	_cleanup_(weir_api_freep) struct weir_api *api = calloc(1, sizeof(*api));
	if (!api)
		return -ENOMEM;
	api->engine = engine;
	api->loop = weir_engine_loop(engine);
	_cleanup_free_ char *series =
		weir_path_join(weir_engine_options(engine)->run_dir, WEIR_SERIES_FILE);

	api->series = series ? weir_series_new(series) : NULL;
	int r = api->series ? api_open(api, diag) : -ENOMEM;
	if (r == -ENOMEM)
		weir_diag_error(diag, NULL, "the API does not start: out of memory");
	if (r < 0)
		return r;
	*ret_api = weir_take(api);
	return 0;
}

/* Tokens that cannot be read again leave the old ones in force: locking everybody out would help
 * nobody. */
static void tokens_reload(struct weir_api *api, struct weir_diag *diag)
{
	_cleanup_diag_ struct weir_diag why = { 0 };
	struct weir_tokens *tokens = NULL;
	int r = weir_tokens_read(weir_engine_options(api->engine)->state_dir, &why, &tokens);
	if (r < 0) {
		weir_diag_warning(diag, "mend the file and reload",
				  "the old tokens stay in force: %s",
				  why.count ? why.entries[why.count - 1].what : strerror(-r));
		return;
	}
	if (weir_tokens_equal(tokens, api->tokens)) {
		weir_tokens_free(tokens);
		return;
	}
	weir_tokens_free(api->tokens);
	api->tokens = tokens;
	weir_sse_end_all(api->sse);
}

/* In place of what was there, if it is another; else nothing is touched. */
static int door_reconfigure(struct weir_api *api, enum weir_api_door door,
			    const struct weir_config *config, struct weir_diag *diag)
{
	_cleanup_(tcp_done) struct weir_api_tcp plan = { 0 };
	int r = tcp_plan(config, door, diag, &plan);
	if (r < 0 || tcp_equal(&api->doors[door], &plan))
		return r;
	r = tcp_serve(api, door, &plan, diag);
	if (r == 0)
		r = tcp_retire(api, &api->doors[door]);
	if (r < 0)
		return r;
	tcp_done(&api->doors[door]);
	api->doors[door] = plan;
	plan = (struct weir_api_tcp){ 0 };
	return 0;
}

int weir_api_reconfigure(struct weir_api *api, const struct weir_config *config,
			 struct weir_diag *diag)
{
	int result = 0;

	tokens_reload(api, diag);
	for (int door = 0; door < WEIR_DOORS; door++) { /* one that stays as it is keeps none up */
		int r = door_reconfigure(api, door, config, diag);

		result = result < 0 ? result : r;
	}
	return result < 0 ? result : limits_set(api, config);
}

void weir_api_stop(struct weir_api *api)
{
	if (api)
		api->is_stopping = true;
}

void weir_api_free(struct weir_api *api)
{
	if (!api)
		return;
	if (api->second)
		api->loop->forget(api->second);
	weir_http_server_free(api->socket);
	for (int door = 0; door < WEIR_DOORS; door++)
		tcp_done(&api->doors[door]);
	while (api->retired)
		retired_free(&api->retired);
	if (api->socket_path)
		socket_remove(api);
	weir_sse_free(api->sse);
	weir_tokens_free(api->tokens);
	free(api->socket_path);
	weir_series_free(api->series);
	free(api->metrics_prefix);
	free(api);
}
