# SPDX-License-Identifier: Apache-2.0
"""`weir top`: what is on the screen, beside what this test sent, and what its keys do."""
import os
import re
import signal
import socket
import subprocess

import pytest

from harness.chain import Chain
from harness.daemon import Daemon
from harness.programs import IPERF, listens, running
from harness.streams import both_ways, connecting, listening, receive
from harness.terminal import CARRIER, CLIENT, CONFIG, ONE, OTHER, OWNERS, SERVER, send, top
from harness.wait import SLOWNESS, wait_for


@pytest.fixture(scope="module")
def chain():
    with Chain() as made:
        yield made


@pytest.fixture
def daemon(chain):
    with Daemon(chain.gateway, config=CONFIG) as made:
        yield made


def order(screen, *names):
    """Where these are on the screen, from above."""
    lines = screen.lines()
    return sorted(names, key=lambda name: next(
        (at for at, line in enumerate(lines) if name in line), len(lines)))


# --- what is shown ---------------------------------------------------------------------------


def test_flows_have_what_was_sent(chain, daemon):
    send(chain, ONE, 1500)
    send(chain, OTHER, 7, 100)
    with top(daemon, size=(120, 30)) as screen:
        screen.shows(rf"^udp +{CLIENT}:40000 +{SERVER}:{ONE} +one_way .* 1.5MiB +1,500$")
        screen.shows(rf"^udp +{CLIENT}:40000 +{SERVER}:{OTHER} +one_way .* 700B +7$")
        screen.shows("^in +[0-9]")
        head = screen.lines()
        assert head[0].startswith(f"weir {socket.gethostname()}  revision ")
        assert head[0].endswith(" every 1s")
        assert re.match(r"in +\S+B/s +[\d,]+ packets/s", head[1])
        assert re.match(r"out +\S+B/s +[\d,]+ packets/s", head[2])
        assert re.match(r"flows ~\d+  dropped 0/s  by the kernel \d+/s  attacks not watched",
                        head[3])


def test_hosts_and_ports_have_what_their_flows_carried(chain, daemon):
    send(chain, ONE, 1000)
    send(chain, OTHER, 1000)
    with top(daemon, "--tab", "hosts") as screen:
        screen.shows(rf"^{CLIENT} +2 .* 2MiB +2,000$")
        screen.shows(rf"^{SERVER} +2 .* 2MiB +2,000$")
        screen.keys("g")
        screen.shows("^who began, by ")
        screen.lacks(rf"^{SERVER} ")
        screen.keys("g", "g")
        screen.shows(r"^10\.77\.1\.0/24 +2 ")
        screen.keys("3")
        for port in (ONE, OTHER):
            screen.shows(rf"^{port}/udp +1 .* 1000KiB +1,000$")


def test_interfaces_have_what_their_devices_count(chain, daemon):
    def counted():
        text = chain.gateway.run("ip", "-s", "link", "show", "dev", "lan").stdout
        return int(re.search(r"RX:.*\n +(\d+)", text)[1])

    with top(daemon, "--tab", "interfaces", size=(160, 24)) as screen:
        before = counted()
        send(chain, ONE, 3000)
        assert counted() - before >= 3000 * (1024 - 14)

        def is_equal():
            row = re.search(r"^lan +tcx .*", screen.text(), re.M)
            seen = chain.gateway.run("ip", "-s", "link", "show", "dev", "lan").stdout
            packets = int(re.search(r"RX:.*\n +\d+ +(\d+)", seen)[1])
            return row and f" {packets:,} " in row[0]
        wait_for(is_equal, "the packets that ip tells")


def test_rate_is_what_came_between_two_looks(chain, daemon):
    """A mebibyte in four seconds."""
    send(chain, ONE, 1)
    with top(daemon, "--interval", "4") as screen:
        screen.shows(rf"^udp .*:{ONE} +one_way +0B +1KiB$")
        send(chain, ONE, 1024)
        rate = screen.shows(rf"^udp .*:{ONE} +one_way +([1-9][\d.]*)KiB +1MiB$")
        assert 256 * 0.9 < float(rate[1]) < 256 * 1.1


