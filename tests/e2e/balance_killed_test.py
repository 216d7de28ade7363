# SPDX-License-Identifier: Apache-2.0
"""A backend that is killed while its service is asked: by wrk, by a connection a request, and by
connections that are kept. Nothing fails but what was its own, until its checks tell of it."""
import pytest

from harness.asked import Asker, Keeper, servers, went_down
from harness.counted import kernels
from harness.daemon import Daemon
from harness.stand import by_rows, stand
from harness.wait import SLOWNESS, wait_for
from harness.wrk import Wrk

INTERVAL, TIMEOUT, FALL = 0.2, 0.2, 3
CHANGE = 1.0        # to compile what a check says
# When it is to be told of: what fails last is begun FALL intervals later at the most. A check is
# late where a policy is compiled just then, or the machine is busy with all that asks.
SAID = (FALL * INTERVAL + TIMEOUT + 0.5) * SLOWNESS
PROMISED = (FALL * INTERVAL + TIMEOUT + CHANGE) * SLOWNESS
EARLIER = 0.1 * SLOWNESS            # what was under way
DEAD = 1
CHECK = {"type": "tcp", "interval": f"{int(INTERVAL * 1000)}ms",
         "timeout": f"{int(TIMEOUT * 1000)}ms", "fall": FALL}


def are_up(daemon):
    return {row["state"] for row in daemon.ask("service", "health")["backends"]} == {"up"}


def refused(daemon):
    """Address -> of how many clients, as the gateway saw it."""
    return {row["address"]: row["refused"] for row in daemon.ask("service", "stats")["backends"]}


def resets(at):
    """How many each backend's kernel has sent, where each has its own."""
    return [kernels(place)["TcpOutRsts"] for place in at.cluster.members] if at.is_direct else []


@pytest.mark.alone
@by_rows("way, family, hook, keeps", ("nat", 4, "tc", False), ("nat", 6, "xdp-generic", True),
         ("source", 6, "tc", False), ("source", 4, "xdp-generic", True),
         ("l2", 4, "xdp-generic", False), ("gue6", 6, "tc", True))
def test_killed_backend_takes_nothing_but_its_own_with_it(way, family, hook, keeps):
    with stand(way, family, hook) as at, servers(at) as made, \
            Daemon(at.cluster.gateway, config=at.text(health=CHECK)) as daemon:
        wait_for(lambda: are_up(daemon), "checks find all up")
        living, before = set(range(len(at.backends))), resets(at)
        with Asker(at.cluster, family) as asker, Keeper(at.cluster, family) as keeper:
            with Wrk(at.cluster, at.address, keeps) as wrk:
                wait_for(lambda: keeper.servers() == living, "all serve, and have some to keep")
                died = made[DEAD].kill()
                promised = died + PROMISED
                assert set(asker.asked(200, promised)) == living - {DEAD}
                assert set(keeper.asked(200, promised)) == living - {DEAD}
            assert not wrk.waits(), (wrk.said, wrk.left)
            wrk.lost_nothing()     # the dead one's kernel is there, and refuses at once
            with Wrk(at.cluster, at.address, keeps) as wrk:
                asker.asked(100, asker.rows[-1][0])
            assert wrk.answered() > 100
            wrk.lost_nothing()
        address = at.service()["backends"][DEAD]["address"]
        assert died - EARLIER < went_down(daemon, address) < died + SAID
        failed = [began for began, who in asker.rows if who is None]
        assert failed and died - EARLIER < min(failed) <= max(failed) < promised
        assert {server for _, server in keeper.lost} - {None} == {DEAD}
        new = [began for began, server in keeper.lost if server is None]
        assert all(died - EARLIER < began < promised for began in new)
        sent = [now - then for now, then in zip(resets(at), before)]
        if at.is_direct:            # the dead one alone has refused anybody, or cut him off
            assert sent.pop(DEAD) > 0 and not any(sent), sent
        else:
            counts = refused(daemon)
            assert counts.pop(address) > 0 and set(counts.values()) == {0}, counts
