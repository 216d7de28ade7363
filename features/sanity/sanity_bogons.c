/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources that do not come from the Internet: what the IANA registries of special-purpose addresses
 * (RFC 6890, 8190) have as not globally reachable, and 240.0.0.0/4. Left out, since hosts need them
 * on any link: 0.0.0.0 and :: (before there is an address) and fe80::/10. ::ffff:0:0/96 would be
 * all of IPv4 here; no packet bears it that the martian check lets through. Left out too, although
 * inside 192.0.0.0/24 and 2001::/23, is what those registries have as globally reachable. Space
 * that is merely not given out yet is no part of this: it changes, and belongs on a list.
 */
#include "features/sanity/sanity_state.h"

const struct sanity_bogon sanity_bogons[] = {
	{ "0.0.0.1-0.255.255.255", "this network, RFC 791" },
	{ "10.0.0.0/8", "private use, RFC 1918" },
	{ "100.64.0.0/10", "shared by carriers, RFC 6598" },
	{ "127.0.0.0/8", "loopback, RFC 1122" },
	{ "169.254.0.0/16", "link-local, RFC 3927" },
	{ "172.16.0.0/12", "private use, RFC 1918" },
	{ "192.0.0.0-192.0.0.8", "protocol assignments, RFC 6890, 7335, 7600" },
	{ "192.0.0.11-192.0.0.255", "protocol assignments, RFC 6890, 7050, 8880" },
	{ "192.0.2.0/24", "documentation, RFC 5737" },
	{ "192.168.0.0/16", "private use, RFC 1918" },
	{ "198.18.0.0/15", "benchmarks, RFC 2544" },
	{ "198.51.100.0/24", "documentation, RFC 5737" },
	{ "203.0.113.0/24", "documentation, RFC 5737" },
	{ "240.0.0.0/4", "reserved, RFC 1112; limited broadcast, RFC 8190" },
	{ "::1", "loopback, RFC 4291" },
	{ "64:ff9b:1::/48", "translation within a network, RFC 8215" },
	{ "100::/64", "discard only, RFC 6666" },
	{ "100:0:0:1::/64", "dummy prefix, RFC 9780" },
	{ "2001:2::/48", "benchmarks, RFC 5180" },
	{ "2001:5::-2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", "protocol assignments, RFC 2928" },
	{ "2001:40::-2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "protocol assignments, RFC 2928" },
	{ "2001:db8::/32", "documentation, RFC 3849" },
	{ "3fff::/20", "documentation, RFC 9637" },
	{ "5f00::/16", "segment identifiers, RFC 9602" },
	{ "fc00::/7", "unique local, RFC 4193" },
	{ 0 },
};
