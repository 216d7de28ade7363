# SPDX-License-Identifier: Apache-2.0
"""Why nf_conntrack and Weir differ about a segment of a random script: a key of
twins.DIFFERENCES, by what came before, or None: they must not."""
import struct

from model.talk import M32

FIN, SYN, RST, ACK = 1, 2, 4, 16
ACK_WINDOW = 66000      # how far back both let an acknowledgment lie
LATE_MOST = 1 << 28     # how far behind the window both let a segment lie that is late


def after(a, b):
    """Modulo 2^32; not when either is unknown."""
    return None not in (a, b) and 0 < (a - b) & M32 < 1 << 31


def later(a, b):
    return a if b is None or after(a, b) else b


class Segment:
    def __init__(self, side, packet):
        at, size = (20, len(packet) - 20) if packet[0] >> 4 == 4 else (40, len(packet) - 40)
        _, _, self.seq, self.ack, words, flags, self.window = struct.unpack_from("!HHIIBBH", packet,
                                                                                 at)
        self.side, self.flags = side, flags & (FIN | SYN | RST | ACK)
        self.scale = packet[at + 23] if words >> 4 > 5 else None
        self.end = self.seq + size - (words >> 4) * 4 + bool(flags & SYN) + bool(flags & FIN) & M32
        self.is_syn = self.flags & (SYN | ACK | RST) == SYN
        self.is_syn_ack = self.flags & (SYN | ACK | RST) == SYN | ACK
        self.is_reset = bool(flags & RST)


class Side:
    def __init__(self):
        self.end = self.max_end = self.acked = None
        self.max_win, self.scale = 0, None
        # The same as nf has them: without the window of a SYN, and of segments it does not learn
        # from; with the bytes that were sent past a window.
        self.room, self.widest = None, 0
        self.syns, self.first, self.fins = [], None, 0
        self.is_lowered = self.has_opened = False   # a lower SYN again; a SYN, not a SYN/ACK
        self.has_gone_back = False      # nf took a segment behind the window for its newest
        self.was_late = False           # … and noted one that was late for Weir

    def note_syn(self, s):
        self.scale = s.scale
        self.is_lowered |= any(after(end, s.end) for end in self.syns)
        if s.seq + 1 & M32 != self.first:
            self.max_win = self.widest = 0
            if self.end is not None and after(s.end, self.end):
                self.room = None        # nf begins the side anew, too
        self.syns.append(s.end)
        self.first = s.seq + 1 & M32
        self.has_opened |= s.is_syn
        if s.is_syn:
            self.end = s.end


class Flow:
    """What the packets of one script have shown that either took for its flow's."""

    def __init__(self):
        self.sides = {"left": Side(), "right": Side()}
        self.first = None               # the side that began
        self.is_picked_up = self.is_reset = self.is_answered = False
        self.was_picked_up = False      # and a SYN came before an answer
        self.has_rest = False           # something came after a reset that forestalled the answer
        self.has_syn_ack_of_first = False
        self.is_answered_again = False  # by another number, before the first was acknowledged
        self.late_syn = None            # of the initiator, when both sides were there
        self.has_begun_anew = False     # it was answered

    def ends(self, s):
        return self.sides[s.side], self.sides["right" if s.side == "left" else "left"]

    def note(self, s, nf, weir):
        if nf == weir == "invalid":
            own, _ = self.ends(s)       # nf may have noted its numbers all the same
            own.is_lowered |= s.is_syn_ack or self.first is not None and own.end is None
            return
        if nf == weir == "new" and s.is_syn or self.first is None:
            self.begin(s)
        self.has_rest |= self.is_reset and not self.is_answered and not s.is_reset
        self.is_answered |= s.side != self.first
        if s.is_syn and s.side == self.first and self.is_answered:
            self.late_syn = s
            return
        if s.is_syn_ack and self.late_syn and s.ack == self.late_syn.end:
            self.begin_anew()
        self.is_reset |= s.is_reset
        own, other = self.ends(s)
        is_challenge = s.side != self.first and not (s.flags & SYN or own.syns or self.is_picked_up)
        if not (s.is_reset or is_challenge or self.is_sent_again(s, own, other)):
            self.note_numbers(s, own, other)

    def begin(self, s):
        """A flow's first packet, or first again."""
        was_picked_up = self.is_picked_up or self.was_picked_up
        has_rest = self.has_rest or self.is_reset and any(side.is_lowered
                                                          for side in self.sides.values())
        if self.first is None or s.side != self.first or self.is_over() or was_picked_up:
            self.__init__()
        self.first, self.is_picked_up = s.side, not s.is_syn
        self.was_picked_up, self.has_rest = was_picked_up and s.is_syn, has_rest

    def begin_anew(self):
        """The SYN that came in the middle is answered."""
        first, late = self.first, self.late_syn
        self.__init__()
        self.note(late, "new", "new")
        self.first, self.has_begun_anew = first, True

    def is_sent_again(self, s, own, other):
        """A SYN/ACK that is not the first of its side."""
        if not (s.is_syn_ack and own.syns and own.acked is not None):
            self.has_syn_ack_of_first |= (s.is_syn_ack and s.side == self.first
                                          and not other.has_opened)
            return False
        is_open = other.acked is not None and not after(own.first, other.acked)
        self.is_answered_again |= not is_open and s.seq + 1 & M32 != own.first
        return True

    def note_numbers(self, s, own, other):
        if s.flags & SYN:
            own.note_syn(s)
        own.fins += bool(s.flags & FIN)
        window = s.window if s.flags & SYN else s.window << self.shift(own, other)
        is_noted = self.note_for_nf(s, own, other, window)
        if own.end is not None and is_old(s, own, other, own.max_win, other.max_win):
            own.was_late |= is_noted
            return
        own.end = later(s.end, own.end)
        own.max_win = max(own.max_win, window, 1)
        if own.max_end is None and other.max_win:
            own.max_end = own.end + other.max_win & M32
        if s.flags & ACK:
            other.max_end = later(s.ack + max(window, 1) & M32, other.max_end)
            own.acked = later(s.ack, own.acked)

    @staticmethod
    def note_for_nf(s, own, other, window):
        """Whether it learned from it."""
        if own.room is None:
            own.room = s.end if s.flags & SYN else s.end + max(window, 1) & M32
        if after(s.seq, own.room):
            own.has_gone_back |= after(own.end, s.end)
            return False
        if own.end is not None and is_old(s, own, other, own.widest, other.widest):
            return False
        own.widest = max(own.widest, window, 1)
        if other.widest and after(s.end, own.room):
            other.widest += s.end - own.room & M32
        if s.flags & ACK:
            other.room = later(s.ack + max(window, 1) & M32, other.room)
        return True

    @staticmethod
    def shift(own, other):
        return 0 if None in (own.scale, other.scale) else min(own.scale, 14)

    def is_over(self):
        return self.is_reset or any(side.fins for side in self.sides.values())

    def why(self, s, nf, weir):
        own, other = self.ends(s)
        for key, holds in REASONS.items():
            if holds(self, s, own, other, nf, weir):
                return key
        return None


