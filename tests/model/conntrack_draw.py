# SPDX-License-Identifier: Apache-2.0
"""Random scenarios for model/conntrack.py: several talks at once, each between two ends that mostly
behave, over a wire that loses, doubles and mixes up, with a stranger who guesses."""
import collections
import random

from model.conntrack import (ACK, ACK_BEHIND, DCCP, ERRORS, FIN, ICMP_OF, PSH, RST, SCTP, SYN, TCP,
                             UDP, UDPLITE, URG, Packet, end_of)
from model.conntrack_frames import HEADED

MOD = 1 << 32
FULL = 1460
DENIED_PORT = 7             # flows to it are not let in
GENERIC = (47, 50, 4, 89)
ROUTER = 15                 # a host that only sends errors
PROGRAMS = range(3)         # of model/judge.py

# Of a scenario: what goes in, at which program.
Step = collections.namedtuple("Step", "packet program")


# The two ends of a conversation written by hand, and where they begin to count: B goes around.
A, B = 1, 2
BEGIN = {A: 1000, B: MOD - 1}
PORT = {A: 5000, B: 80}
LETTERS = {"S": SYN, "F": FIN, "R": RST, "A": ACK}


def lets_in(packet):
    return packet.dport != DENIED_PORT


def said(side, letters, seq=0, ack=0, window=1000, length=0, scale=None):
    """A packet of A to B or back; its numbers count from where its sender began."""
    other, flags = A + B - side, sum(LETTERS[letter] for letter in letters)
    return Packet(side, other, PORT[side], PORT[other], flags=flags,
                  seq=(BEGIN[side] + seq) % MOD,
                  ack=(BEGIN[other] + ack) % MOD if flags & ACK else 0, window=window,
                  length=length, scale=scale)


class Endpoint:
    """A small TCP: it counts, acknowledges and answers, and its timers are the caller's chance."""

    def __init__(self, rng, host, port, family):
        self.rng, self.host, self.port, self.family = rng, host, port, family
        self.seq = self.begin = rng.choice((rng.randrange(MOD), MOD - 1 - rng.randrange(4000),
                                            (1 << 31) - rng.randrange(4000), 0))
        self.received = None            # the next byte that is wanted
        self.scale = rng.choice((None, None, 0, 2, 2, 7, 7, 14, 15))
        self.window = rng.choice((1, 700, 3000, 8000, 8000, 65535))
        self.shift = 0
        self.state = "closed"           # closed, opening, open, dead
        self.is_finished = False
        self.sent = []
        self.limit = self.begin + 1     # how far the peer lets it send

    def packet(self, peer, flags, length=0, seq=None):
        made = Packet(self.host, peer.host, self.port, peer.port, TCP, flags,
                      (self.seq if seq is None else seq) % MOD,
                      (self.received or 0) % MOD if flags & ACK else 0, self.window, length,
                      self.scale if flags & SYN else None, family=self.family)
        if seq is None and (length or flags & (SYN | FIN)):
            self.seq = end_of(made)
            self.sent.append(made)
        return made

    def open(self, peer):
        self.state = "opening"
        return self.packet(peer, SYN)

    def act(self, peer):
        """What it sends by itself, or None."""
        rng = self.rng
        if self.state == "closed":
            return None
        if rng.random() < 0.2 and self.sent:            # again, with what is known by now
            return self.again(rng.choice(self.sent[-3:]))
        if self.state != "open":
            return None
        if rng.random() < 0.2:
            self.window = rng.choice((0, 700, 3000, 8000, 65535))
        if self.is_finished:
            return self.packet(peer, ACK)
        return self.act_open(peer)

    def again(self, old):
        if not old.flags & SYN:
            return old._replace(ack=self.received % MOD, window=self.window)
        return old if self.state == "opening" else None

    def act_open(self, peer):
        rng, way = self.rng, self.rng.random()
        if way < 0.55:
            room = (self.limit - self.seq) % MOD
            room = room if room < 1 << 31 else 0
            length = min(room, rng.choice((1, 10, 300, FULL, FULL)))
            return self.packet(peer, ACK | rng.choice((0, PSH)), length)
        if way < 0.75:
            return self.packet(peer, ACK)
        if way < 0.8:                                   # keep-alive; a probe of a shut window
            return self.packet(peer, ACK, rng.choice((0, 1)), self.seq - 1)
        if way < 0.98:
            self.is_finished = True
            return self.packet(peer, ACK | FIN)
        self.state = "dead"
        return self.packet(peer, RST | rng.choice((0, ACK)))

    def take(self, packet, peer):
        """What it answers."""
        if self.state == "dead":
            return [] if packet.flags & RST else [self.refusal(packet, peer)]
        if packet.flags & RST:
            self.state = "dead"
            return []
        if packet.flags & SYN:
            return self.take_syn(packet, peer)
        if self.state != "open":
            if self.state == "closed" or self.received is None:
                return []
            self.state = "open"
        return self.take_bytes(packet, peer)

    def refusal(self, packet, peer):
        if packet.flags & ACK:
            return self.packet(peer, RST, 0, packet.ack)
        self.received = end_of(packet)
        return self.packet(peer, RST | ACK, 0, 0)

    def take_syn(self, packet, peer):
        if self.received is None:
            self.received = end_of(packet)
            if self.scale is not None and packet.scale is not None:
                self.shift = min(self.scale, 14)
            if not packet.flags & ACK:
                if self.state == "closed" and self.rng.random() < 0.05:     # nobody listens
                    self.state = "dead"
                    return [self.refusal(packet, peer)]
                self.state = "opening"
                seq = self.begin if self.sent else None
                return [self.packet(peer, SYN | ACK, 0, seq)]
            self.state = "open"
        if packet.flags & ACK:
            self.limit = packet.ack + packet.window
            return [self.packet(peer, ACK)]
        return [self.packet(peer, ACK if self.state == "open" else SYN | ACK, 0,
                            None if self.state == "open" else self.begin)]

    def take_bytes(self, packet, peer):
        if packet.flags & ACK:
            self.limit = packet.ack + (packet.window << peer.shift)
        if packet.seq == self.received:
            self.received = end_of(packet)
        is_wanted = packet.length or packet.flags & FIN
        return [self.packet(peer, ACK)] if is_wanted and self.rng.random() < 0.7 else []


