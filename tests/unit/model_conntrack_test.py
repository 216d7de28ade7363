# SPDX-License-Identifier: Apache-2.0
"""The model of connections (tests/model/conntrack.py) on conversations written out by hand: it is
worth no more than these."""
import pytest
from scapy.layers.inet import ICMP, IP, TCP as Tcp
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from model import conntrack_draw
from model.conntrack import ICMP as ICMP_PROTO, ICMPV6, SCTP, UDP, Config, Model, Packet
from model.conntrack_draw import A, B, said as tcp
from model.conntrack_frames import ETHER_LEAST, frame_of


def tell(rows, **config):
    """rows: [(packet, state, name)]. Gives the model."""
    model = Model(Config(**config))
    for number, (packet, *wanted) in enumerate(rows, 1):
        assert model.judge(packet, 0) == tuple(wanted), f"packet {number}: {packet}"
    return model


SYN_A = (tcp(A, "S"), "new", "syn_sent")
SYN_ACK = (tcp(B, "SA", 0, 1), "established", "syn_received")
OPEN = [SYN_A, SYN_ACK, (tcp(A, "A", 1, 1), "established", "established")]


def test_a_connection_opens_speaks_and_closes():
    tell([*OPEN, (tcp(A, "A", 1, 1, length=100), "established", "established"),
          (tcp(B, "A", 1, 101), "established", "established"),
          (tcp(A, "FA", 101, 1), "established", "fin_wait"),
          (tcp(B, "A", 1, 102), "established", "fin_wait"),
          (tcp(B, "FA", 1, 102), "established", "closing"),
          (tcp(A, "A", 102, 2), "established", "time_wait"),
          (tcp(B, "FA", 1, 102), "established", "time_wait")])


def test_a_fin_ahead_of_what_was_lost_is_not_acknowledged_by_less():
    tell([*OPEN, (tcp(A, "FA", 101, 1), "established", "fin_wait"),
          (tcp(B, "FA", 1, 1), "established", "closing"),
          (tcp(A, "A", 102, 2), "established", "closing"),
          (tcp(B, "A", 2, 101), "established", "closing"),
          (tcp(B, "A", 2, 102), "established", "time_wait")])


@pytest.mark.parametrize("letters", ["R", "RA", "SA", "SF", "F", "", "SR", "SFA", "FR"])
def test_no_connection_begins_with(letters):
    tell([(tcp(A, letters), "invalid", None)])


def test_half_an_opening():
    tell([SYN_A, SYN_A, (tcp(A, "A", 1, 1), "invalid", "syn_sent"),
          (tcp(A, "SA", 0, 1), "invalid", "syn_sent"),
          (tcp(B, "SA", 0, 2), "invalid", "syn_sent"), SYN_ACK, SYN_ACK,
          (tcp(A, "S"), "established", "syn_received"),
          (tcp(B, "F"), "invalid", "syn_received")])


def test_who_is_asked_may_speak_at_once_within_the_window_of_the_syn():
    tell([SYN_A, SYN_ACK, (tcp(B, "A", 1, 1, length=1000), "established", "syn_received"),
          (tcp(B, "A", 1002, 1), "invalid", "syn_received"),
          (tcp(B, "RA", 1002, 1), "invalid", "syn_received"),
          (tcp(B, "A", 1001, 1), "established", "syn_received")])


def test_who_acknowledges_less_than_the_syn_has_not_opened():
    tell([SYN_A, SYN_ACK, (tcp(A, "A", 1, 0), "established", "syn_received"),
          (tcp(A, "A", 1, -66000), "established", "syn_received"), OPEN[2]])


def test_a_challenge_answers_and_opens_nothing():
    tell([SYN_A, (tcp(B, "A", 7, 500), "established", "syn_sent"),
          (tcp(A, "S"), "new", "syn_sent"), SYN_ACK])


def test_a_sender_that_begins_again_before_an_answer_is_taken_at_its_new_number():
    tell([SYN_A, (tcp(A, "S", 5000), "new", "syn_sent"),
          (tcp(B, "SA", 0, 1), "invalid", "syn_sent"),
          (tcp(B, "SA", 0, 5001), "established", "syn_received")])


