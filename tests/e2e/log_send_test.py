# SPDX-License-Identifier: Apache-2.0
"""The log by syslog and to the journal: what arrives at sockets that stand in for them, byte for
byte as RFC 3164, RFC 5424 and the journal's own protocol have it."""
import contextlib
import json
import os
import re
import socket
import struct
import time

import pytest

from harness.daemon import Daemon
from harness.ecs import assert_ecs
from harness.frames import UDP, Raw, ether, ip
from harness.net import Namespace, veth
from harness.wait import SLOWNESS, wait_for
from harness.wire import Wire

BLOCK = ("api: {listen: off}\n"
         "block: {lists: [{name: bad, action: deny, entries: [192.0.2.0/24]}]}\n")
# RFC 5424, 6: HEADER SP STRUCTURED-DATA SP MSG
RFC5424 = re.compile(r"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) "
                     r"(\S{1,255}) (\S{1,48}) (\S{1,128}) (\S{1,32}) - (.*)", re.S)
RFC3164 = re.compile(r"<(\d{1,3})>([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) weir\[(\d+)\]: (.*)", re.S)
DAEMON, LOCAL3 = 3, 19                  # facilities
INFO, NOTICE, WARNING = 6, 5, 4
COLLECTOR = "10.77.8.2"


def sent(source="192.0.2.7"):
    return ether() / ip(source) / UDP(sport=1000, dport=2000) / Raw(b"x" * 8)


def taken(sock):
    sock.settimeout(15 * SLOWNESS)
    return sock.recv(1 << 16)


