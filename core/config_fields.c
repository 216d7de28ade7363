/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of the configuration that are no feature's. docs/user/configuration.md is generated
 * from here.
 */
#include "core/config.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)
#define SECOND 1000000000ull

static const char *const hooks[] = { "auto", "xdp", "tc", "xdp-generic", NULL };

static const struct weir_field interface_fields[] = {
	{ .key = "name",
	  .type = WEIR_FIELD_STRING,
	  .offset = offsetof(struct weir_interface_config, name),
	  .required = true,
	  .help = "The name of a network interface, or a shell pattern such as eth*." },
	{ .key = "hook",
	  .type = WEIR_FIELD_ENUM,
	  .offset = offsetof(struct weir_interface_config, hook),
	  .values = hooks,
	  .fallback = "auto",
	  .help = "Where packets are met: auto takes xdp where the driver has it, else tc; and tc "
		  "for services and cookies before Linux 6.6." },
	{ .key = "egress",
	  .type = WEIR_FIELD_BOOL,
	  .offset = offsetof(struct weir_interface_config, egress),
	  .fallback = "false",
	  .help = "Whether packets that leave by this interface are filtered too (by tc). They are "
		  "where connections are tracked, whatever this says." },
	{ 0 }
};

static const struct weir_field api_fields[] = {
	{ .key = "listen",
	  .type = WEIR_FIELD_STRING,
	  .offset = offsetof(struct weir_api_config, listen),
	  .fallback = "127.0.0.1:11811",
	  .help = "Address and port of the HTTP API: 127.0.0.1:11811, [::1]:11811, or off. "
		  "Other than loopback addresses need certificate and key." },
	{ .key = "certificate",
	  .type = WEIR_FIELD_STRING,
	  .offset = offsetof(struct weir_api_config, certificate),
	  .help = "PEM file with the certificate chain; the API then speaks TLS only." },
	{ .key = "key",
	  .type = WEIR_FIELD_STRING,
	  .offset = offsetof(struct weir_api_config, key),
	  .help = "PEM file with the certificate's private key." },
	{ .key = "connections",
	  .type = WEIR_FIELD_UINT,
	  .offset = offsetof(struct weir_api_config, connections),
	  .fallback = "256",
	  .least = 1,
	  .most = 65536,
	  .help = "Most connections at a time." },
	{ .key = "connections-per-address",
	  .type = WEIR_FIELD_UINT,
	  .offset = offsetof(struct weir_api_config, connections_per_address),
	  .fallback = "64",
	  .least = 1,
	  .most = 65536,
	  .help = "Most connections at a time from one address." },
	{ .key = "request-size",
	  .type = WEIR_FIELD_SIZE,
	  .offset = offsetof(struct weir_api_config, request_size),
	  .fallback = "1MiB",
	  .least = 1024,
	  .most = GIB,
	  .help = "Largest body of an ordinary request." },
	{ .key = "upload-size",
	  .type = WEIR_FIELD_SIZE,
	  .offset = offsetof(struct weir_api_config, upload_size),
	  .fallback = "512MiB",
	  .least = 1024,
	  .most = 16 * GIB,
	  .help = "Largest body of an import." },
	{ .key = "idle-timeout",
	  .type = WEIR_FIELD_DURATION,
	  .offset = offsetof(struct weir_api_config, idle_timeout),
	  .fallback = "30s",
	  .least = SECOND,
	  .most = 86400 * SECOND,
	  .help = "How long a connection may be silent before it is closed." },
	{ .key = "socket-group",
	  .type = WEIR_FIELD_STRING,
	  .offset = offsetof(struct weir_api_config, socket_group),
	  .help = "Group whose members may read (not change) through the unix socket." },
	{ 0 }
};

static const struct weir_field events_fields[] = {
	{ .key = "rate",
	  .type = WEIR_FIELD_RATE,
	  .offset = offsetof(struct weir_events_config, rate),
	  .fallback = "1000/s",
	  .least = 0,
	  .most = 10000000,
	  .help = "Most drop events a second and CPU; 0/s turns them off. Counters count all." },
	{ .key = "sample",
	  .type = WEIR_FIELD_UINT,
	  .offset = offsetof(struct weir_events_config, sample),
	  .fallback = "1",
	  .least = 1,
	  .help = "One of so many dropped packets makes an event." },
	{ .key = "keep",
	  .type = WEIR_FIELD_UINT,
	  .offset = offsetof(struct weir_events_config, keep),
	  .fallback = "1000",
	  .most = 1000000,
	  .help = "How many of the last events are kept for `weir events`." },
	{ 0 }
};

static const struct weir_field metrics_fields[] = {
	{ .key = "prefix",
	  .type = WEIR_FIELD_STRING,
	  .offset = offsetof(struct weir_metrics_config, prefix),
	  .fallback = "weir_",
	  .help = "What the name of every metric starts with." },
	{ .key = "listen",
	  .type = WEIR_FIELD_STRING,
	  .offset = offsetof(struct weir_metrics_config, listen),
	  .fallback = "off",
	  .help = "A further address and port for /metrics and /healthz alone, without tokens: "
		  "0.0.0.0:8081. Whoever reaches it may read them." },
	{ .key = "series",
	  .type = WEIR_FIELD_UINT,
	  .offset = offsetof(struct weir_metrics_config, series),
	  .fallback = "500",
	  .least = 200,
	  .most = 1000000,
	  .help = "Most series at /metrics. Further ones of a counter are summed up, with labels "
		  "\"other\"; other metrics are left out." },
	{ 0 }
};

const struct weir_field weir_config_fields[] = {
	{ .key = "interfaces",
	  .type = WEIR_FIELD_SEQUENCE,
	  .offset = offsetof(struct weir_config, interfaces),
	  .count_offset = offsetof(struct weir_config, interface_count),
	  .size = sizeof(struct weir_interface_config),
	  .fields = interface_fields,
	  .help = "The interfaces whose packets are filtered." },
	{ .key = "memory",
	  .type = WEIR_FIELD_SIZE,
	  .offset = offsetof(struct weir_config, memory),
	  .fallback = "256MiB",
	  .least = MIB,
	  .most = 1024 * GIB,
	  .help = "The most memory one compiled policy may take; two exist while one replaces the "
		  "other." },
	{ .key = "api",
	  .type = WEIR_FIELD_MAPPING,
	  .offset = offsetof(struct weir_config, api),
	  .size = sizeof(struct weir_api_config),
	  .fields = api_fields,
	  .help = "The HTTP API." },
	{ .key = "events",
	  .type = WEIR_FIELD_MAPPING,
	  .offset = offsetof(struct weir_config, events),
	  .size = sizeof(struct weir_events_config),
	  .fields = events_fields,
	  .help = "Events of dropped packets." },
	{ .key = "metrics",
	  .type = WEIR_FIELD_MAPPING,
	  .offset = offsetof(struct weir_config, metrics),
	  .size = sizeof(struct weir_metrics_config),
	  .fields = metrics_fields,
	  .help = "The metrics at /metrics." },
	{ 0 }
};
