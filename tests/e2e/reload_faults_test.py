# SPDX-License-Identifier: Apache-2.0
"""A reload that fails at any step leaves the old program running, and one that is killed at any
step leaves a program that works: no established flow is cut, and the next reload, or start,
finishes it. Calls of the daemon are made to fail by harness/failing.c."""
import errno
import os
import random
import signal
import subprocess
import time

import pytest

from harness import kernel
from harness.daemon import SANITIZED, WEIR, Refused
from harness.failing import FailingDaemon
from harness.site import (capacities, configured, drops, flows, has_old, reload, wait_until_settled)
from harness.talk import Talk, converse
from harness.wait import pause, wait_for

pytestmark = pytest.mark.skipif(SANITIZED, reason="a sanitizer wants to be loaded first")

FAULTS = int(os.environ.get("WEIR_FAULTS", "12"))    # of each kind of ending; 0: all there are
SEED = int(os.environ.get("WEIR_FAULTS_SEED", str(random.SystemRandom().randrange(1 << 32))))
SIZES = ((1000, 1000), (2000, 500))     # of proven and half-open flows: the two take turns
# A verifier that refuses, a link that is not updated, no memory, no space. One program in two may
# be refused alone, as old kernels refuse some: then it goes on without. Where a call is one of many
# alike, all that come after it fail too.
ERRORS = {"prog_load": errno.EACCES, "link_update": errno.EPERM, "map_create": errno.ENOMEM,
          "obj_pin": errno.ENOMEM, "rename": errno.EIO, "mmap": errno.ENOMEM,
          "map_update": errno.ENOMEM, "map_lookup": errno.ENOENT, "prog_run": errno.EPERM,
          "open": errno.EMFILE, "write": errno.ENOSPC, "fsync": errno.EIO,
          "btf_load": errno.EPERM, "map_freeze": errno.EPERM, "alloc": errno.ENOMEM,
          "dup": errno.EMFILE, "obj_info": errno.ENOMEM, "obj_get": errno.ENOMEM,
          "membarrier": errno.EPERM}
LASTING = {"prog_load", "map_create", "write"}
# What puts the new program at the second hook of an interface: without TCX (6.6), a filter.
HAS_TCX = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 6)
SECOND_HOOK = ("link_update", 2) if HAS_TCX else ("filter", 2)
KILLED_AT = ("rename", "link_update", "map_update", "mmap", "prog_load", "map_create", "fsync")


class Site:
    """A daemon that lets in nothing new, and conversations of before that."""

    def __init__(self, pair):
        self.daemon = FailingDaemon(pair.inside, config=configured(*SIZES[0], is_open=True))
        self.pair, self.at = pair, 0

    def settle_down(self):
        self.daemon.start()
        self.talk = Talk(self.pair)
        reload(self.daemon, configured(*SIZES[0]))
        self.talk.go_on()
        self.known = set(flows(self.daemon))
        assert len(self.known) == len(self.talk.all) and not drops(self.daemon)

    def next_sizes(self):
        return SIZES[1 - self.at]

    def look(self):
        return (self.daemon.status()["revision"], capacities(self.daemon),
                sorted(program for _, program in kernel.link_ids(self.daemon.pin_dir).values()))

    def assert_whole(self):
        self.talk.go_on()
        assert set(flows(self.daemon)) == self.known
        assert not drops(self.daemon)
        assert not self.daemon.status()["conntrack"]["adopted"], "all are remembered, none found"

    def finish(self):
        """A reload in which nothing fails makes live what the file says."""
        self.daemon.disarm()
        self.daemon.ask("reload")
        assert capacities(self.daemon) == self.next_sizes()
        wait_until_settled(self.daemon)
        self.assert_whole()
        self.at = 1 - self.at

    def close(self):
        self.talk.close()
        self.daemon.close()


@pytest.fixture
def site(request, pair):
    pair.give_addresses()
    made = Site(pair)
    request.node.weir_daemons = [made.daemon]
    made.settle_down()
    yield made
    made.close()


