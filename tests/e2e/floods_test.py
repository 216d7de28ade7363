# SPDX-License-Identifier: Apache-2.0
"""Real attackers on a web server, and each section of docs/user/floods.md against its own: what the
honest have of it before, bare and behind the lines of that section is told. Asked is only what no
machine is too slow for: the flood is dropped, the honest are not, every command there works.

WEIR_FLOODS_S: seconds of each phase; from 5 on at both hooks."""
import collections
import contextlib
import os
import re
import shlex
import socket
import threading
import time

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6ExtHdrFragment
from scapy.packet import Raw

from harness.attacked import ATTACKER, DARK, DARK_V6, Attacked, busy, percentiles, requesting
from harness.daemon import TREE
from harness.frames import ether
from harness.live import LiveFrames
from harness.net import Pair, descriptors
from harness.programs import WEB, Home, running, url
from harness.wait import SLOWNESS, pause, wait_for

pytestmark = [pytest.mark.alone, pytest.mark.outside]

PHASE_S = float(os.environ.get("WEIR_FLOODS_S", "2"))
HOOKS = ["tc", "xdp"] if PHASE_S >= 5 else ["tc"]
PAGE = (TREE / "docs/user/floods.md").read_text()
CLIENTS = {4: "10.77.1.0/24", 6: "fd77::/64"}
HONEST_RATE = 20                # requests a second: a person's browser, not a flood
NGINX_CONNECTIONS = 256
SCANNED = "1-3000"
HEAD = """api: {{listen: off}}
attack: {{enabled: true}}
interfaces: [{{name: wire, hook: {hook}}}, {{name: dark, hook: {hook}}}]
"""
# What stands here in place of what the page has.
HERE = {4: (("198.51.100.0/24", CLIENTS[4]), ("198.51.100.7", Pair.outside_v4)),
        6: (("198.51.100.0/24", CLIENTS[6]), ("198.51.100.7", Pair.outside_v6))}
NETWORK_V6 = "2001:db8:77:: 1"          # each host of one network /64, by chance
STRANGERS_V6 = f"2001:db8:: {2**32 - 1}"


def fenced(text):
    """[(language, lines)]"""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)


def section(title, family=4):
    """(its configuration, its commands) as the page has them."""
    text = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]
    for words, here in HERE[family]:
        text = text.replace(words, here)
    blocks = fenced(text)
    commands = "".join(block for kind, block in blocks if not kind).splitlines()
    return ("".join(block for kind, block in blocks if kind == "yaml"),
            [shlex.split(command, comments=True)[1:] for command in commands])


def configured(hook, yaml):
    """Sections that the page writes itself stand in the place of those of HEAD."""
    head = HEAD.format(hook=hook)
    return (head if "attack:" not in yaml else head.replace("attack: {enabled: true}\n", "")) + yaml


# --- attackers ------------------------------------------------------------------------------------

def hping(*words):
    """As fast as it can. Killed at the latest by `timeout`, whatever becomes of this process."""
    def attack(scene):
        return running(scene.attacker, "timeout", "-s", "KILL", 60 * SLOWNESS, "hping3", "--flood",
                       "-q", *words, DARK)
    return attack


def reflectors(scene):
    """Answers of memcached servers to questions that nobody here asked."""
    frame = ether() / IP(dst=DARK) / UDP(sport=11211, dport=40000) / Raw(bytes(18))
    return LiveFrames(scene.attacker, scene.dark, ["11.0.0.0 5000"], frame)


def frames_v6(source, upper):
    return lambda scene: scene.flood_v6(source, upper)


def visitors(address):
    """A connection for each request, as many as there can be."""
    return lambda scene: running(scene.attacker, "wrk", "-t1", "-c100", "-d60s", "-H",
                                 "Connection: close", url(address, "small"))


@contextlib.contextmanager
def scanner(scene):
    """Again and again: a scan may end within a phase."""
    with running(scene.attacker, "timeout", "-s", "KILL", 60 * SLOWNESS, "sh", "-c",
                 f"while :; do nmap -n -Pn -sS -T5 --min-rate 3000 --max-retries 1 -p {SCANNED} "
                 f"{DARK}; done", start_new_session=True):
        yield


class Slowloris(threading.Thread):
    """Requests that never end, half as many again as the server has connections."""

    def __init__(self, scene):
        super().__init__()
        self.scene, self.ended, self.socks = scene, threading.Event(), []

    def open(self):
        sock = self.scene.attacker.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.connect_ex((DARK, WEB))
        self.socks.append(sock)

    def go_on(self, sock):
        """A line more. What the server has ended is begun again."""
        try:
            sock.send(b"GET / HTTP/1.1\r\nHost: a\r\n" if sock not in self.begun else b"X: y\r\n")
            self.begun.add(sock)
        except BlockingIOError:
            pass                # no answer to its SYN yet
        except OSError:
            self.begun.discard(sock)
            self.socks.remove(sock)
            sock.close()

    def run(self):
        self.begun = set()
        while not self.ended.is_set():
            while len(self.socks) < NGINX_CONNECTIONS * 3 // 2:
                self.open()
            for sock in list(self.socks):
                self.go_on(sock)
            pause(0.1)

    def __enter__(self):
        self.start()

    def __exit__(self, *_):
        self.ended.set()
        self.join()
        for sock in self.socks:
            sock.close()


