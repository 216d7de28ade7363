/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Every way a packet can end, named once. Counters, events, metrics, the API and the reference page
 * all come from this list. A row: X(identifier, verdict, stage that decides, name, help). Add at
 * the end of its half: numbers are kept in pinned counters.
 */
#ifndef WEIR_ABI_REASON_H
#define WEIR_ABI_REASON_H

#define WEIR_REASONS(X)                                                                            \
	X(WEIR_PASS_POLICY, PASS, policy, "pass_policy",                                           \
	  "nothing spoke: the default policy passed it")                                           \
	X(WEIR_PASS_ALLOWED, PASS, block, "pass_allowed",                                          \
	  "the remote address is on an allow list")                                                \
	X(WEIR_PASS_ARP, PASS, parse, "pass_arp", "ARP passes lists and rules")                    \
	X(WEIR_PASS_NEIGHBOUR, PASS, parse, "pass_neighbour",                                      \
	  "IPv6 neighbour discovery passes lists and rules")                                       \
	X(WEIR_PASS_NOT_IP, PASS, parse, "pass_not_ip", "neither IPv4, IPv6 nor ARP")              \
	X(WEIR_PASS_NO_POLICY, PASS, policy, "pass_no_policy",                                     \
	  "no policy is loaded yet: as without Weir")                                              \
	X(WEIR_PASS_RULE, PASS, rules, "pass_rule", "a rule allowed it")                           \
	X(WEIR_DROP_BLOCKED, DROP, block, "drop_blocked", "the remote address is on a deny list")  \
	X(WEIR_DROP_TOO_DEEP, DROP, parse, "drop_too_deep",                                        \
	  "more tags, labels or extensions than are read")                                         \
	X(WEIR_DROP_UNREADABLE, DROP, parse, "drop_unreadable",                                    \
	  "the addresses are out of reach, so no list could be asked")                             \
	X(WEIR_DROP_RULE, DROP, rules, "drop_rule", "a rule denied it")                            \
	X(WEIR_DROP_REJECT, DROP, rules, "drop_reject",                                            \
	  "a rule rejected it: the sender is told, where that may be")                             \
	X(WEIR_DROP_POLICY, DROP, policy, "drop_policy",                                           \
	  "nothing spoke: the default policy denied it")                                           \
	X(WEIR_DROP_REJECT_CAPPED, DROP, rules, "drop_reject_capped",                              \
	  "a rule rejected it; more answers were due than the cap lets out")                       \
	X(WEIR_PASS_ANSWER, PASS, reject, "pass_answer",                                           \
	  "Weir's own answer to a packet it rejected, at the hook it meets next")                  \
	X(WEIR_DROP_MALFORMED, DROP, sanity, "drop_malformed",                                     \
	  "a header is cut short or contradicts itself")                                           \
	X(WEIR_DROP_TCP_FLAGS, DROP, sanity, "drop_tcp_flags",                                     \
	  "TCP flags that no connection sends together")                                           \
	X(WEIR_DROP_LAND, DROP, sanity, "drop_land",                                               \
	  "from and to the same address, and the same port if it has ports")                       \
	X(WEIR_DROP_MARTIAN, DROP, sanity, "drop_martian",                                         \
	  "an address that is never on a wire as source or destination")                           \
	X(WEIR_DROP_BOGON, DROP, sanity, "drop_bogon",                                             \
	  "the source is set apart for other than the Internet")                                   \
	X(WEIR_DROP_SPOOFED, DROP, sanity, "drop_spoofed",                                         \
	  "no route leads back to the source where it came from")                                  \
	X(WEIR_DROP_TINY_FRAGMENT, DROP, sanity, "drop_tiny_fragment",                             \
	  "a fragment that hides the transport header")                                            \
	X(WEIR_DROP_FRAGMENT_OVERLAP, DROP, sanity, "drop_fragment_overlap",                       \
	  "a fragment that overlaps another of its datagram")                                      \
	X(WEIR_DROP_ETHERTYPE, DROP, sanity, "drop_ethertype",                                     \
	  "an EtherType that is not on the list")                                                  \
	X(WEIR_DROP_ARP, DROP, sanity, "drop_arp", "ARP, which is switched off")                   \
	X(WEIR_DROP_NEIGHBOUR, DROP, sanity, "drop_neighbour",                                     \
	  "IPv6 neighbour discovery, which is switched off")                                       \
	X(WEIR_PASS_ESTABLISHED, PASS, conntrack, "pass_established", "of a flow that was let in") \
	X(WEIR_PASS_RELATED, PASS, conntrack, "pass_related",                                      \
	  "an ICMP error about a flow, or a connection that a helper expected")                    \
	X(WEIR_PASS_FRAGMENT, PASS, conntrack, "pass_fragment",                                    \
	  "a fragment ahead of its first, between addresses that have a flow")                     \
	X(WEIR_DROP_LIMIT, DROP, limit, "drop_limit", "more than a limit lets pass")               \
	X(WEIR_DROP_RULE_LIMIT, DROP, rules, "drop_rule_limit",                                    \
	  "more than a rule with the action `limit` lets pass")                                    \
	X(WEIR_PASS_SYN_ANSWERED, PASS, synproxy, "pass_syn_answered",                             \
	  "a SYN that may pass, answered with a cookie in the listener's place")                   \
	X(WEIR_DROP_COOKIE, DROP, synproxy, "drop_cookie",                                         \
	  "of no connection, without a cookie; or a SYN from where nobody can be answered")        \
	X(WEIR_DROP_NO_BACKEND, DROP, balance, "drop_no_backend",                                  \
	  "to a service that has no backend to send it to")                                        \
	X(WEIR_DROP_NO_PORT, DROP, balance, "drop_no_port",                                        \
	  "no source port was free for a client that is hidden from its backend")                  \
	X(WEIR_PASS_DIRECT, PASS, balance, "pass_direct",                                          \
	  "to a backend that answers by itself, judged where it arrived, at the hook it meets "    \
	  "next")                                                                                  \
	X(WEIR_PASS_CHECK, PASS, balance, "pass_check",                                            \
	  "of a health check that goes the way of its service's packets")                          \
	X(WEIR_DROP_EARLY, DROP, conntrack, "drop_early",                                          \
	  "from a backend right behind an upgrade with empty tables, of a connection whose "       \
	  "client has not sent anything since")

enum weir_reason {
	WEIR_PASS = 0, /* not an end: go on to the next stage */
#define X(identifier, verdict, stage, name, help) identifier,
	WEIR_REASONS(X)
#undef X
	WEIR_REASON_COUNT,
};

/* Room kept in the counters, so that a new reason does not move the old ones. */
#define WEIR_REASONS_MAX 64

_Static_assert(WEIR_REASON_COUNT <= WEIR_REASONS_MAX, "counters have a row for every reason");

#endif
