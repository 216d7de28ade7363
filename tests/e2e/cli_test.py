# SPDX-License-Identifier: Apache-2.0
"""The command line: what it says and its exit codes, with a daemon and without."""
import json
import os
import pathlib
import socket
import subprocess
import threading

import pytest
from scapy.all import ARP, IP, TCP, UDP, CookedLinux, Dot1Q, Ether, IPv6, Raw, wrpcap, wrpcapng

from harness.daemon import WEIR
from harness.frames import udp
from harness.wait import SLOWNESS, wait_for

pytestmark = pytest.mark.outside

TREE = pathlib.Path(__file__).resolve().parents[2]
OK, FAILED, USAGE, NO_DAEMON = range(4)
DENY_NET = """
block:
  lists:
    - {name: test-net, action: deny, entries: [203.0.113.0/24, "2001:db8:bad::/48"]}
"""


def weir(*words, **options):
    options = {"stdin": subprocess.DEVNULL, "timeout": 60 * SLOWNESS, **options}
    if "input" in options:
        del options["stdin"]
    return subprocess.run([WEIR, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, env=dict(os.environ, NO_COLOR="1", WEIR_SOCKET="/nowhere"),
                          **options)


# --- without a daemon ------------------------------------------------------------------------


@pytest.mark.parametrize("words, code, said", [
    (["blokc"], USAGE, "did you mean 'weir block'?"),
    (["block", "ad"], USAGE, "did you mean 'weir block add'?"),
    (["block", "add", "192.0.2.1", "--tll", "5m"], USAGE, "did you mean --ttl?"),
    (["block", "add"], USAGE, " is missing\n"),
    (["block", "add", "192.0.2.1/33"], USAGE, "192.0.2.1/33"),
    (["block", "add", "192.0.2.1"], NO_DAEMON, "no daemon listens at /nowhere"),
    (["block", "import", "/nowhere.txt", "--list", "a"], FAILED, "cannot open /nowhere.txt"),
    (["block", "import", "/", "--list", "a"], FAILED, "/ is a directory"),
    (["cleanup"], USAGE, "--force"),
    (["check", "/nowhere.yaml"], FAILED, "cannot read /nowhere.yaml"),
])
def test_what_is_wrong_is_said_with_its_exit_code(words, code, said):
    done = weir(*words)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("words", [["--help"], ["help"], ["block", "--help"], ["help", "block"],
                                   ["block", "add", "--help"], ["help", "block", "add"],
                                   ["help", "daemon"], ["replay", "--help"], ["--version"]])
def test_help_is_on_standard_output(words):
    done = weir(*words)
    assert done.returncode == OK
    assert done.stdout.startswith("weir")
    assert done.stderr == ""


def test_noun_alone_shows_its_verbs_and_has_done_nothing():
    done = weir("block")
    assert done.returncode == USAGE
    assert "block add" in done.stdout


def test_every_verb_has_help_and_an_example():
    overview = weir("help").stdout.split("Everywhere")[0]
    rows = [line.split("  ")[1] for line in overview.splitlines() if line.startswith("  ")]
    assert len(rows) > 20
    for row in rows:
        shown = weir("help", *row.split()).stdout
        assert shown.startswith(f"weir {row}"), row
        assert "Example:" in shown, row


def test_reference_page_is_what_the_table_says():
    page = TREE / "docs/user/commands.md"
    assert page.read_text() == weir("help", "--markdown").stdout, \
        f"make it anew: {WEIR} help --markdown > {page}"


def test_right_configuration_is_summed_up(tmp_path):
    (tmp_path / "weir.yaml").write_text(DENY_NET)
    done = weir("check", tmp_path / "weir.yaml")
    assert done.returncode == OK
    assert "is right: 0 interfaces, 2 address classes" in done.stdout


def test_wrong_configuration_names_place_and_cure(tmp_path):
    path = tmp_path / "weir.yaml"
    path.write_text("memory: 64MiB\nmemroy: 5\n")
    done = weir("check", path)
    assert done.returncode == FAILED
    assert done.stderr.startswith(f"{path}:2:1: memroy: ")
    assert "did you mean 'memory'?" in done.stderr
    problem = json.loads(weir("check", path, "--json").stdout)["problems"][0]
    assert (problem["line"], problem["key"]) == (2, "memroy")


def test_wrong_server_is_told_apart_from_weir(tmp_path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()

    def answer():
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    done = weir("rollback", "--socket", tmp_path / "s")
    thread.join()
    listener.close()
    assert done.returncode == FAILED
    assert "is not JSON" in done.stderr


# --- replay ------------------------------------------------------------------------------------


# With both addresses, or scapy asks the network for them.
ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


def frames():
    """80 packets: 20 from the denied net, tagged and not, 4 ARP, 6 denied by IPv6, 50 others."""
    made = []
    for i in range(20):
        tag = Dot1Q(vlan=5) / Dot1Q(vlan=6) if i % 2 else Raw(b"")
        base = ETHER / tag if i % 2 else ETHER
        made.append(base / IP(src="203.0.113.%d" % (i % 4 + 1), dst="192.0.2.1") / TCP(sport=i))
    made += [ETHER / ARP(psrc="192.0.2.%d" % i, pdst="192.0.2.9") for i in range(4)]
    made += [ETHER / IPv6(src="2001:db8:bad::%d" % i, dst="2001:db8::1") / UDP()
             for i in range(6)]
    made += [ETHER / IP(src="198.51.100.7", dst="192.0.2.1") / UDP(sport=53, dport=i)
             for i in range(50)]
    for i, frame in enumerate(made):
        frame.time = 1700000000 + i
    return made


@pytest.fixture
def policy(tmp_path):
    (tmp_path / "weir.yaml").write_text(DENY_NET)
    return tmp_path / "weir.yaml"


def replay(capture, policy, *words, **options):
    return weir("replay", capture, "--config", policy, *words, **options)


def verdicts(done):
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["n"] for row in rows] == list(range(1, len(rows) + 1))
    return [row["reason"] for row in rows]


@pytest.mark.parametrize("write", [wrpcap, wrpcapng])
def test_replay_judges_each_packet(tmp_path, policy, write):
    write(str(tmp_path / "c"), frames())
    done = replay(tmp_path / "c", policy, "--json")
    assert done.returncode == OK, done.stderr
    assert verdicts(done) == ["drop_blocked"] * 20 + ["pass_arp"] * 4 + ["drop_blocked"] * 6 \
        + ["pass_policy"] * 50
    row = json.loads(done.stdout.splitlines()[30])
    assert row["src"] == "198.51.100.7" and row["proto"] == 17 and row["sport"] == 53
    dropped = json.loads(done.stdout.splitlines()[0])
    assert (dropped["list"], dropped["entry"]) == ("test-net", "203.0.113.0/24")
    assert "list" not in row
    assert row["time"] == 1700000030 and row["len"] == 42 and row["verdict"] == "pass"


def test_replay_sums_up(tmp_path, policy):
    wrpcap(str(tmp_path / "c"), frames())
    out = replay(tmp_path / "c", policy).stdout
    assert out.startswith("80 packets, ") and "1m19s of traffic" in out
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line}
    assert rows["drop_blocked"][0] == "26"
    assert rows["pass_policy"][0] == "50"
    assert rows["198.51.100.7"][:2] == ["50", "0"]
    assert rows["203.0.113.1"][:2] == ["0", "5"]