# --- what is told -------------------------------------------------------------------------------

Phase = collections.namedtuple("Phase", "name begin end flooded dropped busy softirq")


def dropped(daemon):
    """Packets that came no further: nothing is left of a SYN that was answered, either."""
    return sum(count for reason, count in daemon.reasons().items()
               if reason.startswith("drop") or reason == "pass_syn_answered")


def phase_of(scene, name):
    seen, drops, cpu, begin = scene.sent(), dropped(scene.daemon), busy(), time.monotonic()
    wait_for(lambda: time.monotonic() >= begin + PHASE_S, "the phase is over", PHASE_S + 10)
    end, now = time.monotonic(), busy()
    jiffies = (end - begin) * os.sysconf("SC_CLK_TCK") * os.cpu_count()
    return Phase(name, begin, end, scene.sent() - seen, dropped(scene.daemon) - drops,
                 (now.all - cpu.all) / jiffies, (now.softirq - cpu.softirq) / jiffies)


def table(phases, requests):
    rows = [f"{'':8}{'served/s':>10}{'failed/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'flood/s':>11}"
            f"{'dropped/s':>11}{'CPU':>6}{'softirq':>9}"]
    for phase in phases:
        took, seconds = requests.within(phase), phase.end - phase.begin
        p50, p99 = percentiles(took)
        rows.append(f"{phase.name:8}{len(took) / seconds:10.1f}"
                    f"{requests.failed_within(phase) / seconds:10.1f}{p50:9.2f}{p99:9.2f}"
                    f"{phase.flooded / seconds:11,.0f}{phase.dropped / seconds:11,.0f}"
                    f"{phase.busy:6.0%}{phase.softirq:9.0%}")
    return "\n".join(rows)


# --- the scene ------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def home():
    with Home() as made:
        path = made.path / "nginx.conf"
        path.write_text(path.read_text().replace("worker_connections 4096",
                                                 f"worker_connections {NGINX_CONNECTIONS}")
                        .replace("access_log off;", "access_log off; client_header_timeout 5s;"))
        yield made


@pytest.fixture(scope="module", params=HOOKS)
def scene(request, home):
    with Attacked("floods", configured(request.param, "")) as made, \
            home.serving(made.host, WEB), descriptors(4096):
        made.hook = request.param
        yield made


def limits(daemon):
    return {row["name"]: row["over"] for row in daemon.ask("limit", "show")["limits"]}


def assert_honest_are_untouched(daemon, family):
    """Nobody of theirs is over a limit, or blocked."""
    assert daemon.ask("limit", "top", f"addr={CLIENTS[family]}")["top"] == []
    assert [row for row in daemon.entries("block", "--auto")
            if row["entry"].startswith(("10.77.1.", "fd77::"))] == []


def until_it_is_dropped(scene, proof):
    wait_for(lambda: proof(scene.daemon), "the flood meets the lines", 20)


def over(*names):
    """All these limits have dropped packets."""
    return lambda daemon: all(limits(daemon)[name] > 0 for name in names)


def reasons(*names):
    return lambda daemon: all(daemon.reasons().get(name, 0) > 0 for name in names)


def answered(daemon):
    """By the rate that the page names; clients that prove themselves are handed on."""
    row = daemon.ask("synproxy", "show")
    return row["answered"] > 0 and row["proven"] > 0


def blocked(daemon, attacker=ATTACKER):
    return any(row["entry"].split("/")[0] == attacker for row in daemon.entries("block", "--auto"))


# proof: that the lines do what they are for. mostly: most of what comes is dropped. starves:
# without them, honest requests fail on any machine. family: of attackers and honest alike.
Case = collections.namedtuple("Case", "title attack proof mostly starves family",
                              defaults=[False, 4])
