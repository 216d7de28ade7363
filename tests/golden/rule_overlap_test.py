# SPDX-License-Identifier: Apache-2.0
"""Random rules against every packet of a small world: what weir check says never acts must not act,
and what one earlier rule takes away alone must be told.

The world has a packet for each part that the conditions below cut the space of packets into, so
that what holds in it holds everywhere. Sets of packets are bits of one large number."""
import functools
import ipaddress
import itertools
import json
import os
import pathlib
import random
import re
import subprocess

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD", TREE / "build"))
ROUNDS = int(os.environ.get("WEIR_OVERLAP_ROUNDS", "100"))
SEED = os.environ.get("WEIR_OVERLAP_SEED")

ADDRESSES = ["10.1.0.1", "10.1.0.2", "10.1.0.9", "10.2.0.1", "192.0.2.1",
             "2001:db8::1", "2001:db8::2", "2001:db9::1"]
ENDS = {
    "10.0.0.0/8": "10.0.0.0/8", "10.1.0.0/16": "10.1.0.0/16", "10.1.0.0-10.1.0.4": "10.1.0.0/30",
    "10.1.0.5-10.1.255.255": None, "0.0.0.0/0": "0.0.0.0/0", "2001:db8::/32": "2001:db8::/32",
    "::/0": "::/0", "office": "10.1.0.0/16",
}
SETS = "  sets:\n    - {name: office, members: 10.1.0.0/16}\n"
TCP, UDP, SCTP, ICMP, ICMPV6, GRE = 6, 17, 132, 1, 58, 47
SYN, ACK = 2, 16
# Where packets to a service go; of a range, without the port of the more exact one.
SERVICES = {
    "web": ("10.1.0.1", TCP, "80", [(80, 80)]),
    "range": ("10.1.0.1", TCP, "22-99", [(22, 79), (81, 99)]),
    "dns": ("10.1.0.1", UDP, "22", [(22, 22)]),
    "stream": ("10.1.0.1", SCTP, "100-199", [(100, 199)]),
    "web6": ("2001:db8::1", TCP, "80", [(80, 80)]),
}
BALANCE = "balance:\n  services:\n" + "".join(
    f"    - {{name: {name}, address: \"{address}\", port: {port}, proto: {proto}, backends: []}}\n"
    for (name, (address, number, port, _)) in SERVICES.items()
    for proto in [{TCP: "tcp", UDP: "udp", SCTP: "sctp"}[number]])


def transports(version):
    """proto, sport, dport, flags, type, code, fragment: what a packet can be."""
    ports = list(itertools.product((7, 500, 2000, 3000), (10, 22, 50, 80, 90, 150, 9999)))
    for fragment in ("none", "first"):
        yield from ((TCP, *pair, flags, None, None, fragment)
                    for pair in ports for flags in (0, SYN, SYN | ACK, ACK))
        yield from ((proto, *pair, None, None, None, fragment)
                    for proto in (UDP, SCTP) for pair in ports)
        icmp = ICMP if version == 4 else ICMPV6
        yield from ((icmp, None, None, None, kind, code, fragment)
                    for kind in (3, 8, 50, 128) for code in (0, 1, 5))
    # Of the rest, and of what is cut short, only the protocol is known.
    yield from ((proto, None, None, None, None, None, fragment)
                for proto in (TCP, UDP, SCTP, ICMP, ICMPV6, GRE, 99, 100)
                for fragment in ("none", "first", "later"))


def world():
    for src, dst in itertools.product(ADDRESSES, ADDRESSES):
        version = ipaddress.ip_address(src).version
        if ipaddress.ip_address(dst).version == version:
            for transport in transports(version):
                yield (src, dst, version, *transport)


WORLD = list(world())
# What is independent of all else: each a factor of the space.
FACTORS = [("interface", ["eth0", "eth1", "eth2", "ppp0", "lo"]),
           ("direction", ["ingress", "egress"]), ("vlan", ["none", 100, 7]),
           ("minute", [600, 1500, 5000, 9000])]
SIZES = [len(WORLD)] + [len(values) for _, values in FACTORS]
EVERYTHING = (1 << functools.reduce(lambda a, b: a * b, SIZES)) - 1


def spread(bits, place):
    """Bits over the values of one factor, as a set of packets."""
    below = functools.reduce(lambda a, b: a * b, SIZES[:place], 1)
    block = 0
    for number in range(SIZES[place]):
        if bits >> number & 1:
            block |= ((1 << below) - 1) << number * below
    size = below * SIZES[place]
    above = functools.reduce(lambda a, b: a * b, SIZES[place + 1:], 1)
    return block * sum(1 << number * size for number in range(above))


