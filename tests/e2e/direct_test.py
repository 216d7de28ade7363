# SPDX-License-Identifier: Apache-2.0
"""Direct server return on real stacks: backends have the service's address, get the client's
packets as they were, and answer past the gateway."""
import collections
import contextlib
import random

import pytest

from harness.balanced import (DIRECT_LINES, FAMILIES, HOOKS, WAYS, direct_config, dropped, policy,
                              watched)
from harness.cluster import PORT, SERVICE, Client
from harness.direct import COUNT, Direct, front, serving, wider
from harness.wait import SLOWNESS

@pytest.fixture(scope="module")
def cluster():
    with Direct() as made, made.unwrapping():
        yield made


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0]}-{way[1] or 'same'}")
def way(request):
    return request.param


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_connections_are_shared_out_and_answered_by_backends_themselves(cluster, hook, family,
                                                                        way):
    with serving(cluster, family), \
            watched(cluster, direct_config(family, way, hook=hook)) as daemon, \
            contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(cluster, family)) for _ in range(40)]
        counts = collections.Counter(client.backend for client in clients)
        assert set(counts) == set(range(COUNT)) and min(counts.values()) >= 5, counts
        assert all(client.own == client.peer for client in clients), "the client's own address"
        rows = daemon.ask("flow", "list", f"dport={PORT}")["flows"]
        assert len(rows) == 40 and {row["dst"] for row in rows} == {SERVICE[family]}
        assert {row["state"] for row in rows} == {"established"}
        assert max(row["expires_s"] for row in rows) <= 15 * 60
        assert max(row["idle_s"] for row in rows) < 60 * SLOWNESS
        assert daemon.ask("lb", "cleanup", "--idle", "10m") == {"forgotten": 0}
        status = daemon.status()["balance"]
        assert status["chosen"] == 40 and status["to_clients"] == 0
        assert status["to_backends"] >= 80
        counted, = daemon.ask("service", "stats")["services"]
        assert (counted["active"], counted["unanswered"]) == (40, None), "no answer is seen here"
        assert daemon.reasons()["pass_direct"] == status["to_backends"]
        assert not dropped(daemon)


@pytest.mark.parametrize("family", FAMILIES)
def test_service_of_run_time_is_as_one_of_the_file(cluster, family, way):
    forward, outer = way
    backends = [word for number in range(COUNT)
                for word in ("--backend", front(number, outer or family))]
    with serving(cluster, family), watched(cluster, policy([], DIRECT_LINES)) as daemon:
        daemon.say("service", "add", "far", "--address", SERVICE[family], "--port", PORT,
                   "--forward", forward, *backends)
        row, = daemon.ask("service", "list")["services"]
        assert (row["forward"], row["origin"]) == (forward, "runtime")
        with contextlib.ExitStack() as stack:
            def joined():
                return {stack.enter_context(Client(cluster, family)).backend for _ in range(20)}

            assert joined() == set(range(COUNT))
            daemon.restart()
            assert joined() == set(range(COUNT)), "it is kept"
            daemon.say("service", "backend", "drain", "far", front(0, outer or family))
            assert joined() == {1}


# --- what is said on a connection ----------------------------------------------------------------

@contextlib.contextmanager
def left_to_devices(cluster):
    """Checksums, and the cutting of segments, are the device's, as a virtual machine has it."""
    def switch(state):
        for place, device in ((cluster.client, "eth0"), (cluster.gateway, "lan"),
                              *((cluster.gateway, f"wan{number}") for number in range(COUNT))):
            place.run("ethtool", "-K", device, "tx", state, "gro", state, check=False)

    switch("on")
    try:
        yield
    finally:
        switch("off")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("offloads", (False, True), ids=("wire", "devices"))
def test_what_is_sent_arrives_as_it_was(cluster, family, way, offloads):
    """By both hands of the checksum: a wire's, and one that is still to be computed, in segments
    that are still to be cut."""
    text = random.Random(family).randbytes(4 << 20)
    with serving(cluster, family), watched(cluster, direct_config(family, way)), \
            (left_to_devices(cluster) if offloads else contextlib.nullcontext()), \
            Client(cluster, family) as client:
        assert client.echoes(text)


@pytest.mark.parametrize("family", FAMILIES)
def test_datagrams_and_their_fragments_arrive(cluster, family, way):
    """What of IPv4 is cut by its sender is cut to his own link, which the way to the backend must
    be wider than (docs/user/balancer.md)."""
    text = random.Random(family).randbytes(5000)
    with wider(cluster), serving(cluster, family, "udp"), \
            watched(cluster, direct_config(family, way, "udp")) as daemon, \
            Client(cluster, family, "udp") as client:
        for say in (b"first", b"second", text, b"last"):
            assert client.ask(say) == say and client.peer == client.own
        row, = daemon.ask("flow", "list", f"dport={PORT}")["flows"]
        assert row["state"] == "stream"
        assert not dropped(daemon) and daemon.status()["balance"]["too_big"] == 0


def test_sender_learns_what_fits(cluster, way):
    """A segment of the client's full size does not fit with its headers: he is told, and sends
    less. Of l2 nothing is told, since nothing is added."""
    with serving(cluster, 4), watched(cluster, direct_config(4, way)) as daemon, \
            Client(cluster, 4) as client:
        assert client.echoes(random.Random(1).randbytes(1 << 20))
        status = daemon.status()["balance"]
        assert bool(status["too_big"]) == (way[0] != "l2")
        cluster.client.run("ip", "route", "flush", "cache")


def test_backend_keeps_its_flows_when_it_is_drained(cluster):
    way = ("gue", 6)
    with serving(cluster, 4), watched(cluster, direct_config(4, way, weights=(1, 0))) as daemon, \
            Client(cluster, 4) as client:
        assert client.backend == 0
        daemon.apply(direct_config(4, way, weights=(0, 1)))
        assert client.echoes(b"on and on")
        with Client(cluster, 4) as other:
            assert other.backend == 1


# --- rules of the kernel -------------------------------------------------------------------------

def rule_words(way, family, port):
    """Of what leaves, by <linux/in.h>: 4 is IP in IP, 41 IPv6 in IP; GUE has port 6080."""
    forward, _ = way
    if forward == "gue":
        return "ipproto", "udp", "dport", "6080"
    if forward == "ipip":
        return "ipproto", "4" if family == 4 else "41"
    return "ipproto", "tcp", "dport", str(port)


@pytest.mark.parametrize("family", FAMILIES)
def test_rules_by_protocol_and_port_hold(cluster, family, way):
    """Those for what leaves refuse it, those for something else do not."""
    outer = way[1] or family
    wrong, right = (("ip", f"-{outer}", "rule", "add", "pref", "77", *words, "type", "unreachable")
                    for words in (("ipproto", "tcp", "dport", str(PORT + 1)),
                                  rule_words(way, family, PORT)))

    def less():
        cluster.gateway.run("ip", f"-{outer}", "rule", "del", "pref", "77")

    with serving(cluster, family), \
            watched(cluster, direct_config(family, way)) as daemon:
        cluster.gateway.run(*wrong)
        try:
            Client(cluster, family).close()
            assert daemon.status()["balance"]["no_way"] == 0
        finally:
            less()
        cluster.gateway.run(*right)
        try:
            with pytest.raises(OSError):
                Client(cluster, family, seconds=1)
            assert daemon.status()["balance"]["no_way"] >= 1
        finally:
            less()
        Client(cluster, family).close()
