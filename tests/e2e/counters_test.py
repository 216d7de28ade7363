# SPDX-License-Identifier: Apache-2.0
"""Every packet ends with exactly one reason, counted (invariant 4); events are capped and their
losses counted (invariant 7)."""
import signal

import pytest

from harness import kernel
from harness.frames import (IP, UDP, Dot1Q, Ether, IPv6, Raw, dressed, ether, ip, udp)
from harness.wait import wait_for
from harness.wire import Wire

from scapy.layers.inet6 import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr
from scapy.layers.l2 import ARP


def counts(daemon):
    """{reason: (packets, bytes)}"""
    return {row["reason"]: (row["packets"], row["bytes"]) for row in daemon.status()["reasons"]}


def grown(daemon, before):
    """Those reasons whose counters moved since, and by how much."""
    return {reason: (packets - before[reason][0], size - before[reason][1])
            for reason, (packets, size) in counts(daemon).items()
            if (packets, size) != before[reason]}


def too_deep():
    frame = ether()
    for number in range(6):
        frame /= Dot1Q(vlan=number + 1)
    return frame / ip("192.0.2.1") / UDP()


ENDS = [
    ("pass_policy", udp("198.51.100.1")),
    ("pass_policy", udp("2001:db9::1")),
    ("pass_allowed", udp("192.0.2.7")),
    ("pass_allowed", udp("2001:db8:1::7")),
    ("drop_blocked", udp("192.0.2.1")),
    ("drop_blocked", udp("2001:db8::1")),
    ("pass_arp", Ether(dst="ff:ff:ff:ff:ff:ff") / ARP()),
    ("pass_neighbour", ether() / IPv6(src="2001:db8::1", dst="ff02::1:ff00:1", hlim=255)
     / ICMPv6ND_NS(tgt="2001:db8::2") / ICMPv6NDOptSrcLLAddr()),
    ("pass_not_ip", Ether(dst="ff:ff:ff:ff:ff:ff", type=0x88CC) / Raw(b"x" * 50)),
    ("drop_too_deep", too_deep()),
]


@pytest.fixture(params=["xdp", "tc", "xdp-generic"])
def listed(request, weir_daemon, pair):
    daemon = weir_daemon(pair.inside)
    daemon.say("interface", "attach", pair.wire, "--hook", request.param)
    daemon.say("block", "import", "-", text="192.0.2.0/24\n2001:db8::/32\n")
    daemon.say("allow", "import", "-", text="192.0.2.7\n2001:db8:1::/48\n")
    return daemon


def test_each_kind_of_packet_ends_with_its_reason_and_no_other(listed, wire):
    for reason, frame in ENDS:
        before, sent, size = counts(listed), wire.sent, wire.sent_bytes
        wire.send([frame] * 3)
        wanted = {"pass_arp": (1, 42)}      # the harness's own last frame
        packets, octets = wanted.get(reason, (0, 0))
        wanted[reason] = (packets + 3, octets + wire.sent_bytes - size - 42)
        assert wire.sent - sent == 4
        assert grown(listed, before) == wanted, reason


def test_sum_of_reasons_is_what_was_sent_and_what_the_interface_received(listed, pair, wire):
    before, link = counts(listed), kernel.links(pair.inside)[pair.wire]["stats64"]["rx"]
    frames = [frame for address in ("192.0.2.1", "192.0.2.7", "198.51.100.1", "2001:db8::1",
                                    "2001:db9::1") for frame in dressed(address).values()]
    frames += [frame for _, frame in ENDS]
    wire.send(frames * 5)
    now = kernel.links(pair.inside)[pair.wire]["stats64"]["rx"]
    moved = grown(listed, before)
    assert sum(packets for packets, _ in moved.values()) == wire.sent == \
        now["packets"] - link["packets"]
    row = listed.interface(pair.wire)
    # With XDP in the driver, veth counts a packet without the 14 bytes of its Ethernet header.
    headers = 14 * wire.sent if row["mode"] == "xdp native" else 0
    assert sum(size for _, size in moved.values()) == wire.sent_bytes
    assert wire.sent_bytes == now["bytes"] - link["bytes"] + headers
    row = row["ingress_counts"]
    assert row["drop_packets"] == sum(packets for reason, (packets, _) in moved.items()
                                      if reason.startswith("drop_"))


