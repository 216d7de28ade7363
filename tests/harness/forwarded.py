# SPDX-License-Identifier: Apache-2.0
"""What goes by the kernel's own forwarding, which nftables counts; and what goes past it, by each
`shortcut` of services."""
import json
import re

import pytest

from harness.balanced import config
from harness.kernel import BEHIND_XDP, release

COUNTER = """table inet watch {
    chain forward {
        type filter hook forward priority 0
        meta l4proto { tcp, udp } counter name met
    }
    counter met { }
}"""
MODES = {"xdp": "xdp native", "tc": "tcx" if release() >= (6, 6) else "clsact"}
each_shortcut = pytest.mark.parametrize("shortcut",
                                        ("tc", pytest.param("xdp", marks=BEHIND_XDP)))


def watch(station):
    station.run("nft", "-f", "-", input=COUNTER)


def met(station):
    """Packets that the kernel has forwarded."""
    said = json.loads(station.run("nft", "-j", "list", "counters").stdout)
    return next(row["counter"]["packets"] for row in said["nftables"] if "counter" in row)


def sent_by_xdp(station, *devices):
    """Frames that XDP has sent on by these veths, as their driver counts them."""
    return sum(int(count) for device in devices for count in re.findall(
        r"tx_queue_\d+_xdp_xmit: (\d+)", station.run("ethtool", "-S", device).stdout))


def forwarding(shortcut, family, hook=None, proto="tcp", source=None, rules=None):
    """The text of a weir.yaml, for harness.cluster."""
    text = config(family, hook=hook or shortcut, proto=proto, rules=rules)
    text = text.replace('"services"', f'"shortcut": "{shortcut}", "services"')
    return text.replace('"name": "echo"', f'"name": "echo", "source": "{source}"') if source \
        else text


def is_at(daemon, shortcut):
    """Whether the interfaces are where it begins."""
    return all(row["mode"] == MODES[shortcut] for row in daemon.status()["interfaces"])