def test_replay_reads_standard_input_and_stops_at_the_limit(tmp_path, policy):
    wrpcap(str(tmp_path / "c"), frames())
    with open(tmp_path / "c", "rb") as capture:
        done = replay("-", policy, "--json", "--limit", 7, stdin=capture)
    assert verdicts(done) == ["drop_blocked"] * 7


@pytest.mark.parametrize("number, dress", [
    (101, lambda ip: ip),
    (228, lambda ip: ip),
    (113, lambda ip: CookedLinux(proto=0x800) / ip),
    (276, lambda ip: Raw(bytes.fromhex("08000000000000020001000602112233445500") + b"\0") / ip),
    (0, lambda ip: Raw(b"\x02\0\0\0") / ip),
    (108, lambda ip: Raw(b"\0\0\0\x02") / ip),
])
def test_replay_knows_other_links(tmp_path, policy, number, dress):
    packets = [IP(src="203.0.113.1", dst="192.0.2.1") / UDP(),
               IP(src="198.51.100.1", dst="192.0.2.1") / UDP()]
    wrpcap(str(tmp_path / "c"), [Raw(bytes(dress(packet))) for packet in packets], linktype=number)
    done = replay(tmp_path / "c", policy, "--json")
    assert verdicts(done) == ["drop_blocked", "pass_policy"], done.stderr


