/* SPDX-License-Identifier: Apache-2.0 */
/* Which ports services and backends have, and that packets can tell whose a port is. */
#include "features/balance/balance_wide.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"

#define INDEX_SEED 0x77696465ULL

uint32_t balance_end_ports(const struct balance_end *end)
{
	return end->last ? (uint32_t)end->last << 16 | end->port : end->port;
}

void balance_ports_put(struct weir_json_out *json, const char *key, uint32_t ports)
{
	char text[WEIR_PORTS_TEXT];

	if (weir_ports_are_wide(ports))
		weir_json_put_str(json, key, weir_ports_to_string(ports, text));
	else
		weir_json_put_uint(json, key, ports);
}

uint32_t balance_backend_ports(const struct balance_text *service,
			       const struct balance_backend_text *backend)
{
	struct balance_end end;

	balance_backend_read_as(service, backend, "", NULL, &end);
	return balance_end_ports(&end);
}

void balance_backend_name(const struct balance_text *service,
			  const struct balance_backend_text *backend, struct weir_buf *name)
{
	uint32_t ports = balance_backend_ports(service, backend);
	char text[WEIR_PORTS_TEXT];

	if (ports == WEIR_PORTS_ALL)
		weir_buf_add_str(name, backend->address);
	else
		weir_buf_addf(name, strchr(backend->address, ':') ? "[%s]:%s" : "%s:%s",
			      backend->address, weir_ports_to_string(ports, text));
}

struct balance_span balance_span_of(unsigned service, int backend,
				    const struct balance_end *service_end,
				    const struct balance_end *end)
{
	return (struct balance_span){
		.end = *end,
		.vip = service_end->addr,
		.is_backend = backend >= 0,
		.keeps = end->port == service_end->port,
		.service = service,
		.backend = backend,
	};
}

int balance_spans_init(struct balance_spans *spans, uint32_t room)
{
	*spans = (struct balance_spans){ .at = calloc(room + 1ul, sizeof(*spans->at)) };
	return spans->at ? balance_index_init(&spans->index, room + 1) : -ENOMEM;
}

void balance_spans_done(struct balance_spans *spans)
{
	balance_index_done(&spans->index);
	free(spans->at);
	*spans = (struct balance_spans){ 0 };
}

static bool is_there(const void *list, uint32_t at, const void *key)
{
	const struct balance_end *here = &((const struct balance_spans *)list)->at[at].end;
	const struct balance_end *end = key;

	return here->proto == end->proto && memcmp(&here->addr, &end->addr, sizeof(end->addr)) == 0;
}

static uint32_t *head_of(const struct balance_spans *spans, const struct balance_end *end)
{
	return balance_index_cell(&spans->index,
				  weir_hash_bytes(&end->addr, sizeof(end->addr),
						  INDEX_SEED + end->proto),
				  is_there, spans, end);
}

static const struct balance_span *first_of(const struct balance_spans *spans,
					   const struct balance_end *end)
{
	uint32_t at = spans->count ? *head_of(spans, end) : 0;

	return at ? &spans->at[at - 1] : NULL;
}

static const struct balance_span *next_of(const struct balance_spans *spans,
					  const struct balance_span *span)
{
	return span->next ? &spans->at[span->next - 1] : NULL;
}

void balance_spans_add(struct balance_spans *spans, const struct balance_span *span)
{
	uint32_t *head = head_of(spans, &span->end);
	struct balance_span *own = &spans->at[spans->count++];

	*own = *span;
	own->next = *head;
	*head = spans->count;
}

static bool is_all(const struct balance_end *end)
{
	return !end->port;
}

static bool has_port(const struct balance_end *end, uint16_t port)
{
	return port >= end->port && port <= (end->last ? end->last : end->port);
}

int balance_end_exactness(const struct balance_end *end)
{
	return is_all(end) ? 0 : end->last ? 1 : 2;
}

/*
 * What a backend answers from a port that two services have there belongs to the more exact one, as
 * packets to it do: so long as both are one address, and neither changes the port. Else the answer
 * does not say which service's it is.
 */
bool balance_span_clashes(const struct balance_span *a, const struct balance_span *b)
{
	bool overlap = has_port(&a->end, b->end.port) || has_port(&b->end, a->end.port);
	bool is_same_exact = balance_end_exactness(&a->end) == balance_end_exactness(&b->end);

	if (!overlap)
		return false;
	if (a->is_backend != b->is_backend)
		return true;
	if (!a->is_backend || a->service == b->service)
		return is_same_exact || a->is_backend;
	return is_same_exact || !a->keeps || !b->keeps ||
	       memcmp(&a->vip, &b->vip, sizeof(a->vip)) != 0;
}

