/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interface names, the API's address and certificate, the metrics' prefix. Features check their
 * own keys.
 */
#include "core/config_cross.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "core/twice.h"
#include "core/yaml_text.h"

#define KEY_BYTES 64

static bool is_pattern(const char *name)
{
	return strpbrk(name, "*?[") != NULL;
}

/* What Linux itself refuses in a name, and what nobody means. */
static bool has_bad_byte(const char *name)
{
	for (; *name; name++)
		if (isspace((unsigned char)*name) || *name == '/' || *name == ':' ||
		    iscntrl((unsigned char)*name))
			return true;
	return false;
}

static int interface_check(const char *name, const char *key, struct weir_diag *diag)
{
	char shown[WEIR_TEXT_SHOWN];
	if (has_bad_byte(name) || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return weir_diag_key(diag, key, "`ip link` lists the names",
				     "'%s' is no interface name", weir_text_shorten(name, shown));
	if (!is_pattern(name) && strlen(name) >= IFNAMSIZ)
		return weir_diag_key(
			diag, key, "write the name as `ip link` shows it, or a pattern",
			"'%s' is longer than an interface name, which has %d bytes at most", name,
			IFNAMSIZ - 1);
	if (strlen(name) > 255)
		return weir_diag_key(diag, key, "write a shorter one",
				     "the pattern is longer than 255 bytes");
	return 0;
}

static int interface_twice(const struct weir_named *earlier, const struct weir_named *named,
			   void *diag)
{
	char key[KEY_BYTES];
	char shown[WEIR_TEXT_SHOWN];

	snprintf(key, sizeof(key), "interfaces[%u].name", named->index);
	return weir_diag_key(diag, key, "keep one of them", "'%s' is already interfaces[%u]",
			     weir_text_shorten(named->name, shown), earlier->index);
}

static int interfaces_twice(const struct weir_config *config, struct weir_diag *diag)
{
	unsigned count = config->interface_count;
	_cleanup_free_ struct weir_named *names = calloc(count + 1ul, sizeof(*names));

	if (!names)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++)
		names[i] = (struct weir_named){ config->interfaces[i].name, i };
	return weir_twice(names, count, interface_twice, diag);
}

static int interfaces_check(const struct weir_config *config, struct weir_diag *diag)
{
	int r = 0;
	for (unsigned i = 0; i < config->interface_count; i++) {
		char key[KEY_BYTES];
		snprintf(key, sizeof(key), "interfaces[%u].name", i);
		int one = interface_check(config->interfaces[i].name, key, diag);
		r = one < 0 ? one : r;
	}
	int twice = interfaces_twice(config, diag);
	return twice < 0 ? twice : r;
}

/* "IP:port" or "[v6]:port"; a port from 1 to 65535 without leading zeros. */
static int listen_parse(const char *listen, struct weir_addr *ret_addr)
{
	const char *colon = strrchr(listen, ':');
	if (!colon)
		return -EINVAL;
	size_t len = (size_t)(colon - listen);
	bool bracketed = len >= 2 && listen[0] == '[' && listen[len - 1] == ']';
	const char *host = bracketed ? listen + 1 : listen;
	size_t host_len = bracketed ? len - 2 : len;
	if (!bracketed && memchr(listen, ':', len))
		return -EINVAL;
	int r = weir_addr_from_string(host, host_len, ret_addr);
	if (r < 0)
		return r;

	size_t digits = strspn(colon + 1, "0123456789");
	bool is_number = digits > 0 && digits <= 5 && colon[1 + digits] == 0 && colon[1] != '0';
	long port = is_number ? strtol(colon + 1, NULL, 10) : 0;
	return port >= 1 && port <= 65535 ? 0 : -EINVAL;
}

static bool is_loopback(const struct weir_addr *addr)
{
	const char *loopback = weir_addr_is_v4(addr) ? "127.0.0.0/8" : "::1";
	struct weir_range range;
	return weir_range_from_string(loopback, strlen(loopback), &range, NULL, NULL) == 0 &&
	       weir_range_contains(&range, addr);
}

static int listen_check(const struct weir_api_config *api, struct weir_diag *diag)
{
	if (strcmp(api->listen, "off") == 0)
		return 0;
	struct weir_addr addr;
	char shown[WEIR_TEXT_SHOWN];
	weir_text_shorten(api->listen, shown);
	if (listen_parse(api->listen, &addr) < 0)
		return weir_diag_key(diag, "api.listen",
				     "write 127.0.0.1:11811, [::1]:11811, or off",
				     "'%s' is not an address and a port", shown);
	if (is_loopback(&addr) || api->certificate)
		return 0;
	return weir_diag_key(diag, "api.listen",
			     "set api.certificate and api.key, or listen on 127.0.0.1",
			     "'%s' can be reached from other hosts, and tokens would cross the "
			     "network in the clear",
			     shown);
}

static int certificate_check(const struct weir_api_config *api, struct weir_diag *diag)
{
	if (api->certificate && !api->key)
		return weir_diag_key(
			diag, "api.certificate",
			"add 'key: FILE' with its private key, or remove the certificate",
			"there is a certificate but no key");
	if (api->key && !api->certificate)
		return weir_diag_key(diag, "api.key", "add 'certificate: FILE', or remove the key",
				     "there is a key but no certificate");
	return 0;
}

/* The characters of a metric name in Prometheus' text format. */
static int prefix_check(const char *prefix, struct weir_diag *diag)
{
	bool right = !isdigit((unsigned char)*prefix);
	for (const char *c = prefix; *c; c++)
		right = right && (isalnum((unsigned char)*c) || *c == '_' || *c == ':');
	if (right && strlen(prefix) <= 64)
		return 0;
	char shown[WEIR_TEXT_SHOWN];
	return weir_diag_key(diag, "metrics.prefix",
			     "write at most 64 letters, digits, _ and :, not starting with a digit",
			     "'%s' cannot start the name of a metric",
			     weir_text_shorten(prefix, shown));
}

static int scrape_check(const struct weir_config *config, struct weir_diag *diag)
{
	const char *listen = config->metrics.listen;
	struct weir_addr addr;
	char shown[WEIR_TEXT_SHOWN];

	if (strcmp(listen, "off") == 0)
		return 0;
	if (listen_parse(listen, &addr) < 0)
		return weir_diag_key(diag, "metrics.listen",
				     "write 0.0.0.0:8081, [::]:8081, or off",
				     "'%s' is not an address and a port",
				     weir_text_shorten(listen, shown));
	if (strcmp(listen, config->api.listen) == 0)
		return weir_diag_key(diag, "metrics.listen",
				     "choose another port, or off: /metrics is there already",
				     "the API listens at '%s'", weir_text_shorten(listen, shown));
	return 0;
}

int weir_config_cross_check(const struct weir_config *config, struct weir_diag *diag)
{
	int results[] = {
		interfaces_check(config, diag),
		listen_check(&config->api, diag),
		certificate_check(&config->api, diag),
		prefix_check(config->metrics.prefix, diag),
		scrape_check(config, diag),
	};
	int r = 0;
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(results); i++)
		if (results[i] < 0 && r != -ENOMEM)
			r = results[i];
	return r;
}
