# SPDX-License-Identifier: Apache-2.0
"""Floods by live frames are seen as what they are, where they are; honest traffic is not; and what
is known of an interface is the same in the data path, the command line, events and metrics."""
import contextlib
import json
import re
import select
import socket
import subprocess
import threading

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP

from harness.attack import (A4, A6, B4, CALM_SOURCES, FRAMES, QUICK, config, events,  # noqa: F401
                            flooded, is_level, judged, packets, rate_of, shown,
                            take_live_frames)
from harness.clients import connect_error, datagram_error
from harness.daemon import HELPERS
from harness.frames import ether
from harness.kernel import dump
from harness.live import LiveFrames
from harness.net import Pair, veth
from harness.wait import wait_for
from harness.wire import Wire


def slot_of(daemon, ifindex):
    """By the kernel's word for the map: cells of an ifindex, 4 bytes, and a slot, 2."""
    for _, value in dump(daemon.pin_dir / "maps" / "cfg_iface"):
        cell = bytes(int(byte, 16) for byte in value)
        if int.from_bytes(cell[:4], "little") == ifindex:
            return int.from_bytes(cell[4:6], "little")
    raise AssertionError(f"no slot for {ifindex}")


def word(daemon, slot, ifindex):
    """What bpf/lib/alarm.h reads in the daemon's map."""
    done = subprocess.run([HELPERS / "alarm", HELPERS / "alarm.bpf.o",
                           daemon.pin_dir / "maps" / "cfg_alarm", str(slot), str(ifindex)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# --- what is counted ----------------------------------------------------------------------------

@pytest.mark.parametrize("hook", ["xdp", "tc"])
def test_each_kind_is_counted_by_itself(weir_daemon, pair, wire, hook):
    def tcp(flags, source=A4):
        header = IPv6(src=source, dst="2001:db8::9") if ":" in source else IP(src=source, dst=B4)
        return ether() / header / TCP(sport=1, dport=2, flags=flags)

    more = f"interfaces: [{{name: {pair.wire}, hook: {hook}, egress: true}}]\n"
    daemon = judged(weir_daemon(pair.inside, config=config(more)))
    before = packets(daemon)
    wire.send([tcp("S"), tcp("SEC"), tcp("S", A6), tcp("SP"), tcp("SU")] * 3         # 15 SYN
              + [tcp("SA"), tcp("A"), tcp("PA"), tcp("FA"), tcp("R"), tcp("RA")]     # none
              + [tcp("SF"), tcp(""), tcp("F"), tcp("FPU"), tcp("SR", A6)] * 2        # 10 bad
              + [FRAMES["icmp"], ether() / IPv6(src=A6, dst="2001:db8::9") / ICMPv6EchoRequest(),
                 ether() / IP(src=A4, dst=B4, proto=1, frag=100) / bytes(64)]        # 3 ICMP
              + [FRAMES["udp"], ether() / IPv6(src=A6, dst="2001:db8::9") / UDP(),
                 ether() / IP(src=A4, dst=B4, proto=17, frag=100) / bytes(64)] * 2   # 6 UDP
              + [ether() / IP(src=A4, dst=B4, proto=protocol) / bytes(64)            # none
                 for protocol in (0, 2, 47, 50, 65, 81, 122, 132, 255)]
              + [ether() / ARP(pdst=B4)])
    with Wire.outward(pair) as out:
        out.send([*FRAMES.values()])            # what leaves is not counted
    daemon.say("explain", "--src", A4, "--dst", B4, "--proto", "udp", "--dport", "53",
               "--interface", pair.wire)        # what is asked has not come
    after = packets(daemon)
    assert {name: after[name] - before[name] for name in after} == {
        "syn": 15, "icmp": 3, "udp": 6, "new-flows": 0, "bad-flags": 10}


def test_dropped_packets_are_counted(weir_daemon, pair, wire):
    daemon = judged(weir_daemon(pair.inside, interfaces=[pair.wire], config=config(
        "sanity: {level: basic}\n"
        "block: {lists: [{name: no, action: deny, entries: [198.18.1.1]}]}\n")))
    assert wire.verdicts([*FRAMES.values()] * 5) == [False] * 20
    assert packets(daemon) == {"syn": 5, "icmp": 5, "udp": 5, "new-flows": 0, "bad-flags": 5}


def test_new_flows_are_counted_where_connections_are_tracked(weir_daemon, pair, wire):
    daemon = judged(weir_daemon(pair.inside, interfaces=[pair.wire],
                                config=config("conntrack: {enabled: true}\n")))
    one = [ether() / IP(src=A4, dst=B4) / UDP(sport=port, dport=53) for port in range(2000, 2007)]
    wire.send(one)
    wire.send(one)                              # of flows that are there
    with Wire.outward(pair) as out:
        out.send([ether() / IP(src=B4, dst=A4) / UDP(sport=port, dport=9) for port in range(5)])
    assert packets(daemon)["new-flows"] == 7
    wait_for(lambda: rate_of(daemon, "new-flows")["measured"], "it is said to be measured")
    daemon.apply(config())
    wait_for(lambda: not rate_of(daemon, "new-flows")["measured"], "it is measured no more")


def test_nothing_is_counted_while_it_is_off(weir_daemon, pair, wire):
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire])
    wire.send([*FRAMES.values()] * 3)
    rows = dump_counts(daemon)
    assert rows and not any(any(row) for row in rows)
    assert daemon.ask("attack", "show") == {"enabled": False, "interfaces": []}
    assert "attack is off" in daemon.say("attack", "show")
    assert daemon.status()["attack"] == {"on": False, "interfaces": []}


