# SPDX-License-Identifier: Apache-2.0
"""The two network cards of a guest (tests/kernels), joined by a cable: a driver that runs XDP
itself and is no veth."""
import contextlib
import os
import pathlib
import subprocess

import pytest

from harness.cluster import Cluster
from harness.wait import wait_for

NET = pathlib.Path("/sys/class/net")
HAVE_CARDS = pytest.mark.skipif("WEIR_GUEST" not in os.environ,
                                reason="network cards of our own, as in tests/kernels")


def cards():
    """Those that nobody has in a namespace of his own."""
    def is_card(device):
        with contextlib.suppress(OSError):
            return os.readlink(device / "device/driver").endswith("/virtio_net")
        return False

    return sorted(device.name for device in NET.iterdir() if is_card(device))


def give(card, place, name):
    for words in (("link", "set", card, "down"),
                  ("link", "set", card, "netns", place.name, "name", name)):
        subprocess.run(["ip", *words], check=True)
    place.run("ip", "link", "set", name, "up")


def cable(one, name, other, peer):
    """As harness.net.veth, of the two cards; whoever had them gives them back a moment later."""
    wait_for(lambda: len(cards()) == 2, "both cards are there")
    for card, place, device in zip(cards(), (one, other), (name, peer)):
        give(card, place, device)


class CardCluster(Cluster):
    """Clients come in by a card."""

    def build(self):
        cable(self.client, "eth0", self.gateway, "lan")
        self.wire(self.gateway, "wan", self.backends, "eth0")
        self.address()
