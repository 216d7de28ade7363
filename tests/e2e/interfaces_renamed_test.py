# SPDX-License-Identifier: Apache-2.0
"""An interface that gets another name while packets arrive: it keeps its rules, and nothing is left
out or counted twice."""
import contextlib
import re
import socket
import threading

from harness.account import Books, Count, device_counts, ended, flows_sum, metrics, plus
from harness.daemon import Daemon
from harness.net import Pair
from harness.pages import page_of
from harness.wait import SLOWNESS, wait_for

ALLOWED, BLOCKED = 7700, 7701
CONFIG = ("api: {listen: off}\n"
          "interfaces: [{name: 'wire*', hook: tc, egress: true}]\n"
          "conntrack: {enabled: true, account: true}\n"
          f"rules: {{enabled: true, rules: [{{name: no, proto: udp, dport: {BLOCKED}, "
          "action: deny}]}\n")
CROWD = 40                      # devices, of which 200 series have no room for all
MORE = 1000                     # once the new name is told
WIRE_BYTES = 14 + 20 + 8 + 1    # of each of them
SAMPLE = re.compile(r'^weir_(interface_rx_packets_total|packets_total)\{interface="(\w+)"(.*)\} '
                    r"(\S+)$", re.M)


def told(daemon):
    """(what the device counts by name, what Weir counted of arrivals by name and reason)."""
    devices, packets = {}, {}
    for metric, name, labels, value in SAMPLE.findall(metrics(daemon)):
        if metric == "interface_rx_packets_total":
            devices[name] = int(float(value))
        elif 'direction="ingress"' in labels:
            reason = re.search(r'reason="(\w+)"', labels)[1]
            packets[name, reason] = int(float(value))
    return devices, packets


class Sender:
    """Two datagrams a turn, one to a port that is blocked; the next turn begins when the other has
    arrived, so that no queue overflows."""

    def __init__(self, pair, stack):
        self.turns, self.left, self.target = 0, None, pair.inside_v4
        self.sock = stack.enter_context(pair.outside.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.sinks = []
        for port in (ALLOWED, BLOCKED):
            sink = stack.enter_context(pair.inside.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sink.bind((pair.inside_v4, port))
            sink.settimeout(10 * SLOWNESS)
            self.sinks.append(sink)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        stack.callback(self.end, 0)

    def run(self):
        while self.left != 0:
            for port in (BLOCKED, ALLOWED):
                self.sock.sendto(b"x", (self.target, port))
            self.sinks[0].recv(10)
            self.turns += 1
            if self.left:
                self.left -= 1

    def end(self, more):
        """After so many turns more."""
        self.left = more
        self.thread.join()


def rename(pair, sender):
    """While packets pass, before, meanwhile and behind."""
    wait_for(lambda: sender.turns > 100, "packets pass")
    before = sender.turns
    pair.inside.run("ip", "link", "set", "wire", "name", "wired")
    assert sender.turns > before, "packets passed meanwhile"


def check_told(seen, turns):
    """By one name at the end, and no count ever goes back."""
    devices, packets = seen[-1]
    assert sum(count for (_, reason), count in packets.items() if reason == "drop_rule") == turns
    assert set(devices) == {"wired"} and {name for name, _ in packets} == {"wired"}
    for before, after in zip(seen, seen[1:]):
        for was, now in zip(before, after):
            assert sum(now.values()) >= sum(was.values()), "no count goes back"


def check_books(daemon, books, turns):
    """What its device counts is what flows have and what is in none, under the new name."""
    books.renamed("wire", "wired")
    counted = books.check()
    carried = Count(turns, turns * WIRE_BYTES)
    assert counted["dropped"] == carried
    flow, = daemon.ask("flow", "list", f"dport={ALLOWED}")["flows"]
    assert Count(flow["packets"], flow["bytes"]) == carried
    assert plus((flows_sum(daemon), ended(daemon))) == counted["flow"]


def test_renamed_under_load_it_keeps_its_rules_and_counts():
    with Pair("renamed", addresses=True) as pair, Daemon(pair.inside, config=CONFIG) as daemon, \
            contextlib.ExitStack() as stack:
        books = Books(daemon, pair.inside, ["wire"], polls=False)
        sender, seen = Sender(pair, stack), []
        rename(pair, sender)
        wait_for(lambda: seen.append(told(daemon)) or "wired" in seen[-1][0], "its new name", 20)
        sender.end(MORE)
        device = device_counts(pair.inside, ["wired"])["wired", "ingress"].packets

        def is_all():
            seen.append(told(daemon))
            return seen[-1][0].get("wired", 0) >= device and sum(
                count for (_, reason), count in seen[-1][1].items()
                if reason == "drop_rule") >= sender.turns
        with contextlib.suppress(AssertionError):
            wait_for(is_all, "all are counted")
        check_told(seen, sender.turns)
        check_books(daemon, books, sender.turns)
        sender.sinks[1].setblocking(False)
        with contextlib.suppress(BlockingIOError):
            assert not sender.sinks[1].recv(10), "the rule holds by either name"


def test_renamed_a_crowd_s_devices_are_told_once_shown_or_not():
    """In `first` by its name, and in what is told as others."""
    names = [f"crowd{number:02}" for number in range(CROWD)]
    with Pair("crowd", addresses=True) as pair:
        for name in names:
            pair.inside.run("ip", "link", "add", name, "type", "veth", "peer", "name",
                            f"far-{name}")
        config = ("api: {listen: off}\nmetrics: {series: 200}\n"
                  "interfaces: [{name: 'crowd*', hook: tc}, {name: 'wire*', hook: tc}]\n")
        with Daemon(pair.inside, config=config) as daemon:
            pair.outside.run("ping", "-c", "20", "-i", "0.01", pair.inside_v4)

            def told():
                page = page_of(daemon)
                return {name: page.sum("weir_interface_rx_packets_total", interface=name)
                        for name in (*names, "wire", "wired", "first", "other")}

            def is_whole():
                device = device_counts(pair.inside, ["wire"])["wire", "ingress"].packets
                return sum(told().values()) == device >= 20
            wait_for(is_whole, "all is told, the crowd has nothing")
            before = told()
            assert before["wire"] == 0 and before["other"] >= 20, "wire is among the others"
            pair.inside.run("ip", "link", "set", "wire", "name", "wired")
            pair.inside.run("ip", "link", "set", names[0], "name", "first")
            shown = 'weir_interface_rx_packets_total{interface="first"}'
            wait_for(lambda: shown in page_of(daemon).values, "it has a series by its new name")
            pair.outside.run("ping", "-c", "20", "-i", "0.01", pair.inside_v4)
            wait_for(lambda: told()["other"] >= before["other"] + 20, "it is told that more came")
            device = device_counts(pair.inside, ["wired"])["wired", "ingress"].packets
            wait_for(lambda: sum(told().values()) == device, "nothing is told twice")
