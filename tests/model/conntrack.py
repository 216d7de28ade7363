# SPDX-License-Identifier: Apache-2.0
"""Connections a second time, from what is to hold of them and nothing of the program: a packet and
a clock in, the packet's state and the name of its flow's state out."""
import collections

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
ICMP, TCP, UDP, DCCP, ICMPV6, SCTP, UDPLITE = 1, 6, 17, 33, 58, 132, 136
SENSIBLE = {SYN, SYN | URG, SYN | ACK, RST, RST | ACK, ACK, ACK | URG, FIN | ACK, FIN | ACK | URG}
HAS_PORTS = {TCP, UDP, DCCP, SCTP, UDPLITE}
ICMP_OF = {4: ICMP, 6: ICMPV6}
ANSWER_OF = {4: {8: 0, 13: 14, 15: 16, 17: 18}, 6: {128: 129}}      # request: answer
REQUEST_OF = {family: {answer: request for request, answer in pairs.items()}
              for family, pairs in ANSWER_OF.items()}
ERRORS = {4: {3, 4, 5, 11, 12}, 6: {1, 2, 3, 4}}
FIRST_ACK = 1 << 20     # how far it may be past the SYN
SCALE_MOST = 14         # RFC 7323, 2.3
ACK_BEHIND = 66000      # how far an acknowledgement may lag behind, at least
LATE_MOST = 1 << 28     # how far behind that what came late may be
# The first chunk of an SCTP packet (RFC 9260, 3.2).
INIT, INIT_ACK, ABORT, SHUTDOWN, SHUTDOWN_ACK = 1, 2, 6, 7, 8
COOKIE_ECHO, SHUTDOWN_COMPLETE = 10, 14
UNDER_WAY = {0, 3, 4, 5, SHUTDOWN_ACK, COOKIE_ECHO}     # data, its acknowledgement, heartbeats
TIMEOUTS_S = {"syn_sent": 120, "syn_received": 60, "established": 5 * 86400, "fin_wait": 120,
              "closing": 60, "time_wait": 120, "reset": 10, "one_way": 30, "answered": 30,
              "stream": 120, "echo": 30, "other": 600}

# What is not of the protocol is absent: None, or 0. `length` counts the payload only,
# `scale` is the option of a SYN, `inner` the packet that an ICMP error holds; of SCTP `tag` is
# the verification tag, `init` what an INIT or INIT ACK gives, `reflects` the flag T. What is not
# `whole` ends within its transport header. src and dst are told apart, no more.
Packet = collections.namedtuple(
    "Packet", "src dst sport dport proto flags seq ack window length scale type id chunk inner "
    "family whole tag init reflects",
    defaults=(None, None, TCP, 0, 0, 0, 0, 0, None, None, None, None, None, 4, True, 0, 0, False))

# Of a packet: it does not pass; it passes and changes nothing; so, and is no answer; it passes.
INVALID, IGNORED, UNHEARD, TAKEN = range(4)


def before(a, b):
    """Whether b stands behind a, on the circle of 2^32."""
    return 0 < (b - a) % (1 << 32) < 1 << 31


def later(a, b):
    return b if a is None or before(a, b) else a


class Config:
    def __init__(self, window_check=True, pick_up=True, asymmetric=False, timeouts_s=None):
        self.window_check, self.pick_up = window_check, pick_up
        self.asymmetric = asymmetric
        self.timeouts_s = {**TIMEOUTS_S, **(timeouts_s or {})}


class Side:
    """What one end of a flow has shown. `end`: behind the highest byte it sent; `max_end`: how far
    the other end lets it send; `max_win`: the largest window it announced."""

    def __init__(self):
        self.syn = self.syn_acked = self.fin = self.fin_acked = False
        self.forget_numbers()

    def forget_numbers(self):
        self.begin = self.end = self.max_end = self.scale = None
        self.max_win = 1


