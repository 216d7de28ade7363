# SPDX-License-Identifier: Apache-2.0
"""nginx behind a service that wrk asks while all that may be changed is: no request fails, and what
curl downloads meanwhile arrives whole.

Ways, hooks, families and connections (kept, or one a request) are paired, so that each of them is
there with several of the others, and each way in both families and at both hooks; all of them with
one another would be a quarter of an hour."""
import pytest

from harness.balanced import dropped
from harness.changes import Changes
from harness.daemon import HELPERS, WEIR, Daemon
from harness.stand import by_rows, stand
from harness.wait import wait_for
from harness.wrk import Downloads, Wrk, pages

OTHER_LAYOUT = HELPERS / "weir-other-layout"
SECONDS, UPGRADES = 5, 4
KEPT, EACH = "kept", "each"
NAMES = "way, family, hook, connections"
PLAIN = (("nat", 4, "tc", EACH), ("nat", 4, "xdp-generic", EACH), ("nat", 4, "tc-sent-on", EACH))


@pytest.mark.alone
@by_rows(NAMES, *PLAIN, ("nat", 4, "tc", KEPT), ("nat", 6, "xdp-generic", KEPT),
         ("nat", 6, "xdp-sent-on", EACH), ("source", 4, "tc", KEPT),
         ("source", 6, "xdp-generic", EACH), ("source", 6, "tc-sent-on", KEPT),
         ("l2", 4, "xdp-generic", KEPT), ("l2", 6, "tc", EACH), ("ipip4", 6, "tc", KEPT),
         ("ipip6", 4, "xdp-generic", EACH), ("gue4", 4, "xdp-sent-on", KEPT),
         ("gue6", 6, "tc", EACH))
def test_no_request_fails_whatever_is_changed(way, family, hook, connections):
    with stand(way, family, hook) as at, pages(at.places()) as content, \
            Daemon(at.cluster.gateway, config=at.text()) as daemon:
        with Wrk(at.cluster, at.address, connections == KEPT) as wrk, \
                Downloads(at.cluster, at.address, content) as downloads:
            changes = Changes(daemon, at)
            changes.run(SECONDS)
            wait_for(lambda: downloads.whole > 1 or downloads.failures, "downloads")
        print(way, family, hook, connections, changes.made, "changes,", wrk.answered(),
              "requests,", downloads.whole, "downloads")
        assert wrk.answered() > 1000 and wrk.is_as_meant(), wrk.began
        wrk.lost_nothing()
        assert not downloads.failures
        assert not dropped(daemon), daemon.say("events", "--json")


@pytest.mark.alone
@by_rows(NAMES, *PLAIN, ("nat", 6, "xdp-generic", KEPT), ("source", 4, "tc", KEPT),
         ("l2", 6, "xdp-generic", EACH), ("gue6", 4, "tc", KEPT))
def test_a_version_with_other_tables_takes_over_under_load(way, family, hook, connections):
    """It begins with empty ones: what it does not know yet is dropped for a while, and sent again.
    (Of DSR it hears clients alone, and knows them by what they send.)"""
    with stand(way, family, hook) as at, pages(at.places()), \
            Daemon(at.cluster.gateway, config=at.text()) as daemon:
        with Wrk(at.cluster, at.address, connections == KEPT) as wrk:
            for number in range(UPGRADES):
                daemon.stop() if number % 2 else daemon.kill()
                daemon.binary = WEIR if number % 2 else OTHER_LAYOUT
                daemon.start()
        assert wrk.answered() > 1000
        assert set(dropped(daemon)) <= (set() if at.is_direct else {"drop_early"})
