# SPDX-License-Identifier: Apache-2.0
"""Sets: lists that decide about no packet and give addresses a name. Whether rules find them is
for the tests of rules; here, that they are in the compiled policy and that packets never notice."""
import csv
import io
import json
import time

import pytest

from harness.daemon import Daemon, Refused
from harness.frames import udp
from harness.net import Pair
from harness.wire import Wire

BASE = "api: {listen: off}\n"
IN_SETS = ["192.0.2.7", "198.51.100.1", "2001:db8::7"]


@pytest.fixture(scope="module")
def standing():
    """(daemon, pair) for the many tests that need no fresh one."""
    with Pair() as pair, Daemon(pair.inside, interfaces=[pair.wire]) as daemon:
        yield daemon, pair


@pytest.fixture
def emptied(standing):
    """(daemon, wire) with no list at all."""
    daemon, pair = standing
    for noun in ("block", "allow", "set"):
        daemon.say(noun, "clear")
    daemon.apply(BASE)
    with Wire.inward(pair) as wire:
        yield daemon, wire


def entries(daemon, *words):
    return [row["entry"] for row in daemon.entries("set", *words)]


def classes(daemon):
    """Address classes of the live policy, the one of addresses on no list among them."""
    return daemon.status()["policy"]["classes"]


def refusal(daemon, *words, text=None):
    with pytest.raises(Refused) as refused:
        daemon.say(*words, text=text)
    return refused.value.said


# --- what packets notice: nothing ----------------------------------------------------------------

@pytest.mark.parametrize("way", ["add", "import", "config"])
@pytest.mark.parametrize("hook", ["xdp", "tc", "egress"])
def test_set_drops_nothing(weir_daemon, pair, hook, way):
    daemon = weir_daemon(pair.inside)
    words = ["--egress"] if hook == "egress" else ["--hook", hook]
    daemon.say("interface", "attach", pair.wire, *words)
    if way == "add":
        for entry in ("192.0.2.0/24", "198.51.100.1", "2001:db8::/32"):
            daemon.say("set", "add", entry)
    elif way == "import":
        daemon.say("set", "import", "-", text="192.0.2.0/24\n198.51.100.1\n2001:db8::/32\n")
    else:
        daemon.apply(BASE + "block: {lists: [{name: s, action: set, entries: "
                     "[192.0.2.0/24, 198.51.100.1, '2001:db8::/32']}]}\n")
    with (Wire.outward if hook == "egress" else Wire.inward)(pair) as wire:
        frames = [udp(address, egress=hook == "egress") for address in IN_SETS]
        assert wire.verdicts(frames) == [True] * len(frames)
    assert daemon.reasons().keys() <= {"pass_policy", "pass_arp", "pass_nd"}, daemon.reasons()


def test_set_lifts_no_block_and_takes_no_leave_back(emptied):
    daemon, wire = emptied
    daemon.say("block", "import", "-", text="192.0.2.0/24\n")
    daemon.say("block", "add", "198.51.100.1", "--ttl", "1h")
    daemon.say("allow", "add", "192.0.2.9")
    daemon.say("set", "import", "-", text="192.0.2.0/24\n198.51.100.0/24\n")
    frames = [udp(address) for address in ("192.0.2.7", "192.0.2.9", "198.51.100.1",
                                           "198.51.100.2")]
    assert wire.verdicts(frames) == [False, True, False, True]
    daemon.say("set", "clear")
    assert wire.verdicts(frames) == [False, True, False, True]


def test_set_contradicts_no_list(emptied):
    daemon, _ = emptied
    daemon.say("block", "add", "192.0.2.0/24")
    daemon.say("allow", "add", "198.51.100.0/24")
    for words, text in ((["set", "add", "192.0.2.7"], None),
                        (["set", "import", "-"], "198.51.100.7\n192.0.2.8\n"),
                        (["block", "add", "192.0.2.8"], None),
                        (["apply", "-"], BASE + "block: {lists: [{name: s, action: set, entries: "
                                                "[192.0.2.0/24, 198.51.100.7]}]}\n")):
        done = daemon.verb(*words, text=text)
        assert done.returncode == 0
        assert "shares addresses" not in done.stdout + done.stderr, words


# --- the verbs -----------------------------------------------------------------------------------

def test_entry_is_compiled_when_the_command_returns(emptied):
    daemon, _ = emptied
    assert classes(daemon) == 1
    assert daemon.ask("set", "add", "192.0.2.7", "--note", "printer")["result"] == "added"
    assert classes(daemon) == 2
    daemon.say("set", "add", "192.0.2.8", "--list", "office")
    assert classes(daemon) == 3
    assert daemon.status()["block"]["live"]["entries"] == 0
    daemon.say("set", "del", "192.0.2.8")
    assert classes(daemon) == 2
    assert entries(daemon) == ["192.0.2.7"]
    assert daemon.entries("set")[0]["note"] == "printer"
    daemon.say("set", "clear")
    assert classes(daemon) == 1