class Flow:
    def __init__(self, packet, initiator):
        self.packet, self.initiator = packet, initiator
        self.sides = Side(), Side()
        self.is_answered = self.is_stream = self.is_reset = self.is_picked_up = False
        self.again = self.end_s = None  # a SYN that passed when all was open
        # SCTP, by side: tags of the association, those an INIT ACK offers, and of the last INIT.
        self.tags, self.offer, self.asked = [None, None], None, [None, None]

    def side_of(self, end):
        return 0 if end == self.initiator else 1

    def name(self):
        proto = self.packet.proto
        if proto in (TCP, SCTP):
            return marks_name(self)
        if proto == ICMP_OF[self.packet.family]:
            return "echo"
        if proto not in HAS_PORTS:
            return "other"
        return "stream" if self.is_stream else "answered" if self.is_answered else "one_way"


def marks_name(flow):
    a, b = flow.sides
    is_doubtful = flow.is_picked_up and not flow.is_answered
    for name, holds in (("reset", flow.is_reset), ("syn_sent", is_doubtful),
                        ("time_wait", a.fin_acked and b.fin_acked),
                        ("closing", a.fin and b.fin), ("fin_wait", a.fin or b.fin),
                        ("established", a.syn_acked and b.syn_acked),
                        ("syn_received", a.syn and b.syn)):
        if holds:
            return name
    return "syn_sent"


def is_over(flow):
    return flow.packet.proto in (TCP, SCTP) and (
        flow.is_reset or all(side.fin_acked for side in flow.sides))


def pick_up(flow):
    flow.is_picked_up = True
    for side in flow.sides:
        side.syn = side.syn_acked = True


# --- which flow a packet is of -------------------------------------------------------------------

def ends_of(packet):
    """(sender's end, receiver's end); None when such a packet is not tracked."""
    if packet.proto in HAS_PORTS:
        return (packet.src, packet.sport), (packet.dst, packet.dport)
    if packet.proto != ICMP_OF[packet.family]:
        return (packet.src, 0), (packet.dst, 0)
    if packet.type in ANSWER_OF[packet.family]:
        return (packet.src, packet.id), (packet.dst, packet.type)
    request = REQUEST_OF[packet.family].get(packet.type)
    return None if request is None else ((packet.src, request), (packet.dst, packet.id))


def requester_of(packet, ends):
    """Of ICMP: whose question it is about; two may ask one another with the same numbers."""
    if packet.proto != ICMP_OF[packet.family]:
        return None
    return ends[1] if is_answer(packet) else ends[0]


def key_of(packet, ends):
    return packet.family, packet.proto, frozenset(ends), requester_of(packet, ends)


def is_error(packet):
    return packet.proto == ICMP_OF[packet.family] and packet.type in ERRORS[packet.family]


def is_answer(packet):
    return packet.proto == ICMP_OF[packet.family] and packet.type in REQUEST_OF[packet.family]


# --- TCP: sequence numbers -----------------------------------------------------------------------

def size_of(packet):
    return packet.length + bool(packet.flags & SYN) + bool(packet.flags & FIN)


def end_of(packet):
    return (packet.seq + size_of(packet)) % (1 << 32)


def window_of(flow, s, packet):
    a, b = flow.sides
    is_scaled = not packet.flags & SYN and a.scale is not None and b.scale is not None
    scale = min(flow.sides[s].scale, SCALE_MOST) if is_scaled else 0
    return max(packet.window << scale, 1)


def is_checked(flow, config):
    """The scale of a flow that was picked up is not known."""
    return config.window_check and not config.asymmetric and not flow.is_picked_up


def lag(oldest, number):
    """TAKEN; IGNORED: it is older than that; INVALID: by far."""
    if not before(number, oldest):
        return TAKEN
    return INVALID if (oldest - number) % (1 << 32) > LATE_MOST else IGNORED


def seq_in_window(flow, s, packet):
    """van Rooij, Real stateful TCP packet filtering in IP Filter, 2000."""
    me, other = flow.sides[s], flow.sides[1 - s]
    if me.end is None or other.end is None:
        return TAKEN
    if before(me.max_end, packet.seq):
        return INVALID
    newest = packet.seq if packet.flags & RST else end_of(packet)
    return lag((me.end - other.max_win) % (1 << 32), newest)


def ack_in_window(flow, s, packet):
    me, other = flow.sides[s], flow.sides[1 - s]
    if other.end is None or not packet.flags & ACK:
        return TAKEN
    if before(other.end, packet.ack):
        return INVALID
    return lag((other.end - max(ACK_BEHIND, me.max_win)) % (1 << 32), packet.ack)


