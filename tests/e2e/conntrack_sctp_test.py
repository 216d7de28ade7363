# SPDX-License-Identifier: Apache-2.0
"""Associations of SCTP through a gateway whose rules let in nothing but new ones of one side, and
drop what is invalid: packets that bear another tag than theirs end nothing, whatever happens to the
tables meanwhile."""
import contextlib
import json

import pytest

from harness.daemon import Daemon
from harness.gateway import SENTINEL_PROTO, Gateway
from harness.site import reload
from model.talk import Talk
from model.twins import ruleset

HOOKS = {"tc": {"hook": "tc"}, "xdp": {"hook": "xdp", "egress": True}}
OPENS = ["> INIT", "< INIT-ACK", "> COOKIE-ECHO", "< COOKIE-ACK"]
GOES_ON = ["> DATA", "< SACK"]
# The ends give themselves 17 and 34.
FORGED = ["> ABORT tag=35", "< ABORT tag=34", "> ABORT tag=34 T", "< SHUTDOWN tag=18",
          "> SHUTDOWN-ACK tag=17", "< SHUTDOWN-COMPLETE tag=18", "> SHUTDOWN-COMPLETE tag=35",
          "> DATA tag=0", "< INIT-ACK tag=18", "> COOKIE-ECHO tag=35"]
RULES = [{"name": "closing", "proto": SENTINEL_PROTO, "action": "allow"},
         {"name": "broken", "state": "invalid", "action": "deny"},
         {"name": "in", "interface": "left", "direction": "ingress", "proto": "sctp", "dport": 80,
          "action": "allow"},
         {"name": "out", "interface": "right", "direction": "egress", "proto": "sctp", "dport": 80,
          "action": "allow"}]


def configured(hook, **options):
    interfaces = [{"name": name, **HOOKS[hook]} for name in ("left", "right")]
    conntrack = {"enabled": "true", "pick-up": False, **options}
    return "api: {listen: off}\nevents: {rate: 0/s}\n" + "".join(
        f"{key}: {json.dumps(value)}\n" for key, value in {
            "interfaces": interfaces, "conntrack": conntrack,
            "rules": {"policy": [{"interface": "*", "ingress": "deny", "egress": "deny"}],
                      "rules": RULES}}.items())


class Site:
    def __init__(self, gateway):
        self.gateway, self.daemon = gateway, None
        self.numbers = iter(range(1024, 65536))

    def passed(self, talk, lines):
        """Those of the lines whose packets get through."""
        return [line for line in lines if self.gateway.pass_through([talk.packet(line)])]

    def opened(self, family):
        talk = Talk(family, next(self.numbers))
        assert self.passed(talk, OPENS + GOES_ON) == OPENS + GOES_ON
        return talk

    def flow(self, talk):
        row, = self.daemon.ask("flow", "show", f"sport={talk.number} and proto=sctp")["flows"]
        return row

    def stands(self, talk, tags=(17, 34)):
        """Nothing that is forged passes, or does anything to it."""
        assert self.passed(talk, FORGED) == []
        assert self.passed(talk, GOES_ON) == GOES_ON
        row = self.flow(talk)
        assert (row["state"], row["table"]) == ("established", "proven")
        assert (row["initiator"], row["responder"]) == tuple({"tag": tag} for tag in tags)


@pytest.fixture
def site():
    with contextlib.ExitStack() as stack:
        site = Site(stack.enter_context(Gateway("sctp")))
        site.start = lambda config: setattr(site, "daemon", stack.enter_context(
            Daemon(site.gateway.inside, config=config)))
        yield site


@pytest.mark.parametrize("hook", HOOKS)
def test_association_stands_whatever_is_forged_and_ends_by_its_own(site, hook):
    site.start(configured(hook))
    for family in (4, 6):
        talk = site.opened(family)
        site.stands(talk)
        assert site.passed(talk, ["< ABORT"])
        assert site.flow(talk)["state"] == "reset"


@pytest.mark.parametrize("hook", HOOKS)
def test_forged_init_takes_nothing_and_the_true_one_begins_anew(site, hook):
    site.start(configured(hook))
    talk = site.opened(4)
    forged = ["> INIT init=77", "< INIT-ACK tag=77 init=88"]
    assert site.passed(talk, forged + ["< ABORT tag=77"]) == forged + ["< ABORT tag=77"]
    site.stands(talk)
    anew = ["> INIT init=55", "< INIT-ACK tag=55 init=66", *GOES_ON, "> COOKIE-ECHO tag=66",
            "< COOKIE-ACK tag=55", "> DATA tag=66", "< SACK tag=55"]
    assert site.passed(talk, anew) == anew
    assert site.passed(talk, [*GOES_ON, "< ABORT"]) == []
    assert site.flow(talk)["initiator"]["tag"] == 55


@pytest.mark.parametrize("option", ["window-check", "asymmetric"])
def test_forged_packets_pass_and_end_nothing_where_tags_are_not_checked(site, option):
    site.start(configured("tc", **{option: option == "asymmetric"}))
    talk = site.opened(4)
    assert site.passed(talk, FORGED) == FORGED
    assert site.flow(talk)["state"] == "established"
    reload(site.daemon, configured("tc"))
    site.stands(talk)


@pytest.mark.parametrize("hook", HOOKS)
def test_tags_come_along_into_a_table_of_another_size(site, hook):
    site.start(configured(hook))
    talks = [site.opened(family) for family in (4, 6)]
    half = Talk(4, next(site.numbers))
    assert len(site.passed(half, OPENS[:2])) == 2
    for size in ({"capacity": 5000, "half-open": 900}, {"capacity": 300000}):
        reload(site.daemon, configured(hook, **size))
        for talk in talks:
            site.stands(talk)
    assert site.passed(half, ["> COOKIE-ECHO tag=35", *OPENS[2:]]) == OPENS[2:]
    site.stands(half)


@pytest.mark.outside
def test_association_that_the_kernel_followed_keeps_its_tags(site):
    site.gateway.inside.run("nft", "-f", "-", input=ruleset())
    talk, half, other = (Talk(4, next(site.numbers)) for _ in range(3))
    assert site.passed(talk, OPENS + GOES_ON) == OPENS + GOES_ON
    assert site.passed(half, OPENS[:1]) and len(site.passed(other, OPENS[:2])) == 2
    site.start(configured("tc"))
    site.stands(talk)
    assert site.passed(half, ["< INIT-ACK tag=18", "< INIT-ACK"]) == ["< INIT-ACK"]
    for one in (half, other):
        assert site.passed(one, ["> COOKIE-ECHO tag=35", *OPENS[2:]]) == OPENS[2:]
        site.stands(one)