def test_what_is_off_is_said_and_how_to_switch_it_on(chain):
    with Daemon(chain.gateway, config="api: {listen: off}\ninterfaces: [{name: lan, hook: tc}]\n"
                "conntrack: {enabled: false}\n") as off, top(off) as screen:
        screen.shows("connections are not tracked: conntrack: {enabled: false}")
        screen.shows("^flows not tracked")
        screen.keys("7")
        screen.shows("nothing was dropped")
        screen.keys("g")
        screen.shows("this is not watched")
        screen.shows("switched on by: drops: {enabled: true}")
        screen.keys("6")
        screen.shows("switched on by: weir service add")
        screen.keys("4")
        screen.shows("switched on by: sockets: {enabled: true}")
    with Daemon(chain.gateway, config="api: {listen: off}\ninterfaces: [{name: lan, hook: tc}]\n"
                "conntrack: {enabled: true}\n") as uncounted, top(uncounted) as screen:
        screen.shows("packets and bytes of flows are not counted")
        screen.shows(r"set conntrack: \{account: true\}")


def test_processes_have_what_they_sent(chain, tmp_path):
    """By a process with a name of its own. The kernel sends a segment of 1,448 bytes again now and
    then, with or without Weir, and has those bytes among what was sent."""
    sent = r" +1 .* (10(?:\.\d)?)MiB +0B +(\d+)$"
    (tmp_path / "carrier").symlink_to("/usr/bin/python3")
    with Daemon(chain.gateway, config=OWNERS) as daemon, \
            listening(chain.client, 4, ONE) as server, \
            running(chain.gateway, tmp_path / "carrier", "-c", CARRIER, CLIENT, ONE):
        accepted, _ = server.accept()
        with accepted:
            receive(accepted, 10 << 20)
            with top(daemon, "--tab", "processes") as screen:
                shown, again = screen.shows("^carrier" + sent).groups()
                assert float(shown) == pytest.approx(10 + int(again) * 1448 / (1 << 20), abs=.06)
                screen.keys("g")
                screen.shows("^0" + sent)


TALKER = """import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((sys.argv[1], int(sys.argv[2])))
for _ in range(1000):
    sock.send(b"x" * 982)
    sock.recv(100)
sys.stdin.read()
"""


def test_datagrams_of_processes_are_among_those_of_all_protocols(chain, tmp_path):
    """A kibibyte a packet on the wire, and 52 bytes back for each."""
    (tmp_path / "talker").symlink_to("/usr/bin/python3")
    with Daemon(chain.gateway, config=OWNERS) as daemon, \
            chain.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("", ONE))
        sink.settimeout(10 * SLOWNESS)
        with running(chain.gateway, tmp_path / "talker", "-c", TALKER, CLIENT, ONE,
                     stdin=subprocess.PIPE):
            for _ in range(1000):
                sink.sendto(b"x" * 10, sink.recvfrom(2048)[1])
            with top(daemon, "--tab", "processes", size=(160, 24)) as screen:
                screen.shows("^process, by ")
                screen.keys("g", "g", "g", "g")
                screen.shows("^process, all protocols, by ")
                screen.shows(r"^talker +1 .* 2,000 +1000KiB +50\.8KiB")


