/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a line of an FTP control connection says of the data connection that is to come (RFC 959,
 * RFC 2428). Reads bytes and knows no flows: whom the offer may let in is the caller's to say.
 */
#ifndef WEIR_CONNTRACK_FTP_H
#define WEIR_CONNTRACK_FTP_H

#include <stdbool.h>
#include <stddef.h>

#include "abi/packet.h"

enum conntrack_ftp_side {
	CONNTRACK_FTP_CLIENT, /* sends PORT and EPRT */
	CONNTRACK_FTP_SERVER, /* sends 227 and 229 */
};

enum conntrack_ftp_kind {
	CONNTRACK_FTP_PORT, /* the server will connect to the client */
	CONNTRACK_FTP_EPRT,
	CONNTRACK_FTP_PASV, /* 227: the client will connect to the server */
	CONNTRACK_FTP_EPSV, /* 229 */
};

enum conntrack_ftp_found {
	CONNTRACK_FTP_NOTHING, /* no more lines */
	CONNTRACK_FTP_OFFER,
	CONNTRACK_FTP_REFUSED, /* a line that must not open anything */
};

/*
 * What one TCP segment of the control connection carries. Its first byte must begin a line of the
 * sender's stream, whatever came by before it and how often. Else who chooses where segments end (a
 * peer that announces a small MSS or window) could let the text of an error message, which repeats
 * what he sent, begin a segment and read like a reply.
 */
struct conntrack_ftp_payload {
	const void *bytes;
	size_t len;
	enum conntrack_ftp_side side;
	struct weir_addr sender;
};

struct conntrack_ftp_offer {
	enum conntrack_ftp_kind kind;
	/* Where the sender waits. 229 names none: it is the sender's own. */
	struct weir_addr addr;
	__be16 port;
	bool is_foreign; /* addr is not the sender's: a translated server, or a bounce */
	const char *why; /* refused: a static sentence, no full stop; then only kind holds */
};

/*
 * The next line from *offset on (0 to begin with) that says something, and *offset is behind it. To
 * be called again until there is nothing. A line that does not end in these bytes says nothing: its
 * last number may go on.
 *
 * Refused are numbers past 255 or 65535, port 0, what is no address of its family, and, of a
 * client, ports below 1024: a server that is sent there by PORT attacks a service in the client's
 * name (the bounce attack; RFC 2577, 3). A server may wait at any port.
 */
enum conntrack_ftp_found conntrack_ftp_next(const struct conntrack_ftp_payload *payload,
					    size_t *offset, struct conntrack_ftp_offer *ret_offer);

#endif
