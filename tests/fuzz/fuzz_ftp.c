/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads any bytes as what one side of an FTP control connection sent. Right means that it ends,
 * that no offer is one that must be refused, and that lines say the same by themselves as together.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "features/conntrack/conntrack_ftp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct weir_addr sender = { .bytes = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 1 } };

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_offer(const struct conntrack_ftp_payload *payload,
			const struct conntrack_ftp_offer *offer)
{
	bool is_own = memcmp(&offer->addr, &payload->sender, sizeof(offer->addr)) == 0;

	must(!offer->why && offer->port);
	must(is_own == !offer->is_foreign);
	must(payload->side == CONNTRACK_FTP_SERVER || ntohs(offer->port) >= 1024);
	must(offer->kind != CONNTRACK_FTP_EPSV || is_own);
}

static void check(const struct conntrack_ftp_payload *payload, enum conntrack_ftp_found found,
		  const struct conntrack_ftp_offer *offer)
{
	bool is_of_client = offer->kind == CONNTRACK_FTP_PORT || offer->kind == CONNTRACK_FTP_EPRT;

	must(is_of_client == (payload->side == CONNTRACK_FTP_CLIENT));
	if (found == CONNTRACK_FTP_OFFER)
		check_offer(payload, offer);
	else
		must(found == CONNTRACK_FTP_REFUSED && offer->why);
}

/* The line that ends at `end` of the payload, alone. */
static void check_line_alone(const struct conntrack_ftp_payload *payload, size_t end,
			     enum conntrack_ftp_found found,
			     const struct conntrack_ftp_offer *offer)
{
	const char *bytes = payload->bytes;
	struct conntrack_ftp_payload line = *payload;
	struct conntrack_ftp_offer again = { 0 };
	size_t begin = end - 1, offset = 0;

	while (begin && bytes[begin - 1] != '\n')
		begin--;
	line.bytes = bytes + begin;
	line.len = end - begin;
	must(conntrack_ftp_next(&line, &offset, &again) == found && offset == line.len);
	must(again.kind == offer->kind && again.why == offer->why && again.port == offer->port &&
	     again.is_foreign == offer->is_foreign &&
	     memcmp(&again.addr, &offer->addr, sizeof(again.addr)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	/* Its own block, so that a byte past the end is a fault. */
	uint8_t *bytes = malloc(size - 1);
	must(bytes);
	memcpy(bytes, data + 1, size - 1);
	struct conntrack_ftp_payload payload = {
		.bytes = bytes,
		.len = size - 1,
		.side = data[0] & 1 ? CONNTRACK_FTP_SERVER : CONNTRACK_FTP_CLIENT,
		.sender = sender,
	};
	struct conntrack_ftp_offer offer = { 0 };
	size_t offset = 0, before = 0;
	enum conntrack_ftp_found found;
	while ((found = conntrack_ftp_next(&payload, &offset, &offer)) != CONNTRACK_FTP_NOTHING) {
		must(offset > before && offset <= payload.len && bytes[offset - 1] == '\n');
		check(&payload, found, &offer);
		check_line_alone(&payload, offset, found, &offer);
		before = offset;
	}
	free(bytes);
	return 0;
}
