# SPDX-License-Identifier: Apache-2.0
"""`shortcut`: what belongs to a connection that is let in at both ends goes on from where it
arrives, past the kernel's own forwarding, which a counter of nftables sees; all else goes there."""
import contextlib
import json
import random

import pytest

from harness.balanced import DENIED, FAMILIES, config
from harness.cluster import BACKENDS, PORT, ROUTER, SERVICE, Client, Cluster, serving
from harness.daemon import Daemon
from harness.forwarded import each_shortcut, forwarding, is_at, met, watch
from harness.kernel import BEHIND_XDP
from harness.wait import wait_for

each_family = pytest.mark.parametrize("family", FAMILIES)
each_side = pytest.mark.parametrize("hidden", (False, True), ids=("seen", "hidden"))


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        for station in (made.client, made.backends):
            # A veth takes what XDP sends it while its other end has NAPI.
            station.run("ethtool", "-K", "eth0", "gro", "on", "tx", "off")
        watch(made.gateway)
        yield made



@contextlib.contextmanager
def watched(cluster, shortcut, *args, more="", **kwargs):
    text = forwarding(shortcut, *args, **kwargs) + more
    with Daemon(cluster.gateway, config=text) as daemon:
        wait_for(lambda: is_at(daemon, shortcut), "both interfaces are watched")
        yield daemon


def sent_and_seen(cluster, daemon):
    """Packets that interfaces have counted themselves, and those that Weir says left by them."""
    rows = json.loads(cluster.gateway.run("ip", "-j", "-s", "link").stdout)
    sent = {row["ifname"]: row["stats64"]["tx"]["packets"] for row in rows}
    seen = {row["name"]: row["egress_counts"]["pass_packets"]
            for row in daemon.status()["interfaces"]}
    return sent, seen


@each_shortcut
@each_family
@each_side
@pytest.mark.parametrize("rules", (None, DENIED), ids=("open", "denied"))
def test_streams_go_past_the_kernel(cluster, shortcut, family, hidden, rules):
    source = ROUTER[family][1] if hidden else None
    text = random.Random(family).randbytes(8 << 20)
    before = met(cluster.gateway)
    with serving(cluster, family), \
            watched(cluster, shortcut, family, source=source, rules=rules) as daemon, \
            Client(cluster, family) as client:
        assert client.echoes(text)
        assert (client.peer[0] == source) if hidden else (client.peer == client.own)
        # 16 MiB are 11,000 packets and more; a handshake, and what ends it, are a few.
        assert met(cluster.gateway) - before < 500
        count = daemon.status()["balance"]
        assert count["to_backends"] > 5000 and count["to_clients"] > 5000
        assert not [reason for reason in daemon.reasons() if reason.startswith("drop")]


@each_shortcut
@each_family
def test_datagrams_and_fragments(cluster, shortcut, family):
    text = random.Random(family).randbytes(6000)
    before = met(cluster.gateway)
    with serving(cluster, family, "udp"), watched(cluster, shortcut, family, proto="udp"), \
            contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(cluster, family, "udp")) for _ in range(20)]
        for client in clients:
            for number in range(50):
                assert client.ask(b"%d" % number) == b"%d" % number
        assert met(cluster.gateway) - before < 200      # of 2,000
        assert all(client.ask(text) == text for client in clients)


@contextlib.contextmanager
def left_to_the_device(cluster):
    """Checksums, and to cut what is sent into segments."""
    for station in (cluster.client, cluster.backends):
        station.run("ethtool", "-K", "eth0", "tx", "on", "tso", "on")
    try:
        yield
    finally:
        for station in (cluster.client, cluster.backends):
            station.run("ethtool", "-K", "eth0", "tx", "off")


@BEHIND_XDP
def test_checksums_left_to_the_device_are_no_trouble(cluster):
    text = random.Random(1).randbytes(4 << 20)
    with left_to_the_device(cluster), serving(cluster, 4), watched(cluster, "xdp", 4), \
            Client(cluster, 4) as client:
        assert client.echoes(text)