def test_sockets_of_a_process_are_a_key_away_and_a_flow_has_its_owner(chain):
    with Daemon(chain.gateway, config=OWNERS) as daemon, running(chain.client, "iperf3", "-s"):
        wait_for(lambda: listens(chain.client, IPERF), "iperf3 listens")
        with top(daemon, "--tab", "processes", size=(100, 60)) as screen:
            with running(chain.gateway, "iperf3", "-c", CLIENT, "-t", "60", "-b", "8M"):
                rate = screen.shows(r"^iperf3 +2 +([\d.]+)KiB +[\d.]+KiB ")     # 8 Mbit/s
                assert 300 < float(rate[1]) < 2000
                screen.keys("f")
                screen.shows('rate/s  filter: process="iperf3" ')
                screen.shows(rf"^tcp +10\.77\.1\.2:\d+ +{CLIENT}:{IPERF} +iperf3 ")
                screen.keys("1", "/")
                screen.type(f"dport={IPERF} and state=established and bytes>1MB")
                screen.keys("Enter")
                screen.shows(rf"rate/s  filter: dport={IPERF} ")
                screen.shows(rf"^tcp .*:{IPERF} +established")
                screen.keys("Enter")
                screen.shows(r"^ iperf3 \(\d+\), uid 0, rtt \d+\.\d ms, \d+ sent again$")
                screen.keys("End")
                screen.shows("^ Socket$")
                screen.shows(r"^ process +iperf3$")
                screen.shows(r"^ rtt +\d")


# --- keys ------------------------------------------------------------------------------------


def test_filter_is_tried_in_place_and_can_be_left(chain, daemon):
    send(chain, ONE, 3)
    send(chain, OTHER, 3)
    with top(daemon) as screen:
        screen.shows(f":{OTHER} ")
        screen.keys("/")
        screen.type("dprot=7001")
        screen.keys("Enter")
        screen.shows("column 1: 'dprot' is not a field; did you mean 'dport'")
        screen.shows(f":{OTHER} ")              # what there was stays meanwhile
        screen.keys("Home", "Right", "Right", "DC", "DC", "DC")
        screen.type("ort")
        screen.shows("^filter: dport=7001")
        screen.keys("Enter")
        screen.shows("rate/s  filter: dport=7001 ")
        screen.lacks(f":{OTHER} ")
        assert f":{ONE} " in screen.text()
        screen.keys("/", "C-u")
        screen.type("port=1")
        screen.keys("Escape")
        screen.shows("rate/s  filter: dport=7001 ")
        screen.keys("2")
        screen.shows(rf"^{CLIENT} +1 ")          # tabs of flows share it
        screen.keys("Escape")
        screen.shows(rf"^{CLIENT} +[2-9] ")      # what the kernel knew before is taken over


def test_rows_are_sorted_by_the_column_that_is_chosen(chain, daemon):
    send(chain, ONE, 9)
    send(chain, OTHER, 3)
    first, other = f":{ONE} ", f":{OTHER} "
    with top(daemon, "--sort", "bytes") as screen:
        screen.shows(other)
        assert order(screen, first, other) == [first, other]
        screen.keys("r")
        wait_for(lambda: order(screen, first, other) == [other, first], "turned around")
        screen.shows("^flow, by bytes, reversed")
        screen.keys("<", "<", "<", "<")
        screen.shows("^flow, by state ")
        screen.keys("<")
        screen.shows("^flow, by destination ")
        wait_for(lambda: order(screen, first, other) == [first, other], "by destination")
        screen.keys("s")
        screen.shows("^flow, by state ")


def test_pause_holds_what_is_shown(chain, daemon):
    send(chain, ONE, 9)
    with top(daemon, "--interval", "100ms") as screen:
        screen.shows(rf":{ONE} .* 9KiB")
        screen.keys("p")
        screen.shows("PAUSED$")
        send(chain, ONE, 11)
        send(chain, OTHER, 1)
        wait_for(lambda: daemon.ask("flow", "list", f"dport={OTHER}")["flows"], "it is there")
        assert not re.search(f":{OTHER} ", screen.text())
        screen.keys("Space")
        screen.shows(rf":{ONE} .* 20KiB")
        screen.shows(f":{OTHER} ")