def test_both_open_at_once():
    tell([SYN_A, (tcp(B, "S"), "established", "syn_received"),
          (tcp(A, "SA", 0, 1), "established", "syn_received"),
          (tcp(B, "SA", 0, 1), "established", "established"),
          (tcp(B, "A", 1, 1), "established", "established")])


def test_an_answer_with_another_number_replaces_the_one_before():
    """SYN cookies."""
    tell([SYN_A, SYN_ACK, (tcp(B, "SA", 1 << 31, 2), "invalid", "syn_received"),
          (tcp(B, "SA", 1 << 31, 1), "established", "syn_received"),
          (tcp(A, "A", 1, 1), "invalid", "syn_received"),
          (tcp(A, "A", 1, (1 << 31) + 1), "established", "established"),
          (tcp(B, "SA", 77, 88), "established", "established"),
          (tcp(B, "A", (1 << 31) + 1001, 1), "established", "established"),
          (tcp(B, "A", (1 << 31) + 1002, 1), "invalid", "established")])


def test_of_what_a_syn_bears_less_may_be_taken():
    begun = (tcp(A, "S", length=100), "new", "syn_sent")
    for taken, state, name in ((0, "invalid", "syn_sent"), (1, "established", "syn_received"),
                               (101, "established", "syn_received"),
                               (102, "invalid", "syn_sent")):
        tell([begun, (tcp(B, "SA", 0, taken), state, name)])
        tell([begun, (tcp(B, "RA", 0, taken), state,
                      "reset" if state == "established" else "syn_sent")])


def test_who_has_lost_the_connection_may_answer_its_opening():
    lost = [*OPEN, (tcp(A, "S", 1 << 30), "established", "established")]
    tell([*lost, (tcp(B, "SA", 9000, (1 << 30) + 2), "established", "established"),
          (tcp(B, "SA", 9000, (1 << 30) + 1), "established", "syn_received"),
          (tcp(A, "A", (1 << 30) + 1, 9001), "established", "established")])
    tell([*lost, (tcp(B, "A", 1, 1), "established", "established"),
          (tcp(A, "R", 1), "established", "reset")])
    tell([*OPEN, (tcp(B, "S", 1 << 30), "invalid", "established"),
          (tcp(A, "SA", 9000, (1 << 30) + 1), "established", "established")])


def test_a_refusal_must_acknowledge_the_syn():
    tell([SYN_A, (tcp(B, "RA", 0, 2), "invalid", "syn_sent"),
          (tcp(B, "R", 0), "invalid", "syn_sent"), (tcp(B, "RA", 0, 1), "established", "reset"),
          (tcp(B, "SA", 0, 77), "established", "reset"),
          (tcp(A, "S", 9000), "new", "syn_sent")])


def test_a_reset_ends_a_connection_by_the_next_number_only():
    tell([*OPEN, (tcp(A, "R", 1002), "invalid", "established"),
          (tcp(A, "R", -1000), "invalid", "established"),
          (tcp(A, "R", -999), "established", "established"),
          (tcp(A, "R", 1001), "established", "established"),
          (tcp(A, "R", 1), "established", "reset"), (tcp(B, "A", 1, 1), "established", "reset")])


def test_a_reset_is_believed_by_any_number_that_may_be_the_next():
    data = [*OPEN, (tcp(A, "A", 1, 1, length=100), "established", "established")]
    for seq, becomes in ((0, "established"), (1, "reset"), (101, "reset"), (102, "established")):
        tell([*data, (tcp(A, "R", seq), "established", becomes)])


def test_a_reset_in_the_window_ends_a_connection_that_closes():
    tell([*OPEN, (tcp(A, "FA", 1, 1), "established", "fin_wait"),
          (tcp(B, "R", 700), "established", "reset")])


def test_without_the_check_any_number_will_do():
    tell([*OPEN, (tcp(A, "A", 1 << 30, 1 << 30), "established", "established"),
          (tcp(B, "R", 1 << 29), "established", "reset")], window_check=False)


LATE = 1 << 28