def test_replay_takes_packets_cut_short(tmp_path, policy):
    wrpcap(str(tmp_path / "c"), [Raw(bytes(frame)[:38]) for frame in frames()[:1] * 3], linktype=1)
    done = replay(tmp_path / "c", policy, "--json")
    assert verdicts(done) == ["drop_blocked"] * 3


def test_replay_goes_as_far_as_a_damaged_capture_goes(tmp_path, policy):
    wrpcap(str(tmp_path / "c"), frames())
    whole = (tmp_path / "c").read_bytes()
    (tmp_path / "c").write_bytes(whole[:24 + 3 * (16 + 54) + 12])
    done = replay(tmp_path / "c", policy, "--json")
    assert done.returncode == FAILED
    assert len(verdicts(done)) in (2, 3)
    assert f"damaged at packet {len(verdicts(done)) + 1}:" in done.stderr


def test_replay_refuses_what_it_cannot_read(tmp_path, policy):
    wrpcap(str(tmp_path / "wifi"), [Raw(b"x" * 60)], linktype=105)
    assert "link type 105" in replay(tmp_path / "wifi", policy).stderr
    assert replay(tmp_path / "wifi", policy).returncode == FAILED
    assert "not a capture" in replay(policy, policy).stderr
    assert "cannot open" in replay(tmp_path / "nowhere", policy).stderr


# --- with a daemon ------------------------------------------------------------------------------


def test_additions_and_removals_are_one_line(daemon):
    assert daemon.say("block", "add", "192.0.2.7", "--ttl", "10m", "--note", "scan").startswith(
        "192.0.2.7 is now in deny list runtime-deny for 10m, revision ")
    assert "scan" in daemon.say("block", "list")
    assert daemon.say("block", "del", "192.0.2.7").startswith("192.0.2.7 is out again, revision ")
    assert daemon.say("block", "list") == "no entries\n"


def test_import_from_a_pipe_is_summed_up(daemon):
    said = daemon.say("block", "import", "-", "--list", "feed",
                      text="192.0.2.1\n192.0.2.2\n192.0.2.1\n")
    assert said.startswith("2 entries in list feed (2 new, 1 duplicate) live in ")
    assert sorted(daemon.export().split()[-2:]) == ["192.0.2.1", "192.0.2.2"]