def dump_counts(daemon):
    """Sums of every CPU's row of ctr_attack, by bpftool."""
    done = subprocess.run(["/usr/sbin/bpftool", "--json", "map", "dump", "pinned",
                           str(daemon.pin_dir / "maps" / "ctr_attack")],
                          stdout=subprocess.PIPE, check=True, text=True)
    return [[int(byte, 16) for cpu in row["values"] for byte in cpu["value"]]
            for row in json.loads(done.stdout)]


# --- floods -------------------------------------------------------------------------------------

def second_wire(pair):
    """Another interface of the daemon's."""
    veth(pair.inside, "other", pair.outside, "otherfar")
    take_live_frames(pair, pair.wire, "other")
    return "other"


@pytest.mark.parametrize("kind, hook", [("syn", "xdp"), ("icmp", "tc"), ("udp", "xdp"),
                                        ("bad-flags", "tc")])
def test_flood_is_told_with_its_evidence_and_ends(weir_daemon, pair, kind, hook):
    other = second_wire(pair)
    rates = "{" + ", ".join(f"{name}: {{elevated: 200/s, attack: 1000/s}}" for name in FRAMES) + "}"
    more = "interfaces: [" + ", ".join(f"{{name: {name}, hook: {hook}}}"
                                       for name in (pair.wire, other)) + "]\n"
    daemon = judged(weir_daemon(pair.inside, config=config(more, rates=rates, **QUICK)),
                    pair.wire, other)
    slot, ifindex = (slot_of(daemon, pair.inside.ifindex(pair.wire)),
                     pair.inside.ifindex(pair.wire))
    assert word(daemon, slot, ifindex)["level"] == 0
    with LiveFrames(pair.outside, pair.far, CALM_SOURCES, FRAMES[kind]) as flood:
        row = wait_for(is_level(daemon, "attack"), "the flood is an attack", 20)
        in_data_path = word(daemon, slot, ifindex)
        status = next(row for row in daemon.status()["attack"]["interfaces"]
                      if row["interface"] == pair.wire)
        said = daemon.say("status") + daemon.say("attack", "show")
        flood.stop()
    assert (row["rate"], row["threshold"]) == (kind, 1000)
    assert row["peak"] >= row["per_second"] >= 1000
    levels = {rate["rate"]: rate["level"] for rate in row["rates"]}
    assert levels == {name: "attack" if name == kind else "calm" for name in levels}
    assert in_data_path == {"level": 2, **{name: 2 if name == kind else 0 for name in levels}}
    assert word(daemon, slot, ifindex + 1)["level"] == 0    # of no other interface that has the row
    assert (status["level"], status["rate"]) == ("attack", kind)
    assert re.search(rf"wire: attack since \S+, {kind} [\d,]+/s, at most [\d,]+/s, "
                     r"threshold 1,000/s", said)

    wait_for(is_level(daemon, "calm"), "it is calm again", 20)
    assert word(daemon, slot, ifindex)["level"] == 0
    rows = events(daemon)
    steps = [(row["was"], row["level"]) for row in rows]
    assert steps[:2] == [("calm", "elevated"), ("elevated", "attack")]
    # The second in which the flood ended may have been low for an attack, and for nothing else.
    assert steps[2:] in ([("attack", "calm")], [("attack", "elevated"), ("elevated", "calm")])
    assert {(row["interface"], row["rate"]) for row in rows} == {(pair.wire, kind)}
    assert [rows[i]["threshold"] for i in (0, 1, -1)] == [200, 1000, 200]
    assert rows[1]["per_second"] >= 1000 and rows[-1]["per_second"] < 140
    assert rows[2]["lasted_s"] >= 2 and rows[2]["peak"] >= rows[1]["per_second"]
    assert shown(daemon, other)["level"] == "calm"
    assert kind in daemon.say("events", "--kind", "attack")