@pytest.mark.parametrize("seq, ack, length, state", [
    (1001, 1, 0, "established"), (1002, 1, 0, "invalid"), (1001, 1, 1460, "established"),
    (-999 - LATE, 1, 0, "established"), (-1000 - LATE, 1, 0, "invalid"),
    (-1009 - LATE, 1, 10, "established"), (1, 2, 0, "invalid"),
    (1, 1 - 66000 - LATE, 0, "established"), (1, -66000 - LATE, 0, "invalid")])
def test_the_edges_of_the_window(seq, ack, length, state):
    tell([*OPEN, (tcp(A, "A", seq, ack, length=length), state, "established")])


@pytest.mark.parametrize("seq, ack, name", [
    (-1000, 1, "fin_wait"), (-1001, 1, "established"), (1, 1 - 66000, "fin_wait"),
    (1, -66000, "established")])
def test_what_is_late_changes_nothing(seq, ack, name):
    tell([*OPEN, (tcp(A, "FA", seq, ack), "established", name)])


def test_what_is_refused_leaves_no_trace():
    tell([*OPEN, (tcp(A, "A", 1002, 1, 65535, 500), "invalid", "established"),
          (tcp(B, "A", 1, 1002), "invalid", "established"),
          (tcp(B, "A", 1001, 1), "established", "established"),
          (tcp(B, "A", 1002, 1), "invalid", "established")])


def test_a_window_of_none_counts_as_one():
    tell([SYN_A, (tcp(B, "SA", 0, 1, 0), "established", "syn_received"),
          (tcp(A, "A", 2, 1), "established", "established"),
          (tcp(A, "A", 3, 1), "invalid", "established")])


@pytest.mark.parametrize("scales, state", [((2, 3), "established"), ((None, 3), "invalid"),
                                           ((2, None), "invalid")])
def test_windows_are_scaled_when_both_said_so(scales, state):
    a, b = scales
    tell([(tcp(A, "S", scale=a), "new", "syn_sent"),
          (tcp(B, "SA", 0, 1, scale=b), "established", "syn_received"),
          (tcp(A, "A", 1, 1), "established", "established"),
          (tcp(A, "A", 1002, 1), "invalid", "established"),      # the SYN's was not scaled
          (tcp(B, "A", 1, 1), "established", "established"),
          (tcp(A, "A", 8001, 1), state, "established"),
          (tcp(A, "A", 8002, 1), "invalid", "established")])


def test_the_same_ports_again():
    over = [*OPEN, (tcp(A, "FA", 1, 1), "established", "fin_wait"),
            (tcp(A, "S", 1 << 20), "established", "fin_wait"),
            (tcp(B, "S", 1 << 20), "invalid", "fin_wait"),
            (tcp(B, "FA", 1, 2), "established", "closing"),
            (tcp(A, "A", 2, 2), "established", "time_wait")]
    tell([*over, (tcp(A, "S", 1 << 20), "new", "syn_sent"),
          (tcp(B, "SA", 1 << 20, (1 << 20) + 1), "established", "syn_received")])
    tell([*over, (tcp(B, "S", 1 << 20), "new", "syn_sent"),
          (tcp(A, "SA", 1 << 20, (1 << 20) + 1), "established", "syn_received")])
    tell([*over, (tcp(A, "SF", 1 << 20), "invalid", "time_wait")])


def test_a_connection_that_is_under_way_is_picked_up():
    begun = (tcp(A, "A", 500, 700), "new", "syn_sent")
    tell([begun, begun,
          (tcp(B, "A", 1 << 20, 500), "established", "established"),
          (tcp(B, "A", 1 << 31, 99), "established", "established")])
    tell([(tcp(A, "FA", 500, 700), "new", "syn_sent"),
          (tcp(B, "A", 700, 501), "established", "fin_wait")])
    tell([begun, (tcp(A, "S"), "new", "syn_sent"), (tcp(A, "A", 500, 700), "invalid", "syn_sent")])
    tell([begun, (tcp(B, "S"), "new", "syn_sent"),
          (tcp(A, "SA", 0, 1), "established", "syn_received")])
    tell([(begun[0], "invalid", None)], pick_up=False)


def test_of_one_direction_only():
    tell([SYN_A, (tcp(A, "A", 1, 1), "established", "established"),
          (tcp(A, "A", 90000, 1), "established", "established")], asymmetric=True)
    tell([(tcp(B, "SA", 0, 1), "new", "syn_sent"),
          (tcp(B, "A", 90000, 1), "new", "syn_sent")], asymmetric=True)