@contextlib.contextmanager
def listening(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        yield sock
    os.unlink(path)


@contextlib.contextmanager
def logging(pair, section):
    with Daemon(pair.inside, BLOCK + section, interfaces=[pair.wire]) as daemon, \
            Wire.inward(pair) as wire:
        yield daemon, wire


def place(daemon, name):
    return daemon.status()["log"][name]


def fields_of(datagram):
    """systemd.io/JOURNAL_NATIVE_PROTOCOL: NAME=value, or NAME, 8 bytes of length and a value."""
    found = {}
    while datagram:
        line, datagram = datagram.split(b"\n", 1)
        name, equals, value = line.partition(b"=")
        if not equals:
            size, = struct.unpack("<Q", datagram[:8])
            value, datagram = datagram[8:8 + size], datagram[8 + size + 1:]
        assert re.fullmatch(rb"[A-Z][A-Z0-9_]{0,63}", name), name
        assert name not in found
        found[name.decode()] = value.decode()
    return found


def test_local_syslog_is_as_the_c_library_writes_it(pair, tmp_path):
    path = tmp_path / "log"
    with listening(path) as sock, \
            logging(pair, f"log: {{syslog: {{to: {path}, kinds: [drop]}}}}\n") as (daemon, wire):
        assert not wire.passes(sent())
        number, _, pid, text = RFC3164.fullmatch(taken(sock).decode()).groups()
        assert int(number) == DAEMON * 8 + INFO and int(pid) == daemon.process.pid
        assert text == (f"drop udp 192.0.2.7:1000 > 198.18.0.1:2000 in {pair.wire}: drop_blocked "
                        "(list bad)")


def test_packets_are_not_sent_unless_they_are_asked_for(pair, tmp_path):
    path = tmp_path / "log"
    section = f"log: {{syslog: {{to: {path}, facility: local3}}}}\n"
    with listening(path) as sock, logging(pair, section) as (daemon, wire):
        assert not wire.passes(sent())
        wait_for(lambda: daemon.ask("events")["events"] and any(
            event["kind"] == "drop" for event in daemon.ask("events")["events"]), "the event")
        daemon.apply(BLOCK + section)
        text = ""
        while not text.startswith("change"):
            number, _, _, text = RFC3164.fullmatch(taken(sock).decode()).groups()
            assert int(number) == LOCAL3 * 8 + NOTICE
            assert text.split()[0] in ("interface", "change:")
        assert text.startswith("change: apply, revision ")


def test_local_syslog_may_be_a_stream(pair, tmp_path):
    """Each message ends with a zero, as syslog(3) has it."""
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()
        server.settimeout(15 * SLOWNESS)
        with logging(pair, f"log: {{syslog: {{to: {path}, kinds: [drop]}}}}\n") as (daemon, wire):
            stream, _ = server.accept()
            assert not any(wire.verdicts([sent(f"192.0.2.{i}") for i in range(1, 11)]))
            text = b""
            with stream:
                while text.count(b"\0") < 10:
                    text += taken(stream)
            texts = [RFC3164.fullmatch(one.decode()).group(4) for one in text.split(b"\0")[:-1]]
            assert [one.split()[2] for one in texts] == [f"192.0.2.{i}:1000" for i in range(1, 11)]
            assert not wire.passes(sent("192.0.2.50"))
            again, _ = server.accept()
            with again:
                assert b" 192.0.2.50:1000 " in taken(again)
            assert place(daemon, "syslog")["lost"] == 0


def inside_socket(pair, kind, family=socket.AF_INET):
    """In the daemon's namespace, at a port of its own."""
    with pair.inside.entered():
        sock = socket.socket(family, kind)
        sock.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
    return sock


@pytest.mark.parametrize("family, host", [(socket.AF_INET, "127.0.0.1"),
                                          (socket.AF_INET6, "[::1]")])
def test_syslog_by_udp_is_rfc_5424(pair, family, host):
    pair.inside.run("ip", "link", "set", "lo", "up")
    with inside_socket(pair, socket.SOCK_DGRAM, family) as sock:
        to = f"udp://{host}:{sock.getsockname()[1]}"
        with logging(pair, f"log: {{syslog: {{to: '{to}', kinds: [drop]}}}}\n") as (daemon, wire):
            assert not wire.passes(sent())
            number, _, host_name, app, pid, kind, text = RFC5424.fullmatch(
                taken(sock).decode()).groups()
            assert int(number) == DAEMON * 8 + INFO
            assert (app, int(pid), kind) == ("weir", daemon.process.pid, "drop")
            assert host_name == socket.gethostname()
            assert text.startswith("drop udp 192.0.2.7:1000 > 198.18.0.1:2000 ")


def test_lines_wait_for_a_udp_port_that_is_closed(pair):
    pair.inside.run("ip", "link", "set", "lo", "up")
    with inside_socket(pair, socket.SOCK_DGRAM) as sock:
        address = sock.getsockname()
    section = f"log: {{syslog: {{to: 'udp://127.0.0.1:{address[1]}', kinds: [drop]}}}}\n"
    sources = [f"192.0.2.{i}" for i in range(1, 21)]
    with logging(pair, section) as (daemon, wire):
        assert not any(wire.verdicts([sent(source) for source in sources]))
        wait_for(lambda: "refused" in place(daemon, "syslog").get("problem", ""), "its word")
        now = wait_for(lambda: (told := place(daemon, "syslog"))["waiting"] == 20 and told,
                       "all wait")
        assert (now["written"], now["lost"]) == (0, 0)
        with pair.inside.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(address)
            texts = [RFC5424.fullmatch(taken(sock).decode()).group(7) for _ in sources]
            assert [text.split()[2] for text in texts] == [f"{one}:1000" for one in sources]
            wait_for(lambda: place(daemon, "syslog")["written"] == 20, "they are written")


def test_syslog_as_json_is_the_line_of_the_file(pair):
    pair.inside.run("ip", "link", "set", "lo", "up")
    with inside_socket(pair, socket.SOCK_DGRAM) as sock:
        section = (f"log: {{syslog: {{to: 'udp://127.0.0.1:{sock.getsockname()[1]}', "
                   "message: json, kinds: [drop]}}\n")
        with logging(pair, section) as (_, wire):
            assert not wire.passes(sent())
            text = RFC5424.fullmatch(taken(sock).decode()).groups()[-1]
            assert text.startswith("@cee: ") and "\n" not in text
            line = json.loads(text.removeprefix("@cee: "))
            assert_ecs(line)
            assert line["source"]["ip"] == "192.0.2.7"


def frame_of(stream):
    """RFC 6587, 3.4.1: MSG-LEN SP SYSLOG-MSG"""
    size = b""
    while not size.endswith(b" "):
        byte = stream.read(1)
        assert byte, "the connection ended"
        size += byte
    return stream.read(int(size)).decode()


def test_syslog_by_tcp_counts_octets_and_comes_back_after_a_loss(pair):
    pair.inside.run("ip", "link", "set", "lo", "up")
    with inside_socket(pair, socket.SOCK_STREAM) as server:
        server.listen()
        server.settimeout(15 * SLOWNESS)
        port = server.getsockname()[1]
        section = f"log: {{syslog: {{to: 'tcp://127.0.0.1:{port}', kinds: [drop]}}}}\n"
        with logging(pair, section) as (daemon, wire):
            first, _ = server.accept()
            with first, first.makefile("rb") as stream:
                assert not any(wire.verdicts([sent(f"192.0.2.{i}") for i in range(1, 41)]))
                texts = [RFC5424.fullmatch(frame_of(stream)).group(7) for _ in range(40)]
                assert [text.split()[2] for text in texts] == [
                    f"192.0.2.{i}:1000" for i in range(1, 41)]
            assert not wire.passes(sent("192.0.2.50"))
            again, _ = server.accept()
            with again, again.makefile("rb") as stream:
                assert " 192.0.2.50:1000 " in frame_of(stream)
            assert place(daemon, "syslog")["lost"] == 0


@pytest.fixture
def collector(pair):
    """A host by a wire of its own."""
    made = Namespace("collector")
    try:
        veth(pair.inside, "aside", made, "uplink")
        pair.inside.run("ip", "addr", "add", "10.77.8.1/24", "dev", "aside")
        made.run("ip", "addr", "add", f"{COLLECTOR}/24", "dev", "uplink")
        yield made
    finally:
        made.delete()


def test_a_collector_that_is_gone_without_a_word_is_given_up(pair, collector):
    with collector.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.bind((COLLECTOR, 601))
        server.listen()
        server.settimeout(30 * SLOWNESS)
        section = f"log: {{syslog: {{to: 'tcp://{COLLECTOR}', kinds: [drop]}}}}\n"
        with logging(pair, section) as (daemon, wire):
            first, _ = server.accept()
            with first, first.makefile("rb") as stream:
                assert not wire.passes(sent())
                assert "192.0.2.7" in frame_of(stream)
                collector.run("ip", "link", "set", "uplink", "down")

                def is_known():
                    assert not wire.passes(sent())
                    return place(daemon, "syslog").get("problem")
                wait_for(is_known, "its word", 30)
            collector.run("ip", "link", "set", "uplink", "up")
            again, _ = server.accept()
            with again, again.makefile("rb") as stream:
                assert "192.0.2.7" in frame_of(stream)


def test_the_journal_gets_each_field(pair, tmp_path):
    path = tmp_path / "journal"
    section = f"log: {{journal: {{enabled: true, socket: {path}, kinds: [drop, warning]}}}}\n"
    with listening(path) as sock, logging(pair, section) as (_, wire):
        assert not wire.passes(sent())
        fields = fields_of(taken(sock))
        assert fields["PRIORITY"] == str(INFO) and fields["SYSLOG_IDENTIFIER"] == "weir"
        assert fields["MESSAGE"].startswith("drop udp 192.0.2.7:1000 > 198.18.0.1:2000 ")
        assert fields["WEIR_KIND"] == "drop"
        assert fields["WEIR_SOURCE_IP"] == "192.0.2.7"
        assert fields["WEIR_DESTINATION_PORT"] == "2000"
        assert fields["WEIR_DROP_LIST"] == "bad"
        assert fields["WEIR_EVENT_REASON"] == "drop_blocked"


def test_a_daemon_that_is_away_loses_nothing_that_finds_room_and_holds_up_no_other_place(
        pair, tmp_path):
    path, file = tmp_path / "journal", tmp_path / "weir.json"
    section = (f"log: {{journal: {{enabled: true, socket: {path}, kinds: [drop]}}, "
               f"file: {{path: {file}, kinds: [drop]}}}}\n")
    with logging(pair, section) as (daemon, wire):
        wait_for(lambda: "No such file" in place(daemon, "journal").get("problem", ""), "its word")
        assert not any(wire.verdicts([sent(f"192.0.2.{i}") for i in range(1, 21)]))
        wait_for(lambda: file.exists() and len(file.read_text().splitlines()) == 20, "the file")
        checks = {row["check"]: row for row in json.loads(
            daemon.verb("doctor", "--json", "--pin-dir", daemon.pin_dir).stdout)["checks"]}
        assert checks["log journal"]["level"] == "warning" and checks["log file"]["ok"]
        with listening(path) as sock:
            found = [fields_of(taken(sock))["WEIR_SOURCE_IP"] for _ in range(20)]
        assert found == [f"192.0.2.{i}" for i in range(1, 21)]
        assert place(daemon, "journal")["lost"] == 0


def test_a_reader_that_stands_still_holds_up_nobody(pair, tmp_path):
    """The socket's queue is full, and a line waits two seconds each time."""
    path = tmp_path / "log"
    section = f"log: {{syslog: {{to: {path}, kinds: [drop]}}}}\n"
    with listening(path), logging(pair, section) as (daemon, wire):
        assert not any(wire.verdicts([sent()] * 1000))
        wait_for(lambda: "Resource temporarily" in place(daemon, "syslog").get("problem", ""),
                 "its word")
        assert daemon.apply(BLOCK + section)["revision"]
        assert daemon.healthy()


def test_a_stop_waits_once_for_all_places_that_stand_still(pair, tmp_path):
    log, journal = tmp_path / "log", tmp_path / "journal"
    section = (f"log: {{syslog: {{to: {log}, kinds: [drop]}}, "
               f"journal: {{enabled: true, socket: {journal}, kinds: [drop]}}}}\n")
    with listening(log), listening(journal), logging(pair, section) as (daemon, wire):
        assert not any(wire.verdicts([sent()] * 1000))
        for name in ("syslog", "journal"):
            wait_for(lambda name=name: "Resource temporarily" in
                     place(daemon, name).get("problem", ""), "its word")
        began = time.monotonic()
        daemon.stop()
        assert time.monotonic() - began < 5 * SLOWNESS