def is_old(s, own, other, own_window, window, late=0):
    """By the largest windows of either side, and by more than `late`."""
    old_ack = (s.flags & ACK and other.end is not None
               and after(other.end - max(ACK_WINDOW, own_window) - late & M32, s.ack))
    return old_ack or after(own.end - window - late & M32, s.seq if s.is_reset else s.end)


def is_behind(flow, s, own, other, nf, weir):
    late = 0 if s.is_reset else LATE_MOST
    return ((nf, weir) == ("established", "invalid") and not s.flags & SYN and own.end is not None
            and is_old(s, own, other, own.max_win, other.max_win, late))


def is_ahead(flow, s, own, other, nf, weir):
    return ((nf, weir) == ("established", "invalid") and not s.flags & SYN
            and after(s.seq, own.max_end)
            and (s.end - own.room + 1 & M32) <= other.widest)


def reason(states, holds):
    """States of either, * for any, and what must hold."""
    wanted = [None if state == "*" else state for state in states.split()]
    return lambda flow, s, own, other, *said: all(
        state in (None, here) for state, here in zip(wanted, said)) and bool(
            holds(flow, s, own, other))


REASONS = {
    "behind": is_behind,
    "ahead": is_ahead,
    "pick-up-fin": reason("invalid new", lambda flow, s, own, other:
                          flow.first is None and s.flags == FIN | ACK),
    "reset-reuse": reason("* new", lambda flow, s, own, other: flow.is_reset and s.is_syn),
    "reset-closing": reason("established invalid", lambda flow, s, own, other:
                            s.is_reset and flow.is_over()),
    "reset-unacked": reason("established invalid", lambda flow, s, own, other:
                            s.is_reset and s.flags & ACK and s.side != flow.first
                            and not other.acked and s.ack == own.end),
    "reset-rest": reason("* *", lambda flow, s, own, other:
                         flow.is_reset and not s.is_syn or flow.has_rest),
    "reset-old": reason("invalid established", lambda flow, s, own, other:
                        s.is_reset and after(other.acked, s.seq)),
    "reset-early": reason("invalid *", lambda flow, s, own, other:
                          s.is_reset and s.side == flow.first and not other.syns
                          and not flow.is_picked_up),
    "reset-ack": reason("invalid established", lambda flow, s, own, other:
                        s.is_reset and s.flags & ACK and after(s.ack, other.end)),
    "syn-ack-initiator": reason("* *", lambda flow, s, own, other:
                                s.is_syn_ack and s.side == flow.first
                                or flow.has_syn_ack_of_first),
    "syn-responder": reason("invalid established", lambda flow, s, own, other:
                            s.is_syn and s.side != flow.first and own.syns),
    "room": reason("invalid established", lambda flow, s, own, other: after(s.seq, own.room)),
    "ahead-back": reason("invalid *", lambda flow, s, own, other: other.has_gone_back),
    "challenge": reason("established new", lambda flow, s, own, other:
                        s.side == flow.first and flow.is_answered and not other.syns),
    "refusal": reason("* *", lambda flow, s, own, other:
                      s.is_syn_ack and other.syns and s.ack != other.syns[-1]
                      or s.is_reset and not own.syns and other.syns),
    "pick-up-syn": reason("* *", lambda flow, s, own, other: flow.was_picked_up
                          or s.is_syn and flow.is_picked_up and not flow.is_answered),
    "syn-ack-again": reason("* *", lambda flow, s, own, other: flow.is_answered_again),
    "syn-lower": reason("* *", lambda flow, s, own, other:
                        own.is_lowered or other.is_lowered
                        or s.is_syn and any(after(end, s.end) for end in own.syns)),
    "fin-early": reason("invalid established", lambda flow, s, own, other:
                        s.flags & FIN and s.side != flow.first and not own.syns
                        and not flow.is_picked_up),
    "closed": reason("* *", lambda flow, s, own, other:
                     s.is_syn and (own.fins or other.fins)),
    "late": reason("* *", lambda flow, s, own, other: own.was_late or other.was_late),
    "out-of-step": reason("* *", lambda flow, s, own, other: flow.late_syn or flow.has_begun_anew),
    "simultaneous": reason("* *", lambda flow, s, own, other:
                           own.has_opened and other.has_opened),
}