class TcpTalk:
    def __init__(self, rng, hosts, ports, family):
        self.rng, self.places, self.family = rng, list(zip(hosts, ports)), family
        self.seen = []
        self.begin()

    def begin(self):
        """With new ends on the same ports; packets of the old ones may be under way still."""
        self.ends = [Endpoint(self.rng, *place, self.family) for place in self.places]
        self.wire = self.wire[-2:] if self.seen and self.rng.random() < 0.3 else []
        self.was_opened = False

    def is_over(self):
        a, b = self.ends
        if any(end.state == "dead" for end in self.ends):
            return not self.wire
        return (a.is_finished and b.is_finished and not self.wire
                and (a.received, b.received) == (b.seq, a.seq))

    def start(self):
        rng, (a, b) = self.rng, self.ends
        self.was_opened = True
        way = rng.random()
        if way < 0.8:
            self.wire.append((a.open(b), b))
        elif way < 0.87:                                # both at once
            self.wire += [(a.open(b), b), (b.open(a), a)]
        else:                                           # its beginning was elsewhere
            for end, peer in ((a, b), (b, a)):
                end.state, end.received = "open", peer.seq
                end.limit = end.seq + 3000
                end.scale = None

    def step(self):
        """The next packet that comes by."""
        rng = self.rng
        for _ in range(50):
            if not self.was_opened:
                self.start()
            if self.seen and rng.random() < 0.06:
                return self.keep(self.odd())
            if rng.random() < (0.2 if self.is_over() else 0.004):
                self.places = self.places[::rng.choice((1, 1, -1))]
                self.begin()
            elif self.wire and rng.random() < 0.7:
                at = 0 if rng.random() < 0.85 else rng.randrange(len(self.wire))
                packet, to = self.wire[at]
                if rng.random() > 0.05:                 # else it comes by twice
                    del self.wire[at]
                if rng.random() > 0.03:                 # else it is lost before it came by
                    return self.keep(packet, to)
            else:
                self.act()
        return self.keep(self.ends[0].open(self.ends[1]))

    def act(self):
        at = self.rng.randrange(2)
        end, peer = self.ends[at], self.ends[1 - at]
        packet = end.act(peer)
        if packet:
            self.wire.append((packet, peer))

    def keep(self, packet, to=None):
        self.seen.append(packet)
        if to is not None and self.rng.random() > 0.04:     # else it is lost behind
            peer = self.ends[1 - self.ends.index(to)] if to in self.ends else None
            if peer:
                self.wire += [(answer, peer) for answer in to.take(packet, peer)]
        return packet

    def odd(self):
        """Of a stranger, or of a host that has lost its mind: about what has been seen."""
        rng = self.rng
        packet = rng.choice(self.seen[-8:])
        if rng.random() < 0.3:
            packet = packet._replace(src=packet.dst, dst=packet.src, sport=packet.dport,
                                     dport=packet.sport, seq=packet.ack,
                                     ack=end_of(packet))
        change = {}
        if rng.random() < 0.6:
            change["flags"] = rng.choice((SYN, SYN | ACK, RST, RST | ACK, FIN | ACK, ACK, 0, FIN,
                                          SYN | FIN, PSH, RST, URG | PSH, rng.randrange(64)))
        for key, mine in (("seq", True), ("ack", False)):
            if rng.random() < 0.5:
                change[key] = self.edge(packet, mine)
        if rng.random() < 0.2:
            change["window"] = rng.choice((0, 1, 65535, rng.randrange(65536)))
        if rng.random() < 0.2:
            change["length"] = rng.choice((0, 1, FULL))
        flags = change.get("flags", packet.flags)
        scale = rng.choice((None, 0, 7, 14, 15, packet.scale)) if flags & SYN else None
        return packet._replace(scale=scale, **change)

    def edge(self, packet, mine):
        """A number around what decides whether it is in the window."""
        rng, recent = self.rng, self.seen[-12:]
        own = [old for old in recent if (old.src == packet.src) == mine]
        others = [old for old in recent if (old.src != packet.src) == mine and old.flags & ACK]
        way = rng.randrange(8)
        if way < 4 and own:
            top = end_of(own[-1 if rng.random() < 0.5 else rng.randrange(len(own))])
            window = rng.choice(recent).window << rng.choice((0, *(end.shift for end in self.ends)))
            number = top - (0, 0, ACK_BEHIND, max(window, 1))[way]
        elif 4 <= way < 7 and others:
            old = rng.choice(others)
            shift = self.ends[old.sport != self.ends[0].port].shift
            number = old.ack + (0, old.window, old.window << shift)[way - 4]
        else:
            number = rng.choice((rng.randrange(MOD), packet.seq if mine else packet.ack))
        return (number + rng.choice((-1, 0, 0, 1))) % MOD


