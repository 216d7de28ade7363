# SPDX-License-Identifier: Apache-2.0
"""`weir quality` on a router of real connections, beside what the kernels of both ends count, and
what tshark finds in a capture of what arrives there. The link to the client loses frames and lets
others overtake them."""
import collections
import contextlib
import pathlib
import socket
import subprocess
import tempfile
import threading

import pytest

from harness.chain import client_address, server_address
from harness.lossy import LossyChain
from harness.wait import wait_for

CONFIG = """
api: {listen: off}
quality: {enabled: true%s}
interfaces: [{name: lan, hook: %s}, {name: wan, hook: %s}]
"""
PORT = 6300
COUNT, BYTES = 12, 400000
FIELDS = ("frame.time_epoch", "ip.id", "tcp.srcport", "tcp.dstport", "tcp.seq", "tcp.len",
          "tcp.flags.syn", "tcp.flags.fin")


@pytest.fixture(scope="module")
def lossy():
    with LossyChain(40, 50) as made:
        yield made


@pytest.fixture(scope="module")
def calm():
    with LossyChain(0, 0) as made:
        yield made


def measuring(weir_daemon, chain, hook="tc", more=""):
    daemon = weir_daemon(chain.gateway, config=CONFIG % (more, hook, hook))
    wait_for(lambda: daemon.ask("quality").get("interfaces") == 2, "it measures", 20)
    return daemon


def rows(daemon, *words):
    return daemon.ask("quality", "--limit", "1000", *words)["connections"]


def total(found, side, key):
    return sum(row[side][key] for row in found)


def snmp(namespace, name):
    """A counter of the kernel's, by nstat's name."""
    text = namespace.run("nstat", "-asz", name).stdout
    return int(next(line for line in text.splitlines() if line.startswith(name)).split()[1])


def poke(chain):
    """A SYN to a port that nobody has, and its reset: a capture that has begun has them."""
    with chain.client.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(0.1)
        sock.connect_ex((server_address(4), PORT + 1))


@contextlib.contextmanager
def captured(chain, station, device, way):
    """What goes in or out there; when it is over, a list with fields of each TCP frame, as tshark
    has them, in the order of their time."""
    frames = []
    with tempfile.TemporaryDirectory(prefix="weir-quality-") as folder:
        path = pathlib.Path(folder) / "pcap"
        process = subprocess.Popen(station.command(
            "dumpcap", "-q", "-B", "64", "-s", "120", "-i", device, "-f", f"tcp and {way}", "-w",
            path), stderr=subprocess.PIPE, text=True)
        try:
            before = wait_for(lambda: path.exists() and path.stat().st_size, "it begins")
            wait_for(lambda: poke(chain) or path.stat().st_size > before, "it captures")
            yield frames
        finally:
            process.terminate()
            process.communicate(timeout=20)
            words = ["tshark", "-n", "-r", path, "-o", "tcp.relative_sequence_numbers:FALSE", "-Y",
                     f"tcp.port=={PORT}", "-T", "fields"]
            for name in FIELDS:
                words += ["-e", name]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            frames += [dict(zip(FIELDS, line.split("\t"))) for line in done.stdout.splitlines()]


def is_data(frame):
    return int(frame["tcp.len"]) or frame["tcp.flags.syn"] == "1" or frame["tcp.flags.fin"] == "1"


def late(frames):
    """Each frame whose first byte lies below what came before."""
    highest = {}
    for frame in filter(is_data, frames):
        way, seq = (frame["tcp.srcport"], frame["tcp.dstport"]), int(frame["tcp.seq"])
        end = seq + max(int(frame["tcp.len"]), 1)
        if way in highest and (seq - highest[way]) % 2 ** 32 >= 2 ** 31:
            yield frame
        if way not in highest or (end - highest[way]) % 2 ** 32 < 2 ** 31:
            highest[way] = end


def sent_again(sent):
    """(port, IP identification, number) of each frame whose first byte was sent before: what leaves
    a sender is in its order."""
    return {(frame["tcp.srcport"], frame["ip.id"], int(frame["tcp.seq"])) for frame in late(sent)}


def echo(peer):
    with peer, contextlib.suppress(ConnectionError):
        while text := peer.recv(65536):
            peer.sendall(text)


