# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the daemon: no verdict changes, a restart adopts what is there, and a change cut short
at any moment is afterwards made or not made, never half of it (invariants 1 and 8)."""
import ipaddress
import os
import random
import subprocess
import time

import pytest

from harness import kernel, pins
from harness.daemon import WEIR
from harness.frames import udp
from harness.wait import SLOWNESS, pause, wait_for

ROUNDS = int(os.environ.get("WEIR_KILL_ROUNDS", "200"))
SEED = int(os.environ.get("WEIR_KILL_SEED", str(random.SystemRandom().randrange(1 << 32))))
LIST = "killed"


def configuration(denied):
    entries = ", ".join(sorted(denied))
    return f"""api: {{listen: off}}
block:
  lists:
    - {{name: office, action: allow, entries: [10.0.0.0/8]}}
    - {{name: fixed, action: deny, entries: [{entries}]}}
"""


def hosts(rng, net, count):
    return {str(ipaddress.ip_address(int(ipaddress.ip_address(net)) + number))
            for number in rng.sample(range(1 << 16), count)}


class State:
    """What a user has asked for: the configuration's entries, a list's, and single ones."""

    def __init__(self, fixed, listed, single):
        self.fixed, self.listed, self.single = fixed, frozenset(listed), single

    def is_denied(self, address):
        return address in self.fixed or address in self.listed or address in self.single

    def __eq__(self, other):
        return vars(self) == vars(other)

    def __repr__(self):
        return f"{sorted(self.fixed)[:3]} {len(self.listed)} listed {sorted(self.single)}"


def read_state(daemon):
    def listed(name):
        return frozenset(line.split(" #")[0].strip() for line in daemon.export(
            "block", "--list", name).splitlines() if line and not line.startswith("#"))
    names = {row["name"] for row in daemon.ask("block", "lists")["lists"]}
    return State(*(listed(name) if name in names else frozenset()
                   for name in ("fixed", LIST, "runtime-deny")))


class Change:
    """One verb that leads from a state to another."""

    def __init__(self, rng, old, home):
        self.kind = rng.choice(("import", "apply", "add", "del", "import"))
        self.old, fixed, listed, single = old, old.fixed, old.listed, old.single
        if self.kind == "import":
            listed = frozenset(hosts(rng, "172.16.0.0", rng.choice((1, 300, 20000))))
            (home / "list.txt").write_text("\n".join(sorted(listed)) + "\n")
            self.words = ["block", "import", home / "list.txt", "--list", LIST, "--replace"]
        elif self.kind == "apply":
            fixed = frozenset(hosts(rng, "192.168.0.0", rng.choice((2, 50))))
            (home / "new.yaml").write_text(configuration(fixed))
            self.words = ["apply", home / "new.yaml"]
        elif self.kind == "add" or not single:
            address = rng.choice(sorted(hosts(rng, "198.18.0.0", 5) - single))
            single = single | {address}
            self.words = ["block", "add", address]
        else:
            address = rng.choice(sorted(single))
            single = single - {address}
            self.words = ["block", "del", address]
        self.new = State(fixed, listed, single)
        self.size = self.kind, len(listed) if self.kind == "import" else 0

    def probes(self, rng):
        """Addresses which tell old from new, and some which are the same in both."""
        def some(addresses, count):
            return rng.sample(sorted(addresses), min(count, len(addresses)))
        rows = []
        for old, new in ((self.old.fixed, self.new.fixed), (self.old.listed, self.new.listed),
                         (self.old.single, self.new.single)):
            rows += some(old - new, 8) + some(new - old, 8) + some(old & new, 4)
        return rows + ["10.1.2.3", "203.0.113.77"]


def judged(wire, addresses):
    """{address: whether its packets are dropped}, by what arrives."""
    verdicts = wire.verdicts([udp(address) for address in addresses])
    return {address: not passed for address, passed in zip(addresses, verdicts)}


def expected(state, addresses):
    return {address: state.is_denied(address) for address in addresses}


@pytest.fixture
def started(weir_daemon, pair):
    return weir_daemon(pair.inside, config=configuration({"192.168.0.1"}), interfaces=[pair.wire])


@pytest.mark.parametrize("another", [{}, {"run_dir": "run2"},
                                     {"run_dir": "run2", "state": "state2"},
                                     {"run_dir": "run2", "pin_dir": "pins2"},
                                     {"state": "state2", "pin_dir": "pins2"}])
def test_second_daemon_is_refused_before_it_touches_what_is_live(started, another):
    """It would put its own programs and policy in the place of the first one's."""
    daemon = started
    before = (kernel.link_ids(daemon.pin_dir), kernel.map_ids(daemon.pin_dir),
              daemon.status()["revision"])
    names = {"state": daemon.state, "run_dir": daemon.run_dir, "pin_dir": daemon.pin_dir}
    words = [str(word) for word in daemon.command()]
    for what, name in another.items():
        words[words.index(str(names[what]))] = str(names[what].with_name(
            f"{daemon.name}-{name}" if what == "pin_dir" else name))
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 1 and "another daemon has /" in done.stderr, done.stderr
        assert before == (kernel.link_ids(daemon.pin_dir), kernel.map_ids(daemon.pin_dir),
                          daemon.status()["revision"])
    finally:
        pins.remove(daemon.pin_dir.with_name(f"{daemon.name}-pins2"))


