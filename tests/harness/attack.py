# SPDX-License-Identifier: Apache-2.0
"""Floods of each kind, and what a daemon says of them."""
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP

from harness.frames import ether
from harness.wait import wait_for

A4, B4, A6 = "198.18.1.1", "198.18.0.1", "2001:db8:1::1"


def config(more="", **keys):
    rows = "".join(f"  {key.replace('_', '-')}: {value}\n" for key, value in keys.items())
    return f"api: {{listen: off}}\n{more}attack:\n  enabled: true\n{rows}"


QUICK = {"elevated_after": "1s", "attack_after": "3s", "calm_after": "2s"}


def shown(daemon, interface="wire"):
    """What attack show says of an interface; nothing before it is judged."""
    rows = daemon.ask("attack", "show")["interfaces"]
    return next((row for row in rows if row["interface"] == interface), None)


def rate_of(daemon, name, interface="wire"):
    return next(row for row in shown(daemon, interface)["rates"] if row["rate"] == name)


def packets(daemon, interface="wire"):
    return {row["rate"]: row["packets"] for row in shown(daemon, interface)["rates"]}


def is_level(daemon, level, interface="wire"):
    def look():
        row = shown(daemon, interface)
        return row and row["level"] == level and row
    return look


def events(daemon):
    return daemon.ask("events", "--kind", "attack")["events"]


def judged(daemon, *interfaces):
    for interface in interfaces or ("wire",):
        wait_for(lambda: shown(daemon, interface), f"{interface} is judged")
    return daemon


FRAMES = {
    "syn": ether() / IP(src=A4, dst=B4) / TCP(sport=1000, dport=80, flags="S"),
    "icmp": ether() / IP(src=A4, dst=B4) / ICMP(),
    "udp": ether() / IP(src=A4, dst=B4) / UDP(sport=1000, dport=80),
    "bad-flags": ether() / IP(src=A4, dst=B4) / TCP(sport=1000, dport=80, flags="SF"),
}
CALM_SOURCES = [f"198.18.7.{number}" for number in range(1, 200)]


def take_live_frames(pair, *devices):
    """Without XDP, a veth takes them from its peer only where it has a ring to put them in."""
    for device in devices:
        pair.inside.run("ethtool", "-K", device, "gro", "on")


@pytest.fixture
def flooded(weir_daemon, pair):
    """A daemon that is quick to judge UDP, on a wire that takes live frames."""
    take_live_frames(pair, pair.wire)

    def make(more="", **keys):
        keys = {"rates": "{udp: {elevated: 200/s, attack: 1000/s}}", **QUICK, **keys}
        return judged(weir_daemon(pair.inside, interfaces=[pair.wire], config=config(more, **keys)))
    return make
