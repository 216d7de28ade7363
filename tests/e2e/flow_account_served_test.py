# SPDX-License-Identifier: Apache-2.0
"""Bytes of connections to services, in `lb status`: what the client's own device counts."""
import contextlib

import pytest

from harness.account import LINK_HEADER, Books, Count, device_counts, less
from harness.cluster import BACKEND_PORT, BACKENDS, PORT, SERVICE, Client, Cluster, serving
from harness.daemon import Daemon
from harness.wait import wait_for

CONFIG = (
    "api: {{listen: off}}\ninterfaces: [{{name: lan, hook: {hook}}}, {{name: wan, hook: {hook}}}]\n"
    "conntrack: {{account: true, capacity: 4096, half-open: 1024}}\n"
    "balance: {{shortcut: {shortcut}, services: [{{name: echo, address: '{address}', port: {port}, "
    "backends: "
    "[{{address: '{backend}', port: {backend_port}}}]}}]}}\n")


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made, serving(made, 4), serving(made, 6):
        # Nobody asks once more for who is known: it would be counted.
        for station, device in ((made.client, "eth0"), (made.gateway, "lan")):
            for family in ("ipv4", "ipv6"):
                station.run("sysctl", "-qw",
                            f"net.{family}.neigh.{device}.base_reachable_time_ms=36000000")
        yield made


def config(hook, shortcut, family):
    return CONFIG.format(hook=hook, shortcut="none" if shortcut == "none" else hook, port=PORT,
                         address=SERVICE[family], backend=BACKENDS[family][0],
                         backend_port=BACKEND_PORT)


def connections(daemon):
    return {row["client_port"]: row for row in daemon.ask("lb", "status")["connections"]}


def told_of(row):
    return (Count(row["in_packets"], row["in_bytes"]),
            Count(row["out_packets"], row["out_bytes"]))


def passed(cluster, before, hook):
    """What the client has sent, and got."""
    after = device_counts(cluster.client, ["eth0"])
    sent, got = (less(after["eth0", way], before["eth0", way]) for way in ("egress", "ingress"))
    if hook == "xdp":       # of a veth whose other end polls the device leaves link headers out
        sent = Count(sent.packets, sent.bytes + LINK_HEADER * sent.packets)
    return sent, got


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("shortcut", ["none", "sent-on"])
@pytest.mark.parametrize("hook", ["tc", "xdp"])
def test_connection_has_the_bytes_that_its_client_sent_and_got(cluster, hook, shortcut, family):
    with Daemon(cluster.gateway, config=config(hook, shortcut, family)) as daemon:
        with Client(cluster, family) as warm:       # neighbours are known from here on
            assert warm.echoes(b"x")
        wait_for(lambda: connections(daemon)[warm.own[1]]["state"] == "time_wait", "it is over")
        before = device_counts(cluster.client, ["eth0"])
        with Client(cluster, family) as client:
            assert client.echoes(b"y" * 300000)
        wait_for(lambda: connections(daemon)[client.own[1]]["state"] == "time_wait",
                 "it is over, too")

        def differ():
            """As it is told, and as the client's device has it. What is sent again comes late."""
            row = connections(daemon)[client.own[1]]
            return [rows for rows in zip(told_of(row), passed(cluster, before, hook))
                    if rows[0] != rows[1]]
        with contextlib.suppress(AssertionError):
            wait_for(lambda: not differ(), "all is told", 10)
        assert not differ()
        row, said = connections(daemon)[client.own[1]], daemon.say("lb", "status")
    assert row["in_bytes"] > 300000 < row["out_bytes"]
    assert "Bytes in" in said and "KiB" in said


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("shortcut", ["none", "sent-on"])
def test_each_interface_counts_what_passes_it(cluster, shortcut, family):
    """Once a flow, and once each device: what arrives as of a flow, what leaves as forwarded."""
    for station in (cluster.client, cluster.backends):
        station.run("ethtool", "-K", "eth0", "tx", "off")       # a wire carries no larger packets
    with Daemon(cluster.gateway, config=config("tc", shortcut, family)) as daemon:
        books = Books(daemon, cluster.gateway, ["lan", "wan"], polls=False)
        with Client(cluster, family) as client:
            assert client.echoes(b"z" * 300000)
        counted = books.check()
    assert counted["flow"].packets == counted["forwarded"].packets > 400