def test_flood_between_the_thresholds_is_elevated_and_no_more(flooded, pair):     # noqa: F811
    daemon = flooded(rates="{udp: {elevated: 200/s, attack: 10G/s}}")
    with LiveFrames(pair.outside, pair.far, CALM_SOURCES):
        wait_for(is_level(daemon, "elevated"), "it is elevated", 20)
        since = shown(daemon)["since"]
        sent = packets(daemon)["udp"]
        wait_for(lambda: packets(daemon)["udp"] > 2 * sent, "as much again comes", 60)
        assert (shown(daemon)["level"], shown(daemon)["since"]) == ("elevated", since)
    assert len(events(daemon)) == 1


def test_flood_of_what_is_dropped_is_a_flood_all_the_same(flooded, pair):     # noqa: F811
    daemon = flooded("events: {rate: 0/s}\n"
                     "block: {lists: [{name: no, action: deny, entries: [198.18.0.0/16]}]}\n")
    with LiveFrames(pair.outside, pair.far, CALM_SOURCES):
        wait_for(is_level(daemon, "attack"), "the flood is an attack", 20)
    assert daemon.reasons()["drop_blocked"] > 1000


def test_restart_and_kill_keep_the_level(flooded, pair):     # noqa: F811
    daemon = flooded(calm_after="1h")
    ifindex = pair.inside.ifindex(pair.wire)
    slot = slot_of(daemon, ifindex)
    with LiveFrames(pair.outside, pair.far, CALM_SOURCES):
        wait_for(is_level(daemon, "attack"), "the flood is an attack", 20)
    counted = packets(daemon)["udp"]
    for end in (daemon.stop, daemon.kill):
        end()
        assert word(daemon, slot, ifindex) == {
            "level": 2, "syn": 0, "icmp": 0, "udp": 2, "new-flows": 0, "bad-flags": 0}
        judged(daemon.start())
        assert shown(daemon)["level"] == "attack"
        assert packets(daemon)["udp"] >= counted
    daemon.apply("api: {listen: off}\n")
    wait_for(lambda: word(daemon, slot, ifindex)["level"] == 0, "switched off, nothing is known")
    daemon.apply(config())
    assert shown(judged(daemon))["level"] == "calm"


def test_an_interface_made_anew_begins_calm(weir_daemon, pair):
    other = second_wire(pair)
    rates = "{udp: {elevated: 200/s, attack: 1000/s}}"
    daemon = judged(weir_daemon(pair.inside, interfaces=[pair.wire, other], config=config(
        rates=rates, **{**QUICK, "calm_after": "1h"})), pair.wire, other)
    with LiveFrames(pair.outside, "otherfar", CALM_SOURCES):
        wait_for(is_level(daemon, "attack", other), "the flood is an attack", 20)
    pair.inside.run("ip", "link", "del", other)
    wait_for(lambda: not shown(daemon, other), "it is gone")
    second_wire(pair)
    row = wait_for(lambda: shown(daemon, other), "it is judged again")
    assert row["level"] == "calm"
    assert packets(daemon, other)["udp"] < 100
    assert shown(daemon, pair.wire)["level"] == "calm"


# --- honest traffic, by the defaults ------------------------------------------------------------

@contextlib.contextmanager
def answering(namespace, address, port):
    """Takes connections and closes them, echoes datagrams, until it is told to end."""
    with namespace.socket() as listener, namespace.socket(
            socket.AF_INET, socket.SOCK_DGRAM) as server:
        listener.bind((address, port))
        listener.listen(64)
        server.bind((address, port))
        ends = threading.Event()

        def run():
            while not ends.is_set():
                for ready in select.select([listener, server], [], [], 0.1)[0]:
                    if ready is listener:
                        listener.accept()[0].close()
                    else:
                        server.sendto(*server.recvfrom(2000))
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            ends.set()
            thread.join()


def test_honest_traffic_stays_calm(weir_daemon):
    with Pair("honest", addresses=True) as pair, answering(pair.inside, pair.inside_v4, 80):
        daemon = judged(weir_daemon(pair.inside, interfaces=[pair.wire],
                                    config=config("conntrack: {enabled: true}\n")))
        before = shown(daemon)["since"]
        talk_until(pair, lambda: packets(daemon)["syn"] >= 500)
        counted = packets(daemon)
        assert counted["udp"] >= 100 and counted["icmp"] >= 10 and counted["new-flows"] >= 500
        assert counted["bad-flags"] == 0
        wait_for(lambda: rate_of(daemon, "syn")["per_second"] == 0, "a second of silence is seen")
        assert (shown(daemon)["level"], shown(daemon)["since"]) == ("calm", before)
        assert events(daemon) == []


def talk_until(pair, is_enough):
    """A busy client: connections, datagrams and echoes, one behind the other."""
    for _ in range(200):
        for _ in range(25):
            assert connect_error(pair.outside, pair.inside_v4, 80) == 0
        for _ in range(10):
            assert datagram_error(pair.outside, pair.inside_v4, 80) == 0
        assert pair.pings()
        if is_enough():
            return
    raise AssertionError("what is sent is not counted")
