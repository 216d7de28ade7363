# SPDX-License-Identifier: Apache-2.0
"""The log as systemd's own journal keeps it and journalctl finds it again: every event once, in
order, with all the fields of the file, also while journald is restarted."""
import contextlib
import json
import pathlib
import subprocess

import pytest

from harness.daemon import Daemon
from harness.frames import UDP, Raw, ether, ip
from harness.logged import lines_of
from harness.programs import running
from harness.wait import wait_for
from harness.wire import Wire

JOURNALD = pathlib.Path("/lib/systemd/systemd-journald")
BLOCK = ("api: {listen: off}\n"
         "block: {lists: [{name: bad, action: deny, entries: [192.0.2.0/24]}]}\n")
CONF = "[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\nRateLimitIntervalSec=0\n"
# It has fixed places, so it gets a /run of its own; the machine's journal is not touched.
START = """mount -t tmpfs weir-test /run && mkdir -p /run/systemd/journal /run/log/journal &&
mount --bind {home}/sockets /run/systemd/journal && mount --bind {home}/files /run/log/journal &&
mount --bind {home}/conf /etc/systemd/journald.conf && exec {journald}"""


class Journal:
    def __init__(self, namespace, home):
        self.namespace, self.home = namespace, home
        self.socket = home / "sockets" / "socket"
        for name in ("sockets", "files"):
            (home / name).mkdir()
        (home / "conf").write_text(CONF)

    @contextlib.contextmanager
    def listening(self):
        with running(self.namespace, "unshare", "--mount", "--propagation", "private", "sh", "-c",
                     START.format(home=self.home, journald=JOURNALD)):
            wait_for(self.socket.exists, "journald listens", 20)
            yield
        self.socket.unlink(missing_ok=True)

    def found(self, *matches):
        done = subprocess.run(["journalctl", "-D", self.home / "files", "-o", "json", "--no-pager",
                               "SYSLOG_IDENTIFIER=weir", *matches], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return [json.loads(line) for line in done.stdout.splitlines()]


def blocked(count, first):
    """Datagrams of so many senders."""
    return [ether() / ip(f"192.0.2.{first + i}") / UDP(sport=1000, dport=2000) / Raw(b"x" * 8)
            for i in range(count)]


def named(value, path=""):
    """What a line of the file says, by the journal's names; what is no text as it stands there."""
    if not isinstance(value, dict):
        yield ("WEIR_" + path.removeprefix("weir.").replace("@", "").replace(".", "_").upper(),
               value if isinstance(value, str) else json.dumps(value, separators=(",", ":")))
        return
    for key, inner in value.items():
        yield from named(inner, f"{path}.{key}" if path else key)


@pytest.mark.skipif(not JOURNALD.exists(), reason="this system has no journald")
def test_journald_keeps_every_event_with_the_fields_of_the_file(pair, tmp_path):
    journal, file = Journal(pair.inside, tmp_path), tmp_path / "weir.json"
    section = (f"log: {{file: {{path: {file}, kinds: [drop]}}, journal: {{enabled: true, "
               f"socket: {journal.socket}, kinds: [drop]}}}}\n")
    with Daemon(pair.inside, BLOCK + section, interfaces=[pair.wire]) as daemon, \
            Wire.inward(pair) as wire:
        with journal.listening():
            assert not any(wire.verdicts(blocked(100, 1)))
            wait_for(lambda: len(journal.found()) >= 100, "journald has 100 events", 20)
        assert not any(wire.verdicts(blocked(50, 101)))
        with journal.listening():
            wait_for(lambda: len(journal.found()) >= 150, "journald has those that waited", 30)
        lines = wait_for(lambda: len(found := lines_of(file, is_written=True)) == 150 and found,
                         "the file has them")
        kept = journal.found()
        assert [one["WEIR_SOURCE_IP"] for one in kept] == [f"192.0.2.{i}" for i in range(1, 151)]
        for line, one in zip(lines, kept):
            assert one["MESSAGE"] == line.pop("message")
            assert {name: one.get(name) for name, _ in named(line)} == dict(named(line))
        assert {(one["PRIORITY"], one["_COMM"], one["_PID"]) for one in kept} == {
            ("6", "weir", str(daemon.process.pid))}
        assert len(journal.found("WEIR_SOURCE_IP=192.0.2.7")) == 1
        assert daemon.status()["log"]["journal"]["lost"] == 0
