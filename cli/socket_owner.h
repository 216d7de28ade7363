/* SPDX-License-Identifier: Apache-2.0 */
/* Which program has a socket. */
#ifndef WEIR_CLI_SOCKET_OWNER_H
#define WEIR_CLI_SOCKET_OWNER_H

#include <stddef.h>
#include <stdint.h>

struct weir_socket_owner {
	uint64_t inode;
	char name[32]; /* of the program; "" = none that we may look at */
};

/* Fills in the names by one walk over /proc. */
void weir_socket_owners_find(struct weir_socket_owner *owners, size_t count);

#endif