def test_flows_without_an_opening():
    there, back = Packet(A, B, 5, 53, UDP), Packet(B, A, 53, 5, UDP)
    tell([(there, "new", "one_way"), (there, "new", "one_way"), (back, "established", "answered"),
          (back, "established", "answered"), (there, "established", "stream"),
          (Packet(B, A, 53, 6, UDP), "new", "one_way")])
    there, back = Packet(A, B, proto=47), Packet(B, A, proto=47)
    tell([(there, "new", "other"), (back, "established", "other"),
          (Packet(A, B, proto=50), "new", "other")])


@pytest.mark.parametrize("family, proto, ask, answer", [
    (4, ICMP_PROTO, 8, 0), (4, ICMP_PROTO, 13, 14), (4, ICMP_PROTO, 15, 16),
    (4, ICMP_PROTO, 17, 18), (6, ICMPV6, 128, 129)])
def test_pings(family, proto, ask, answer):
    def icmp(src, dst, kind, number=700):
        return Packet(src, dst, proto=proto, type=kind, id=number, family=family)
    tell([(icmp(B, A, answer), "invalid", None), (icmp(A, B, ask), "new", "echo"),
          (icmp(B, A, answer, 701), "invalid", None), (icmp(A, B, ask), "new", "echo"),
          (icmp(B, A, answer), "established", "echo"), (icmp(B, A, ask), "new", "echo"),
          (icmp(A, B, ask), "established", "echo"),
          (icmp(A, B, 9 if family == 4 else 133), "untracked", None)])


def test_errors_belong_to_the_packet_they_hold():
    def error(packet, src=9):
        return Packet(src, packet.src, proto=ICMP_PROTO, type=3, inner=packet)
    stranger, misled = SYN_A[0]._replace(sport=1), error(SYN_A[0])._replace(dst=B)
    model = tell([SYN_A, (error(SYN_A[0]), "related", "syn_sent"),
                  (error(SYN_ACK[0]), "related", "syn_sent"), (error(stranger), "invalid", None),
                  (misled, "invalid", "syn_sent"), (error(error(SYN_A[0])), "invalid", None)])
    assert model.judge(error(SYN_A[0]), 119) == ("related", "syn_sent")
    assert model.judge(error(SYN_A[0]), 120) == ("invalid", None)


def test_sctp():
    def sctp(side, chunk, tag=None, init=None, reflects=False):
        src, dst, own, other = (A, B, 17, 34) if side == A else (B, A, 34, 17)
        return Packet(src, dst, 50 + src, 50 + dst, SCTP, chunk=chunk, reflects=reflects,
                      tag=tag if tag is not None else 0 if chunk == 1 else other,
                      init=own if init is None else init)
    tell([(sctp(A, 1), "new", "syn_sent"), (sctp(B, 2), "established", "syn_received"),
          (sctp(A, 10), "established", "established"), (sctp(B, 11), "established", "established"),
          (sctp(A, 7), "established", "fin_wait"), (sctp(B, 8), "established", "closing"),
          (sctp(A, 14), "established", "time_wait"), (sctp(A, 1), "new", "syn_sent"),
          (sctp(B, 6), "established", "reset"), (sctp(B, 1), "new", "syn_sent")])
    for chunk in (2, 6, 7, 11, 14):
        tell([(sctp(A, chunk), "invalid", None)])
    tell([(sctp(A, 0), "new", "syn_sent"), (sctp(B, 3), "established", "established")])
    tell([(sctp(A, 0), "invalid", None)], pick_up=False)
    is_open = [(sctp(A, 1), "new", "syn_sent"), (sctp(B, 2), "established", "syn_received"),
               (sctp(A, 10), "established", "established")]
    tell([*is_open, (sctp(A, 6, 35), "invalid", "established"),
          (sctp(B, 6, 17, reflects=True), "invalid", "established"),
          (sctp(B, 6, 34, reflects=True), "established", "reset")])
    tell([*is_open, (sctp(A, 6, 35), "established", "established")], window_check=False)
    anew = [*is_open, (sctp(A, 7), "established", "fin_wait"),
            (sctp(A, 1, init=55), "established", "fin_wait"),
            (sctp(B, 2, 55, 66), "established", "fin_wait"),
            (sctp(B, 0), "established", "fin_wait")]
    tell([*anew, (sctp(A, 10, 66), "established", "established"),
          (sctp(B, 0, 55), "established", "established"),
          (sctp(B, 0), "invalid", "established")])
    tell([*anew, (sctp(A, 10, 67), "invalid", "fin_wait"),
          (sctp(B, 6, 55), "established", "fin_wait"), (sctp(A, 0), "established", "fin_wait")])
    tell([(sctp(A, 0, 5), "new", "syn_sent"), (sctp(B, 3, 6), "established", "established"),
          (sctp(A, 0, 7), "established", "established"), (sctp(A, 6, 8), "established", "reset")])