bool balance_span_gives_way(const struct balance_span *span, const struct balance_span *to)
{
	return span->is_leaving && !to->is_leaving;
}

const struct balance_span *balance_spans_clash(const struct balance_spans *spans,
					       const struct balance_span *span)
{
	const struct balance_span *other = first_of(spans, &span->end);

	while (other && (balance_span_gives_way(other, span) || !balance_span_clashes(other, span)))
		other = next_of(spans, other);
	return other;
}

const struct balance_span *balance_spans_service(const struct balance_spans *spans,
						 const struct balance_end *end)
{
	const struct balance_span *found = NULL;

	for (const struct balance_span *span = first_of(spans, end); span && end->port;
	     span = next_of(spans, span))
		if (!span->is_backend && has_port(&span->end, end->port) &&
		    (!found ||
		     balance_end_exactness(&span->end) > balance_end_exactness(&found->end)))
			found = span;
	return found;
}

bool balance_spans_are_full(const struct balance_spans *spans, const struct balance_span *span)
{
	unsigned count = 0;

	for (const struct balance_span *other = first_of(spans, &span->end); other;
	     other = next_of(spans, other))
		count += other->is_backend == span->is_backend && !is_all(&other->end);
	return !is_all(&span->end) && count >= BALANCE_RANGES_MOST;
}

static const char *path_of(const struct balance_span *span, char path[64])
{
	if (span->backend < 0)
		snprintf(path, 64, "balance.services[%u]", span->service);
	else
		snprintf(path, 64, "balance.services[%u].backends[%d]", span->service,
			 span->backend);
	return path;
}

static int clash_refuse(const struct balance_span *span, const struct balance_span *other,
			struct weir_diag *diag)
{
	char key[64], theirs[64], mine[WEIR_PORTS_TEXT], ports[WEIR_PORTS_TEXT];

	path_of(span, key);
	path_of(other, theirs);
	weir_ports_to_string(balance_end_ports(&span->end), mine);
	weir_ports_to_string(balance_end_ports(&other->end), ports);
	if (span->is_backend && other->is_backend)
		return weir_diag_key(
			diag, key, "give each service ports of its own on the backend",
			"its answers from ports %s could not be told from those of %s, "
			"which has %s of the same address and protocol",
			mine, theirs, ports);
	return weir_diag_key(diag, key, "change the address, the ports or the protocol of one",
			     "its ports %s overlap with %s of %s, which has the same address and "
			     "protocol",
			     mine, ports, theirs);
}

static int span_check(struct balance_spans *spans, const struct balance_span *span,
		      struct weir_diag *diag)
{
	const struct balance_span *other = balance_spans_clash(spans, span);
	char key[64];

	if (other)
		return clash_refuse(span, other, diag);
	if (!balance_end_is_wide(&span->end))
		return 0;
	if (balance_spans_are_full(spans, span))
		return weir_diag_key(diag, path_of(span, key), "join ranges, or write `port: all`",
				     "its address and protocol have more than %d ranges of ports",
				     BALANCE_RANGES_MOST);
	balance_spans_add(spans, span);
	return 0;
}

static int service_check(const struct balance_section *section, unsigned index,
			 struct balance_spans *spans, struct weir_diag *diag)
{
	const struct balance_text *text = &section->services[index];
	struct balance_end service, end;

	balance_service_read(section, index, NULL, &service);
	struct balance_span span = balance_span_of(index, -1, &service, &service);
	int r = span_check(spans, &span, diag);

	for (unsigned i = 0; text->forward == WEIR_FORWARD_NAT && i < text->backend_count; i++) {
		balance_backend_read(section, index, i, NULL, &end);
		span = balance_span_of(index, (int)i, &service, &end);
		r = span_check(spans, &span, diag) ?: r;
	}
	return r;
}

/* Those with several ports first, so that all others are held against them. */
int balance_wide_check(const struct balance_section *section, struct weir_diag *diag)
{
	_cleanup_(balance_spans_done) struct balance_spans spans = { 0 };
	uint32_t room = 0;
	int r = 0;

	for (unsigned i = 0; i < section->service_count; i++)
		if (weir_ports_are_wide(section->services[i].port))
			room += 1 + section->services[i].backend_count;
	if (!room)
		return 0;
	if (balance_spans_init(&spans, room))
		return -ENOMEM;
	for (int is_wide = 1; is_wide >= 0; is_wide--)
		for (unsigned i = 0; i < section->service_count; i++)
			if (weir_ports_are_wide(section->services[i].port) == is_wide)
				r = service_check(section, i, &spans, diag) ?: r;
	return r;
}