def calls_of_a_reload(site):
    """How many calls of each kind it takes."""
    site.daemon.arm("mmap", 0)
    site.daemon.config.write_text(configured(*site.next_sizes()))
    site.daemon.ask("reload")
    counts = site.daemon.counts()
    site.finish()
    return counts


def chosen(points):
    """Some of them, in an order of their own; the same for the same seed."""
    if not FAULTS:
        return points
    return random.Random(SEED).sample(points, min(FAULTS, len(points)))


@pytest.mark.outside
def test_failure_at_any_step_leaves_the_old_program_running(site):
    counts = calls_of_a_reload(site)
    points = [(kind, number) for kind in ERRORS if kind != "alloc"
              for number in range(1, counts.get(kind, 0) + 1)]
    points += [("alloc", number) for number in range(1, counts["alloc"] + 1, 97)]
    outcomes = {"refused": 0, "live": 0}
    must = [("prog_load", 1), ("map_create", 1), ("link_update", 1), ("link_update", 2),
            ("obj_pin", 1), ("mmap", 5), ("dup", 1), ("obj_info", 1)]
    always = [("mmap", number) for number in range(10, counts["mmap"] + 1)]
    # Of many alike, others each time.
    always += [(kind, number) for kind in ("dup", "obj_info")
               for number in range(1 + SEED % 8, counts[kind] + 1, 8)]
    for kind, number in must + always + chosen(points):
        what = f"{kind} {number}, seed {SEED}"
        before = site.look()
        site.daemon.arm(kind, number, ERRORS[kind], lasts=kind in LASTING)
        try:
            reload(site.daemon, configured(*site.next_sizes()))
            outcome = "live"
        except Refused:
            outcome = "refused"
        site.daemon.disarm()
        assert site.daemon.process.poll() is None, f"{what}: the daemon ended"
        if outcome == "refused":
            assert site.look() == before, what
        else:
            # What failed was only the tidying up after it.
            assert capacities(site.daemon) == site.next_sizes(), what
        assert (kind, number) not in must or outcome == "refused", what
        site.assert_whole()
        site.finish()
        outcomes[outcome] += 1
    print(f"failed {sum(outcomes.values())} times: {outcomes}, seed {SEED}")


def kill_at(site, kind, number, after):
    """Whether the daemon died in its reload, or just after it had answered."""
    daemon = site.daemon
    daemon.arm(kind, number, after=after)
    daemon.config.write_text(configured(*site.next_sizes()))
    died = daemon.verb("reload").returncode != 0
    if not died:
        daemon.disarm()
        died = not daemon.healthy()
    if died:
        wait_for(lambda: daemon.process.poll() is not None, "the daemon is gone")
    daemon.disarm()
    return died


def start_again(site):
    site.daemon.start()
    assert capacities(site.daemon) in SIZES
    wait_until_settled(site.daemon)
    site.assert_whole()


def calls_of_a_start(site):
    site.daemon.arm("mmap", 0)
    site.daemon.restart()
    return site.daemon.counts()


def start_or_end(daemon):
    """Whether it runs."""
    daemon.launch()
    wait_for(lambda: daemon.process.poll() is not None or daemon.healthy(), "it runs or has ended")
    return daemon.process.poll() is None


@pytest.mark.outside
def test_start_that_cannot_look_at_what_is_pinned_loses_nothing(site):
    counts = calls_of_a_start(site)
    points = [(kind, number) for kind in ("obj_get", "obj_info", "dup", "map_lookup")
              for number in range(1, counts[kind] + 1)]
    ends = 0
    for kind, number in [("obj_get", 1), ("obj_get", 9), *chosen(points)]:
        site.daemon.stop()
        site.daemon.arm(kind, number, ERRORS[kind])
        is_running = start_or_end(site.daemon)
        site.daemon.disarm()
        try:
            site.talk.go_on()
            if not is_running:
                site.daemon.start()
            wait_until_settled(site.daemon)
            site.assert_whole()
        except AssertionError as e:
            raise AssertionError(f"{kind} {number}, seed {SEED}: {e}") from e
        ends += not is_running
    assert ends, "some cannot be done without"
    print(f"{ends} of {len(points)} starts ended")


