# SPDX-License-Identifier: Apache-2.0
"""`rules:` and the lists of `block:` a second time, from docs/user/rules.md and nothing of the
program: every field becomes a set, and rules are asked one after the other."""
import bisect
import collections
import fnmatch
import ipaddress

from model.packet import FIRST, LATER, NO_VLAN, V6, WHOLE, Fields, parse

ALL_ADDRESSES = V6 + (1 << 128)
PROTOCOLS = {"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "dccp": 33, "gre": 47, "esp": 50, "ah": 51,
             "icmpv6": 58, "ospf": 89, "vrrp": 112, "sctp": 132, "udplite": 136}
FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ece": 64, "cwr": 128,
         "none": 0, "all": 255}
CODE_POINTS = {"be": 0, "le": 1, "va": 44, "ef": 46, **{f"cs{n}": 8 * n for n in range(8)},
               **{f"af{n}{m}": 8 * n + 2 * m for n in range(1, 5) for m in range(1, 4)}}
# RFC 792, 1256, 2710, 3810, 4443, 4861: (of ICMP, of ICMPv6)
TYPES = {
    "echo-reply": (0, 129), "destination-unreachable": (3, 1), "source-quench": (4, None),
    "redirect": (5, 137), "echo-request": (8, 128), "router-advertisement": (9, 134),
    "router-solicitation": (10, 133), "time-exceeded": (11, 3), "parameter-problem": (12, 4),
    "timestamp-request": (13, None), "timestamp-reply": (14, None), "packet-too-big": (None, 2),
    "mld-listener-query": (None, 130), "mld-listener-report": (None, 131),
    "mld-listener-done": (None, 132), "neighbour-solicitation": (None, 135),
    "neighbour-advertisement": (None, 136), "mld2-listener-report": (None, 143),
}
STATES = {"untracked": 0, "new": 1, "established": 2, "related": 3, "invalid": 4}
PARTS = {"none": (WHOLE,), "first": (FIRST,), "later": (LATER,), "any": (FIRST, LATER)}
DECIDES = {"allow": "pass_rule", "deny": "drop_rule", "reject": "drop_reject"}
GOES_ON = {"count", "log", "mark"}

Verdict = collections.namedtuple("Verdict", "reason rule mark applied")


class Refused(ValueError):
    """No configuration that may be applied."""


class Spans:
    """Numbers below `end`: edges on a line, inside and outside in turn."""

    def __init__(self, spans, end=ALL_ADDRESSES):
        self.edges, self.end = [], end
        for first, after in sorted(spans):
            if self.edges and first <= self.edges[-1]:
                self.edges[-1] = max(self.edges[-1], after)
            else:
                self.edges += [first, after]

    def __contains__(self, number):
        return bisect.bisect_right(self.edges, number) & 1

    def spans(self):
        return list(zip(self.edges[::2], self.edges[1::2]))

    def holes(self):
        rows, at = [], 0
        for first, after in self.spans():
            if at < first:
                rows.append((at, first))
            at = after
        return rows + [(at, self.end)] if at < self.end else rows

    def without(self, other):
        """By De Morgan: not (not self or other)."""
        return Spans(Spans(self.holes() + other.spans(), self.end).holes(), self.end)


def items(text):
    """[(item, whether it is taken out)]"""
    rows = []
    for item in map(str.strip, text.split(",")):
        is_out = item.startswith(("!", "not "))
        rows.append((item.removeprefix("!").removeprefix("not ").strip(), is_out))
    return rows


def span(item, names=None, last=None):
    if names and item in names:
        value = names[item]
        return {value}
    low, _, high = item.partition("-")
    if int(high or low) > last or int(low) > int(high or low):
        raise Refused(item)
    return set(range(int(low), int(high or low) + 1))


def settle(text, read, everything):
    """The values of a field: what is in any positive item and in no negative one."""
    rows = items(text)
    inside = [read(item) for item, is_out in rows if not is_out] or [everything]
    values = set().union(*inside)
    for item, is_out in rows:
        if is_out:
            values -= read(item)
    if not values:
        raise Refused(text)
    return frozenset(values)


def number_field(last, names=None):
    return lambda text: settle(text, lambda item: span(item, names, last), set(range(last + 1)))