CASES = {
    "syn": Case("SYN flood", hping("-S", "-p", WEB), over("web-connections"), True),
    "syn-forged": Case("SYN flood from forged addresses", hping("-S", "--rand-source", "-p", WEB),
                       lambda daemon: over("syn-strangers")(daemon)
                       and reasons("drop_martian")(daemon), False),
    "syn-answered": Case("SYN flood answered with cookies",
                         hping("-S", "--rand-source", "-p", WEB), answered, False),
    "udp": Case("UDP flood", hping("--udp", "-p", 9), reasons("drop_rule"), True),
    "udp-served": Case("UDP flood", hping("--udp", "-p", 53), over("udp-each"), True),
    "udp-forged": Case("UDP flood", hping("--udp", "--rand-source", "-p", 53), over("udp-all"),
                       False),
    "amplification": Case("Amplification", reflectors, over("amplification-never"), True),
    "icmp": Case("ICMP flood", hping("--icmp"), over("icmp"), True),
    "fragments": Case("Fragments", hping("--udp", "--morefrag", "--rand-source", "-d", 64),
                      reasons("drop_rule"), True),
    "fragments-tiny": Case("Fragments", hping("-S", "--frag", "-p", WEB),
                           reasons("drop_tiny_fragment"), False),
    "connections": Case("New connections", visitors(DARK), blocked, False),
    "scan": Case("Scans", scanner, blocked, False),
    "slowloris": Case("Slowloris", Slowloris, blocked, False, True),
}
SYN, DATAGRAM = TCP(sport=4000, dport=WEB, flags="S"), UDP(sport=4000, dport=53) / Raw(bytes(18))
PIECE = IPv6ExtHdrFragment(m=1, nh=17, id=77) / UDP(sport=4000, dport=53, len=500) / Raw(bytes(56))
CASES_V6 = {
    "syn": Case("SYN flood", frames_v6(NETWORK_V6, SYN), over("web-connections"), True),
    "syn-forged": Case("SYN flood from forged addresses", frames_v6(STRANGERS_V6, SYN),
                       over("syn-strangers"), True),
    "syn-answered": Case("SYN flood answered with cookies", frames_v6(STRANGERS_V6, SYN), answered,
                         True),
    "udp-served": Case("UDP flood", frames_v6(NETWORK_V6, DATAGRAM), over("udp-each"), True),
    "icmp": Case("ICMP flood", frames_v6(NETWORK_V6, ICMPv6EchoRequest()), over("icmp"), True),
    "fragments": Case("Fragments", frames_v6(STRANGERS_V6, PIECE), reasons("drop_rule"), True),
    "connections": Case("New connections", visitors(DARK_V6),
                        lambda daemon: blocked(daemon, "fd77:2::"), False),
}
CASES.update((f"{name}-v6", case._replace(family=6)) for name, case in CASES_V6.items())


@pytest.mark.parametrize("name", CASES)
def test_lines_of_the_page_hold_the_flood_and_nobody_else(scene, name):
    case, daemon = CASES[name], scene.daemon
    yaml, commands = section(case.title, case.family)
    address = scene.pair.inside_v4 if case.family == 4 else scene.pair.inside_v6
    daemon.apply(configured(scene.hook, ""))
    with requesting(scene.client, address, 2 * SLOWNESS, HONEST_RATE) as requests:
        wait_for(lambda: requests.rows, "the honest are served")
        phases = [phase_of(scene, "before")]
        with case.attack(scene):
            sent = scene.sent()
            wait_for(lambda: scene.sent() > sent + 100, "the flood has come", 20)
            if case.starves:
                wait_for(lambda: len(requests.failed) > 2, "honest requests fail", 30)
            phases.append(phase_of(scene, "bare"))
            daemon.apply(configured(scene.hook, yaml))
            until_it_is_dropped(scene, case.proof)
            wait_for(lambda: requests.rows[-1][0] > phases[-1].end, "the honest are served", 20)
            phases.append(phase_of(scene, "lines"))
            for command in commands:
                daemon.say(*command)
        print(f"\n{name}, hook {scene.hook}\n{table(phases, requests)}")
        assert requests.within(phases[0]) and requests.within(phases[2])
        assert_honest_are_untouched(daemon, case.family)
        assert not case.mostly or phases[2].dropped > phases[2].flooded / 2
        assert phases[2].dropped > 0
    for row in daemon.entries("block", "--auto"):
        daemon.say("block", "del", row["entry"])


def test_commands_of_the_page_work_one_after_the_other(scene):
    """First look, no lock-out, lines, hurry, and the way back."""
    daemon = scene.daemon
    sleeping = section("When it is over: undo")[0]
    daemon.config.write_text(configured(scene.hook, sleeping))
    for title in ("First: look", "Second: do not lock yourself out", "Third: put lines in",
                  "When it is over: undo"):
        for words in section(title)[1]:
            said = daemon.say(*(str(daemon.config) if word == "/etc/weir/weir.yaml" else word
                                for word in words))
            assert said, words
    daemon.apply(configured(scene.hook, sleeping))
    rows = {row["name"]: row for row in daemon.ask("limit", "show")["limits"]}
    assert rows["web-strict"]["when"] == "attack"
    for entry in (CLIENTS[4], Pair.outside_v4):
        daemon.say("allow", "del", entry)


def test_every_line_of_the_page_is_tried():
    """A new section needs a case; a command outside the sections would be tried by nobody."""
    tried = {case.title for case in CASES.values()} | {
        "First: look", "Second: do not lock yourself out", "Third: put lines in",
        "When it is over: undo"}
    titles = re.findall(r"^## (.*)$", PAGE, re.M)
    assert set(titles) == tried
    assert "```" not in PAGE.split("\n## ", 1)[0]
    blocks = fenced(PAGE)
    assert {kind for kind, _ in blocks} == {"yaml", ""}
    assert all(line.startswith("weir ") for kind, block in blocks if not kind
               for line in block.splitlines())
    assert all(section(title)[1] for title in titles)
    links = re.findall(r"\]\(#([a-z-]+)\)", PAGE)
    assert {title.lower().replace(" ", "-") for title in titles} >= set(links)