def test_adding_again_changes_nothing_but_the_note(emptied):
    daemon, _ = emptied
    revision = daemon.ask("set", "add", "192.0.2.7")["revision"]
    again = daemon.ask("set", "add", "192.0.2.7")
    assert (again["result"], again["revision"]) == ("unchanged", revision)
    assert daemon.ask("set", "add", "192.0.2.7", "--note", "printer")["result"] == "refreshed"
    assert daemon.entries("set")[0]["note"] == "printer"


def test_import_adds_and_replaces(emptied):
    daemon, _ = emptied
    answer = daemon.ask("set", "import", "-", "--list", "office",
                        text="192.0.2.1 # printer\n192.0.2.1\n2001:db8::/32\n")
    assert (answer["added"], answer["duplicates"], answer["conflicts"]) == (2, 1, 0)
    daemon.say("set", "import", "-", "--list", "office", text="192.0.2.2\n")
    assert entries(daemon) == ["192.0.2.1", "192.0.2.2", "2001:db8::/32"]
    answer = daemon.ask("set", "import", "-", "--list", "office", "--replace", text="192.0.2.3\n")
    assert (answer["added"], answer["replaced"]) == (1, 3)
    assert entries(daemon) == ["192.0.2.3"]


def test_list_shows_sets_alone_and_finds(emptied):
    daemon, _ = emptied
    daemon.say("block", "add", "192.0.2.0/24")
    daemon.say("set", "add", "192.0.2.1", "--list", "office", "--note", "printer")
    daemon.say("set", "add", "198.51.100.0/24", "--list", "home")
    assert entries(daemon) == ["198.51.100.0/24", "192.0.2.1"]
    assert entries(daemon, "--match", "192.0.2.0/24") == ["192.0.2.1"]
    assert entries(daemon, "--match", "print") == ["192.0.2.1"]
    assert entries(daemon, "--list", "home") == ["198.51.100.0/24"]
    assert [row["entry"] for row in daemon.entries("block")] == ["192.0.2.0/24"]
    rows = daemon.ask("set", "lists")["lists"]
    assert [(row["name"], row["action"], row["v4"], row["hits"]) for row in rows] == [
        ("home", "set", 1, None), ("office", "set", 1, None)]
    assert {row["name"] for row in daemon.status()["block"]["lists"]} == {
        "home", "office", "runtime-deny"}


@pytest.mark.parametrize("form", ["text", "csv", "json", "netset"])
def test_export_is_what_import_reads(emptied, form):
    daemon, _ = emptied
    wanted = ["192.0.2.0/24", "198.51.100.7", "2001:db8::/32"]
    daemon.say("set", "import", "-", "--list", "office", text="\n".join(wanted) + "\n")
    text = daemon.export("set", "--list", "office", "--format", form)
    if form == "csv":
        assert [row["entry"] for row in csv.DictReader(io.StringIO(text))] == wanted
    daemon.say("set", "clear")
    daemon.say("set", "import", "-", "--list", "office", text=text)
    assert entries(daemon) == wanted


def test_del_of_what_is_not_there_says_where_to_look(emptied):
    daemon, _ = emptied
    said = refusal(daemon, "set", "del", "192.0.2.7")
    assert "192.0.2.7 is on no set list" in said and "weir set list" in said
    daemon.say("set", "add", "192.0.2.0/24")
    assert "the entry 192.0.2.0/24 of list runtime-set holds it" in \
        refusal(daemon, "set", "del", "192.0.2.7")


# --- what a set is not for -----------------------------------------------------------------------

def test_lifetime_is_refused_with_the_cure(emptied):
    daemon, _ = emptied
    for words, text in ((["add", "192.0.2.7"], None), (["import", "-"], "192.0.2.7\n")):
        said = refusal(daemon, "set", *words, "--ttl", "10m", text=text)
        assert "entries of a set do not expire" in said
        assert "leave it out, and delete the entry when its time is over" in said
    assert not entries(daemon)


@pytest.mark.parametrize("text, place", [
    ("entry,note,ttl\n192.0.2.1,,\n192.0.2.2,,10m\n", ":3:12"),
    ("entry,until\n192.0.2.1,2099-01-01T00:00:00Z\n", ":2:11"),
    ("add x 192.0.2.1 timeout 0\nadd x 192.0.2.2 timeout 600\n", ":2:25"),
    ('["192.0.2.1", {"entry": "192.0.2.2", "ttl": "10m"}]', ""),
])
def test_file_with_an_entry_that_expires_is_refused_whole(emptied, text, place):
    daemon, _ = emptied
    said = refusal(daemon, "set", "import", "-", text=text)
    assert "an entry of a set does not expire" in said and "take its lifetime out" in said
    assert place in said
    assert not entries(daemon)


