# SPDX-License-Identifier: Apache-2.0
"""An interface that goes, and comes again under its name."""
from harness.net import veth
from harness.wait import wait_for


def is_attached(daemon):
    return any(row.get("attached") for row in daemon.status()["interfaces"])


def replug(pair, daemon):
    """The inner end of the pair, which the daemon watches, and the outer with it."""
    pair.inside.run("ip", "link", "del", pair.wire)
    wait_for(lambda: not is_attached(daemon), "it is gone")
    veth(pair.inside, pair.wire, pair.outside, pair.far)
    wait_for(lambda: is_attached(daemon), "it is back")