def test_directions_and_interfaces_are_counted_apart(weir_daemon, pair):
    from harness.net import veth
    veth(pair.inside, "second", pair.outside, "far2")
    daemon = weir_daemon(pair.inside)
    daemon.say("interface", "attach", pair.wire, "--egress")
    daemon.say("interface", "attach", "second")
    daemon.say("block", "add", "192.0.2.1")
    with Wire.inward(pair) as into, Wire.outward(pair) as out, Wire(
            pair.outside, "far2", pair.inside, "second") as second:
        into.send([udp("192.0.2.1")] * 5)
        out.send([udp("192.0.2.1", egress=True)] * 3)
        second.send([udp("192.0.2.1")] * 2)
    first, other = daemon.interface(pair.wire), daemon.interface("second")
    assert first["ingress_counts"]["drop_packets"] == 5
    assert first["egress_counts"]["drop_packets"] == 3
    assert other["ingress_counts"]["drop_packets"] == 2
    assert daemon.reasons()["drop_blocked"] == 10


def test_counters_outlive_a_detached_interface_a_policy_and_a_restart(daemon, pair, wire):
    daemon.say("block", "add", "192.0.2.1")
    wire.send([udp("192.0.2.1")] * 5)
    daemon.apply("api: {listen: off}\nmemory: 64MiB\n")
    assert daemon.reasons()["drop_blocked"] == 5
    daemon.restart()
    assert daemon.reasons()["drop_blocked"] == 5
    wire.send([udp("192.0.2.1")] * 2)
    assert daemon.reasons()["drop_blocked"] == 7


def event_counts(daemon):
    return daemon.status()["events"]["drop"]


def test_events_over_the_rate_are_counted_and_drops_all_the_same(weir_daemon, pair, wire):
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire],
                         config="api: {listen: off}\nevents: {rate: 100/s, keep: 10000}\n")
    daemon.say("block", "add", "192.0.2.1")
    wire.send([udp("192.0.2.1")] * 5000)
    row = event_counts(daemon)
    assert row["sent"] + row["capped"] + row["lost"] == 5000 == daemon.reasons()["drop_blocked"]
    assert row["sent"] >= 1 and row["capped"] > 2500 and row["lost"] == 0
    events = wait_for(lambda: len(daemon.ask("events", "--kind", "drop", "--limit", "10000")[
        "events"]) == row["sent"], "each that was sent is told")
    assert events


def test_events_that_find_the_ring_full_are_counted_as_lost(weir_daemon, pair, wire):
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire],
                         config="api: {listen: off}\nevents: {rate: 10000000/s, keep: 100}\n")
    daemon.say("block", "add", "192.0.2.1")
    daemon.process.send_signal(signal.SIGSTOP)
    wire.send([udp("192.0.2.1")] * 20000)       # the ring takes about 12,000
    daemon.process.send_signal(signal.SIGCONT)
    row = event_counts(daemon)
    assert row["sent"] + row["capped"] + row["lost"] == 20000
    assert row["lost"] > 5000 and row["capped"] == 0
    assert daemon.reasons()["drop_blocked"] == 20000
    assert "lost" in daemon.say("status")


@pytest.mark.parametrize("events, told", [("{sample: 10}", 50), ("{rate: 0/s}", 0), ("{}", 500)])
def test_one_of_so_many_drops_makes_an_event(weir_daemon, pair, wire, events, told):
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire],
                         config=f"api: {{listen: off}}\nevents: {events}\n")
    daemon.say("block", "add", "192.0.2.1")
    for _ in range(5):
        wire.send([udp("192.0.2.1")] * 100)
    row = event_counts(daemon)
    total = row["sent"] + row["capped"] + row["lost"]
    # Sampling is by chance: five standard deviations of a binomial of 500 by a tenth.
    assert abs(total - told) <= (34 if told == 50 else 0 if row["capped"] == 0 else 500), row
    assert daemon.reasons()["drop_blocked"] == 500


def test_drop_event_names_all_that_is_known_of_the_packet(daemon, pair, wire):
    daemon.say("block", "add", "192.0.2.0/24", "--note", "why not")
    wire.send([Ether(src="02:00:00:00:00:01", dst="ff:ff:ff:ff:ff:ff")
               / IP(src="192.0.2.1", dst="198.18.0.1") / UDP(sport=1234, dport=53)])
    (event,) = wait_for(lambda: daemon.ask("events", "--kind", "drop")["events"], "it is told")
    wanted = {"reason": "drop_blocked", "interface": pair.wire, "direction": "ingress",
              "src": "192.0.2.1", "dst": "198.18.0.1", "proto": 17, "sport": 1234, "dport": 53,
              "list": "runtime-deny", "entry": "192.0.2.0/24", "note": "why not",
              "revision": daemon.status()["revision"]}
    assert {key: event[key] for key in wanted} == wanted
