# SPDX-License-Identifier: Apache-2.0
"""Rules as nftables has them, for a table of the family netdev: its ingress hook stands where
Weir's TC hook does, before the IP stack drops what is odd, and egress is there too. Read from the
text of the fields, past tests/model/rules.py."""
import fnmatch
import itertools
import socket

from model.draw import CODE_POINTS, TYPES
from model.packet import EXTENSIONS, FRAGMENT, HAS_PORTS, IPV4, LATER, MPLS, PPPOE, TAGS, V6, parse
from model.rules import address_span

ALIASES = {"icmpv6": "ipv6-icmp"}
FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr")
PARTS = {
    4: {"none": ["ip frag-off & 0x3fff == 0"], "first": ["ip frag-off & 0x3fff == 0x2000"],
        "later": ["ip frag-off & 0x1fff != 0"]},
    6: {"none": ["exthdr frag missing", "frag frag-off 0 frag more-fragments 0"],
        "first": ["frag frag-off 0 frag more-fragments 1"], "later": ["frag frag-off != 0"]},
}
# In later fragments a table of netdev takes data for a header, for IPv6 even the IP header itself.
OF_TRANSPORT = {"sport", "dport", "icmp-type", "icmp-code", "tcp-flags"}
HAS_TRANSPORT = {4: ["ip frag-off & 0x1fff == 0"], 6: ["exthdr frag missing", "frag frag-off 0"]}
TAGGED = "@ll,96,16 { 0x8100, 0x88a8 }"
UNTAGGED = "@ll,96,16 != { 0x8100, 0x88a8 }"
NEIGHBOUR = [f"meta protocol ip6 ip6 hoplimit 255 {whole} meta l4proto 58 "
             "icmpv6 type { 133, 134, 135, 136, 137 } icmpv6 code 0 accept"
             for whole in PARTS[6]["none"]]
BEHIND = "extension headers that nft does not look behind"
CUT = "a header that is cut"
VERDICTS = {"allow": "accept", "deny": "drop", "reject": "drop"}


def halves(text, between=","):
    """(items, items that are taken out)"""
    inside, outside = [], []
    for item in map(str.strip, text.split(between)):
        for sign in ("!", "not "):
            if item.startswith(sign):
                outside.append(item[len(sign):].strip())
                break
        else:
            inside.append(item)
    return inside, outside


def merged(spans):
    rows = []
    for first, last in sorted(spans):
        if rows and first <= rows[-1][1] + 1:
            rows[-1][1] = max(rows[-1][1], last)
        else:
            rows.append([first, last])
    return rows


def braces(spans, word=str):
    return "{ " + ", ".join(word(a) if a == b else f"{word(a)}-{word(b)}"
                            for a, b in merged(spans)) + " }"


def all_but(value, last):
    """nft 1.0.6 merges two `!=` of neighbouring bytes into one, which matches where either differs:
    what is not one value is said as what it may be."""
    return [span for span in ((0, value - 1), (value + 1, last)) if span[0] <= span[1]]


def is_in(expression, inside, outside, has_inside, word=str):
    """Alternatives: one that matches, or none when nothing can. Spans of numbers."""
    if has_inside and not inside:
        return []
    parts = [f"{expression} {braces(inside, word)}"] if has_inside else []
    parts += [f"{expression} != {braces(outside, word)}"] if outside else []
    return [" ".join(parts)]


def unmerged(expression, inside, outside, has_inside, last):
    kept = merged(outside)
    if len(kept) != 1 or kept[0][0] != kept[0][1]:
        return is_in(expression, inside, outside, has_inside)
    rest = f"{expression} {braces(all_but(kept[0][0], last))}"
    return [f"{line} {rest}" for line in (
        is_in(expression, inside, [], True) if has_inside else [""])]


def number(text, names):
    if text in names:
        return names[text], names[text]
    first, _, last = text.partition("-")
    return int(first), int(last or first)


