# SPDX-License-Identifier: Apache-2.0
"""How long round trips and handshakes take of connections that pass through, on a link to the
client that takes its time: beside tshark's of the same frames, and `ss -ti` of the client.

Weir's clock is read where a frame meets the program, tshark's where it meets the tap just before:
microseconds, but for a processor that is taken away in between. The client times other frames of
the same connection, and each had its own wait on the link, a wake-up longer than DELAY_MS: on a
busy machine they differ, but not in each of a few connections. Beside these DELAY_MS each way is
much: 5 % of a round trip are 5 ms, and what is counted for one way only, for both twice, or in
other units is off by half at the least, in all of them."""
import collections
import contextlib
import random
import re
import socket
import struct
import subprocess
import threading

import pytest

from harness.chain import server_address
from harness.lossy import SlowChain
from harness.wait import pause, wait_for
from harness.wire import packet_socket

CONFIG = """
api: {listen: off}
quality: {enabled: true}
interfaces: [{name: lan, hook: tc}, {name: wan, hook: tc}]
"""
PORT, DELAY_MS, COUNT, ROUNDS, THINKS_S = 6300, 50, 4, 12, 0.03
KINDS, SIDES = {4: socket.AF_INET, 6: socket.AF_INET6}, ("src_side", "dst_side")
NEAR = {"rel": 0.05, "abs": 1}
Asked = collections.namedtuple("Asked", "row by_ss syn_by_ss")
ETH_P_ALL, PACKET_OUTGOING, SO_TIMESTAMPNS = 3, 4, 35
FIELDS = ("tcp.srcport", "tcp.dstport", "tcp.analysis.ack_rtt", "tcp.analysis.initial_rtt")


@pytest.fixture(scope="module")
def slow():
    """Neighbours know one another: who must ask first connects later."""
    with SlowChain(DELAY_MS) as made:
        for family in (4, 6):
            wait_for(lambda family=family: made.client.run(
                "ping", "-c1", "-W2", server_address(family), check=False).returncode == 0,
                "the server answers")
        yield made


@pytest.fixture
def measuring(slow, weir_daemon):
    daemon = weir_daemon(slow.gateway, config=CONFIG)
    wait_for(lambda: daemon.ask("quality").get("interfaces") == 2, "it measures", 20)
    return daemon


class Timed:
    """What arrives at both devices of the gateway, where Weir meets it, with the kernel's time."""

    def __init__(self, gateway):
        self.socks = [packet_socket(gateway, device, ETH_P_ALL) for device in ("lan", "wan")]
        for sock in self.socks:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def frames(self):
        """(seconds, nanoseconds, bytes), in the order of time."""
        found = []
        for sock in self.socks:
            with contextlib.suppress(BlockingIOError):
                while True:
                    frame, told, _, address = sock.recvmsg(2048, 128)
                    if address[2] != PACKET_OUTGOING:
                        found.append((*struct.unpack("qq", told[0][2]), frame))
        return sorted(found)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in self.socks:
            sock.close()


def analysed(frames, path):
    """Fields of each TCP frame of the connection, as tshark has them."""
    rows = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 1 << 18, 1)]    # of nanoseconds
    rows += [struct.pack("<IIII", second, ns, len(frame), len(frame)) + frame
             for second, ns, frame in frames]
    path.write_bytes(b"".join(rows))
    words = ["tshark", "-n", "-r", path, "-Y", f"tcp.port=={PORT}", "-T", "fields"]
    for name in FIELDS:
        words += ["-e", name]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return [dict(zip(FIELDS, line.split("\t"))) for line in done.stdout.splitlines()]


def smoothed(samples):
    """RFC 6298, 2."""
    value = samples[0]
    for sample in samples[1:]:
        value += (sample - value) / 8
    return value


def round_trips(frames):
    """In ms: (to the client and back, to the server and back), each a list."""
    found = [], []
    for frame in frames:
        if frame["tcp.analysis.ack_rtt"]:
            is_server = int(frame["tcp.srcport"]) == PORT
            found[is_server].append(1000 * float(frame["tcp.analysis.ack_rtt"]))
    return found


