# SPDX-License-Identifier: Apache-2.0
"""At a network card whose driver runs XDP itself: which hook `auto` takes, and that services are
served there whatever it takes."""
import random

import pytest

from harness.balanced import FAMILIES, config, echo, policy, watched
from harness.cards import HAVE_CARDS, CardCluster
from harness.cluster import Client, serving
from harness.kernel import by_hook, release

pytestmark = HAVE_CARDS
HAS_TCX = release() >= (6, 6)
AT_CARD = "xdp native" if HAS_TCX else "clsact"
MODES = {"tc": "tcx" if HAS_TCX else "clsact", "xdp": "xdp native", "xdp-generic": "xdp generic"}


@pytest.fixture(scope="module")
def cluster():
    with CardCluster() as made:
        yield made


def mode(daemon):
    return daemon.interface("lan")["mode"]


def is_served(cluster, family, proto):
    text = random.Random(family).randbytes(1 << 20 if proto == "tcp" else 1200)
    with Client(cluster, family, proto) as client:
        return client.echoes(text) if proto == "tcp" else client.ask(text) == text


@pytest.mark.parametrize("family", FAMILIES)
def test_auto_serves_from_the_start(cluster, family):
    with serving(cluster, family), watched(cluster, config(family, hook="auto")) as daemon:
        assert mode(daemon) == AT_CARD
        assert is_served(cluster, family, "tcp")


@pytest.mark.parametrize("at_run_time", (False, True), ids=("file", "command"))
def test_auto_goes_where_services_are_served_when_the_first_comes(cluster, at_run_time):
    text = config(4, hook="auto")
    with serving(cluster, 4), watched(cluster, policy([], hook="auto")) as daemon:
        assert mode(daemon) == "xdp native"
        if at_run_time:
            daemon.say("lb", "add-dnat", "--vip", "10.78.1.100", "--vport", 80,
                       "--rip", "10.78.2.10", "--rport", 8080, "--protocol", "tcp")
        else:
            daemon.apply(text)
        assert mode(daemon) == AT_CARD
        assert is_served(cluster, 4, "tcp")
        daemon.restart()
        assert mode(daemon) == AT_CARD
        assert is_served(cluster, 4, "tcp")


@pytest.mark.parametrize("hook", by_hook(("tc", "xdp", "xdp-generic")))
@pytest.mark.parametrize("proto", ("tcp", "udp"))
@pytest.mark.parametrize("family", FAMILIES)
def test_every_hook_serves(cluster, hook, family, proto):
    with serving(cluster, family, proto), \
            watched(cluster, config(family, hook=hook, proto=proto)) as daemon:
        assert mode(daemon) == MODES[hook]
        assert is_served(cluster, family, proto)


@pytest.mark.parametrize("shortcut", by_hook((("tc", "tc"), ("xdp", "xdp"))))
@pytest.mark.parametrize("family", FAMILIES)
def test_shortcuts_serve(cluster, shortcut, family):
    hook, way = shortcut
    text = policy([echo(family)], hook=hook, shortcut=way)
    with serving(cluster, family), watched(cluster, text):
        for _ in range(3):
            assert is_served(cluster, family, "tcp")