def test_name_of_a_block_list_is_refused(emptied):
    daemon, _ = emptied
    daemon.say("block", "add", "192.0.2.7", "--list", "mine")
    said = refusal(daemon, "set", "add", "192.0.2.8", "--list", "mine")
    assert "'mine' exists and is of action deny" in said and "choose another name" in said
    daemon.say("set", "add", "192.0.2.8", "--list", "ours")
    assert "'ours' exists and is of action set" in \
        refusal(daemon, "block", "import", "-", "--list", "ours", text="192.0.2.9\n")
    assert entries(daemon) == ["192.0.2.8"]


# --- in the configuration ------------------------------------------------------------------------

def test_configured_set_is_read_with_its_file(emptied, tmp_path):
    daemon, wire = emptied
    (tmp_path / "partners.txt").write_text("203.0.113.0/24 # partner\n")
    config = tmp_path / "weir.yaml"
    config.write_text(BASE + "block:\n  lists:\n    - name: partners\n      action: set\n"
                      "      file: partners.txt\n      entries: [192.0.2.7]\n")
    daemon.say("apply", config)
    assert entries(daemon) == ["192.0.2.7", "203.0.113.0/24"]
    assert classes(daemon) == 2
    assert wire.passes(udp("203.0.113.7"))
    assert "part of the configuration" in \
        refusal(daemon, "set", "add", "192.0.2.8", "--list", "partners")
    assert "part of the configuration" in refusal(daemon, "set", "del", "192.0.2.7")
    (tmp_path / "partners.txt").write_text("entry,ttl\n203.0.113.0/24,10m\n")
    assert "take the lifetimes out of it" in refusal(daemon, "apply", config)


def test_configured_list_with_the_name_of_a_set_is_warned_about(emptied):
    daemon, _ = emptied
    daemon.say("set", "add", "192.0.2.7", "--list", "office")
    done = daemon.verb("apply", "-", text=BASE + "block: {lists: [{name: office, action: deny, "
                                                 "entries: [198.51.100.7]}]}\n")
    assert done.returncode == 0
    assert "a rule that names it means both" in done.stderr
    assert entries(daemon) == ["192.0.2.7"]


# --- what lasts ----------------------------------------------------------------------------------

def test_sets_survive_restart_and_kill(weir_daemon, pair, wire):
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire])
    daemon.say("set", "add", "192.0.2.7", "--note", "printer")
    daemon.say("set", "import", "-", "--list", "office", text="198.51.100.0/24\n2001:db8::/32\n")
    daemon.say("block", "add", "203.0.113.7")
    wanted = daemon.entries("set")
    frames = [udp(address) for address in (*IN_SETS, "203.0.113.7")]
    for end in (daemon.stop, daemon.kill):
        end()
        assert wire.verdicts(frames) == [True, True, True, False]
        daemon.start()
        assert daemon.entries("set") == wanted
        assert wire.verdicts(frames) == [True, True, True, False]
        assert classes(daemon) == 4
        daemon.say("set", "add", "192.0.2.8")
        daemon.say("set", "del", "192.0.2.8")
    stored = json.loads((daemon.state / "block-office.json").read_text())
    assert (stored["action"], stored["entries"]) == ("set", ["198.51.100.0/24", "2001:db8::/32"])


def test_set_killed_right_after_the_answer_is_there_again(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire])
    for number in range(5):
        daemon.say("set", "add", f"192.0.2.{number}")
        daemon.kill()
        daemon.start()
        assert len(entries(daemon)) == number + 1


@pytest.mark.alone
@pytest.mark.outside
def test_million_entries_are_a_set_like_any_other(weir_daemon, pair, wire, tmp_path):
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire])
    path = tmp_path / "many.txt"
    path.write_text("".join(f"{20 + n // 65536 // 256}.{n // 65536 % 256}.{n // 256 % 256}."
                            f"{n % 256}\n" for n in range(0, 2_000_000, 2)))
    start = time.monotonic()
    answer = daemon.ask("set", "import", path, "--list", "many")
    imported = time.monotonic()
    assert answer["entries_v4"] == 1_000_000
    daemon.say("set", "add", "2001:db8::7", "--list", "many")
    added = time.monotonic()
    assert classes(daemon) == 2
    assert wire.verdicts([udp("20.0.0.2"), udp("20.0.0.3"), udp("2001:db8::7")]) == [True] * 3
    daemon.say("set", "del", "20.0.0.2", "--list", "many")
    print(f"set of a million: import {imported - start:.2f} s, add {added - imported:.2f} s, "
          f"del {time.monotonic() - added:.2f} s")
    daemon.kill()
    daemon.start()
    (row,) = daemon.ask("set", "lists")["lists"]
    assert (row["v4"], row["v6"]) == (999_999, 1)
