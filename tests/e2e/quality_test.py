# SPDX-License-Identifier: Apache-2.0
"""`weir quality` of hand-made segments: what each of them must give is written beside it."""
import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from harness.net import Pair
from harness.wait import wait_for
from harness.wire import packet_socket

CONFIG = "api: {listen: off}\nquality: {enabled: true%s}\ninterfaces: [%s]\n"

def config(*devices, hook="tc", more=""):
    rows = ", ".join(f"{{name: {name}, hook: {hook}}}" for name in devices)
    return CONFIG % (more, rows)


def measuring(daemon, places):
    wait_for(lambda: daemon.ask("quality").get("interfaces") == places, "it measures", 20)
    return daemon


def connections(daemon, *words):
    return daemon.ask("quality", *words)["connections"]


def both(row, key):
    return row["src_side"][key], row["dst_side"][key]


CLIENT, SERVER, CPORT, SPORT = "198.51.100.7", "192.0.2.9", 40000, 443
CLIENT6, SERVER6 = "2001:db8:1::7", "2001:db8:2::9"


class Talk:
    """Segments of one connection that arrive at one device: both sides of it are met there."""

    def __init__(self, pair, family=4, sport=CPORT):
        self.sock = packet_socket(pair.outside, pair.far, 0)
        self.family, self.sport = family, sport

    def segment(self, is_client, flags, seq, ack=0, data=b"", **fields):
        ends = [(CLIENT, SERVER), (CLIENT6, SERVER6)][self.family == 6]
        ports = (self.sport, SPORT)
        if not is_client:
            ends, ports = ends[::-1], ports[::-1]
        layer = (IP if self.family == 4 else IPv6)(src=ends[0], dst=ends[1])
        for header in fields.pop("between", ()):
            layer = layer / header
        fields.setdefault("window", 1000)
        return Ether(src="02:00:00:00:00:08", dst="02:00:00:00:00:09") / layer / TCP(
            sport=ports[0], dport=ports[1], flags=flags, seq=seq % 2 ** 32, ack=ack % 2 ** 32,
            **fields) / Raw(data)

    def put(self, frame):
        self.sock.send(bytes(frame))

    def c(self, *words, **fields):
        self.put(self.segment(True, *words, **fields))

    def s(self, *words, **fields):
        self.put(self.segment(False, *words, **fields))

    def shake(self, c=1000, s=5000):
        self.c("S", c)
        self.s("SA", s, c + 1)
        self.c("A", c + 1, s + 1)


@pytest.fixture
def pair():
    with Pair("quality") as made:
        yield made


@pytest.fixture
def watched(pair, weir_daemon):
    return measuring(weir_daemon(pair.inside, config=config(pair.wire)), 1)


@pytest.fixture
def talk(pair, watched):
    made = Talk(pair)
    with made.sock:
        yield made


def one(daemon, segments, *words):
    """The only connection, when so many segments were met."""
    def found():
        rows = connections(daemon, *words)
        return len(rows) == 1 and sum(both(rows[0], "segments")) == segments and rows[0]
    return wait_for(found, f"{segments} segments of one connection are told of")


def counts(row, side):
    keys = ("retransmits", "out_of_order", "zero_windows", "resets", "probes")
    return dict(zip(keys, (row[side][key] for key in keys))) | {
        "bytes_retransmitted": row[side]["bytes_retransmitted"]}


def expected(**given):
    return dict.fromkeys(("retransmits", "out_of_order", "zero_windows", "resets", "probes",
                          "bytes_retransmitted"), 0) | given


def test_a_handshake_and_data_without_trouble(talk, watched):
    talk.shake()
    talk.c("PA", 1001, 5001, b"x" * 100)
    talk.s("A", 5001, 1101)
    row = one(watched, 5)
    assert (row["src"], row["sport"], row["dst"], row["dport"]) == (CLIENT, CPORT, SERVER, SPORT)
    assert row["whole"] and row["state"] == "open"
    assert row["handshake_ms"] == pytest.approx(
        row["handshake_src_ms"] + row["handshake_dst_ms"], abs=0.002)
    assert counts(row, "src_side") == counts(row, "dst_side") == expected()
    # Of the server: the SYN and 100 bytes; of the client: the SYN-ACK.
    assert both(row, "rtt_samples") == (1, 2) and both(row, "bytes") == (100, 0)


