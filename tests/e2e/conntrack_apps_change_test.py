# SPDX-License-Identifier: Apache-2.0
"""Policies and lists that change while programs transfer: what is not allowed any more stops at its
next packet, what is allowed still does not lose one."""
import contextlib
import hashlib
import json
import re
import subprocess

import pytest

from harness.chain import FAMILIES
from harness.guarded import PLACES, Site, chain, home, serving, wanted      # noqa: F401
from harness.programs import IPERF, WEB, running, url
from harness.wait import SLOWNESS, wait_for

each_family = pytest.mark.parametrize("family", FAMILIES)
pytestmark = pytest.mark.outside
NO_WEB = {"name": "no-web", "proto": "tcp", "dport": str(WEB), "action": "deny"}


@pytest.fixture(scope="module", params=wanted("gateway-xdp", "gateway-tc", "host-asks-xdp",
                                              "host-serves-tc"))
def site(request, chain, serving):
    with Site(chain, PLACES[request.param]) as made:
        yield made


@pytest.fixture(autouse=True)
def as_before(site):
    yield
    if site.daemon.ask("rule", "list", "--match", "runtime")["rules"]:
        site.daemon.say("rule", "del", "change")
    site.daemon.say("block", "clear")


class Download:
    """curl, fed by nginx at 3 MB a second: nothing waits in the receiver's buffer."""

    def __init__(self, site, serving, family, process):
        self.site, self.family, self.process = site, family, process
        self.whole, self.path = serving.hashes["slow"], path_of(serving, family)

    def received(self):
        """Bytes, as the client's kernel counts them."""
        text = self.site.asker.run("ss", f"-{self.family}", "-tinHO", "state", "established",
                                   "dport", "=", f":{WEB}").stdout
        assert text, "the connection is gone"
        found = re.search(r"bytes_received:(\d+)", text)
        return int(found[1]) if found else 0

    def flows_on(self):
        count = self.received()
        wait_for(lambda: self.received() > count, "more of the file arrives", 20)

    def arrives_whole(self):
        assert self.process.wait(60 * SLOWNESS) == 0
        assert hashlib.sha256(self.path.read_bytes()).hexdigest() == self.whole


def path_of(serving, family):
    return serving.path / f"slow-{family}"


@contextlib.contextmanager
def downloading(site, serving):
    """One of each family."""
    with contextlib.ExitStack() as stack:
        downloads = [Download(site, serving, family, stack.enter_context(running(
            site.asker, "curl", "-sSf", "-o", path_of(serving, family),
            url(site.target(family), "slow")))) for family in FAMILIES]
        for download in downloads:
            wait_for(lambda: site.asker.run("ss", f"-{download.family}", "-Htn", "state",
                                            "established", "dport", "=", f":{WEB}").stdout,
                     "it begins")
            download.flows_on()
        yield downloads


def assert_stopped(site, downloads):
    """Nothing comes any more, and not because nobody sends."""
    counts, dropped = [download.received() for download in downloads], site.drops()
    wait_for(lambda: site.drops() >= dropped + 4, "it is sent again, and dropped")
    assert [download.received() for download in downloads] == counts


def gets_pages(site):
    return [site.asker.run("curl", "-sSf", "-m", 1 * SLOWNESS, url(site.target(family), "small"),
                           check=False).returncode == 0 for family in FAMILIES]


def assert_whole(site, downloads):
    """Neither end knows that anything was."""
    assert gets_pages(site) == [True, True]
    for download in downloads:
        download.arrives_whole()


def test_transfer_that_is_not_allowed_any_more_stops_at_its_next_packet(
        site, serving):
    with downloading(site, serving) as downloads:
        site.daemon.say("rule", "add", "change", "--first", "--proto", "tcp", "--dport", str(WEB),
                        "--action", "deny")
        assert_stopped(site, downloads)
        assert gets_pages(site) == [False, False]
        site.daemon.say("rule", "del", "change")
        assert_whole(site, downloads)


def test_transfer_stops_at_once_when_its_address_is_blocked(site, serving):
    addresses = [site.target(family) if site.place.asker == "client" else site.source(family)
                 for family in FAMILIES]
    with downloading(site, serving) as downloads:
        for address in addresses:
            site.daemon.say("block", "add", address)
        assert_stopped(site, downloads)
        assert gets_pages(site) == [False, False]
        for address in addresses:
            site.daemon.say("block", "del", address)
        assert_whole(site, downloads)


def test_transfer_stops_when_another_configuration_is_loaded(site, serving):
    with downloading(site, serving) as downloads:
        site.load([NO_WEB, *site.place.rules])
        assert_stopped(site, downloads)
        site.load(site.place.rules)
        assert_whole(site, downloads)


@contextlib.contextmanager
def patient(chain):
    """Ends send again only what was lost, and never because an answer is late."""
    routes = [(namespace, ["ip", f"-{family}", "route", "change", *route.split()])
              for namespace in (chain.client, chain.server) for family in FAMILIES
              for route in namespace.run("ip", f"-{family}", "route", "show").stdout.splitlines()
              if " via " in route]
    for namespace in (chain.client, chain.server):
        namespace.run("sysctl", "-qw", "net.ipv4.tcp_early_retrans=0")
    for namespace, words in routes:
        namespace.run(*words, "rto_min", "5s")
    try:
        yield
    finally:
        for namespace, words in routes:
            namespace.run(*words)
        for namespace in (chain.client, chain.server):
            namespace.run("sysctl", "-qw", "net.ipv4.tcp_early_retrans=3")


def retransmissions(namespace):
    rows = namespace.run("nstat", "-asz", "TcpRetransSegs").stdout.splitlines()
    return next(int(row.split()[1]) for row in rows if row.startswith("TcpRetransSegs"))


@pytest.mark.alone
@each_family
def test_changes_that_still_allow_a_transfer_cost_it_no_packet(site, family):
    ends, changes = (site.chain.client, site.chain.server), 0
    with patient(site.chain), running(
            site.asker, "iperf3", "-J", "--bidir", "-b", "20M", "-l", "8K", "-t", "3", "-c",
            site.target(family), "-p", IPERF, stdout=subprocess.PIPE) as process:
        wait_for(lambda: site.asker.run("ss", "-Htn", "state", "established", "dport", "=",
                                        f":{IPERF}").stdout.count("\n") == 3, "it begins")
        before, dropped = [retransmissions(end) for end in ends], site.drops()
        while process.poll() is None and changes < 100:
            changes += 2
            site.daemon.say("rule", "add", "change", "--first", "--src", "198.51.100.0/24",
                            "--action", "deny")
            site.daemon.say("rule", "del", "change")
        result = json.loads(process.stdout.read())["end"]
    assert changes >= 10
    assert min(result[way]["bytes"] for way in ("sum_received", "sum_received_bidir_reverse")
               ) > 1_000_000
    assert [retransmissions(end) for end in ends] == before and site.drops() == dropped