def answer(server, thinks):
    """Takes its time, so that no two round trips behind the gateway are the same."""
    for _ in range(COUNT):
        sock, _ = server.accept()
        with sock:
            while text := sock.recv(100):
                pause(thinks.random() * THINKS_S)
                sock.sendall(text)


@contextlib.contextmanager
def answering(chain, family):
    with chain.server.socket(KINDS[family], socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((server_address(family), PORT))
        server.listen()
        thread = threading.Thread(target=answer, args=(server, random.Random(family)))
        thread.start()
        try:
            yield
        finally:
            thread.join()


def by_ss(namespace, sock):
    """Smoothed round trip of that socket, in ms."""
    text = namespace.run("ss", "-tiHn", f"sport = :{sock.getsockname()[1]}").stdout
    return float(re.search(r" rtt:([\d.]+)/", text)[1])


def measured(daemon, sport):
    """Its row, when the last answer is acknowledged: of each side the SYN and all it said."""
    def found():
        row, = daemon.ask("quality", f"dport={PORT} and sport={sport}")["connections"]
        return all(row[side]["rtt_samples"] == ROUNDS + 1 for side in SIDES) and row
    return wait_for(found, "all round trips are timed")


def ask(chain, daemon, family):
    """A connection on which all is asked and answered, one after the other: what Weir and ss tell
    of it when that is done, and ss of the SYN alone."""
    with chain.client.socket(KINDS[family], socket.SOCK_STREAM) as client:
        client.connect((server_address(family), PORT))
        of_syn = by_ss(chain.client, client)
        for _ in range(ROUNDS):
            client.sendall(b"x" * 100)
            # Its kernel acknowledges by itself, and not when this process comes to ask more.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            assert len(client.recv(100)) == 100
        return Asked(measured(daemon, client.getsockname()[1]), by_ss(chain.client, client), of_syn)


def is_tsharks(row, frames):
    samples = [some[:ROUNDS + 1] for some in round_trips(frames)]       # FINs are timed, too
    assert [len(some) for some in samples] == [ROUNDS + 1, ROUNDS + 1]
    assert min(samples[0]) > 2 * DELAY_MS and max(samples[1]) > min(samples[1]) + 5
    for side, some in zip(SIDES, samples):
        assert row[side]["rtt_ms"] == pytest.approx(smoothed(some), **NEAR)
        assert row[side]["min_rtt_ms"] == pytest.approx(min(some), **NEAR)
    handshake, = {float(frame["tcp.analysis.initial_rtt"]) for frame in frames
                  if frame["tcp.analysis.initial_rtt"]}
    assert row["handshake_ms"] == pytest.approx(1000 * handshake, **NEAR)
    assert row["handshake_src_ms"] > 2 * DELAY_MS > row["handshake_dst_ms"]


def off(pairs):
    """By how much these differ where they are nearest to one another."""
    return min(abs(ours - theirs) / theirs for ours, theirs in pairs)


@pytest.mark.parametrize("family", (4, 6))
def test_round_trips_and_handshakes_are_tsharks_of_the_same_frames_and_what_the_client_sees(
        slow, measuring, family, tmp_path):
    with Timed(slow.gateway) as capture, answering(slow, family):
        asked = [ask(slow, measuring, family) for _ in range(COUNT)]
        frames = analysed(capture.frames(), tmp_path / "pcap")
    for one in asked:
        sport = str(one.row["sport"])
        is_tsharks(one.row, [frame for frame in frames if sport in (
            frame["tcp.srcport"], frame["tcp.dstport"])])
    assert off((sum(one.row[side]["rtt_ms"] for side in SIDES), one.by_ss)
               for one in asked) < 0.05
    assert off((one.row["handshake_ms"], one.syn_by_ss) for one in asked) < 0.05