@pytest.mark.parametrize("rows, seconds", [
    ([SYN_A], 120), ([SYN_A, SYN_ACK], 60), (OPEN, 432000),
    ([*OPEN, (tcp(A, "FA", 1, 1), "established", "fin_wait")], 120),
    ([*OPEN, (tcp(A, "R", 1), "established", "reset")], 10)])
def test_a_flow_ends_when_nothing_comes(rows, seconds):
    model, error = tell(rows), Packet(9, A, proto=ICMP_PROTO, type=3, inner=SYN_A[0])
    assert model.judge(error, seconds - 1) == ("related", rows[-1][2])
    assert model.judge(error, seconds) == ("invalid", None)


def test_what_is_refused_makes_no_flow():
    model = Model(lets_in=lambda packet: packet.dport != 80)
    for _ in range(2):
        assert model.judge(SYN_A[0], 0) == ("new", None)
    assert model.judge(SYN_ACK[0], 0) == ("invalid", None)


def test_a_packet_that_is_not_whole_is_of_no_flow():
    tell([(SYN_A[0]._replace(whole=False), "untracked", None)])


def test_a_second_look_at_a_packet_changes_nothing():
    for number in range(60):
        model = Model(Config(), conntrack_draw.lets_in)
        for step in conntrack_draw.scenario(f"twice/{number}", 200):
            first = model.judge(step.packet, 0)
            assert model.judge(step.packet, 0) == first, (number, step)


def test_frames_are_what_scapy_reads_in_them():
    packet = tcp(A, "SA", 5, 6, 77, 9, 7)
    read = Ether(frame_of(packet, 3))
    assert (read[IP].src, read[IP].dst) == ("10.0.0.49", "10.0.0.50")
    assert (read[Tcp].sport, read[Tcp].dport, read[Tcp].seq, read[Tcp].ack) == (
        5000, 80, packet.seq, packet.ack)
    assert (int(read[Tcp].flags), read[Tcp].window, len(bytes(read[Tcp].payload))) == (18, 77, 9)
    assert ("WScale", 7) in read[Tcp].options
    error = Packet(9, A, proto=ICMP_PROTO, type=3, inner=packet, length=20)
    read = Ether(frame_of(error, 3))[ICMP]
    assert (read.type, read.payload.src, read.payload.sport, read.payload.seq) == (
        3, "10.0.0.49", 5000, packet.seq)


def test_short_frames_are_padded_and_the_padding_is_no_payload():
    frame = frame_of(tcp(A, "A"), 3)
    assert len(frame) == ETHER_LEAST and Ether(frame)[IP].len == 40
    assert Ether(frame_of(tcp(A, "A")._replace(family=6), 3))[IPv6].plen == 20


def test_a_difference_is_told_with_the_fewest_packets():
    """One who takes any number for a reset, and one who does not."""
    def answers(steps, window_check):
        model = Model(Config(window_check=window_check))
        return [model.judge(step.packet, 0) for step in steps]

    def is_wrong(steps):
        return answers(steps, True) != answers(steps, False)
    steps = next(steps for number in range(50) if is_wrong(
        steps := conntrack_draw.scenario(f"shrunk/{number}", 200)))
    few = conntrack_draw.shrunk(steps, is_wrong)
    assert is_wrong(few) and len(few) <= 4
    assert all(not is_wrong(few[:at] + few[at + 1:]) for at in range(len(few)))
