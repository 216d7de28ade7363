# SPDX-License-Identifier: Apache-2.0
"""Random lists and random packets against a model written another way: Python's ipaddress.

Lists get in through the command line, packets over a wire, and what arrived is compared with what
the model passes. WEIR_MODEL_SETS=1000 runs the whole (10,000,000 packets); otherwise a slice.
"""
import bisect
import ipaddress
import json
import os
import random

import pytest

from harness.blaster import DRESSES, Blaster, question

SETS = int(os.environ.get("WEIR_MODEL_SETS", "60"))
SEED = int(os.environ.get("WEIR_MODEL_SEED", str(random.SystemRandom().randrange(1 << 32))))
PACKETS = 10_000
BITS = {4: 32, 6: 128}
CLASS = {4: ipaddress.IPv4Address, 6: ipaddress.IPv6Address}


class Entry:
    """As a user writes it, and the first and last address that this means."""

    def __init__(self, text):
        self.text = text
        if "-" in text:
            first, last = map(ipaddress.ip_address, text.split("-"))
            nets = ipaddress.summarize_address_range(first, last)
        else:
            nets = [ipaddress.ip_network(text)]
        self.nets = list(nets)
        self.version = self.nets[0].version


class Model:
    """Allow wins over deny; the rest passes. Knows ipaddress's networks and nothing else."""

    def __init__(self, entries):
        """entries: [(action, Entry)]"""
        self.bounds = {}
        for action in ("allow", "deny"):
            for version in (4, 6):
                nets = ipaddress.collapse_addresses(
                    net for of, entry in entries if of == action and entry.version == version
                    for net in entry.nets)
                edges = []
                for net in nets:
                    first, after = int(net[0]), int(net[-1]) + 1
                    if edges and edges[-1] == first:
                        edges[-1] = after
                    else:
                        edges += [first, after]
                self.bounds[action, version] = edges

    def is_in(self, action, version, number):
        return bisect.bisect_right(self.bounds[action, version], number) % 2 == 1

    def passes(self, version, number):
        return (self.is_in("allow", version, number)
                or not self.is_in("deny", version, number))