class Ruleset:
    def __init__(self, config, interface):
        section, self.interface = config["rules"], interface
        self.rules = section["rules"]
        self.policies = section["policy"]
        self.off = {row["name"] for row in section["groups"] if not row.get("enabled", True)}
        self.sets = {row["name"]: halves(row["members"])[0] for row in section["sets"]}
        self.sets |= {row["name"]: row["entries"] for row in config["block"]["lists"]
                      if row["action"] == "set"}

    def text(self):
        return "table netdev twin {\n" + "".join(map(self.chain, ("ingress", "egress"))) + "}\n"

    def is_here(self, row):
        inside, outside = halves(row.get("interface", "*"))
        return (any(fnmatch.fnmatchcase(self.interface, pattern) for pattern in inside or ["*"])
                and not any(fnmatch.fnmatchcase(self.interface, pattern) for pattern in outside))

    def chain(self, direction):
        default = next((row[direction] for row in self.policies if self.is_here(row)), "allow")
        rows = [f"type filter hook {direction} device {self.interface} priority 0; "
                f"policy {VERDICTS[default]};", "meta protocol != { ip, ip6 } accept", *NEIGHBOUR]
        for row in self.rules:
            if (row.get("enabled", True) and row.get("group") not in self.off
                    and self.is_here(row) and row.get("direction", direction) == direction):
                rows += [line for family in (4, 6) for line in self.lines(row, family)]
        return f"chain {direction} {{\n" + "\n".join(rows) + "\n}\n"

    def lines(self, row, family):
        fields = [getattr(self, key.replace("-", "_"))(value, family)
                  for key, value in row.items() if key in MATCHES]
        if row.keys() & OF_TRANSPORT:
            fields.append(HAS_TRANSPORT[family])
        ending = VERDICTS.get(row["action"], "")
        if "mark" in row:
            ending = f"meta mark set {row['mark']} {ending}"
        protocol = {4: "meta protocol ip", 6: "meta protocol ip6"}[family]
        return [f"{protocol} {' '.join(parts)} counter {ending}"
                for parts in itertools.product(*fields)]

    # --- fields: each gives alternatives, all of which together are what it matches ----------

    def family(self, text, family):
        inside, outside = halves(text)
        name = f"ipv{family}"
        return [""] if (not inside or name in inside) and name not in outside else []

    def addresses(self, words, family):
        spans = []
        for word in words:
            span = address_span(word)
            if not span:
                spans += self.addresses(self.sets[word], family)
            elif (span[0] >= V6) == (family == 6):
                base = V6 if family == 6 else 0
                spans.append((span[0] - base, span[1] - base - 1))
        return spans

    def end(self, key, text, family):
        inside, outside = halves(text)
        form = socket.AF_INET if family == 4 else socket.AF_INET6
        size = 4 if family == 4 else 16
        return is_in(f"{'ip' if family == 4 else 'ip6'} {key}", self.addresses(inside, family),
                     self.addresses(outside, family), bool(inside),
                     lambda n: socket.inet_ntop(form, n.to_bytes(size, "big")))

    def src(self, text, family):
        return self.end("saddr", text, family)

    def dst(self, text, family):
        return self.end("daddr", text, family)

    def numbers(self, expression, text, names={}, shift=0):
        inside, outside = ([number(item, names) for item in half] for half in halves(text))
        shifted = [[(max(a - shift, 0), b - shift) for a, b in half if b >= shift]
                   for half in (inside, outside)]
        return is_in(expression, *shifted, bool(inside))

    def proto(self, text, family):
        names = {word: socket.getprotobyname(ALIASES.get(word, word))
                 for half in halves(text) for word in half if word[0].isalpha()}
        return self.numbers("meta l4proto", text, names)

    def port(self, key, text):
        protocols = braces([(proto, proto) for proto in HAS_PORTS])
        inside, outside = ([number(item, {}) for item in half] for half in halves(text))
        return [f"meta l4proto {protocols} {rest}"
                for rest in unmerged(f"th {key}", inside, outside, bool(inside), 65535)]

    def sport(self, text, family):
        return self.port("sport", text)

    def dport(self, text, family):
        return self.port("dport", text)

    def icmp(self, at, inside, outside, has_inside, family):
        """In raw bytes: nft refuses rules about ICMP that are about ICMPv6 as well."""
        proto = {4: 1, 6: 58}[family]
        return [f"meta l4proto {proto} {rest}" for rest in unmerged(
            f"@th,{at},8", singles(inside), singles(outside), has_inside, 255)]

    def icmp_type(self, text, family):
        names = {name: (numbers[family == 6],) * 2 for name, numbers in TYPES.items()}
        inside, outside = ([names.get(item) or number(item, {}) for item in half]
                           for half in halves(text))
        return self.icmp(0, [s for s in inside if s[0] is not None],
                         [s for s in outside if s[0] is not None], bool(inside), family)

    def icmp_code(self, text, family):
        inside, outside = ([number(item, {}) for item in half] for half in halves(text))
        return self.icmp(8, inside, outside, bool(inside), family)

    def tcp_flags(self, text, family):
        words = text.replace("not ", "!").split()
        inside = [word for word in words if word[0] != "!"]
        if len(words) == 1 and inside and "none" not in text and "all" not in text:
            value, _, mask = text.replace("ece", "ecn").partition("/")
            return ["meta l4proto 6 tcp flags & (" + (mask or value).replace(",", "|") + ") == "
                    + "(" + value.replace(",", "|") + ")"]
        values = [flags for flags in range(256)
                  if (not inside or any(flags_match(word, flags) for word in inside))
                  and not any(flags_match(word[1:], flags) for word in words if word[0] == "!")]
        return [f"meta l4proto 6 @th,104,8 {braces(singles([(v, v) for v in values]))}"]

    def state(self, text, family):
        inside, outside = halves(text)
        return [""] if (not inside or "untracked" in inside) and "untracked" not in outside else []

    def fragment(self, text, family):
        inside, outside = halves(text)
        wide = {"any": ("first", "later")}
        out = {part for item in outside for part in wide.get(item, (item,))}
        kept = {part for item in inside or PARTS[family] for part in wide.get(item, (item,))} - out
        return [line for part in sorted(kept) for line in PARTS[family][part]]

    def length(self, text, family):
        if family == 4:
            return self.numbers("ip length", text)
        return self.numbers("ip6 length", text, shift=40)

    def dscp(self, text, family):
        return self.numbers("ip dscp" if family == 4 else "ip6 dscp", text, CODE_POINTS)

    def vlan(self, text, family):
        inside, outside = halves(text)
        rows = []
        if "none" not in outside and (not inside or "none" in inside):
            rows.append(UNTAGGED)
        ids = [[number(item, {}) for item in half if item != "none"] for half in (inside, outside)]
        rows += [f"{TAGGED} {rest}" for rest in is_in("@ll,116,12", *ids, bool(inside))]
        return rows


