# SPDX-License-Identifier: Apache-2.0
"""A backend whose address is on the link, and whom nobody is: what its clients hear, and by whom it
is counted. By NAT the kernel sends the packet, and says that it cannot; by DSR it has no more of
the packet than what to send, and whom to ask for."""
import errno
import socket

import pytest

from harness.balanced import FAMILIES, HOOKS, dropped, policy
from harness.cluster import PORT, ROUTER, SERVICE, Cluster
from harness.daemon import Daemon
from harness.told import asking_client, told
from harness.wait import wait_for

NOBODY = {4: "10.78.2.99", 6: "fd78:2::99"}
FORWARDS = ("l2", "ipip", "gue")
UNREACHABLE = {4: (3, 1), 6: (1, 3)}            # the host (RFC 792), the address (RFC 4443)


def config(family, forward, hook):
    service = {"name": "silent", "address": SERVICE[family], "port": PORT, "proto": "udp",
               "forward": forward, "backends": [{"address": NOBODY[family]}]}
    sources = {"tunnel-source": ROUTER[4][1], "tunnel-source6": ROUTER[6][1]}
    return policy([service], hook=hook, **sources) + "drops: {enabled: true}\n"


@pytest.fixture(scope="module")
def cluster():
    """Who is asked for is given up at once."""
    with Cluster() as made:
        made.gateway.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0",
                         *(f"net.{ip}.neigh.wan.{key}" for ip in ("ipv4", "ipv6")
                           for key in ("mcast_solicit=1", "retrans_time_ms=100")))
        yield made


def given_up(daemon):
    """Packets that the kernel has dropped before that link: nobody else sends there. (It calls
    that NEIGH_FAILED of IPv4, and nothing of IPv6.)"""
    return sum(row["packets"] for row in daemon.ask("drops", "interface=wan")["drops"]
               if row["by"] == "kernel")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_client_of_a_translated_one_is_told_and_it_is_counted(cluster, hook, family):
    with Daemon(cluster.gateway, config=config(family, "nat", hook)) as daemon, \
            asking_client(cluster, family) as client:
        client.sock.send(b"anyone there?")
        number, kind, _, _, about = told(client.sock, family)
        assert (number, kind) == (errno.EHOSTUNREACH, UNREACHABLE[family])
        assert about == (SERVICE[family], PORT)
        counts = daemon.status()["balance"]
        assert (counts["to_backends"], counts["to_clients"], counts["no_way"]) == (1, 0, 1)
        wait_for(lambda: given_up(daemon) == 1, "the kernel's own word of it")


@pytest.mark.parametrize("forward", FORWARDS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_packet_that_is_carried_is_dropped_by_the_kernel_alone(cluster, hook, family, forward):
    with Daemon(cluster.gateway, config=config(family, forward, hook)) as daemon, \
            asking_client(cluster, family) as client:
        client.sock.send(b"anyone there?")
        wait_for(lambda: given_up(daemon) == 1, "the kernel drops it")
        counts = daemon.status()["balance"]
        assert (counts["to_backends"], counts["no_way"]) == (1, 0)
        assert not dropped(daemon)
        client.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.sock.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
