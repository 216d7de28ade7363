# SPDX-License-Identifier: Apache-2.0
"""Another version of Weir takes over from one that judges packets: one with the same tables, and
one whose tables mean something else. A host that denies by default goes on with its connections,
wherever the start is refused or killed."""
import errno
import itertools
import os
import random
import shutil

import pytest

from harness import kernel
from harness.daemon import HELPERS, SANITIZED, WEIR
from harness.failing import FailingDaemon
from harness.net import Pair
from harness.site import configured, drops, flows, reload
from harness.talk import Conversation, Talk, converse
from harness.wait import wait_for

OTHER_LAYOUT = HELPERS / "weir-other-layout"
SEED = int(os.environ.get("WEIR_FAULTS_SEED", str(random.SystemRandom().randrange(1 << 32))))
FAULTS = int(os.environ.get("WEIR_FAULTS", "6"))      # of each kind of ending; 0: all there are
OF_ANOTHER = "were made by a version of Weir that lays them out in another way"
UNFINISHED = "were made by a start that did not come to its end"
LISTED = "block: {lists: [{name: far, action: deny, entries: [203.0.113.0/24]}]}\n"

# What puts the new program at the first hook of an interface: without TCX (6.6), a filter.
HAS_TCX = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 6)
FIRST_HOOK = ("link_update", 1) if HAS_TCX else ("filter", 1)

needs_preload = pytest.mark.skipif(SANITIZED, reason="a sanitizer wants to be loaded first")


@pytest.fixture
def pair():
    with Pair(addresses=True) as made:
        yield made


def ended(daemon, how):
    daemon.stop() if how == "stopped" else daemon.kill()


@pytest.mark.outside
@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_another_binary_takes_over_every_flow(weir_daemon, pair, tmp_path, how):
    """What runs next is another file, with other constants."""
    daemon = weir_daemon(pair.inside, config=configured(is_open=True))
    with Talk(pair) as talk:
        reload(daemon, configured())
        known = flows(daemon)
        ended(daemon, how)
        talk.go_on()
        daemon.config.write_text(configured(timeouts={"established": "2h"}))
        daemon.binary = shutil.copy(WEIR, tmp_path / "weir-next")
        daemon.start()
        assert os.readlink(f"/proc/{daemon.process.pid}/exe") == str(tmp_path / "weir-next")
        talk.go_on()
        assert flows(daemon).keys() == known.keys()
        assert not drops(daemon) and not daemon.status()["conntrack"]["adopted"]


# --- tables of another layout --------------------------------------------------------------------

def start_beside(daemon, talk):
    """While all go on: a word of UDP that is lost is sent again by nobody."""
    daemon.launch()
    while not daemon.healthy():
        assert daemon.process.poll() is None, daemon.log()
        talk.go_on()
    talk.go_on()


def time_left(daemon):
    return {row["entry"]: row["ttl_s"] for row in daemon.entries() if row.get("ttl_s")}


def hooks(daemon):
    """{pin: link}, {pin: program}."""
    rows = kernel.link_ids(daemon.pin_dir)
    return ({name: link for name, (link, _) in rows.items()},
            {name: program for name, (_, program) in rows.items()})


def ends_of(rows):
    """Of flows, whoever is taken for the initiator."""
    return {(proto, *sorted(((src, sport), (dst, dport))))
            for proto, src, sport, dst, dport in rows}


@pytest.mark.parametrize("hook", ["tc", "xdp"])
@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_other_layout_goes_on_with_connections_and_lists(weir_daemon, pair, how, hook):
    daemon = weir_daemon(pair.inside, config=configured(is_open=True, hook=hook, more=LISTED))
    with Talk(pair) as talk:
        reload(daemon, configured(hook=hook, more=LISTED))
        daemon.say("block", "add", "192.0.2.1", "--ttl", "1h")
        known, left = ends_of(flows(daemon)), time_left(daemon)
        maps, (links, programs) = kernel.map_ids(daemon.pin_dir), hooks(daemon)
        for binary in (OTHER_LAYOUT, WEIR):             # there, and back
            ended(daemon, how)
            daemon.binary = binary
            start_beside(daemon, talk)
            now, (same, others) = kernel.map_ids(daemon.pin_dir), hooks(daemon)
            assert same == links and not set(others.values()) & set(programs.values())
            assert not set(now.values()) & set(maps.values()), "a table of the other layout"
            assert not drops(daemon)
            assert daemon.status()["conntrack"]["adopted"] >= len(talk.all)
            assert ends_of(flows(daemon)) >= known
            assert left["192.0.2.1"] - 600 <= time_left(daemon)["192.0.2.1"] <= left["192.0.2.1"]
            maps, programs = now, others
        assert daemon.log().count(OF_ANOTHER) == 2


# --- a start that does not come to its end -------------------------------------------------------