@each_family
@each_side
def test_what_is_left_to_the_device_is_sent_on_by_tc(cluster, family, hidden):
    source = ROUTER[family][1] if hidden else None
    text = random.Random(family).randbytes(8 << 20)
    before = met(cluster.gateway)
    with left_to_the_device(cluster), serving(cluster, family), \
            watched(cluster, "tc", family, source=source) as daemon, \
            Client(cluster, family) as client:
        assert client.echoes(text)
        # Whole, up to 64 KiB each: a veth passes on what it is to cut.
        packets = daemon.status()["balance"]["to_backends"]
        assert 130 <= packets < 3000 and met(cluster.gateway) - before < 20
    with left_to_the_device(cluster), serving(cluster, family, "udp"), \
            watched(cluster, "tc", family, proto="udp", source=source), \
            Client(cluster, family, "udp") as client:
        for length in (0, 1, 2, 3, 64, 1001, 1400):
            text = random.Random(length).randbytes(length)
            assert client.ask(text) == text


@BEHIND_XDP
def test_who_does_not_take_it_is_forwarded_to_by_the_kernel(cluster):
    """Without NAPI at its other end a veth drops what XDP sends it."""
    text = random.Random(1).randbytes(1 << 20)
    cluster.client.run("ethtool", "-K", "eth0", "gro", "off")
    before = met(cluster.gateway)
    try:
        with serving(cluster, 4), watched(cluster, "xdp", 4) as daemon, \
                Client(cluster, 4) as client:
            assert client.echoes(text)
            assert met(cluster.gateway) - before > 200
            wait_for(lambda: told(daemon) == [
                "lan takes nothing from XDP: what leaves by it goes by the kernel"], "it is told")
    finally:
        cluster.client.run("ethtool", "-K", "eth0", "gro", "on")


def told(daemon):
    return [row["found"] for row in daemon.ask("service", "check")["checks"]
            if row["check"] == "shortcut"]


MORE = "the kernel has rules by protocol, port, mark or class: all goes by it"


@each_shortcut
def test_what_keeps_packets_from_it_is_told(cluster, shortcut):
    with watched(cluster, shortcut, 4) as daemon:
        wait_for(lambda: not told(daemon), "nothing does")
        cluster.gateway.run("ip", "rule", "add", "ipproto", "udp", "lookup", "main")
        try:
            wait_for(lambda: told(daemon) == [MORE], "a rule")
        finally:
            cluster.gateway.run("ip", "rule", "del", "ipproto", "udp", "lookup", "main")
        wait_for(lambda: not told(daemon), "it is gone")


HOOKS = {("xdp", "tc"): "what arrives by it goes on from there, not from XDP",
         ("xdp", "xdp-generic"): "what arrives by it goes by the kernel",
         ("tc", "xdp"): "what arrives by it goes by the kernel"}


@BEHIND_XDP
@pytest.mark.parametrize("shortcut, hook", HOOKS)
def test_interface_at_another_hook_is_told(cluster, shortcut, hook):
    def lines():
        return [line.split(": ")[1] for line in told(daemon)
                if line.startswith(("lan is at ", "wan is at "))]

    with Daemon(cluster.gateway, config=forwarding(shortcut, 4, hook=hook)) as daemon:
        wait_for(lambda: lines() == [HOOKS[shortcut, hook]] * 2, "of both")
    with Daemon(cluster.gateway, config=config(4, hook=hook)) as daemon:
        assert not told(daemon)


@BEHIND_XDP
def test_what_arrives_at_tc_is_sent_on_from_there(cluster):
    text = random.Random(2).randbytes(1 << 20)
    before = met(cluster.gateway)
    with serving(cluster, 4), \
            Daemon(cluster.gateway, config=forwarding("xdp", 4, hook="tc")), \
            Client(cluster, 4) as client:
        assert client.echoes(text) and met(cluster.gateway) - before < 100