def note_numbers(flow, s, packet, config):
    me, other = flow.sides[s], flow.sides[1 - s]
    if me.begin is None:
        me.begin, me.scale = packet.seq, packet.scale
    if config.window_check or packet.flags & SYN:
        me.end = later(me.end, end_of(packet))
    elif s == 0 and me.end is None or packet.flags & FIN:   # numbers are not followed: it sets them
        me.end = end_of(packet)
    window = window_of(flow, s, packet)
    me.max_win = max(me.max_win, window)
    if packet.flags & ACK:
        other.max_end = later(other.max_end, (packet.ack + window) % (1 << 32))
    for side, peer in ((me, other), (other, me)):       # a SYN's window counts from the other's SYN
        if side.max_end is None and side.end is not None and peer.end is not None:
            side.max_end = (side.end + peer.max_win) % (1 << 32)


# --- TCP: marks ----------------------------------------------------------------------------------

def is_plain_syn(packet):
    return packet.flags & (SYN | ACK | RST) == SYN


def is_nonsense(packet):
    """Flags that no sender puts together (docs/user/sanity.md)."""
    return packet.flags & (FIN | SYN | RST | ACK | URG) not in SENSIBLE


def tcp_first(flow, packet, config):
    flags = packet.flags & (SYN | ACK | RST)
    if is_nonsense(packet):
        return INVALID
    if flags == SYN:
        flow.sides[0].syn = True
    elif config.pick_up and flags == ACK or config.asymmetric and flags == SYN | ACK:
        pick_up(flow)
        flow.sides[0].fin = bool(packet.flags & FIN)
    else:
        return INVALID
    note_numbers(flow, 0, packet, config)
    return TAKEN


def tcp_next(flow, s, packet, config):
    if is_nonsense(packet):
        return INVALID
    if is_plain_syn(packet):
        return tcp_syn(flow, s, packet, config)
    if packet.flags & RST:
        return tcp_reset(flow, s, packet, config)
    if flow.is_reset:
        return IGNORED
    if packet.flags & SYN:
        return tcp_syn_ack(flow, s, packet, config)
    return tcp_other(flow, s, packet, config)


def tcp_reset(flow, s, packet, config):
    if is_checked(flow, config):
        if s == 1 and not flow.sides[1].syn:
            if not packet.flags & ACK or not is_answer_to(flow.sides[0], packet):
                return INVALID
        elif not (s == 1 and flow.again and packet.flags & ACK
                  and is_answer_to(flow.again, packet)):
            if seq_in_window(flow, s, packet) != TAKEN:
                return INVALID
            if flow.name() == "established" and not is_next_number(flow, s, packet):
                return IGNORED
    became = IGNORED if flow.is_reset else TAKEN
    flow.is_reset = True
    return became


def is_next_number(flow, s, packet):
    """RFC 5961, 3: another is asked back for, and ends nothing. What is acknowledged is known from
    the room that is left, at the most."""
    me, other = flow.sides[s], flow.sides[1 - s]
    acknowledged = (me.max_end - other.max_win) % (1 << 32)
    return not before(packet.seq, acknowledged) and not before(me.end, packet.seq)


def tcp_syn(flow, s, packet, config):
    me = flow.sides[s]
    if all(side.syn_acked for side in flow.sides):
        if s == 1:
            return INVALID
        flow.again = Side()
        flow.again.syn = flow.again.syn_acked = True
        flow.again.begin, flow.again.scale = packet.seq, packet.scale
        flow.again.end, flow.again.max_win = end_of(packet), max(packet.window, 1)
        return IGNORED
    if not me.syn:                                          # simultaneous open
        me.syn = True
        note_numbers(flow, s, packet, config)
        return TAKEN
    if not flow.is_answered and packet.seq != me.begin:     # the sender began again
        flow.sides = Side(), Side()
        flow.sides[s].syn = True
        note_numbers(flow, s, packet, config)
        return TAKEN
    if packet.seq != me.begin:
        return IGNORED
    note_numbers(flow, s, packet, config)
    return TAKEN