def where(place, values, holds):
    return spread(sum(1 << number for number, value in enumerate(values) if holds(value)), place)


@functools.cache
def packets(key, item):
    """Those that one positive item of a condition matches."""
    if key in ("src", "dst"):
        def holds(packet):
            address = ipaddress.ip_address(packet[0 if key == "src" else 1])
            if ENDS[item]:
                return address in ipaddress.ip_network(ENDS[item])
            return any(address == ipaddress.ip_address(one) for one in ("10.1.0.9",))
        return where(0, WORLD, holds)
    if key in TESTS:
        return where(0, WORLD, lambda packet: TESTS[key](packet, item))
    place = 1 + [name for name, _ in FACTORS].index("minute" if key == "schedule" else key)
    return where(place, FACTORS[place - 1][1], lambda value: FACTOR_TESTS[key](value, item))


def number_in(value, item):
    low, _, high = item.partition("-")
    return value is not None and int(low) <= value <= int(high or low)


def flags_in(value, item):
    names = {"none": 0, "syn": SYN, "ack": ACK, "syn,ack": SYN | ACK}
    want, _, mask = item.partition("/")
    return value is not None and value & names[mask or want] == names[want]


def is_to(packet, name):
    address, proto, _, ports = SERVICES[name]
    return (packet[1] == address and packet[3] == proto and packet[5] is not None and
            any(first <= packet[5] <= last for first, last in ports))


PROTOS = {"tcp": TCP, "udp": UDP, "icmp": ICMP, "icmpv6": ICMPV6, "gre": GRE, "99": 99}
TYPES = {"echo-request": (8, 128), "3": (3, 3), "8": (8, 8)}
TESTS = {
    "family": lambda p, item: p[2] == int(item[-1]),
    "proto": lambda p, item: p[3] == PROTOS[item],
    "service": is_to,
    "sport": lambda p, item: number_in(p[4], item),
    "dport": lambda p, item: number_in(p[5], item),
    "tcp-flags": lambda p, item: flags_in(p[6], item),
    "icmp-type": lambda p, item: p[7] is not None and p[7] == TYPES[item][0 if p[2] == 4 else 1],
    "icmp-code": lambda p, item: number_in(p[8], item),
    "fragment": lambda p, item: p[9] == item or item == "any" and p[9] != "none",
}
FACTOR_TESTS = {
    "interface": lambda v, item: v == item or item[-1] == "*" and v.startswith(item[:-1]),
    "direction": lambda v, item: v == item,
    "vlan": lambda v, item: str(v) == item,
    "schedule": lambda v, item: {"mon": v < 1440, "mon-tue": v < 2880, "sun": v >= 8640}[item],
}
PRESENT = {"sport": 4, "dport": 5, "tcp-flags": 6, "icmp-type": 7, "icmp-code": 8}
ITEMS = {
    "src": list(ENDS), "dst": list(ENDS), "family": ["ipv4", "ipv6"], "proto": list(PROTOS),
    "sport": ["0-1023", "7", "2000", "1024-65535"],
    "dport": ["22", "80", "100-199", "0-65535", "22-80", "0-199"],
    "tcp-flags": ["syn", "syn/syn,ack", "none/syn,ack"],
    "icmp-type": list(TYPES), "icmp-code": ["0", "1", "0-255"],
    "fragment": ["none", "first", "later", "any"],
    "interface": ["eth0", "eth1", "eth*", "ppp*", "*"],
    "service": list(SERVICES),
    "direction": ["ingress", "egress"], "vlan": ["none", "100"],
    "schedule": ["mon", "mon-tue", "sun"],
}
SINGLE = ("direction",)
NO_NOT = ("direction", "tcp-flags", "schedule", "service")
# What a service says already.
BESIDE_NO_SERVICE = ("dst", "proto", "dport", "icmp-type", "icmp-code")
ACTIONS = ["allow", "deny", "reject", "count", "log"]
DECIDING = ("allow", "deny", "reject")
WEIGHTS = [4, 4, 1, 1, 1]


def condition(chance, key):
    count = 1 if key in SINGLE else chance.choice((1, 1, 2))
    items = chance.sample(ITEMS[key], count)
    return [(key not in NO_NOT and chance.random() < 0.2, item) for item in items]


def condition_packets(key, items):
    into, out = 0, 0
    for negated, item in items:
        if negated:
            out |= packets(key, item)
        else:
            into |= packets(key, item)
    if all(negated for negated, _ in items):
        into = EVERYTHING
        if key in PRESENT:
            into = where(0, WORLD, lambda packet: packet[PRESENT[key]] is not None)
    return into & ~out