def wide_field(last):
    """Too many values to write them all down."""
    def read(text):
        halves = [], []
        for item, is_out in items(text):
            low, _, high = item.partition("-")
            if int(high or low) > last or int(low) > int(high or low):
                raise Refused(item)
            halves[is_out].append((int(low), int(high or low) + 1))
        inside, outside = halves
        values = Spans(inside or [(0, last + 1)], last + 1).without(Spans(outside, last + 1))
        if not values.edges:
            raise Refused(text)
        return values
    return read


def flags_value(item):
    value, slash, mask = item.partition("/")
    value = sum(FLAGS[name] for name in value.split(","))
    mask = sum(FLAGS[name] for name in mask.split(",")) if slash else value
    return {flags for flags in range(256) if flags & mask == value}


def flags_field(text):
    words, rows = text.split(), []
    while words:
        word = words.pop(0)
        is_out = word == "not" or word.startswith("!")
        word = words.pop(0) if word == "not" else word.removeprefix("!")
        rows.append((flags_value(word), is_out))
    inside = [values for values, is_out in rows if not is_out] or [set(range(256))]
    return frozenset(set().union(*inside).difference(*(v for v, is_out in rows if is_out)))


def vlan_field(text):
    return settle(text, lambda item: {NO_VLAN} if item == "none" else span(item, None, 4095),
                  set(range(NO_VLAN + 1)))


def named_field(names):
    """names: {name: values}"""
    return lambda text: settle(text, lambda item: set(names[item]),
                               set().union(*map(set, names.values())))


def type_field(text, versions):
    """versions: which of 4 and 6 the rule can be about."""
    def read(item):
        if item in TYPES:
            v4, v6 = TYPES[item]
            found = ({v4} if 4 in versions and v4 is not None else set()) | (
                {256 + v6} if 6 in versions and v6 is not None else set())
            if not found:
                raise Refused(item)
            return found
        values = span(item, None, 255)
        return (values if 4 in versions else set()) | (
            {256 + value for value in values} if 6 in versions else set())
    if not versions:
        raise Refused(text)
    return settle(text, read, set(range(512)))


FIELDS = {
    "proto": number_field(255, PROTOCOLS), "sport": wide_field(65535),
    "dport": wide_field(65535), "length": wide_field(65535), "vlan": vlan_field,
    "icmp-code": number_field(255), "tcp-flags": flags_field, "dscp": number_field(63, CODE_POINTS),
    "family": named_field({"ipv4": (4,), "ipv6": (6,)}), "fragment": named_field(PARTS),
    "state": named_field({name: (value,) for name, value in STATES.items()}),
}
PLACE = {"icmp-code": "code", "tcp-flags": "flags", "icmp-type": "type"}


def address_span(text):
    """(first, one past the last), or None when it is a name."""
    low, dash, high = text.partition("-")
    try:
        first = ipaddress.ip_network(text, strict=False) if not dash else ipaddress.ip_address(low)
        last = ipaddress.ip_address(high) if dash else first[-1]
        first = first if dash else first[0]
    except ValueError:
        return None
    base = V6 if first.version == 6 else 0
    return base + int(first), base + int(last) + 1


class Names:
    """Sets of `rules:` and all lists of `block:`."""

    def __init__(self, config):
        self.sets = {row["name"]: row["members"] for row in config.get("sets", [])}
        self.lists = config.get("lists", {})
        self.known = {}

    def spans(self, name):
        if name not in self.known:
            if name in self.sets:
                found = [part for item, _ in items(self.sets[name]) for part in self.item(item)]
            elif name in self.lists:
                found = [address_span(entry) for entry in self.lists[name]]
            else:
                raise Refused(name)
            self.known[name] = found
        return self.known[name]

    def item(self, item):
        found = address_span(item)
        return [found] if found else self.spans(item)

    def field(self, text):
        rows = items(text)
        inside = [part for item, is_out in rows if not is_out for part in self.item(item)]
        if all(is_out for _, is_out in rows):
            inside = [(0, ALL_ADDRESSES)]
        outside = [part for item, is_out in rows if is_out for part in self.item(item)]
        return Spans(inside).without(Spans(outside))