def tcp_syn_ack(flow, s, packet, config):
    me, other = flow.sides[s], flow.sides[1 - s]
    if s == 1 and flow.again and is_answer_to(flow.again, packet):
        return tcp_both_again(flow, packet, config)
    if not other.syn:
        return INVALID
    if me.syn_acked and other.syn_acked:                    # known long since
        return IGNORED
    if is_checked(flow, config) and not is_answer_to(other, packet):
        return INVALID
    if me.syn and packet.seq != me.begin:                   # a SYN cookie differs each time
        me.forget_numbers()
    me.syn = other.syn_acked = True
    note_numbers(flow, s, packet, config)
    return TAKEN


def is_answer_to(side, packet):
    """Of what a SYN bears, less may be taken (RFC 7413)."""
    return before(side.begin, packet.ack) and not before(side.end, packet.ack)


def tcp_both_again(flow, packet, config):
    """The responder had lost the connection, and the initiator opens it anew."""
    flow.sides, flow.again, flow.is_picked_up = (flow.again, Side()), None, False
    flow.sides[1].syn = True
    note_numbers(flow, 1, packet, config)
    return TAKEN


def tcp_other(flow, s, packet, config):
    me, other = flow.sides[s], flow.sides[1 - s]
    if not packet.flags & ACK:
        return INVALID
    if s == 0 and not other.syn:
        if not config.asymmetric:
            return INVALID
        for side in flow.sides:
            side.syn = side.syn_acked = True
        flow.is_answered = True
    if s == 1 and not me.syn:                               # a challenge ACK (RFC 5961, 4)
        return UNHEARD
    if is_checked(flow, config):
        fits = min(seq_in_window(flow, s, packet), ack_in_window(flow, s, packet))
        if fits != TAKEN:
            return fits
    if me.syn and other.syn and covers_syn(other, packet):
        other.syn_acked = True
    if other.fin and not before(packet.ack, other.end):
        other.fin_acked = True
    me.fin = me.fin or bool(packet.flags & FIN)
    note_numbers(flow, s, packet, config)
    return TAKEN


def covers_syn(side, packet):
    return side.begin is None or 0 < (packet.ack - side.begin) % (1 << 32) <= FIRST_ACK


# --- everything else -----------------------------------------------------------------------------

def sctp_first(flow, packet, config):
    if packet.chunk == INIT:
        return sctp_init(flow, 0, packet)
    if not config.pick_up or packet.chunk not in UNDER_WAY:
        return INVALID
    pick_up(flow)
    sctp_mark(flow, 0, packet.chunk)
    return TAKEN


def sctp_next(flow, s, packet, config):
    is_right = TAKEN
    if packet.chunk == INIT:
        is_right = sctp_init(flow, s, packet)
    elif not bears_right_tag(flow, s, packet, config):
        is_right = UNHEARD if is_refusal(flow, s, packet) else INVALID
    else:
        sctp_mark(flow, s, packet.chunk)
        sctp_offers(flow, s, packet)
    if is_right == INVALID and (config.asymmetric or not config.window_check):
        return UNHEARD
    return is_right


def stands(flow):
    return all(side.syn_acked for side in flow.sides)


def sctp_init(flow, s, packet):
    """RFC 9260, 8.5.1, A."""
    if packet.tag or not packet.init:
        return INVALID
    flow.asked[s] = packet.init
    if not stands(flow) and flow.tags[s] is None:
        flow.tags[s] = packet.init
    flow.sides[s].syn = True
    return TAKEN


def bears_right_tag(flow, s, packet, config):
    """RFC 9260, 8.5 and 8.5.1, B to E."""
    is_reflected = packet.reflects and packet.chunk in (ABORT, SHUTDOWN_COMPLETE)
    tag = flow.tags[s if is_reflected else 1 - s]
    if tag is None and (stands(flow) or flow.is_picked_up or config.asymmetric):
        return True
    answers_init = packet.chunk == INIT_ACK or (
        packet.chunk == ABORT and not packet.reflects and not stands(flow))
    return packet.tag != 0 and packet.tag in (
        tag, answers_init and flow.asked[1 - s],
        packet.chunk == COOKIE_ECHO and flow.offer and flow.offer[1 - s])


