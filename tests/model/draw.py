# SPDX-License-Identifier: Apache-2.0
"""Random rules, and frames around the edges of what they ask. A World has few addresses, ports and
sizes, so that rules overlap and frames meet them; one world serves many sets of rules."""
import ipaddress
import random
import struct

from model.rules import CODE_POINTS, PROTOCOLS, TYPES

INTERFACES = ("eth0", "eth1", "ppp0", "wan")
PATTERNS = ("eth*", "eth0", "eth1", "ppp*", "wan", "*", "not eth0", "eth*, not eth1", "ppp0, wan",
            "not ppp*", "!wan", "eth[1-9]", "?an")
FLAG_TEXTS = ("syn", "syn/syn,ack", "syn/syn,ack,rst,fin", "none/all", "fin,psh,urg/all", "rst ack",
              "ack/ack,syn", "not syn/syn,ack", "syn,ack/syn,ack", "syn/all ack/all",
              "!fin !rst", "ece,cwr/ece,cwr", "none/syn,ack,fin,rst")
TYPE_NUMBERS = (0, 3, 8, 11, 12, 128, 129, 1, 2, 4, 133, 135, 143, 255)
PORTED = {6: "tcp", 17: "udp", 136: "udplite", 132: "sctp", 33: "dccp"}
BARE = (47, 50, 2, 89, 112, 4, 41, 253)


