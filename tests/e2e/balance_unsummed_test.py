# SPDX-License-Identifier: Apache-2.0
"""Checksums that a veth's other end, or a virtual machine, leaves to its card: nobody is told to do
anything about them where they cost nothing. What XDP cannot send on for them is counted and told
of, with the command that mends it."""
import contextlib
import re

import pytest

from e2e.balance_virtio_test import (GuestCluster, answering, cluster, leave,     # noqa: F401
                                     passed, translating)
from harness.cluster import Client
from harness.kernel import BEHIND_XDP
from harness.wait import wait_for

UNSUMMED = "packets arrive whose checksum is still to be computed: they go by the kernel"
STATIONS = ("client", "backends")       # behind a TAP, and at a veth's other end


@contextlib.contextmanager
def leaving_undone(made, *stations):
    for name in STATIONS:
        leave(getattr(made, name), "undone" if name in stations else "whole")
    try:
        yield
    finally:
        for name in STATIONS:
            leave(getattr(made, name), "whole")


def speak(made):
    for family in (4, 6):
        with Client(made, family) as client:
            assert client.echoes(b"whole or not") and client.echoes(b"whole or not")


def doctor(daemon):
    return daemon.ask("doctor", "--pin-dir", daemon.pin_dir)["checks"]


def told(daemon, checks=None):
    checks = checks or daemon.ask("service", "check")["checks"]
    return [row for row in checks if row["found"] == UNSUMMED or "tx off" in (row["mend"] or "")]


def unsummed(daemon):
    return daemon.status()["balance"]["unsummed"]


@BEHIND_XDP
@pytest.mark.parametrize("station", STATIONS)
def test_command_that_is_told_mends_it(cluster, station):
    def found():
        speak(cluster)
        return told(daemon)

    with answering(cluster), leaving_undone(cluster, station), \
            translating(cluster, "shortcut-xdp") as daemon:
        row, = wait_for(found, "it is told")
        assert (row["check"], row["ok"], row["found"]) == ("shortcut", False, UNSUMMED)
        assert told(daemon, doctor(daemon)) == [row | {"level": "warning"}]
        command = re.search(r"ethtool -K NAME \w+ \w+", row["mend"])[0].replace("NAME", "eth0")
        getattr(cluster, station).run(*command.split())
        wait_for(lambda: not found(), "it is told no more")
        before = unsummed(daemon)
        by_kernel, all_packets = passed(cluster, daemon)
        for _ in range(5):
            speak(cluster)
        assert unsummed(daemon) == before and not told(daemon, doctor(daemon))
        by_kernel_now, all_now = passed(cluster, daemon)
        assert by_kernel_now - by_kernel < all_now - all_packets


@BEHIND_XDP
def test_packets_are_counted_that_are_left_to_the_kernel(cluster):
    """Of the guest's, all but those that begin a connection: these go by it anyway."""
    with answering(cluster), leaving_undone(cluster, "client"), \
            translating(cluster, "shortcut-xdp") as daemon:
        cluster.link.take()
        speak(cluster)
        sent, _ = cluster.link.take()
        undone = sum(row.flags & 1 for row in sent)
        assert undone / 3 < unsummed(daemon) <= undone


@pytest.mark.parametrize("way", ("tc", "shortcut-tc", pytest.param("xdp", marks=BEHIND_XDP)))
def test_where_nothing_is_lost_nothing_is_told(cluster, way):
    with answering(cluster), leaving_undone(cluster, *STATIONS), \
            translating(cluster, way) as daemon:
        speak(cluster)
        assert not unsummed(daemon) and not told(daemon) and not told(daemon, doctor(daemon))