@each_shortcut
def test_interfaces_count_what_left_by_them(cluster, shortcut):
    with serving(cluster, 4, "udp"), watched(cluster, shortcut, 4, proto="udp") as daemon, \
            Client(cluster, 4, "udp") as client:
        sent, seen = sent_and_seen(cluster, daemon)
        for number in range(500):
            assert client.ask(b"x") == b"x"

        def grown():
            sent_now, seen_now = sent_and_seen(cluster, daemon)
            return all(500 <= seen_now[name] - seen[name] <= sent_now[name] - sent[name] + 20
                       for name in ("lan", "wan"))

        wait_for(grown, "both interfaces have counted them")


@each_shortcut
@each_side
def test_each_packet_counts_once_whichever_way_it_goes(cluster, shortcut, hidden):
    source = ROUTER[4][1] if hidden else None
    with serving(cluster, 4, "udp"), \
            watched(cluster, shortcut, 4, proto="udp", source=source) as daemon, \
            Client(cluster, 4, "udp") as client:
        for number in range(300):
            assert client.ask(b"%d" % number) == b"%d" % number
        row, = daemon.ask("service", "stats")["services"]
        assert [row[key] for key in ("connections", "answered", "in_packets", "out_packets")] == \
            [1, 1, 300, 300]


@each_shortcut
@each_side
def test_handshakes_are_measured(cluster, shortcut, hidden):
    source = ROUTER[4][1] if hidden else None
    with serving(cluster, 4), watched(cluster, shortcut, 4, source=source) as daemon:
        for _ in range(20):
            with Client(cluster, 4) as client:
                assert client.echoes(b"on and on")
        row, = daemon.ask("service", "stats", "--latency")["services"]
        assert (row["answered"], row["measured"]) == (20, 20)


LIMITED = {"limits": [{"name": "few", "direction": "egress", "per": "destination",
                       "packets": "100/s", "burst": 50}]}


def left_unsent(daemon):
    """At every interface: answers have a limit of their own, and may come in a bunch."""
    return sum(row["egress_counts"]["drop_packets"] for row in daemon.status()["interfaces"])


def over(daemon):
    row, = daemon.ask("limit", "show")["limits"]
    return row["over"]


@each_shortcut
def test_limits_are_kept_where_packets_leave(cluster, shortcut):
    limit = f"limit: {json.dumps(LIMITED)}\n"
    with serving(cluster, 4, "udp"), \
            watched(cluster, shortcut, 4, proto="udp", more=limit) as daemon, \
            Client(cluster, 4, "udp") as client:
        assert client.ask(b"first") == b"first"
        assert client.ask(b"second") == b"second"
        for _ in range(1000):
            client.sock.send(b"many")
        wait_for(lambda: left_unsent(daemon) >= 500, "what is too much is dropped")
        # Each of them once.
        wait_for(lambda: over(daemon) == left_unsent(daemon), "it is counted as that")


@each_shortcut
def test_lists_count_what_they_allow_where_it_leaves_too(cluster, shortcut, tmp_path):
    """Questions as they leave for the backend, its answers as they arrive."""
    (tmp_path / "friends.txt").write_text("\n".join(BACKENDS[4]) + "\n")
    lists = f"block: {{lists: [{{name: friends, action: allow, file: {tmp_path}/friends.txt}}]}}\n"
    with serving(cluster, 4, "udp"), \
            watched(cluster, shortcut, 4, proto="udp", more=lists) as daemon, \
            Client(cluster, 4, "udp") as client:
        for number in range(300):
            assert client.ask(b"%d" % number) == b"%d" % number
        wait_for(lambda: daemon.ask("allow", "lists")["lists"][0]["hits"]["packets"] == 600,
                 "each counts")


@each_shortcut
def test_backends_that_go_and_policies_that_change_hold_at_once(cluster, shortcut):
    with serving(cluster, 4), watched(cluster, shortcut, 4) as daemon, \
            Client(cluster, 4) as client:
        assert client.echoes(b"on and on" * 100)
        daemon.apply(forwarding(shortcut, 4, rules={
            "rules": [{"name": "no-more", "dst": SERVICE[4], "dport": str(PORT),
                       "action": "deny"}]}))
        client.sock.settimeout(1)
        with pytest.raises(OSError):
            client.echoes(b"still there?")
        assert daemon.reasons()["drop_rule"] >= 1
    assert BACKENDS[4]