class World:
    def __init__(self, seed, breadth=1):
        self.rng = rng = random.Random(seed)
        self.ports = sorted({rng.choice((rng.randrange(1024), rng.randrange(65536), 0, 65535, 22,
                                         80, 443, 1024)) for _ in range(12 * breadth)})
        self.lengths = sorted({rng.choice((20, 28, 40, 48, 60, 64, 72, 80, 100))
                               for _ in range(5)})
        self.vlans = sorted({rng.choice((0, 1, 4095, rng.randrange(4096))) for _ in range(5)})
        self.homes = [(4, rng.getrandbits(32)) for _ in range(4)] + [
            (6, 0x2 << 124 | rng.getrandbits(124)) for _ in range(3)] + [(4, 0), (6, 0)]
        self.spots = [self.spot() for _ in range(40 * breadth)]
        self.by_family = {family: [spot for spot in self.spots if spot[1] == family]
                          for family in (4, 6)}

    # --- addresses ---------------------------------------------------------------------------

    def spot(self):
        """Text of a prefix or range, and (family, first, last)."""
        rng = self.rng
        family, home = rng.choice(self.homes[:-2] if rng.random() < 0.95 else self.homes)
        bits = 32 if family == 4 else 128
        keep = rng.choice((8, bits // 4, bits // 2, bits - 8, bits - 4, bits - 2))
        number = home >> (bits - keep) << (bits - keep) | rng.getrandbits(bits - keep)
        kind = rng.randrange(10)
        make = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
        if kind < 3:
            return str(make(number)), family, number, number
        if kind < 8:
            length = rng.choice((keep, bits - 1, bits, rng.randrange(bits + 1), bits - 5))
            net = ipaddress.ip_network((number, length), strict=False)
            return str(net), family, int(net[0]), int(net[-1])
        last = min(number + rng.getrandbits(rng.randrange(1, bits // 2)), (1 << bits) - 1)
        return f"{make(number)}-{make(last)}", family, number, last

    def address(self, family):
        """A number: mostly at the edge of a spot."""
        rng, bits = self.rng, 32 if family == 4 else 128
        spots = self.by_family[family]
        if not spots or rng.random() < 0.05:
            return rng.getrandbits(bits)
        _, _, first, last = rng.choice(spots)
        number = rng.choice((first, last, first - 1, last + 1, rng.randint(first, last)))
        return number % (1 << bits)

    def end(self, names):
        rng = self.rng
        words = [rng.choice(names) if names and rng.random() < 0.25 else rng.choice(self.spots)[0]
                 for _ in range(rng.choice((1, 1, 1, 2, 3, 5)))]
        return self.some_out(words)

    def some_out(self, words, sign=None):
        """Items; at times some of them, or all, taken out."""
        rng = self.rng
        chance = rng.choice((0, 0, 0, 0.4, 1))
        return ", ".join((rng.choice(("not ", "!")) if rng.random() < chance else "") + word
                         for word in dict.fromkeys(words))

    # --- rules -------------------------------------------------------------------------------

    def numbers(self, edges, last, names=()):
        rng, words = self.rng, []
        for _ in range(rng.choice((1, 1, 2, 3, 4))):
            low = min(max(rng.choice(edges) + rng.choice((-1, 0, 0, 0, 1)), 0), last)
            if names and rng.random() < 0.4:
                words.append(rng.choice(names))
            elif rng.random() < 0.4:
                words.append(f"{low}-{min(last, max(low, rng.choice(edges)))}")
            else:
                words.append(str(low))
        return self.some_out(words)

    def transport(self):
        """proto and what goes with it."""
        rng, row = self.rng, {}
        kind = rng.choice(("any", "any", "ports", "ports", "tcp", "icmp", "proto"))
        if kind == "ports":
            if rng.random() < 0.7:
                row["proto"] = self.some_out(rng.sample(list(PORTED.values()), rng.randrange(1, 3)))
            for key in rng.choice((("sport",), ("dport",), ("dport",), ("sport", "dport"))):
                row[key] = self.numbers(self.ports, 65535)
        elif kind == "tcp":
            row["tcp-flags"] = rng.choice(FLAG_TEXTS)
            if rng.random() < 0.5:
                row["dport"] = self.numbers(self.ports, 65535)
        elif kind == "icmp":
            row.update(self.icmp())
        elif kind == "proto":
            words = [rng.choice((*PROTOCOLS, "0-10", "47", "200-255", "58", "6"))
                     for _ in range(rng.randrange(1, 4))]
            row["proto"] = self.some_out(words)
        return row

    def icmp(self):
        rng, row = self.rng, {}
        if rng.random() < 0.5:
            row["proto"] = rng.choice(("icmp", "icmpv6", "icmp, icmpv6"))
        if rng.random() < 0.8:
            row["icmp-type"] = self.numbers(TYPE_NUMBERS, 255, list(TYPES))
        if rng.random() < 0.5 or "icmp-type" not in row:
            row["icmp-code"] = self.numbers((0, 1, 3, 4, 255), 255)
        return row

    def rule(self, names, groups):
        rng, row = self.rng, self.transport()
        for key, chance, make in (
                ("interface", 0.2, lambda: rng.choice(PATTERNS)),
                ("direction", 0.3, lambda: rng.choice(("ingress", "egress"))),
                ("family", 0.15, lambda: rng.choice(("ipv4", "ipv6", "not ipv4", "ipv4, ipv6"))),
                ("src", 0.5, lambda: self.end(names)), ("dst", 0.3, lambda: self.end(names)),
                ("fragment", 0.1, lambda: self.some_out(
                    [rng.choice(("none", "first", "later", "any"))])),
                ("length", 0.12, lambda: self.numbers(self.lengths, 65535)),
                ("dscp", 0.1, lambda: self.numbers((0, 8, 46, 63, 10), 63, list(CODE_POINTS))),
                ("vlan", 0.12, lambda: self.numbers(self.vlans, 4095, ("none",))),
                ("state", 0.06, lambda: self.some_out([rng.choice(
                    ("untracked", "new", "established, related", "invalid"))])),
                ("group", 0.1, lambda: rng.choice(groups)),
                ("enabled", 0.05, lambda: False), ("log", 0.05, lambda: True)):
            if rng.random() < chance:
                row[key] = make()
        row["action"] = rng.choice(("allow", "allow", "deny", "deny", "reject", "count", "log",
                                    "mark"))
        if row["action"] == "mark" or rng.random() < 0.1:
            row["mark"] = rng.choice((hex(rng.getrandbits(32)), str(rng.getrandbits(8))))
        return row

    def narrow_rule(self, names, groups):
        """One that leaves something to thousands behind it."""
        rng = self.rng
        row = self.rule(names, groups)
        row["src"] = rng.choice(self.spots)[0]
        if rng.random() < 0.5:
            row["dst"] = rng.choice(self.spots)[0]
        if not row.keys() & {"proto", "icmp-type", "icmp-code"}:
            low = rng.choice(self.ports)
            row[rng.choice(("sport", "dport"))] = f"{low}-{min(low + rng.choice((0, 20)), 65535)}"
        return row

    def ranged_rule(self, names, groups):
        """Of thousands no two ask for the same ports or lengths."""
        rng, row = self.rng, self.narrow_rule(names, groups)
        for key in row.keys() & {"icmp-type", "icmp-code", "proto", "tcp-flags"}:
            del row[key]
        for key in ("sport", "dport", "length"):
            if rng.random() < 0.7:
                low = rng.randrange(65000)
                row[key] = f"{low}-{min(low + rng.choice((3, 500, 40000)), 65535)}"
                self.ports.append(low)
        if rng.random() < 0.01:
            row["dport"] = f"{rng.randrange(60000)}, 60001-60005"
        row["action"] = rng.choice(("allow", "deny", "count"))
        return row

    def config(self, rule_count, draw=None):
        rng, draw = self.rng, draw or self.rule
        spots = [spot[0] for spot in self.spots]
        lists = [{"name": "listed", "action": "set", "entries": rng.sample(spots, 6)}]
        for action in ("allow", "deny"):
            if rng.random() < 0.25:
                lists.append({"name": f"{action}ed", "action": action,
                              "entries": rng.sample(spots, rng.randrange(1, 4))})
        sets = [{"name": "plain", "members": ", ".join(rng.sample(spots, 3))},
                {"name": "nested", "members": "plain, listed, " + rng.choice(spots)},
                {"name": "lone", "members": rng.choice(spots)}]
        policy = [{"interface": rng.choice(PATTERNS), "ingress": rng.choice(("allow", "deny")),
                   "egress": rng.choice(("allow", "deny"))} for _ in range(rng.randrange(4))]
        groups = [{"name": "on"}, {"name": "off", "enabled": False}]
        names = ["plain", "nested", "lone", *(row["name"] for row in lists)]
        return {"block": {"lists": lists}, "rules": {
            "policy": policy, "sets": sets, "groups": groups,
            "rules": [draw(names, ["on", "off"]) for _ in range(rule_count)]}}

    # --- frames ------------------------------------------------------------------------------

    def port(self):
        return min(max(self.rng.choice(self.ports) + self.rng.choice((-1, 0, 0, 1)), 0), 65535)

    def upper(self, family):
        """(protocol, bytes)"""
        rng = self.rng
        kind = rng.randrange(10)
        ports = struct.pack("!HH", self.port(), self.port())
        if kind < 3:
            flags = rng.choice((2, 18, 16, 17, 4, 1, 0, 41, 255, rng.randrange(256)))
            words = rng.choice((5, 5, 5, 5, 6, 8, 4, 15))
            return 6, ports + bytes(8) + bytes((words << 4, flags)) + bytes(6) + bytes(
                rng.choice((0, 0, 12)))
        if kind < 5:
            return rng.choice((17, 17, 136)), ports + bytes(4) + bytes(rng.choice((0, 8, 20)))
        if kind == 5:
            return rng.choice((132, 33)), ports + bytes(8) + bytes(rng.choice((0, 4)))
        if kind < 8:
            head = bytes((rng.choice(TYPE_NUMBERS), rng.choice((0, 0, 0, 1, 3, 4, 255))))
            right = 1 if family == 4 else 58
            return (right if rng.random() < 0.9 else 59 - right), head + bytes(6) + bytes(
                rng.choice((0, 8, 16)))
        if kind == 8 and rng.random() < 0.1:
            return 59, b""
        return rng.choice(BARE), bytes(rng.choice((0, 4, 8, 20)))

    def options(self):
        return b"\x01" * self.rng.choice((0, 0, 0, 0, 4, 8, 40))

    def ipv4(self):
        rng = self.rng
        proto, body = self.upper(4)
        options = self.options()
        fragment = rng.choice((0,) * 12 + (0x2000, 0x2000, 1, 0x2009, 0x1FFF, 0x4000))
        if rng.random() < 0.04:             # AH, which is looked through
            body, proto = bytes((proto, 1)) + bytes(10) + body, 51
        total = 20 + len(options) + len(body)
        wish = rng.choice(self.lengths) + rng.choice((-1, 0, 0, 1))
        if rng.random() < 0.4 and total < wish:
            body, total = body + bytes(wish - total), wish
        if rng.random() < 0.02:
            total = rng.choice((0, 19, 20, total - 1, total + 4, 65535))
        head = 0x40 + 5 + len(options) // 4
        if rng.random() < 0.01:
            head = rng.choice((0x44, 0x40, 0x65, 0x4F))
        return struct.pack("!BBHHHBBHII", head, rng.choice((0, 0, 32, 184, 252, 43)), total % 65536,
                           7, fragment, 64, proto, 0, self.address(4), self.address(4)
                           ) + options + body

    def ipv6(self):
        rng = self.rng
        proto, body = self.upper(6)
        for _ in range(rng.choice((0,) * 8 + (1, 1, 1, 2, 3, 8, 9))):
            kind = rng.choice((0, 43, 60, 44, 44, 51, 135, 139, 140))
            if kind == 44:
                offset = rng.choice((0, 1, 1, 8, 9, 0xFFF8))
                body = struct.pack("!BBHI", proto, 0, offset, 9) + body
            elif kind == 51:
                body = bytes((proto, 1)) + bytes(10) + body
            else:
                body = bytes((proto, 0)) + bytes(6) + body
            proto = kind
        wish = rng.choice(self.lengths) - 40 + rng.choice((-1, 0, 0, 1))
        if rng.random() < 0.4 and len(body) < wish:
            body += bytes(wish - len(body))
        payload = len(body)
        if rng.random() < 0.02:
            payload = rng.choice((0, max(payload - 1, 0), payload + 4, 65535))
        version = 4 if rng.random() < 0.003 else 6
        word = version << 28 | rng.choice((0, 0, 8, 46, 63, 10)) << 22 | rng.randrange(1 << 22)
        return struct.pack("!IHBB", word, payload, proto, rng.choice((64, 255))) + b"".join(
            self.address(6).to_bytes(16, "big") for _ in range(2)) + body

    def tag(self):
        vlan = (self.rng.choice(self.vlans) + self.rng.choice((-1, 0, 0, 1))) % 4096
        return vlan | self.rng.randrange(16) << 12

    def frame(self):
        rng = self.rng
        family = rng.choice((4, 4, 4, 6, 6))
        packet = self.ipv4() if family == 4 else self.ipv6()
        kind = 0x0800 if family == 4 else 0x86DD
        way = rng.randrange(100)
        if way == 0:
            kind = rng.choice((0x0806, 0x88CC, 0x0800, 0x86DD))
        elif way < 3:
            labels = rng.choice((1, 2, 8, 9))
            packet = b"".join(struct.pack("!I", 17 << 12 | (0x100 if n == labels - 1 else 0) | 9)
                              for n in range(labels)) + packet
            kind = rng.choice((0x8847, 0x8848))
        elif way < 5:
            ppp = 0x21 if family == 4 else 0x57
            packet = struct.pack("!BBHH", 0x11, 0, 1, len(packet) + 2) + rng.choice(
                (struct.pack("!H", ppp), bytes((ppp,)))) + packet
            kind = 0x8864
        tags = b""
        for number in range(rng.choice((0,) * 14 + (1, 1, 1, 1, 2, 2, 3, 4, 5))):
            tags += struct.pack("!HH", 0x8100 if number else rng.choice((0x8100, 0x88A8, 0x9100)),
                                self.tag())
        frame = b"\xff" * 6 + b"\x02\0\0\0\0\x01" + tags + struct.pack("!H", kind) + packet
        if rng.random() < 0.02:
            frame = frame[:max(14, rng.randrange(len(frame)))]
        elif rng.random() < 0.1:
            frame += bytes(rng.randrange(20))       # what Ethernet pads with
        return frame