def ask(chain, family, size, said):
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    with chain.client.socket(kind, socket.SOCK_STREAM) as sock:
        sock.connect((server_address(family), PORT))
        writer = threading.Thread(target=lambda: (sock.sendall(b"x" * size),
                                                  sock.shutdown(socket.SHUT_WR)))
        writer.start()
        got = 0
        while text := sock.recv(65536):
            got += len(text)
        writer.join()
        said.append(got)


def transfers(chain, count, size, family=4):
    """So many connections of the client to the server, `size` bytes each way and back."""
    kind, said = socket.AF_INET if family == 4 else socket.AF_INET6, []
    with chain.server.socket(kind, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((server_address(family), PORT))
        server.listen(count)

        def accept():
            for _ in range(count):
                threading.Thread(target=echo, args=(server.accept()[0],)).start()

        threads = [threading.Thread(target=accept)]
        threads += [threading.Thread(target=ask, args=(chain, family, size, said))
                    for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert said == [size] * count


def over(daemon, count):
    """When all have ended and nothing more is sent of them."""
    def found():
        ended = rows(daemon, "--ended")
        return len(ended) == count and all(row["state"] == "ended" for row in ended) and ended
    return wait_for(found, "all have ended", 60)


def received(frames, again):
    """Of what arrived: how many were sent again, and how many others had overtaken."""
    highest, of_again, overtaken = {}, 0, 0
    for frame in filter(is_data, frames):
        port, seq = frame["tcp.srcport"], int(frame["tcp.seq"])
        end = seq + max(int(frame["tcp.len"]), 1)
        is_again = (port, frame["ip.id"], seq) in again
        of_again += is_again
        overtaken += not is_again and port in highest and (seq - highest[port]) % 2 ** 32 >= 2 ** 31
        if port not in highest or (end - highest[port]) % 2 ** 32 < 2 ** 31:
            highest[port] = end
    return of_again, overtaken


@pytest.mark.parametrize("family", (4, 6))
def test_what_is_sent_again_towards_losses_is_as_its_sender_counts(lossy, weir_daemon, family):
    """All that the server sends again comes by here: its losses lie behind the router."""
    daemon = measuring(weir_daemon, lossy)
    before = snmp(lossy.server, "TcpRetransSegs")
    with captured(lossy, lossy.gateway, "wan", "inbound") as arrived:
        transfers(lossy, COUNT, BYTES, family)
        found = over(daemon, COUNT)
    server = snmp(lossy.server, "TcpRetransSegs") - before
    assert server > 50 and total(found, "dst_side", "retransmits") == server
    # All else that came late was overtaken on its way here, where processors are busy; between
    # the capture and the program, two of them may change places once more.
    overtaken = sum(1 for _ in late(arrived)) - server
    ours = total(found, "dst_side", "out_of_order")
    assert ours == pytest.approx(overtaken, abs=max(3, overtaken / 2))
    assert total(found, "src_side", "bytes_unseen") == total(found, "dst_side", "bytes_unseen") == 0


@pytest.mark.parametrize("stamps", (1, 0))
def test_what_was_lost_or_overtaken_before_is_told_apart(lossy, weir_daemon, stamps):
    """Of the client: what it sent again is known from what left it, by IP identification."""
    daemon = measuring(weir_daemon, lossy)
    lossy.client.run("sysctl", "-qw", f"net.ipv4.tcp_timestamps={stamps}")
    try:
        with captured(lossy, lossy.client, "eth0", "outbound") as sent, \
                captured(lossy, lossy.gateway, "lan", "inbound") as arrived:
            transfers(lossy, COUNT, BYTES)
            found = over(daemon, COUNT)
    finally:
        lossy.client.run("sysctl", "-qw", "net.ipv4.tcp_timestamps=1")
    again, overtaken = received(arrived, sent_again(sent))
    ours = [total(found, "src_side", key) for key in ("retransmits", "out_of_order")]
    assert again > 50 and overtaken > 20
    # All that comes late is seen; on a road as short as this no clock tells some of it apart.
    assert sum(ours) == pytest.approx(again + overtaken, abs=3)
    assert ours[0] == pytest.approx(again, rel=0.25)