def is_refusal(flow, s, packet):
    """For another receiver than the association that stands here."""
    if packet.chunk == ABORT:
        return not packet.reflects and packet.tag and packet.tag == flow.asked[1 - s]
    return packet.chunk == SHUTDOWN_ACK and not stands(flow)


def sctp_mark(flow, s, chunk):
    a, b = flow.sides
    me, other = flow.sides[s], flow.sides[1 - s]
    if chunk == INIT_ACK:
        me.syn = other.syn_acked = True
    elif chunk == COOKIE_ECHO:
        other.syn_acked = True
    elif chunk in (SHUTDOWN, SHUTDOWN_ACK):
        me.fin = True
    elif chunk == SHUTDOWN_COMPLETE:
        a.fin_acked = b.fin_acked = True
    elif chunk == ABORT:
        flow.is_reset = True


def sctp_offers(flow, s, packet):
    if packet.chunk == INIT_ACK:
        if not packet.init or packet.tag not in (flow.tags[1 - s], flow.asked[1 - s]):
            return
        flow.offer = [packet.init, packet.tag] if s == 0 else [packet.tag, packet.init]
        if not stands(flow) and flow.tags[s] is None:
            flow.tags = list(flow.offer)
    elif packet.chunk == COOKIE_ECHO and flow.offer and packet.tag == flow.offer[1 - s]:
        if flow.tags != flow.offer:
            flow.tags, flow.is_picked_up = list(flow.offer), False
            for side in flow.sides:
                side.fin = side.fin_acked = False


def plain_first(_flow, packet, _config):
    return INVALID if is_answer(packet) else TAKEN


def plain_next(flow, s, _packet, _config):
    if s == 0 and flow.is_answered:
        flow.is_stream = True
    return TAKEN


FIRST = {TCP: tcp_first, SCTP: sctp_first}
NEXT = {TCP: tcp_next, SCTP: sctp_next}


def begins_anew(flow, packet):
    if packet.proto == SCTP:
        return packet.chunk == INIT and is_over(flow)
    is_doubtful = flow.is_picked_up and not flow.is_answered
    return (packet.proto == TCP and is_plain_syn(packet) and not is_nonsense(packet)
            and (is_over(flow) or is_doubtful))


class Model:
    def __init__(self, config=None, lets_in=lambda packet: True):
        """lets_in: whether rules and default policy pass the first packet of a flow."""
        self.config, self.lets_in = config or Config(), lets_in
        self.flows = {}

    def find(self, packet, ends, now):
        flow = self.flows.get(key_of(packet, ends))
        return None if flow is None or flow.end_s <= now else flow

    def judge(self, packet, now):
        """(state of the packet, name of its flow's state afterwards or None); now in seconds."""
        if packet.whole and is_error(packet):
            return self.judge_error(packet, now)
        ends = ends_of(packet) if packet.whole else None
        if ends is None:
            return "untracked", None
        flow = self.find(packet, ends, now)
        if flow is None or begins_anew(flow, packet):
            return self.judge_first(packet, ends, flow, now)
        side = flow.side_of(ends[0])
        became = NEXT.get(packet.proto, plain_next)(flow, side, packet, self.config)
        if became == INVALID:
            return "invalid", flow.name()
        flow.is_answered = flow.is_answered or side == 1 and became != UNHEARD
        if became == TAKEN:
            flow.end_s = now + self.config.timeouts_s[flow.name()]
        return "established" if flow.is_answered or side == 1 else "new", flow.name()

    def judge_first(self, packet, ends, ended, now):
        """ended: the flow of these ends that is over, if there is one."""
        flow = Flow(packet, ends[0])
        if FIRST.get(packet.proto, plain_first)(flow, packet, self.config) == INVALID:
            return "invalid", ended and ended.name()
        if not self.lets_in(packet):
            return "new", ended and ended.name()
        flow.end_s = now + self.config.timeouts_s[flow.name()]
        self.flows[key_of(packet, ends)] = flow
        return "new", flow.name()

    def judge_error(self, packet, now):
        """Of use to nobody but the one whose packet it holds."""
        inner = packet.inner
        ends = ends_of(inner) if inner is not None and inner.whole else None
        flow = ends and self.find(inner, ends, now)
        is_related = flow and packet.dst == inner.src
        return "related" if is_related else "invalid", flow and flow.name()