MATCHES = {"family", "src", "dst", "proto", "sport", "dport", "icmp-type", "icmp-code", "tcp-flags",
           "state", "fragment", "length", "dscp", "vlan"}


def singles(spans):
    """Ranges written out: nft takes none of ICMP types."""
    return [(value, value) for first, last in spans for value in range(first, last + 1)]


def flags_match(word, flags):
    value, slash, mask = word.partition("/")

    def bits(text):
        return sum(1 << FLAGS.index(name) for name in text.split(",")) if text not in (
            "all", "none") else 255 if text == "all" else 0
    return flags & bits(mask if slash else value) == bits(value)


def listed_difference(frame, direction):
    """Why the two may differ about this frame (docs/user/rules.md), or None: they must not."""
    kind, at = int.from_bytes(frame[12:14], "big"), 14
    if kind in TAGS:
        if kind == 0x9100 or direction == "egress":
            return "tags that nft does not look behind"
        kind, at = int.from_bytes(frame[16:18], "big"), 18
    if kind in TAGS | MPLS | {PPPOE}:
        return "tags that nft does not look behind"
    packet = parse(frame)
    if packet.kind in ("damaged", "too_deep"):
        return packet.kind
    return odd_network(frame, at, kind) or odd_upper(packet.fields) if packet.fields else None


def odd_network(frame, at, kind):
    left = len(frame) - at
    if kind == IPV4:
        total, header = int.from_bytes(frame[at + 2:at + 4], "big"), (frame[at] & 15) * 4
        if header < 20 or total < header or total > left:
            return "lengths that contradict one another"
        return BEHIND if frame[at + 9] == 51 else None
    payload = int.from_bytes(frame[at + 4:at + 6], "big")
    if payload + 40 > left:
        return "lengths that contradict one another"
    return odd_extensions(frame, at + 40, at + 40 + payload, frame[at + 6])


def odd_extensions(frame, at, end, proto):
    fragments = 0
    while proto in EXTENSIONS[6]:
        if at + 8 > end:
            return CUT
        if proto in (51, 135, 139, 140):
            return BEHIND
        fragments += proto == FRAGMENT
        if fragments > 1:
            return "two fragment headers"
        if proto == FRAGMENT and int.from_bytes(frame[at + 2:at + 4], "big") & 0xFFF8:
            return BEHIND if frame[at] in EXTENSIONS[6] else None
        step = 8 if proto == FRAGMENT else (frame[at + 1] + 1) * 8
        proto, at = frame[at], at + step
    return None


def odd_upper(fields):
    is_known = fields.proto in HAS_PORTS or fields.proto == (1 if fields.family == 4 else 58)
    is_read = fields.sport >= 0 or fields.type >= 0
    if is_known and fields.fragment != LATER and not is_read:
        return CUT
    return None