class Maker:
    """Random entries, crowded so that they overlap, and packets around their edges."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.homes = {version: [self.rng.getrandbits(BITS[version]) for _ in range(4)]
                      for version in (4, 6)}

    def near(self, version):
        bits = BITS[version]
        keep = self.rng.choice((8, bits // 4, bits // 2, bits - 8, bits - 3))
        home = self.rng.choice(self.homes[version])
        number = home >> (bits - keep) << (bits - keep) | self.rng.getrandbits(bits - keep)
        return number if version == 4 or number >> 32 != 0xFFFF else home

    def entry(self):
        version = self.rng.choice((4, 4, 6))
        bits, number = BITS[version], self.near(version)
        kind = self.rng.randrange(3)
        if kind == 0:
            return Entry(str(CLASS[version](number)))
        if kind == 1:
            length = self.rng.choice((self.rng.randrange(6, bits + 1), bits - 8, bits - 3, 24))
            return Entry(str(ipaddress.ip_network((number, length), strict=False)))
        last = min(number + self.rng.getrandbits(self.rng.randrange(1, bits // 2)),
                   (1 << bits) - 1)
        return Entry(f"{CLASS[version](number)}-{CLASS[version](last)}")

    def entries(self, most):
        return [self.entry() for _ in range(self.rng.randrange(1, most))]

    def packets(self, entries, count):
        """[(version, number, dress)]"""
        edges = [(entry.version, int(number)) for entry in entries for net in (
            entry.nets[0], entry.nets[-1]) for number in (net[0], net[-1])]
        rows = []
        while len(rows) < count:
            way = self.rng.random()
            if way < 0.4:
                version, number = self.rng.choice(edges)
                number += self.rng.choice((-1, 0, 0, 1))
                if not 0 <= number < 1 << BITS[version]:
                    continue
            else:
                version = self.rng.choice((4, 6))
                number = self.near(version) if way < 0.95 else self.rng.getrandbits(BITS[version])
            if version == 6 and number >> 32 == 0xFFFF:     # ::ffff:0:0/96 sends nothing on a wire
                continue
            rows.append((version, number, self.rng.choice(DRESSES)))
        return rows


def written(entries, form, rng):
    """A list as a file of that format."""
    texts = [entry.text for entry in entries]
    if form == "json":
        return json.dumps([{"entry": text, "note": "n"} if rng.random() < 0.5 else text
                           for text in texts])
    if form == "csv":
        return "entry,note\r\n" + "".join(f'{text},"a, b"\r\n' for text in texts)
    return "# a list\n" + "".join(f"{text} # why\n" if rng.random() < 0.3 else f"{text}\n\n"
                                  for text in texts)


def put_in(daemon, maker):
    """Hands random lists to the daemon by every way there is; gives [(action, Entry, way)]."""
    rng, rows, lists = maker.rng, [], []
    for number in range(rng.randrange(1, 4)):
        action, entries = rng.choice(("allow", "deny", "deny")), maker.entries(20)
        lists.append({"name": f"static{number}", "action": action,
                      "entries": [entry.text for entry in entries]})
        rows += [(action, entry, "config") for entry in entries]
    daemon.say("apply", "-", text="api: {listen: off}\nblock: " + json.dumps({"lists": lists}))
    for noun, action in (("block", "deny"), ("allow", "allow")):
        if rng.random() < 0.7:
            form, entries = rng.choice(("text", "csv", "json")), maker.entries(20)
            daemon.say(noun, "import", "-", "--list", f"fed-{action}", "--format", form,
                       text=written(entries, form, rng))
            rows += [(action, entry, "import") for entry in entries]
        for _ in range(rng.randrange(3)):
            entry = maker.entry()
            daemon.say(noun, "add", entry.text, *rng.choice(((), ("--ttl", "1h"))))
            rows.append((action, entry, "add"))
    return rows


def take_out(daemon):
    daemon.say("block", "clear")
    daemon.say("allow", "clear")


def mismatches(blaster, model, packets):
    arrived = blaster.send(question(number.to_bytes(BITS[version] // 8, "big"), dress)
                           for version, number, dress in packets)
    return [(str(CLASS[version](number)), dress, model.passes(version, number))
            for (version, number, dress), passed in zip(packets, arrived)
            if model.passes(version, number) != bool(passed)]


@pytest.mark.parametrize("hook", ["xdp", "tc"])
def test_random_lists_judge_random_packets_as_the_model_does(weir_daemon, pair, hook):
    daemon = weir_daemon(pair.inside)
    daemon.say("interface", "attach", pair.wire, "--hook", hook)
    sets = SETS // 2
    dropped = 0
    with Blaster(pair.outside, pair.far, pair.inside, pair.wire) as blaster:
        for number in range(sets):
            seed = f"{SEED}/{hook}/{number}"
            maker = Maker(seed)
            rows = put_in(daemon, maker)
            model = Model([(action, entry) for action, entry, _ in rows])
            packets = maker.packets([entry for _, entry, _ in rows], PACKETS)
            wrong = mismatches(blaster, model, packets)
            assert not wrong, (f"WEIR_MODEL_SEED={SEED} set {number}: {len(wrong)} wrong; address, "
                               f"dress, model passes: {wrong[:5]}; lists: "
                               f"{[(a, e.text, w) for a, e, w in rows]}; weir says " +
                               daemon.say("explain", "--src", wrong[0][0], "--dst", wrong[0][0]))
            dropped += sum(not model.passes(version, value) for version, value, _ in packets)
            take_out(daemon)
    assert 0.05 < dropped / (sets * PACKETS) < 0.95, "packets of both kinds, else nothing is proven"
    print(f"{hook}: {sets} sets x {PACKETS:,} packets, {dropped:,} to drop, 0 wrong, seed {SEED}")