def interface_matches(text, name):
    rows = items(text)
    inside = [pattern for pattern, is_out in rows if not is_out]
    return ((not inside or any(fnmatch.fnmatchcase(name, pattern) for pattern in inside))
            and not any(fnmatch.fnmatchcase(name, p) for p, is_out in rows if is_out))


class Rule:
    """wants: {index of a field: what it must be in}"""

    def __init__(self, number, row, names):
        self.number, self.row = number, row
        self.action = row["action"]
        self.mark = int(row["mark"], 0) if "mark" in row else None
        self.wants = {}
        for key, read in FIELDS.items():
            if key in row:
                self.want(PLACE.get(key, key), read(row[key]))
        if "icmp-type" in row:
            self.want("type", type_field(row["icmp-type"], self.versions()))
        for key in ("src", "dst"):
            if key in row:
                self.want(key, names.field(row[key]))
        self.matches = self.compiled()

    def want(self, place, values):
        self.wants[Fields._fields.index(place)] = values

    def versions(self):
        def may(place, value):
            wanted = self.wants.get(Fields._fields.index(place))
            return wanted is None or value in wanted
        return {version for version, proto in ((4, 1), (6, 58))
                if may("proto", proto) and may("family", version)}

    def compiled(self):
        """A function, for speed: the model is the slow side of a comparison."""
        scope = {f"w{index}": values for index, values in self.wants.items()}
        text = " and ".join(f"f[{index}] in w{index}" for index in sorted(
            self.wants, key=lambda index: isinstance(self.wants[index], Spans)))
        return eval(f"lambda f: {text or 'True'}", scope)

    def holds_at(self, interface, direction):
        return (self.row.get("direction", direction) == direction
                and interface_matches(self.row.get("interface", "*"), interface))


def names_of(config):
    return Names({"sets": config["rules"].get("sets", []), "lists": {
        row["name"]: row["entries"] for row in config.get("block", {}).get("lists", [])}})


class Model:
    """config: {"rules": the section, "block": the section or absent}. May raise Refused."""

    def __init__(self, config):
        section, names = config["rules"], names_of(config)
        self.is_on = section.get("enabled", True)
        lists = config.get("block", {}).get("lists", [])
        self.policies = section.get("policy", [])
        off = {row["name"] for row in section.get("groups", []) if not row.get("enabled", True)}
        self.rules = []
        for number, row in enumerate(section.get("rules", []), 1):
            rule = Rule(number, row, names)     # one that is off has its number, and is refused too
            if row.get("enabled", True) and row.get("group") not in off:
                self.rules.append(rule)
        self.listed = {action: Spans(
            address_span(entry) for row in lists if row["action"] == action
            for entry in row["entries"]) for action in ("allow", "deny")}
        self.by_place = {}

    def place(self, interface, direction):
        """(rules that may match there, whether the default denies)"""
        key = interface, direction
        if key not in self.by_place:
            row = next((row for row in self.policies
                        if interface_matches(row.get("interface", "*"), interface)), {})
            self.by_place[key] = ([rule for rule in self.rules if rule.holds_at(*key)],
                                  row.get(direction, "allow") == "deny")
        rules, denies = self.by_place[key]
        return (rules, denies) if self.is_on else ([], False)

    def judge(self, packet, interface, direction):
        """Verdict: reason, number of the rule that decided (0: none), mark, rules that matched."""
        rules, denies = self.place(interface, direction)
        default = "drop_policy" if denies else "pass_policy"
        if packet.kind != "ip":
            return Verdict({"arp": "pass_arp", "neighbour": "pass_neighbour",
                            "not_ip": "pass_not_ip", "too_deep": "drop_too_deep",
                            "damaged": default}[packet.kind], 0, 0, ())
        fields = packet.fields
        remote = fields.src if direction == "ingress" else fields.dst
        if remote in self.listed["allow"]:
            default = "pass_allowed"
        elif remote in self.listed["deny"]:
            return Verdict("drop_blocked", 0, 0, ())
        mark, applied = 0, []
        for rule in rules:
            if rule.matches(fields):
                applied.append(rule.number)
                mark = mark if rule.mark is None else rule.mark
                if rule.action in DECIDES:
                    return Verdict(DECIDES[rule.action], rule.number, mark, applied)
        return Verdict(default, 0, mark, applied)

    def judge_frame(self, frame, interface, direction):
        return self.judge(parse(frame), interface, direction)