def test_what_was_met_and_comes_again_is_a_retransmit(talk, watched):
    talk.shake()
    talk.c("PA", 1001, 5001, b"x" * 100)
    talk.c("PA", 1101, 5001, b"x" * 100)
    talk.c("PA", 1001, 5001, b"x" * 100)            # again
    talk.c("PA", 1101, 5001, b"x" * 200)            # again, and 100 that are new
    talk.s("A", 5001, 1301)
    row = one(watched, 8)
    assert counts(row, "src_side") == expected(retransmits=2, bytes_retransmitted=200)
    assert counts(row, "dst_side") == expected()
    assert both(row, "rtt_samples") == (1, 1)       # whose acknowledgement it is is not known


def test_a_hole_is_filled_by_what_was_overtaken_or_by_what_is_sent_again(talk, watched):
    stamps = lambda value: {"options": [("NOP", None), ("NOP", None), ("Timestamp", (value, 9))]}
    talk.c("S", 1000, **stamps(100))
    talk.s("SA", 5000, 1001, **stamps(7))
    talk.c("A", 1001, 5001, **stamps(101))
    talk.c("A", 1101, 5001, b"x" * 100, **stamps(110))
    talk.c("A", 1001, 5001, b"x" * 100, **stamps(109))      # sent before
    talk.c("A", 1301, 5001, b"x" * 100, **stamps(111))
    talk.c("A", 1201, 5001, b"x" * 100, **stamps(160))      # sent after: lost before it came here
    row = one(watched, 7)
    assert counts(row, "src_side") == expected(out_of_order=1, retransmits=1,
                                               bytes_retransmitted=100)


def test_stamps_are_found_among_other_options(talk, watched):
    sack = [("SAck", (1, 2)), ("NOP", None), ("Timestamp", (100, 9)), ("NOP", None)]
    later = [("SAck", (1, 2)), ("NOP", None), ("Timestamp", (300, 9)), ("NOP", None)]
    talk.shake()
    talk.c("A", 1101, 5001, b"x" * 100, options=sack)
    talk.c("A", 1001, 5001, b"x" * 100, options=later)
    assert counts(one(watched, 5), "src_side")["retransmits"] == 1


def test_numbers_go_on_at_zero(talk, watched):
    start = 2 ** 32 - 150
    talk.shake(start, start)
    for offset in (0, 100, 200, 100):
        talk.c("A", start + 1 + offset, start + 1, b"x" * 100)
    talk.s("A", start + 1, start + 301)
    row = one(watched, 8)
    assert counts(row, "src_side") == expected(retransmits=1, bytes_retransmitted=100)
    assert both(row, "bytes_unseen") == (0, 0)


def test_keepalives_and_closed_windows_are_no_retransmits(talk, watched):
    talk.shake()
    talk.c("A", 1001, 5001, b"x" * 100)
    talk.s("A", 5001, 1101, window=0)
    talk.s("A", 5001, 1101, window=0)
    talk.c("A", 1100, 5001)                         # without data, as Linux sends it
    talk.c("A", 1100, 5001, b"x")                   # with a byte
    talk.c("A", 1101, 5001, b"x")                   # into the closed window
    talk.c("A", 1101, 5001, b"x" * 50)              # which is no retransmit of it
    row = one(watched, 10)
    assert counts(row, "src_side") == expected(probes=3)
    assert counts(row, "dst_side") == expected(zero_windows=2)


def test_syns_that_come_again_count_and_the_handshake_is_the_clients_wait(talk, watched):
    talk.c("S", 1000)
    talk.c("S", 1000)
    talk.c("S", 1000)
    talk.s("SA", 5000, 1001)
    talk.s("SA", 5000, 1001)
    talk.c("A", 1001, 5001)
    row = one(watched, 6)
    assert (counts(row, "src_side"), counts(row, "dst_side")) == (expected(retransmits=2),
                                                                  expected(retransmits=1))
    assert both(row, "rtt_samples") == (0, 0) and row["handshake_ms"] > 0
    wait_for(lambda: watched.ask("quality")["total"]["retransmits"] == 3, "all are summed up")


def test_resets_are_told_by_side_and_end_it(talk, watched):
    talk.shake()
    talk.s("RA", 5001, 1001)
    row = one(watched, 4)
    assert (counts(row, "src_side"), counts(row, "dst_side")) == (expected(), expected(resets=1))
    assert row["state"] == "ended"
    ended = wait_for(lambda: connections(watched, "--ended"), "it is over", 40)
    assert [counts(row, "dst_side") for row in ended] == [expected(resets=1)]
    assert not connections(watched)