class PlainTalk:
    """UDP and what else has no opening: either end speaks."""

    def __init__(self, rng, hosts, ports, family, proto):
        self.rng, self.proto, self.family = rng, proto, family
        self.ends = [(host, port if proto in (UDP, UDPLITE, DCCP) else None)
                     for host, port in zip(hosts, ports)]

    def step(self):
        at = self.rng.random() < 0.45
        (src, sport), (dst, dport) = self.ends[at], self.ends[1 - at]
        length = self.rng.choice((0, 16, 100))
        return Packet(src, dst, sport, dport, self.proto, length=length, family=self.family)


class PingTalk:
    TYPES = {4: [(8, 0), (8, 0), (13, 14), (15, 16), (17, 18)], 6: [(128, 129)]}
    OTHERS = {4: (9, 10, 30, 42), 6: (130, 131, 143, 200)}

    def __init__(self, rng, hosts, family):
        self.rng, self.hosts, self.family = rng, hosts, family
        self.id = rng.choice((rng.randrange(256, 65536), 1, 40000))
        self.types = rng.choice(self.TYPES[family])

    def step(self):
        rng = self.rng
        is_answer = rng.random() < 0.45
        src, dst = self.hosts[::-1] if is_answer else self.hosts
        kind = self.types[is_answer]
        if rng.random() < 0.04:
            kind = rng.choice(self.OTHERS[self.family])
        elif rng.random() < 0.04:
            kind = rng.choice(self.TYPES[self.family])[rng.randrange(2)]
        return Packet(src, dst, proto=ICMP_OF[self.family], type=kind, id=self.id,
                      length=rng.choice((0, 8, 56)), family=self.family)


TAGS = 7        # 0 and those that ends give themselves