def test_detail_has_all_of_it_and_goes_on(chain, daemon):
    with listening(chain.server, 4, ONE) as server, top(daemon, size=(100, 50)) as screen:
        client = connecting(chain.client, SERVER, ONE)
        accepted, _ = server.accept()
        with client, accepted:
            port = client.getsockname()[1]
            screen.shows(f":{port} ")
            screen.keys("/")
            screen.type(f"sport={port}")
            screen.keys("Enter")
            screen.shows("rate/s  filter: sport")
            screen.keys("Enter")
            screen.shows(rf"^ sport +{port}$")
            screen.shows(r"^ state +established$")
            screen.shows(r"^ +initiator|^ orig packets +\d")
            both_ways(client, accepted, b"x" * (1 << 20))
            screen.shows(r"^ bytes +2\.\d+MiB$")
            screen.shows(r"^ age +\d+m?s$")
            assert not re.search("^ (born|as of)", screen.text(), re.M)     # no clock of programs
            screen.keys("Escape")
            screen.shows("^flow, by ")


def test_flows_of_a_row_are_a_key_away(chain, daemon):
    send(chain, ONE, 3)
    send(chain, OTHER, 5)
    with top(daemon, "--tab", "ports", "--sort", "bytes") as screen:
        screen.shows(f"^{OTHER}/udp ")
        screen.keys("f")
        screen.shows(f"filter: dport={OTHER} and proto=udp")
        screen.shows(rf"^udp .*:{OTHER} ")
        assert f":{ONE} " not in screen.text()


def test_help_has_every_key(daemon):
    with top(daemon) as screen:
        screen.keys("?")
        for label in ("Up, k", "Shift-Tab", "/  ", "r, I", "b  .*block, after asking",
                      "q, Ctrl-C"):
            screen.shows(label)
        screen.keys("Escape")
        screen.shows("^flow, by ")


def test_tabs_go_by_number_and_in_turns(daemon):
    with top(daemon) as screen:
        for key, shown in (("2", "address"), ("Tab", "port asked"), ("BTab", "address"),
                           ("BTab", "flow"), ("BTab", "by Weir"), ("Right", "flow"),
                           ("5", "interface"), ("9", "interface")):
            screen.keys(key)
            screen.shows(f"^{shown}, by ")


def test_interval_is_lengthened_and_shortened(daemon):
    with top(daemon, "--interval", "2") as screen:
        for key, shown in (("", "2s"), ("-", "5s"), ("+", "2s"), ("+", "1s"), ("+", "500ms")):
            if key:
                screen.keys(key)
            screen.shows(f"every {shown}$")


def test_mouse_chooses_rows_tabs_and_titles(chain, daemon):
    for number in range(30):
        send(chain, ONE + number, 30 - number)
    with top(daemon, "--sort", "bytes") as screen:
        screen.shows("^1 of 3\\d$|1 of 3\\d$")
        screen.mouse(5, 8)
        screen.shows("3 of 3\\d$")
        screen.mouse(5, 10, button=65)
        screen.shows("6 of 3\\d$")
        screen.mouse(5, 10, button=64)
        screen.shows("3 of 3\\d$")
        screen.mouse(7, 5)
        screen.shows("^flow, by source ")
        screen.mouse(7, 5)
        screen.shows("^flow, by source, reversed ")
        screen.mouse(12, 4)
        screen.shows("^address, by ")


# --- blocking --------------------------------------------------------------------------------


def test_block_from_the_keyboard_blocks(chain, daemon):
    send(chain, ONE, 5)
    with top(daemon) as screen:
        screen.shows(f":{ONE} ")
        screen.keys("b")
        screen.shows(rf"Address or prefix +{CLIENT}")
        screen.keys("Down")
        screen.shows(rf"Address or prefix +{SERVER}")
        screen.keys("Down", "Enter")
        screen.shows(r"For how long +10m")
        screen.keys("C-u")
        screen.type("1h")
        screen.keys("Enter")
        screen.shows(rf"weir block add {CLIENT} --ttl 1h")
        assert not daemon.entries(), "nothing is done before it is agreed to"
        screen.keys("y")
        screen.shows(f"{CLIENT} is now in deny list")
        entry, = daemon.entries()
        assert entry["entry"] == CLIENT and 3500 < entry["ttl_s"] <= 3600
        screen.keys("Space")
        screen.shows("^flow, by ")
        with chain.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for _ in range(3):
                sock.sendto(b"x", (SERVER, ONE))
        screen.keys("7")
        screen.shows(r"^drop_blocked +\S+ +3 +")