def rule(chance, keys):
    chosen = chance.sample(keys, chance.randint(0, 3))
    if "service" in chosen:
        chosen = [key for key in chosen if key not in BESIDE_NO_SERVICE]
    conditions = {key: condition(chance, key) for key in chosen}
    action = chance.choices(ACTIONS, WEIGHTS)[0]
    matched = EVERYTHING
    for key, items in conditions.items():
        matched &= condition_packets(key, items)
    return conditions, action, matched


def rule_yaml(conditions, action):
    def text(key, items):
        between = " " if key == "tcp-flags" else ", "
        return between.join(("not " if negated else "") + item for negated, item in items)
    fields = [f'{key}: "{text(key, items)}"' for key, items in conditions.items()]
    return "    - {" + ", ".join(fields + [f"action: {action}"]) + "}\n"


def check(path):
    done = subprocess.run([str(BUILD / "weir"), "check", "--json", str(path)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def told(answer, count):
    """{rule: the rule that takes its packets, "together" or None}, by their numbers."""
    found = {}
    problems = json.loads(answer).get("warnings", {"problems": []})
    for problem in problems["problems"] if isinstance(problems, dict) else problems:
        number = int(re.fullmatch(r"rules\.rules\[(\d+)\]", problem["key"])[1])
        others = [int(other) for other in re.findall(r"rules\.rules\[(\d+)\]", problem["what"])]
        if "decides every packet" in problem["what"] and "matches" not in problem["what"]:
            found |= {behind: others[0] for behind in range(number, count)}
        elif problem["what"].startswith("matches nothing"):
            found[number] = None
        else:
            found[number] = others[0] if len(others) == 1 else "together"
    return found


def judge(rules, found):
    """Says what is wrong."""
    gone = 0
    for number, (_, action, matched) in enumerate(rules):
        if number in found and matched & ~gone:
            yield f"rules[{number}] is told of and acts"
        alone = [other for other in range(number)
                 if rules[other][1] in DECIDING and not matched & ~rules[other][2]]
        if number not in found and (not matched or alone):
            yield f"rules[{number}] never acts, by {alone}, and is not told of"
        if isinstance(found.get(number), int) and found[number] not in alone:
            yield f"rules[{number}] is not shadowed by rules[{found[number]}]"
        if action in DECIDING:
            gone |= matched


def test_what_is_told_never_acts_and_what_one_rule_shadows_is_told(tmp_path):
    seed = int(SEED) if SEED else random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    path = tmp_path / "weir.yaml"
    sums = {"told": 0, "together": 0, "rules": 0}
    for _ in range(ROUNDS):
        keys = chance.sample(list(ITEMS), 5)
        if chance.random() < 0.5 and "service" not in keys:
            keys.append("service")
        rules = [rule(chance, keys) for _ in range(12)]
        text = f"interfaces: [{{name: eth0, egress: true}}]\n{BALANCE}rules:\n{SETS}  rules:\n"
        # What is refused outright (an ICMP type with TCP) is no rule.
        kept = []
        for one in rules:
            path.write_text(text + rule_yaml(*one[:2]))
            if not one[2] and check(path)[0]:
                continue
            kept.append(one)
        path.write_text(text + "".join(rule_yaml(*one[:2]) for one in kept))
        status, answer, problems = check(path)
        assert status == 0, f"seed {seed}: {problems}\n{path.read_text()}"
        found = told(answer, len(kept))
        wrong = list(judge(kept, found))
        assert not wrong, f"seed {seed}: {wrong}\n{path.read_text()}\n{answer}"
        sums["told"] += len(found)
        sums["together"] += list(found.values()).count("together")
        sums["rules"] += len(kept)
    assert sums["told"] > ROUNDS, sums


@pytest.mark.parametrize("rules, words", [
    (10000, "not all pairs"),
    (100, "99 rules never act"),
])
def test_many_findings_are_counted_and_too_many_pairs_are_said(tmp_path, rules, words):
    path = tmp_path / "weir.yaml"
    several = ("    - {proto: tcp, action: deny}\n" if rules == 100 else
               "    - {src: 10.0.0.0/8, proto: tcp, dport: \"80, %d\", action: deny}\n")
    text = "".join(several % (1000 + number) if "%" in several else several
                   for number in range(rules))
    path.write_text("rules:\n  rules:\n" + text)
    status, answer, _ = check(path)
    assert status == 0
    assert words in answer