class SctpTalk:
    WHOLE = [(0, 1), (1, 2), (0, 10), (1, 11), (0, 0), (1, 3), (1, 0), (0, 3), (0, 4), (1, 5),
             (0, 7), (1, 8), (0, 14)]

    def __init__(self, rng, hosts, ports, family):
        self.rng, self.ends, self.family = rng, list(zip(hosts, ports)), family
        self.at = rng.choice((0, 0, 0, rng.randrange(len(self.WHOLE))))
        self.tags = [rng.randrange(1, TAGS), rng.randrange(1, TAGS)]

    def step(self):
        rng = self.rng
        if self.at == len(self.WHOLE):
            self.at = 0
        side, chunk = self.WHOLE[self.at]
        self.at += rng.random() < 0.85          # else it is sent again
        if self.at > 3 and rng.random() < 0.03:
            side, chunk, self.at = rng.randrange(2), 6, 0
        elif rng.random() < 0.08:               # out of order
            side, chunk = rng.choice(((0, 1), (1, 1), (0, 2), (1, 2), (0, 10), (1, 10), (1, 8),
                                      (0, 14), (1, 14), (0, 6), (1, 6)))
        (src, sport), (dst, dport) = self.ends[side], self.ends[1 - side]
        return Packet(src, dst, sport, dport, SCTP, chunk=chunk, family=self.family,
                      **self.told(side, chunk))

    def told(self, side, chunk):
        """Tags, at times others than there are, out of so few that they are often known."""
        rng = self.rng
        init, reflects = 0, rng.random() < (0.3 if chunk in (6, 14) else 0.03)
        if chunk in (1, 2):
            init = self.tags[side]
            if rng.random() < 0.15:
                init = rng.randrange(TAGS)
                if rng.random() < 0.5:
                    self.tags[side] = init
        tag = 0 if chunk == 1 else self.tags[side if reflects else 1 - side]
        if rng.random() < 0.1:
            tag = rng.randrange(TAGS)
        return {"tag": tag, "init": init, "reflects": reflects}


def talk(rng):
    family = rng.choice((4, 4, 6))
    hosts = rng.sample(range(6), 2)
    ports = [rng.choice((1024, 40000, 65535, rng.randrange(1024, 65536))),
             rng.choice((80, 443, 22, 80, 5060, DENIED_PORT))]
    kind = rng.randrange(12)
    if kind < 7:
        return TcpTalk(rng, hosts, ports, family)
    if kind < 9:
        return PlainTalk(rng, hosts, ports, family, rng.choice((UDP, UDP, UDPLITE, DCCP)))
    if kind == 9:
        return PingTalk(rng, hosts, family)
    if kind == 10:
        return PlainTalk(rng, hosts, ports, family, rng.choice(GENERIC))
    return SctpTalk(rng, hosts, ports, family)


def error_about(rng, packet):
    """An ICMP error that somebody sends about a packet; at times one that never was."""
    if rng.random() < 0.25:
        packet = packet._replace(**{rng.choice(("src", "dst")): rng.randrange(6, 9)})
    if packet.inner is not None or not packet.whole:
        return packet
    kind = rng.choice(sorted(ERRORS[packet.family] - {5}))
    return Packet(rng.choice((packet.dst, packet.dst, ROUTER)), packet.src,
                  proto=ICMP_OF[packet.family], type=kind, family=packet.family, inner=packet,
                  length=rng.choice((8, 8, 20, 64)))


def scenario(seed, count):
    """[Step]"""
    rng = random.Random(seed)
    talks = [talk(rng) for _ in range(rng.randrange(1, 6))]
    steps, old = [], collections.deque(maxlen=40)
    while len(steps) < count:
        way = rng.random()
        if old and way < 0.03:
            packet = error_about(rng, rng.choice(old))
        elif old and way < 0.035 and old[-1].proto in HEADED:
            packet = old[-1]._replace(whole=False)
        else:
            packet = rng.choice(talks).step()
        old.append(packet)
        steps.append(Step(packet, rng.choice(PROGRAMS)))
        if rng.random() < 0.1:                  # on its way through, at another interface
            steps.append(Step(packet, rng.choice(PROGRAMS)))
    return steps[:count]


def shrunk(steps, is_wrong, tries=400):
    """The fewest steps that are still wrong: pieces are taken out, smaller ones each round."""
    piece = max(len(steps) // 2, 1)
    while tries:
        at = 0
        was = len(steps)
        while at < len(steps) and tries:
            tries -= 1
            some = steps[:at] + steps[at + piece:]
            if some and is_wrong(some):
                steps = some
            else:
                at += piece
        if piece == 1 and len(steps) == was:
            break
        piece = max(piece // 2, 1)
    return steps