@pytest.mark.parametrize("last", ("n", "Escape"))
def test_block_can_be_declined(chain, daemon, last):
    send(chain, ONE, 5)
    with top(daemon) as screen:
        screen.shows(f":{ONE} ")
        screen.keys("b", "Enter", "Enter")
        screen.shows(rf"weir block add {CLIENT} --ttl 10m")
        screen.keys("x", "Enter")
        screen.shows("y: do it")
        screen.keys(last)
        screen.lacks("y: do it")
        assert not daemon.entries()
        send(chain, ONE, 1)


def test_block_that_is_refused_says_why(chain, daemon):
    with top(daemon) as screen:
        screen.shows("^flow, by ")
        screen.keys("b")
        screen.shows("Address or prefix")
        screen.keys("C-u")
        screen.type("10.0.0.300")
        screen.keys("Enter", "Enter")
        screen.shows("weir block add 10.0.0.300 --ttl 10m")
        screen.keys("y")
        screen.shows("10.0.0.300': not an IPv4 or IPv6 address")
        assert not daemon.entries()


# --- the terminal ----------------------------------------------------------------------------


def test_sizes_are_followed_live(chain, daemon):
    send(chain, ONE, 5)
    with top(daemon) as screen:
        screen.shows(f":{ONE} ")
        assert "packets" not in screen.lines()[5]
        screen.resize(200, 50)
        screen.shows(r"^proto .* packets +in > out +age +idle rate$")
        screen.shows(r"^udp .* lan > wan +")
        assert len(screen.lines()) == 50
        screen.resize(60, 12)
        screen.lacks("in > out")
        screen.shows(f":{ONE} ")
        assert len(screen.lines()) == 12


@pytest.mark.parametrize("size", ((20, 5), (10, 2), (200, 5), (20, 50)))
def test_too_small_is_said_and_goes_on_when_it_grows(chain, daemon, size):
    send(chain, ONE, 5)
    with top(daemon, size=size) as screen:
        screen.shows("^too small" if size[0] >= 12 else "^too sm")
        screen.keys("b", "j", "/")
        screen.resize(80, 24)
        screen.shows(f":{ONE} ")
        assert "Address or prefix" not in screen.text()
        screen.resize(*size)
        screen.shows("^too sm")
        screen.keys("q")
        screen.resize(80, 24)
        assert screen.ended() == 0


def test_names_cannot_break_the_screen(chain):
    """Of devices: an escape sequence that would clear it, and a wide character."""
    names = ("\033[2J", "流量")
    for name in names:
        chain.gateway.run("ip", "link", "add", "name", name, "type", "veth", "peer", "name",
                          f"peer{names.index(name)}")
    try:
        with Daemon(chain.gateway, config="api: {listen: off}\ninterfaces: [{name: '*'}]\n") as \
                daemon, top(daemon, "--tab", "interfaces") as screen:
            screen.shows(r"^\\x1b\[2J +tcx")
            screen.shows(r"^流量 +tcx")
            screen.shows(r"^lan +tcx")
            rows = [line for line in screen.lines() if " tcx " in line]
            starts = {line.index("tcx") + line.count("流") + line.count("量") for line in rows}
            assert len(rows) >= 6 and len(starts) == 1, rows
    finally:
        for name in names:
            chain.gateway.run("ip", "link", "del", name)