def test_refused_import_names_file_line_and_cure(daemon, tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("192.0.2.1\nbogus\n")
    done = daemon.verb("block", "import", path, "--list", "feed")
    assert done.returncode == FAILED
    assert f"{path}:2:" in done.stderr and "bogus" in done.stderr
    assert daemon.say("block", "list") == "no entries\n"


def test_export_writes_a_file_that_can_be_imported(daemon, tmp_path):
    daemon.say("block", "add", "192.0.2.0/24")
    daemon.say("block", "export", tmp_path / "out.txt")
    daemon.say("block", "clear")
    daemon.say("block", "import", tmp_path / "out.txt", "--list", "back")
    assert [row["entry"] for row in daemon.entries()] == ["192.0.2.0/24"]


def test_stale_revision_is_refused_with_the_one_now(daemon):
    now = daemon.status()["revision"]
    done = daemon.verb("block", "add", "192.0.2.7", "--expect", now + 5)
    assert done.returncode == FAILED
    assert f"the revision now is {now}" in done.stderr
    assert daemon.verb("block", "add", "192.0.2.7", "--expect", now).returncode == OK


def test_refusal_for_another_reason_has_no_revision(daemon):
    words = ("service", "add", "web", "--address", "192.0.2.1", "--port", "80")
    assert daemon.verb(*words).returncode == OK
    done = daemon.verb(*words)
    assert done.returncode == FAILED
    assert "there is a service 'web' already" in done.stderr or "has this address" in done.stderr
    assert "revision" not in done.stderr


def test_refused_configuration_changes_nothing(daemon, tmp_path):
    path = tmp_path / "weir.yaml"
    path.write_text("memroy: 5\n")
    before = daemon.status()["revision"]
    done = daemon.verb("apply", path)
    assert done.returncode == FAILED
    assert f"{path}:1:1: memroy: " in done.stderr
    assert daemon.status()["revision"] == before


def test_status_shows_interface_and_what_was_dropped(daemon, wire, pair):
    daemon.say("block", "add", "192.0.2.0/24")
    assert not wire.passes(udp("192.0.2.7"))
    shown = daemon.say("status")
    rows = {line.split()[0]: line.split() for line in shown.splitlines() if line}
    assert pair.wire in rows
    assert rows["drop_blocked"][1] == "1"


def test_explain_names_list_and_entry(daemon):
    daemon.say("block", "add", "192.0.2.0/24")
    shown = daemon.say("explain", "--src", "192.0.2.7", "--dst", "198.51.100.1", "--dport", "80")
    assert shown.startswith("drop  drop_blocked: ")
    assert "tcp 192.0.2.7 > 198.51.100.1:80" in shown
    assert "runtime-deny" in shown and "192.0.2.0/24" in shown


def test_events_are_followed_as_they_happen(daemon, wire):
    daemon.say("block", "add", "192.0.2.0/24")
    process = subprocess.Popen(
        daemon.namespace.command(WEIR, "events", "--follow", "--kind", "drop"), text=True,
        env=daemon.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout))
    reader.start()
    try:
        def told():
            wire.passes(udp("192.0.2.7"))
            return lines
        wait_for(told, "a followed event", 20)
    finally:
        daemon.kill()
        process.wait(20 * SLOWNESS)
        reader.join()
    assert " drop " in lines[0] and "192.0.2.7" in lines[0] and "list runtime-deny" in lines[0]
    assert process.returncode == FAILED
    assert "went away" in process.stderr.read()


def test_blocking_the_address_of_ones_own_ssh_session_wants_force(daemon):
    def add(entry, *words, client="192.0.2.7"):
        return daemon.namespace.run(
            WEIR, "block", "add", entry, *words, check=False,
            env=dict(daemon.environment(), SSH_CONNECTION=f"{client} 40000 192.0.2.1 22"))

    refused = add("192.0.2.0/24")
    assert refused.returncode == FAILED
    assert "you would lock yourself out" in refused.stderr and "--force" in refused.stderr
    assert daemon.ask("block", "list")["entries"] == []
    assert add("fe80::/10", client="fe80::1%eth0").returncode == FAILED
    assert add("198.51.100.0/24").returncode == 0
    assert add("192.0.2.0/24", "--force").returncode == 0
    daemon.say("block", "clear")
    daemon.say("allow", "add", "192.0.2.7")
    assert add("192.0.2.0/24").returncode == 0


def test_each_event_says_when_and_of_what_kind_it_is(daemon):
    daemon.say("block", "add", "192.0.2.0/24")
    daemon.say("block", "clear")
    events = daemon.ask("events")["events"]
    assert {event["kind"] for event in events} == {"interface", "change"}
    assert all(event["time"].endswith("Z") for event in events)
    assert daemon.ask("events", "--kind", "drop,change,interface")["events"] == events
    assert daemon.ask("events", "--kind", "drop")["events"] == []


def test_without_its_daemon_status_reads_the_pins(daemon, wire):
    daemon.say("block", "add", "192.0.2.0/24")
    assert not wire.passes(udp("192.0.2.7"))
    daemon.kill()
    shown = daemon.say("status", "--pin-dir", daemon.pin_dir)
    assert "no daemon; the data path filters on" in shown
    assert "drop_blocked" in shown
    assert daemon.verb("block", "list").returncode == NO_DAEMON


def test_json_is_one_document_on_standard_output(daemon):
    for words in (["status"], ["block", "list"], ["interface", "list"], ["config", "show"],
                  ["events"], ["block", "lists"]):
        assert isinstance(daemon.ask(*words), dict)
    done = daemon.verb("block", "del", "192.0.2.99", "--json")
    assert done.returncode == FAILED
    assert json.loads(done.stdout)["error"]
