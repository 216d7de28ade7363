# SPDX-License-Identifier: Apache-2.0
"""`weir lb cleanup --idle`: of two clients of a service, the one who says nothing is forgotten, and
the one who goes on is not, whatever way his packets go."""
import contextlib

from harness import cluster, direct
from harness.cluster import PORT, Client
from harness.daemon import Daemon
from harness.stand import by_rows, stand
from harness.wait import SLOWNESS, wait_for

IDLE = int(2 * SLOWNESS)
# A flow by DSR has a quarter of an hour, and what its timeout has more would look like silence.
LIFE = f"{900 + IDLE + 2}s"


def speaks(client, proto):
    return client.ask(b"on") == b"on" if proto == "udp" else client.echoes(b"on")


def idle_of(daemon):
    """By the client's port."""
    return {row["sport"]: row["idle_s"]
            for row in daemon.ask("flow", "list", f"dport={PORT}")["flows"]}


@contextlib.contextmanager
def placed(way, family, hook, proto):
    """A daemon, one who has spoken, and one who is to go on."""
    with stand(way, family, hook) as at, contextlib.ExitStack() as stack:
        at.timeouts = {**at.timeouts, "established": LIFE, "stream": LIFE}
        stack.enter_context((direct if at.is_direct else cluster).serving(
            at.cluster, family, proto))
        daemon = stack.enter_context(Daemon(at.cluster.gateway, config=at.text(proto=proto)))
        clients = [stack.enter_context(Client(at.cluster, family, proto)) for _ in range(2)]
        assert all(speaks(client, proto) for client in clients for _ in range(3))
        yield daemon, *clients


@by_rows("way, family, hook, proto",
         ("nat", 4, "tc", "tcp"), ("nat", 6, "xdp-generic", "udp"), ("nat", 4, "tc-sent-on", "tcp"),
         ("source", 6, "tc", "tcp"), ("l2", 4, "tc", "tcp"), ("ipip4", 6, "xdp-generic", "udp"),
         ("gue6", 6, "tc", "tcp"), ("nat", 6, "xdp-sent-on", "udp"),
         ("l2", 4, "xdp-sent-on", "tcp"), ("l2", 6, "xdp-sent-on", "udp"))
def test_who_is_silent_is_forgotten_and_who_goes_on_is_not(way, family, hook, proto):
    def shown():
        assert speaks(busy, proto)
        return idle_of(daemon)

    is_cached = hook == "xdp-sent-on"
    with placed(way, family, hook, proto) as (daemon, silent, busy):
        silent, own = silent.own[1], busy.own[1]
        wait_for(lambda: shown()[silent] >= IDLE + (6 if is_cached else 2), "one is silent")
        if is_cached:
            wait_for(lambda: shown()[own] >= min(IDLE, 3), "the other goes by the flow cache")
        assert daemon.ask("lb", "cleanup", "--idle", f"{IDLE}s") == {"forgotten": 1}
        assert set(shown()) == {own} and speaks(busy, proto)
        assert daemon.ask("lb", "cleanup", "--idle", f"{IDLE}s") == {"forgotten": 0}