@pytest.mark.parametrize("env, term", (({"NO_COLOR": "1"}, "tmux-256color"), ({}, "vt100")))
def test_without_colours_there_are_none(chain, daemon, env, term):
    send(chain, ONE, 5)
    with top(daemon, env=env, term=term) as screen:
        screen.shows(f":{ONE} ")
        assert not re.search(r"\x1b\[[\d;]*(3[0-8]|4[0-8])[;m]", screen.styled())
    with top(daemon) as screen:
        screen.shows(f":{ONE} ")
        assert re.search(r"\x1b\[[\d;]*(3[0-8]|4[0-8])[;m]", screen.styled())


def test_ascii_locale_has_ascii(chain, daemon):
    send(chain, ONE, 5)
    with top(daemon, "--interval", "200ms", env={"LC_ALL": "C"}, size=(160, 24)) as screen:
        screen.shows(f":{ONE} ")
        send(chain, ONE, 500)
        screen.shows(r"^in .* packets/s +[.,:=+*#-]")
        assert screen.text().isascii()


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT),
                         ids=lambda number: number.name)
def test_terminal_is_restored_at_a_signal(daemon, number):
    with top(daemon) as screen:
        screen.shows("^flow, by ")
        os.kill(screen.pid(), number)
        assert screen.ended() == 0
        assert "flow, by " not in screen.text()


@pytest.mark.parametrize("key", ("q", "C-c"))
def test_terminal_is_restored_at_the_end(daemon, key):
    with top(daemon) as screen:
        screen.shows("^flow, by ")
        screen.keys(key)
        assert screen.ended() == 0


def test_bytes_that_are_no_character_do_not_end_it(chain, daemon):
    send(chain, ONE, 5)
    with top(daemon, "--interval", "200ms") as screen:
        screen.shows(f":{ONE} ")
        screen.tmux("send-keys", "-H", "ff", "c3", "28")
        screen.keys("?")
        screen.shows("the row above")
        screen.keys("q", "q")
        assert screen.ended() == 0


def test_daemon_that_is_gone_is_said_and_found_again(chain, daemon):
    send(chain, ONE, 5)
    with top(daemon, "--interval", "200ms") as screen:
        screen.shows(f":{ONE} ")
        daemon.stop()
        screen.shows("no daemon; trying again")
        assert f":{ONE} " in screen.text()
        daemon.start()
        screen.lacks("no daemon")
        screen.shows(rf":{ONE} .* 5KiB")


def test_daemon_that_says_nothing_keeps_no_key_waiting(chain, daemon):
    send(chain, ONE, 5)
    with top(daemon, "--interval", "200ms") as screen:
        screen.shows(f":{ONE} ")
        daemon.process.send_signal(signal.SIGSTOP)
        try:
            screen.shows("no answer for [1-9]", 20)
            screen.keys("?")
            screen.shows("the row above")
            screen.keys("q", "q")
            assert screen.ended() == 0
        finally:
            daemon.process.send_signal(signal.SIGCONT)


def test_without_a_terminal_another_command_is_named(daemon):
    for words in ((), ("--json",), ("--csv",)):
        done = daemon.verb("top", *words)
        assert done.returncode == 2 and "weir flow top" in done.stderr and not done.stdout


@pytest.mark.parametrize("words, why", (
    (("--tab", "cats"), "flows, hosts, ports, processes, interfaces"),
    (("--sort", "colour"), "write one of: proto, source"),
    (("--tab", "interfaces", "--filter", "port=80"), "--filter: there is none for interfaces"),
    (("--interval", "1ms"), "50ms is the least")))
def test_what_cannot_be_is_refused(daemon, words, why):
    with top(daemon, *words) as screen:
        screen.shows(why)
        assert screen.ended() == 2


def test_terminal_that_is_not_known_is_named(daemon):
    with top(daemon, term="no-such-terminal") as screen:
        screen.shows("this terminal is not known: TERM=no-such-terminal")
        assert screen.ended() == 1
