# SPDX-License-Identifier: Apache-2.0
"""The log as rsyslogd reads it, by each way that it listens: every line whole, once, in order, also
while it is restarted."""
import collections
import contextlib
import pathlib
import socket

import pytest

from harness.daemon import Daemon
from harness.frames import UDP, Raw, ether, ip
from harness.programs import running
from harness.wait import wait_for
from harness.wire import Wire

RSYSLOGD, PORT = "/usr/sbin/rsyslogd", 5140
BLOCK = ("api: {listen: off}\n"
         "block: {lists: [{name: bad, action: deny, entries: [192.0.2.0/24]}]}\n")
# It reads what stands behind @cee: as JSON by a parser of its own.
RSYSLOG = """global(workDirectory="{home}" maxMessageSize="64k")
main_queue(queue.workerThreads="1")
module(load="imuxsock" SysSock.Use="off")
module(load="imudp")
module(load="imtcp")
module(load="mmjsonparse")
input(type="{kind}" {where})
template(name="line" type="list") {{
  property(name="hostname") constant(value="|")
  property(name="programname") constant(value="|")
  property(name="procid") constant(value="|")
  property(name="syslogfacility-text") constant(value=".")
  property(name="syslogseverity-text") constant(value="|")
  property(name="$!source!ip") constant(value="|")
  property(name="msg") constant(value="\\n")
}}
action(type="mmjsonparse")
action(type="omfile" file="{home}/got" template="line")
"""
PLACES = {"imuxsock": ('Socket="{home}/log"', "{home}/log"),
          "imudp": (f'address="127.0.0.1" port="{PORT}" rcvbufSize="1m"',
                    f"udp://127.0.0.1:{PORT}"),
          "imtcp": (f'address="127.0.0.1" port="{PORT}"', f"tcp://127.0.0.1:{PORT}")}
Got = collections.namedtuple("Got", "host program pid level source text")


class Rsyslog:
    """In a namespace, with a folder and a configuration of its own."""

    def __init__(self, namespace, home, kind):
        where, to = PLACES[kind]
        self.namespace, self.home, self.kind = namespace, home, kind
        self.to, self.process = to.format(home=home), None
        (home / "conf").write_text(RSYSLOG.format(home=home, kind=kind,
                                                  where=where.format(home=home)))

    @contextlib.contextmanager
    def listening(self):
        with running(self.namespace, RSYSLOGD, "-n", "-f", self.home / "conf", "-i",
                     self.home / "pid"):
            wait_for(self.is_there, "rsyslogd listens", 20)
            yield

    def is_there(self):
        if self.kind == "imuxsock":
            return (self.home / "log").exists()
        return self.namespace.run("ss", "-Hnl", self.kind.replace("im", "--"), "sport", "=",
                                  f":{PORT}").stdout.strip()

    def got(self):
        file = self.home / "got"
        text = file.read_text() if file.exists() else ""
        return [Got(*line.split("|", 5)) for line in text.split("\n")[:-1]]


def blocked(count, first):
    """Datagrams of so many senders."""
    return [ether() / ip(f"192.0.2.{first + i}") / UDP(sport=1000, dport=2000) / Raw(b"x" * 8)
            for i in range(count)]


def lines(path):
    return pathlib.Path(path).read_text().splitlines()


@pytest.mark.parametrize("kind", PLACES)
def test_rsyslogd_has_every_line_of_the_file_whole(pair, tmp_path, kind):
    pair.inside.run("ip", "link", "set", "lo", "up")
    rsyslog, file = Rsyslog(pair.inside, tmp_path, kind), tmp_path / "weir.json"
    section = (f"log: {{file: {{path: {file}, kinds: [drop]}}, syslog: {{to: '{rsyslog.to}', "
               "message: json, kinds: [drop]}}\n")
    with Daemon(pair.inside, BLOCK + section, interfaces=[pair.wire]) as daemon, \
            Wire.inward(pair) as wire:
        with rsyslog.listening():
            assert not any(wire.verdicts(blocked(100, 1)))
            wait_for(lambda: len(rsyslog.got()) >= 100, "rsyslogd has 100 lines", 20)
        assert not any(wire.verdicts(blocked(50, 101)))
        with rsyslog.listening():
            wait_for(lambda: len(rsyslog.got()) >= 150, "rsyslogd has those that waited", 30)
        wait_for(lambda: len(lines(file)) == 150, "the file has them")
        got = rsyslog.got()
        assert [one.text.lstrip().removeprefix("@cee: ") for one in got] == lines(file)
        assert [one.source for one in got] == [f"192.0.2.{i}" for i in range(1, 151)]
        assert {one[:4] for one in got} == {
            (socket.gethostname(), "weir", str(daemon.process.pid), "daemon.info")}
        assert daemon.status()["log"]["syslog"]["lost"] == 0
