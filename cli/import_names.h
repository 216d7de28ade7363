/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that people call by name, in nft, iptables and weir.yaml. */
#ifndef WEIR_CLI_IMPORT_NAMES_H
#define WEIR_CLI_IMPORT_NAMES_H

#include <stdbool.h>
#include <stdint.h>

enum import_names {
	IMPORT_NAMES_PROTO,
	IMPORT_NAMES_ICMP, /* types */
	IMPORT_NAMES_ICMPV6,
	IMPORT_NAMES_ICMP_CODE, /* as nft calls them, whatever the type */
	IMPORT_NAMES_ICMPV6_CODE,
	IMPORT_NAMES_DSCP,
	IMPORT_NAMES_STATE,
	IMPORT_NAMES_FLAG, /* number of the bit */
	IMPORT_NAMES_DAY,  /* by the first three letters */
};

/* A name of the kind, or decimal or 0x digits up to `max`; no case. False when it is neither. */
bool import_names_find(enum import_names kind, const char *word, uint32_t max,
		       uint32_t *ret_number);
/* Digits alone. */
bool import_number_read(const char *word, uint32_t max, uint32_t *ret_number);
/* As weir.yaml calls them; NULL when it has only the number. */
const char *import_proto_name(uint32_t number);
const char *import_state_name(uint32_t state);
const char *import_flag_name(unsigned bit);
const char *import_day_name(uint32_t day);
/* --icmp-type of iptables: "8", "3/4", "host-unreachable". *ret_code is -1 when all codes match. */
bool import_icmp_read(bool is_v6, const char *word, uint32_t *ret_type, int *ret_code);

#endif
