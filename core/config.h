/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir.yaml as structs. Read by libcyaml from the field tables of core and features; every refusal
 * names line, column, key and cure.
 */
#ifndef WEIR_CORE_CONFIG_H
#define WEIR_CORE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/diag.h"

#define WEIR_FEATURES_MAX 32
#define WEIR_CONFIG_BYTES_MAX (64u << 20)

/*
 * A quantity: `text` is what was written (NULL: the field's fallback was used), `value` what it
 * means (ns, bytes or per second).
 */
struct weir_quantity {
	char *text;
	uint64_t value;
};

enum weir_field_type {
	WEIR_FIELD_STRING,   /* char * ; NULL when absent and without fallback */
	WEIR_FIELD_BOOL,     /* bool */
	WEIR_FIELD_UINT,     /* uint32_t */
	WEIR_FIELD_PORTS,    /* uint32_t, as base/ports.h has it: 80, 8000-8099, all */
	WEIR_FIELD_ENUM,     /* int; names in `values`, numbered from 0 */
	WEIR_FIELD_DURATION, /* struct weir_quantity, ns */
	WEIR_FIELD_SIZE,     /* struct weir_quantity, bytes */
	WEIR_FIELD_RATE,     /* struct weir_quantity, a second */
	WEIR_FIELD_STRINGS,  /* char ** and, at count_offset, unsigned */
	WEIR_FIELD_MAPPING, /* a struct of `size` bytes in place, by `fields`; absent = fallbacks */
	WEIR_FIELD_SEQUENCE, /* array of such structs on the heap and, at count_offset, unsigned */
};

/*
 * A key of the configuration; a table ends with key NULL. The reference page is generated from
 * these.
 */
struct weir_field {
	const char *key;
	enum weir_field_type type;
	size_t offset;
	size_t count_offset;
	size_t size;
	const struct weir_field *fields;
	const char *const *values; /* NULL-terminated */
	const char *fallback;	   /* default, as it would be written; NULL = none */
	bool required;
	bool wants_value;     /* given without a value it is refused, not taken as left out */
	uint64_t least, most; /* for numbers and quantities; most 0 = no bound */
	const char *or_else;  /* what else mends a number out of bounds; NULL: nothing */
	const char *help;     /* a sentence for the reference and for refusals */
};

enum weir_hook {
	WEIR_HOOK_AUTO,
	WEIR_HOOK_XDP,
	WEIR_HOOK_TC,
	WEIR_HOOK_XDP_GENERIC,
};

struct weir_interface_config {
	char *name; /* or a shell pattern: "eth*" */
	int hook;   /* enum weir_hook */
	bool egress;
};

struct weir_api_config {
	char *listen;		 /* "127.0.0.1:11811"; "off" */
	char *certificate, *key; /* PEM files; both or neither */
	uint32_t connections;	 /* in all */
	uint32_t connections_per_address;
	struct weir_quantity request_size; /* largest body of an ordinary request */
	struct weir_quantity upload_size;  /* largest import */
	struct weir_quantity idle_timeout;
	char *socket_group; /* group that may read through the unix socket; NULL = root's */
};

struct weir_events_config {
	struct weir_quantity rate; /* drop events a second and CPU */
	uint32_t sample;	   /* one of N dropped packets */
	uint32_t keep;		   /* last events kept for `weir events` */
};

struct weir_metrics_config {
	char *prefix;
	char *listen;	 /* metrics alone: "0.0.0.0:8081", "off" */
	uint32_t series; /* at the most */
};

struct weir_config {
	char *text; /* as given */
	size_t len;
	char *file; /* its name, for messages; may be NULL */
	struct weir_interface_config *interfaces;
	unsigned interface_count;
	struct weir_quantity memory; /* ceiling of one compiled policy, bytes */
	struct weir_api_config api;
	struct weir_events_config events;
	struct weir_metrics_config metrics;
	void *sections[WEIR_FEATURES_MAX]; /* one a feature, in the order of weir_features; never
					      NULL */
};

/*
 * Reads a configuration, checks types and bounds, fills in defaults; cross-key checks of features
 * run too (weir_feature.check). Empty text is a valid configuration: all defaults. On failure
 * ret_config is untouched, diag says why, and -EINVAL (or -ENOMEM) is returned.
 */
int weir_config_parse(const char *text, size_t len, const char *file, struct weir_diag *diag,
		      struct weir_config **ret_config);
void weir_config_free(struct weir_config *config);
static inline void weir_config_freep(struct weir_config **config)
{
	weir_config_free(*config);
}
#define _cleanup_config_ __attribute__((cleanup(weir_config_freep)))
/*
 * Fills in line and column of each entry that names a key but no line (libyaml marks of
 * config->text).
 */
void weir_config_locate(const struct weir_config *config, struct weir_diag *diag);
/*
 * Asks every feature for advice (weir_feature.advise) about a configuration that was found right:
 * warnings with their places, in the order of the text.
 */
void weir_config_advise(const struct weir_config *config, struct weir_diag *diag);
/*
 * The line of each of `count` paths as weir_config_locate() finds it, 0 for unknown; for warnings
 * about one key that name another. The text is read once for all of them.
 */
void weir_config_lines(const struct weir_config *config, const char *const *paths, size_t count,
		       unsigned *ret_lines);
/*
 * The fields of core itself at the top of the file ("interfaces", "memory", "api" …), for the
 * reference page.
 */
extern const struct weir_field weir_config_fields[];

#endif