class Site:
    """A daemon that lets in nothing new but to port 80, and conversations of before that."""

    def __init__(self, pair):
        self.pair, self.ports = pair, itertools.count(40000)
        self.daemon = FailingDaemon(pair.inside, config=configured(is_open=True))

    def settle_down(self):
        self.daemon.start()
        self.talk = Talk(self.pair)
        reload(self.daemon, configured())
        self.talk.go_on()

    def next(self):
        """From now on the other one of both versions is started."""
        self.daemon.binary = WEIR if self.daemon.binary == OTHER_LAYOUT else OTHER_LAYOUT

    def calls(self):
        """How many of each kind the start of the other takes."""
        self.daemon.stop()
        self.next()
        self.daemon.arm("mmap", 0)
        self.daemon.start()
        return self.daemon.counts()

    def starts(self):
        """Whether it does, or ends."""
        self.daemon.launch()
        wait_for(lambda: self.daemon.process.poll() is not None or self.daemon.healthy(),
                 "it runs or has ended")
        self.daemon.disarm()
        return self.daemon.process.poll() is None

    def hooks_are_of_one(self, before):
        """Whether all have the program they had, or all another."""
        programs = hooks(self.daemon)[1]
        return len({program == before[name] for name, program in programs.items()}) == 1

    def go_on(self):
        """Those of before, and one that begins now."""
        self.talk.go_on()
        client, server = converse(self.pair, next(self.ports))
        self.talk.all.append(Conversation("late", self.talk.stack.enter_context(client),
                                          self.talk.stack.enter_context(server)))

    def close(self):
        self.talk.close()
        self.daemon.close()


@pytest.fixture
def site(request, pair):
    made = Site(pair)
    request.node.weir_daemons = [made.daemon]
    made.settle_down()
    yield made
    made.close()


def chosen(points):
    """Some of them; the same for the same seed."""
    return random.Random(SEED).sample(points, min(FAULTS, len(points))) if FAULTS else points


BEFORE_PINS = {"prog_load": errno.EACCES, "map_create": errno.ENOMEM}
PINS = {"obj_pin": errno.ENOMEM, "rename": errno.EIO}


@needs_preload
@pytest.mark.parametrize("kind", BEFORE_PINS)
def test_other_layout_that_is_refused_leaves_tables_and_programs_alone(site, kind):
    daemon = site.daemon
    before, known = hooks(daemon), flows(daemon).keys()
    daemon.stop()
    site.next()
    daemon.arm(kind, 1, BEFORE_PINS[kind], lasts=True)
    assert not site.starts()
    assert hooks(daemon) == before
    site.go_on()
    site.next()
    assert site.starts()
    assert flows(daemon).keys() > known and not daemon.status()["conntrack"]["adopted"]
    site.go_on()
    assert not drops(daemon)


@needs_preload
@pytest.mark.outside
def test_other_layout_whose_pins_are_refused_cuts_no_flow_of_either_version(site):
    """Some of the pins are the new ones then, and mean something else to the version of before."""
    counts = site.calls()
    points = [(kind, number) for kind in PINS for number in range(1, counts[kind] + 1)]
    ends = 0
    for kind, number in chosen(points):
        what = f"{kind} {number}, seed {SEED}"
        before = hooks(site.daemon)[1]
        site.daemon.stop()
        site.next()
        site.daemon.arm(kind, number, PINS[kind])
        try:
            is_running = site.starts()
            if not is_running:
                assert site.hooks_are_of_one(before)
                site.go_on()
                site.next()
                assert site.starts(), site.daemon.log()
            site.go_on()
            assert not drops(site.daemon)
        except AssertionError as e:
            raise AssertionError(f"{what}: {e}") from e
        ends += not is_running
    print(f"{ends} of {len(points)} starts ended")
    assert ends


KILLED_AT = ("rename", FIRST_HOOK[0], "map_update", "obj_pin", "prog_load", "open")


@needs_preload
@pytest.mark.outside
@pytest.mark.parametrize("then", ["same", "before"])
def test_other_layout_that_is_killed_as_it_starts_cuts_no_flow(site, then):
    """Nor one that begins after it: the version of that start, or the one of before, goes on.
    Where one hook has the new program and another the old one, neither sees all of what its window
    check must see, until that start: nothing is said meanwhile."""
    counts = site.calls()
    points = [(kind, number, after) for kind in KILLED_AT
              for number in range(1, counts.get(kind, 0) + 1) for after in (False, True)]
    died = 0
    for kind, number, after in [(*FIRST_HOOK, False), (*FIRST_HOOK, True), *chosen(points)]:
        what = f"{kind} {number} {'after' if after else 'before'}, seed {SEED}"
        before = hooks(site.daemon)[1]
        site.daemon.stop()
        site.next()
        site.daemon.arm(kind, number, after=after)
        try:
            if not site.starts():
                died += 1
                if site.hooks_are_of_one(before):
                    site.go_on()
                if then == "before":
                    site.next()
                assert site.starts(), site.daemon.log()
            site.go_on()
            assert not drops(site.daemon)
        except AssertionError as e:
            raise AssertionError(f"{what}: {e}") from e
    print(f"killed {died} times")
    assert died
    assert UNFINISHED in site.daemon.log()


@needs_preload
def test_first_start_that_is_killed_cuts_nobody_off_who_came_after_it(pair, request):
    """Between pins and programs: what the kernel knows then is not all that there is later."""
    daemon = FailingDaemon(pair.inside, config=configured())
    request.node.weir_daemons = [daemon]
    try:
        daemon.arm("link_create" if HAS_TCX else "filter", 1)
        daemon.launch()
        wait_for(lambda: daemon.process.poll() is not None, "it is killed")
        daemon.disarm()
        with Talk(pair) as talk:
            daemon.start()
            talk.go_on()
            assert not drops(daemon)
            assert daemon.status()["conntrack"]["adopted"] >= len(talk.all)
            assert UNFINISHED in daemon.log()
    finally:
        daemon.close()
