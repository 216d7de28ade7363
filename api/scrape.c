/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics and health: what both doors answer, and all that the door of the metrics does. Nobody can
 * change or learn more by that one, so it asks for no token. */
#include <string.h>

#include "api/answer.h"
#include "api/metrics.h"
#include "api/route.h"
#include "api/service.h"
#include "base/cleanup.h"
#include "base/json.h"

void weir_answer_health(struct weir_api *api, struct weir_http_request *request)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };
	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "status", "ok");
	weir_json_put_uint(&json, "revision", weir_engine_revision(api->engine));
	weir_json_close_object(&json);
	weir_buf_add_char(&text, '\n');
	weir_answer_text(api, request, 200, WEIR_TYPE_JSON, &text);
}

void weir_answer_metrics(struct weir_api *api, struct weir_http_request *request)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	weir_metrics_write(api, &text);
	weir_answer_text(api, request, 200, WEIR_METRICS_TYPE, &text);
}

/* A page of another site must not read them by a name of its own for this host. */
static bool guard_host(struct weir_api *api, struct weir_http_request *request)
{
	const char *host = weir_http_request_header(request, "Host");

	if (weir_auth_host_is_ours(&api->doors[WEIR_DOOR_METRICS].listen, host))
		return true;
	api->counts.rejected[WEIR_HTTP_REJECT_HOST]++;
	weir_answer_problem(api, request, 421, "ask for 127.0.0.1, localhost or [::1]",
			    "this server is not the host that was asked for");
	return false;
}

static void scrape_begin(struct weir_http_request *request)
{
	struct weir_api *api = request->closure;
	struct weir_route route = weir_route_find(request->path);

	if (!guard_host(api, request))
		return;
	if (route.kind != WEIR_ROUTE_METRICS && route.kind != WEIR_ROUTE_HEALTH)
		weir_answer_problem(api, request, 404, "ask for /metrics or /healthz",
				    "there is nothing at %.200s here", request->path);
	else if (!weir_route_takes(&route, request->method)) {
		weir_http_answer_header(request, "Allow", weir_route_methods(&route));
		weir_answer_problem(api, request, 405, NULL, "%.200s takes %s, not %.20s",
				    request->path, weir_route_methods(&route), request->method);
	}
}

static void scrape_too_large(struct weir_http_request *request)
{
	struct weir_api *api = request->closure;

	api->counts.rejected[WEIR_HTTP_REJECT_SIZE]++;
	weir_answer_problem(api, request, 413, NULL, "this takes no body");
}

static void scrape_complete(struct weir_http_request *request)
{
	struct weir_api *api = request->closure;

	if (weir_route_find(request->path).kind == WEIR_ROUTE_METRICS)
		weir_answer_metrics(api, request);
	else
		weir_answer_health(api, request);
}

static void scrape_gone(struct weir_http_request *request)
{
	(void)request;
}

const struct weir_http_handler weir_scrape_handler = {
	.begin = scrape_begin,
	.too_large = scrape_too_large,
	.complete = scrape_complete,
	.gone = scrape_gone,
};