def test_kill_changes_no_verdict_and_restart_adopts(started, pair, wire):
    daemon = started
    daemon.say("block", "add", "192.0.2.0/24", "--ttl", "1h")
    daemon.say("allow", "add", "192.0.2.7")
    daemon.say("block", "import", "-", "--list", LIST, text="2001:db8::/32\n100.64.0.0/10\n")
    addresses = ["192.0.2.1", "192.0.2.7", "2001:db8::1", "2001:db9::1", "100.64.9.9",
                 "192.168.0.1", "203.0.113.1"]
    wanted = [True, False, True, False, True, True, False]
    assert list(judged(wire, addresses).values()) == wanted
    links, maps = kernel.link_ids(daemon.pin_dir), kernel.map_ids(daemon.pin_dir)
    before = daemon.status()
    daemon.kill()
    assert list(judged(wire, addresses).values()) == wanted
    assert kernel.link_ids(daemon.pin_dir) == links
    daemon.start()
    assert {name: row[0] for name, row in kernel.link_ids(daemon.pin_dir).items()} == {
        name: row[0] for name, row in links.items()}, "links are adopted, not made again"
    kept = kernel.map_ids(daemon.pin_dir)
    own = ("tmp_", "st_old_")  # scratch, and what a reload is to bring over: of each object
    assert {name: kept[name] for name in maps if not name.startswith(own)} == {
        name: number for name, number in maps.items() if not name.startswith(own)}
    after = daemon.status()
    assert after["revision"] >= before["revision"]
    count = {row["reason"]: row["packets"] for row in after["reasons"]}
    old = {row["reason"]: row["packets"] for row in before["reasons"]}
    # Those of the dead time are in it: 4 dropped and 3 passed, one of the latter as allowed.
    assert count["drop_blocked"] == old["drop_blocked"] + 4
    assert count["pass_allowed"] == old["pass_allowed"] + 1
    assert list(judged(wire, addresses).values()) == wanted


def test_daemon_stopped_and_continued_by_systemd_keeps_verdicts(started, wire):
    started.say("block", "add", "192.0.2.1")
    started.stop()
    assert not wire.passes(udp("192.0.2.1"))
    started.start()
    assert not wire.passes(udp("192.0.2.1"))
    assert [row["entry"] for row in started.entries()].count("192.0.2.1") == 1


def run_and_kill(daemon, change, moment_s):
    """The verb runs, the daemon dies `moment_s` later; says whether the verb had been answered."""
    asking = subprocess.Popen(daemon.namespace.command(WEIR, *change.words),
                              env=daemon.environment(), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    pause(moment_s)
    daemon.kill()
    said = asking.communicate(timeout=60 * SLOWNESS)[0].decode()
    assert asking.returncode in (0, 1, 3), said
    return asking.returncode == 0


def stray_files(daemon):
    """What a cut write leaves is one file with a fixed name, which the next write replaces."""
    return [path.name for path in daemon.state.iterdir()
            if not path.name.removesuffix(".tmp").endswith((".json", ".yaml"))]


def test_killed_at_any_moment_leaves_the_old_state_or_the_new(started, wire):
    daemon, rng = started, random.Random(SEED)
    state = read_state(daemon)
    longest = {}                # how long each kind of change takes when nothing kills it
    outcomes = {"old": 0, "new": 0}
    links = {name: row[0] for name, row in kernel.link_ids(daemon.pin_dir).items()}
    counted = 0
    number = 0
    while number < ROUNDS:
        change = Change(rng, state, daemon.home)
        what = f"round {number}, seed {SEED}, {change.kind}"
        if change.size not in longest:
            start = time.monotonic()
            daemon.say(*change.words)
            longest[change.size] = time.monotonic() - start
            state = change.new
            continue
        number += 1
        answered = run_and_kill(daemon, change, rng.uniform(0, 1.6) * longest[change.size])
        probes = change.probes(rng)
        dead = judged(wire, probes)
        assert dead in (expected(change.old, probes), expected(change.new, probes)), what
        daemon.start()
        now = read_state(daemon)
        assert now in (change.old, change.new), f"{what}: neither old nor new: {now}"
        assert not answered or now == change.new, f"{what}: an answered change is lost"
        wait_for(lambda: judged(wire, probes) == expected(now, probes), f"{what}: verdicts as told")
        assert not stray_files(daemon), what
        assert {name: row[0] for name, row in kernel.link_ids(daemon.pin_dir).items()} == links
        total = sum(daemon.reasons().values())
        assert total > counted, f"{what}: counters went backwards"
        state, counted = now, total
        outcomes["new" if now == change.new else "old"] += 1
    print(f"killed {ROUNDS} times: {outcomes}, seed {SEED}")
    if ROUNDS >= 50:
        # Moments that are all before or all after the change would prove nothing.
        assert min(outcomes.values()) >= ROUNDS // 20, outcomes