@pytest.mark.outside
def test_pins_of_old_tables_go_where_no_other_can_be_made(site):
    """Or the next start would bring over once more what was in them."""
    renames = calls_of_a_reload(site)["rename"]
    site.daemon.arm("rename", renames, errno.ENOMEM, lasts=True)
    reload(site.daemon, configured(*site.next_sizes()))
    site.daemon.disarm()
    assert not has_old(site.daemon)
    site.assert_whole()


def test_hook_that_cannot_go_back_cuts_no_flow(site):
    """The second link is refused, and then the way back of the first."""
    before = site.look()
    site.daemon.arm(*SECOND_HOOK, errno.EPERM, lasts=True)
    with pytest.raises(Refused):
        reload(site.daemon, configured(*site.next_sizes()))
    assert site.look()[:2] == before[:2]
    site.assert_whole()
    site.assert_whole()
    site.finish()


@pytest.mark.outside
def test_old_tables_that_stay_do_not_stand_in_the_way_of_the_next_reload(site):
    """The program without them is refused; then the tables get a third size."""
    daemon = site.daemon
    reload(daemon, configured(*SIZES[0], is_open=True))
    daemon.arm("link_update", 3, errno.EPERM)
    reload(daemon, configured(*SIZES[1], is_open=True))
    daemon.disarm()
    assert has_old(daemon)
    with Talk(site.pair, port=30000) as later:
        before = drops(daemon)
        daemon.config.write_text(configured(3000, 700))
        with subprocess.Popen(daemon.namespace.command(WEIR, "reload"), env=daemon.environment(),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as asking:
            while asking.poll() is None:
                later.go_on()
        assert asking.returncode == 0
        later.go_on()
        site.talk.go_on()
        assert capacities(daemon) == (3000, 700) and drops(daemon) == before
    wait_until_settled(daemon)


def leave_in_old_tables(site):
    """A reload whose state cannot be brought over: what turns the program fails from here on."""
    for number in range(calls_of_a_reload(site)["map_lookup"], 0, -1):
        site.daemon.arm("map_lookup", number, errno.EPERM, lasts=True)
        reload(site.daemon, configured(*site.next_sizes()))
        if has_old(site.daemon):
            return
        site.finish()
    raise AssertionError("none of its calls turns the program")


def other_constants(site):
    """The sizes that are live, and another program."""
    return configured(*site.next_sizes(), timeouts={"other": "7m"})


@pytest.mark.outside
def test_flows_that_could_not_come_over_are_followed_where_they_are(site):
    leave_in_old_tables(site)
    site.assert_whole()
    with pytest.raises(Refused, match="has not let go of the old ones yet"):
        reload(site.daemon, other_constants(site))
    assert has_old(site.daemon)
    site.assert_whole()
    site.daemon.disarm()
    reload(site.daemon, other_constants(site))
    wait_until_settled(site.daemon)
    site.assert_whole()


@pytest.mark.outside
def test_change_refused_while_old_tables_stay_cuts_no_flow(site):
    """All has come over, and the program that knows nothing of the old tables is refused."""
    site.daemon.arm("link_update", 3, errno.EPERM, lasts=True)
    reload(site.daemon, configured(*site.next_sizes()))
    assert has_old(site.daemon)
    site.assert_whole()
    with pytest.raises(Refused):
        reload(site.daemon, other_constants(site))
    site.assert_whole()
    site.daemon.disarm()
    wait_until_settled(site.daemon)
    site.assert_whole()


@pytest.mark.outside
def test_no_grace_period_by_membarrier(site):
    """As on kernels with nohz_full: maps of maps have one of their own."""
    site.daemon.arm("membarrier", 1, errno.EINVAL, lasts=True)
    reload(site.daemon, configured(*site.next_sizes()))
    assert site.daemon.counts()["membarrier"] >= 2
    assert not has_old(site.daemon)
    site.assert_whole()


@pytest.mark.outside
def test_connection_that_begins_anew_gets_nothing_of_the_one_before(site):
    """The one before is over, and in the old tables, from which flows still come over."""
    daemon = site.daemon
    for sock in reversed(converse(site.pair, 40001)):
        sock.close()
    daemon.arm("link_update", 3, errno.EPERM)
    reload(daemon, configured(*SIZES[1]))
    assert has_old(daemon)
    client, server = converse(site.pair, 40001)
    daemon.disarm()
    wait_until_settled(daemon)
    client.send(b"still here")
    assert server.recv(64) == b"still here"
    server.send(b"and here")
    assert client.recv(64) == b"and here"
    states = [row["state"] for key, row in flows(daemon).items() if key[2] == 40001]
    assert states == ["established"]
    assert not drops(daemon)
    client.close()
    server.close()


@pytest.mark.outside
def test_what_is_forgotten_does_not_come_back(site):
    """The program without old tables is refused, and what is in those is brought over again."""
    daemon = site.daemon
    daemon.arm("link_update", 3, errno.EPERM)
    reload(daemon, configured(*SIZES[1]))
    assert has_old(daemon)
    daemon.ask("flow", "flush", "--all")
    assert not flows(daemon)
    daemon.disarm()
    wait_until_settled(daemon)
    assert not flows(daemon)


@pytest.mark.outside
def test_killed_at_any_step_goes_on_from_there(site):
    counts = calls_of_a_reload(site)
    points = [(kind, number, after) for kind in KILLED_AT
              for number in range(1, counts.get(kind, 0) + 1) for after in (False, True)]
    for kind, number, after in chosen(points):
        what = f"{kind} {number} {'after' if after else 'before'}, seed {SEED}"
        try:
            if kill_at(site, kind, number, after):
                site.talk.go_on()       # while no daemon is there
                start_again(site)
            site.finish()
        except AssertionError as e:
            raise AssertionError(f"{what}: {e}") from e


def test_killed_between_two_hooks_cuts_no_flow(site):
    """Ingress has the new program then, and egress the old one."""
    assert kill_at(site, *SECOND_HOOK, after=False)
    site.talk.go_on()
    site.talk.go_on()
    start_again(site)


@pytest.mark.outside
def test_killed_at_any_moment_goes_on_from_there(site):
    """As above, by the clock: also in what makes no call."""
    rng = random.Random(SEED)
    daemon = site.daemon
    started = time.monotonic()
    calls_of_a_reload(site)
    longest = time.monotonic() - started
    for number in range(FAULTS or 200):
        daemon.config.write_text(configured(*site.next_sizes()))
        moment = rng.uniform(0, longest)
        daemon.process.send_signal(signal.SIGHUP)       # a reload nobody waits for
        pause(moment)
        daemon.kill()
        try:
            site.talk.go_on()
            start_again(site)
            site.finish()
        except AssertionError as e:
            raise AssertionError(f"round {number}, {moment:.3f} s, seed {SEED}: {e}") from e


def with_extra(text):
    return text.replace("interfaces: [", "interfaces: [{name: extra}, ")


@pytest.mark.outside
def test_interface_that_goes_away_meanwhile_cuts_no_flow(site):
    """Another than the flows go by; wherever the reload is just then."""
    rng, daemon, inside = random.Random(SEED), site.daemon, site.pair.inside
    for number in range(FAULTS or 200):
        inside.run("ip", "link", "add", "extra", "type", "veth", "peer", "name", "extra-far")
        reload(daemon, with_extra(configured(*SIZES[site.at])))
        wait_for(lambda: any(row["name"] == "extra" and row["attached"]
                             for row in daemon.status()["interfaces"]), "extra is watched")
        daemon.config.write_text(with_extra(configured(*site.next_sizes())))
        with subprocess.Popen(daemon.namespace.command(WEIR, "reload"), env=daemon.environment(),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as asking:
            pause(rng.uniform(0, 1))
            inside.run("ip", "link", "del", "extra")
            said = asking.communicate()[0]
        assert asking.returncode == 0, f"round {number}, seed {SEED}: {said}"
        assert capacities(daemon) == site.next_sizes()
        wait_until_settled(daemon)
        site.assert_whole()
        site.at = 1 - site.at