@pytest.mark.parametrize("number", [5000, 5002, 5001 + 2 ** 31 - 1])
def test_a_reset_that_its_receiver_does_not_heed_ends_nothing(talk, watched, number):
    """He has acknowledged what lies before 5001, and nothing was sent behind it."""
    talk.shake()
    talk.s("R", number)
    row = one(watched, 4)
    assert counts(row, "dst_side") == expected(resets=1) and row["state"] == "open"
    talk.s("R", 5001)
    assert one(watched, 5)["state"] == "ended"


def test_a_syn_of_its_own_begins_another_connection(talk, watched):
    talk.shake()
    talk.c("A", 1001, 5001, b"x" * 100)
    talk.c("A", 1001, 5001, b"x" * 100)
    talk.shake(70000, 80000)
    row = one(watched, 3)
    assert counts(row, "src_side") == expected()
    wait_for(lambda: watched.ask("quality")["total"]["retransmits"] == 1, "it is summed up")


def test_a_refused_syn_makes_no_connection_and_its_reset_counts(talk, watched):
    talk.c("S", 1000)
    talk.s("RA", 0, 1001)
    wait_for(lambda: watched.ask("quality")["total"]["resets"] == 1, "the reset is counted")
    assert not connections(watched)


def test_acknowledged_and_not_met_is_unseen(talk, watched):
    talk.shake()
    talk.c("A", 1101, 5001, b"x" * 100)
    talk.s("A", 5001, 1501)
    row = one(watched, 5)
    assert both(row, "bytes_unseen") == (100 + 300, 0)
    assert counts(row, "src_side") == expected()


def test_wrong_lengths_and_fragments_are_not_measured(talk, watched):
    talk.shake()
    short = talk.segment(True, "A", 1001, 5001, b"x" * 100)
    short[IP].len = 400                             # more than there is
    talk.put(short)
    words = talk.segment(True, "A", 1001, 5001, b"x" * 100)
    words[TCP].dataofs = 4
    talk.put(words)
    fragment = talk.segment(True, "A", 1001, 5001, b"x" * 100)
    fragment[IP].flags = "MF"
    talk.put(fragment)
    wild = talk.segment(True, "A", 1001 + 2 ** 31, 5001, b"x")
    talk.put(wild)
    answer = wait_for(lambda: (found := watched.ask("quality"))["odd"] == 3 and found,
                      "all were met")
    assert answer["fragments"] == 1
    assert counts(answer["connections"][0], "src_side") == expected()
    talk.c("A", 1001, 5001, b"x" * 100)
    assert both(one(watched, 5), "bytes_unseen") == (0, 0)


def test_ipv6_with_extension_headers(pair, watched):
    talk = Talk(pair, 6)
    with talk.sock:
        talk.shake()
        for _ in range(2):
            talk.c("A", 1001, 5001, b"x" * 100, between=[IPv6ExtHdrDestOpt()])
        talk.c("A", 1101, 5001, b"x", between=[IPv6ExtHdrFragment(offset=0, m=1, id=7)])
        row = one(watched, 5)
        assert (row["src"], row["dst"]) == (CLIENT6, SERVER6)
        assert counts(row, "src_side") == expected(retransmits=1, bytes_retransmitted=100)
        wait_for(lambda: watched.ask("quality")["fragments"] == 1, "the fragment was met")


def test_what_goes_on_already_is_joined_and_told_so(talk, watched):
    talk.s("A", 5001, 1001, b"x" * 100)
    talk.c("A", 1001, 5101)
    row = one(watched, 2)
    assert not row["whole"] and "handshake_ms" not in row
    assert (row["src"], row["dst"]) == (CLIENT, SERVER)     # the higher port is the client's
    assert both(row, "rtt_samples") == (1, 0)
    wait_for(lambda: watched.ask("quality")["flows_joined"] == 1, "it is told so")
    assert watched.ask("quality")["flows_begun"] == 0


def test_a_full_table_counts_what_it_has_no_room_for(pair, weir_daemon):
    daemon = measuring(weir_daemon(pair.inside, config=config(pair.wire, more=", flows: 64")), 1)
    for number in range(200):
        talk = Talk(pair, sport=20000 + number)
        with talk.sock:
            talk.shake()
    answer = wait_for(lambda: (found := daemon.ask("quality", "--limit", "1000"))["total"]
                      ["segments"] == 600 and found, "all segments were met")
    assert answer["matching"] == answer["flows_begun"] == 64
    assert answer["no_place"] == 2 * (200 - 64)     # the answer, and what follows it
