# SPDX-License-Identifier: Apache-2.0
"""Configuration on its way to the kernel: applied whole or not at all, compared, checked, rolled
back, and the same tables for the same text (invariants 2 and 10)."""
import os
import re
import subprocess

import pytest

from harness import kernel
from harness.daemon import WEIR, Refused
from harness.frames import udp
from harness.wait import wait_for

pytestmark = pytest.mark.outside

BASE = "api: {listen: off}\n"


def denying(*entries):
    rows = "".join(f"        - {entry}\n" for entry in entries)
    return f"""{BASE}block:
  lists:
    - name: bad
      action: deny
      entries:
{rows}"""


def tables(daemon):
    """The compiled policy that is live, byte for byte, as bpftool reads it."""
    word = bytes(int(byte, 16) for byte in kernel.dump(daemon.pin_dir / "maps/cfg_live")[0][1][:8])
    slot = int.from_bytes(word, "little") & 1
    done = subprocess.run([kernel.BPFTOOL, "map", "dump", "pinned",
                           daemon.pin_dir / "policy" / str(slot)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, check=True)
    return done.stdout


def lists_in_kernel(daemon):
    return {name: kernel.dump(daemon.pin_dir / "maps" / name)
            for name in ("cfg_live", "cfg_block", "set_block")}


# --- applying -----------------------------------------------------------------------------------

def test_apply_makes_a_file_live_and_counts_the_revision_up(daemon, wire):
    before = daemon.status()["revision"]
    answer = daemon.apply(denying("192.0.2.0/24"))
    assert answer["changed"] and answer["revision"] == before + 1
    assert not wire.passes(udp("192.0.2.7"))
    assert daemon.ask("config", "show")["text"] == denying("192.0.2.0/24")


def test_apply_reads_lists_from_files_beside_the_configuration(daemon, wire):
    (daemon.home / "bad.txt").write_text("192.0.2.0/24 # one\n2001:db8::/32\n")
    (daemon.home / "new.yaml").write_text(
        BASE + "block: {lists: [{name: bad, action: deny, file: bad.txt}]}\n")
    daemon.say("apply", daemon.home / "new.yaml")
    assert wire.verdicts([udp("192.0.2.7"), udp("2001:db8::1"), udp("192.0.3.1")]) == [
        False, False, True]


@pytest.mark.parametrize("text, line, column, wants", [
    ("blok: {}\n", 1, 1, "did you mean 'block'"),
    (BASE + "block:\n  lists:\n    - {name: bad, action: dney}\n", 4, 27, "did you mean 'deny'"),
    (BASE + "memory: 12\n", 2, 9, "1MiB"),
    (BASE + "block:\n  lists:\n    - name: bad\n      action: deny\n"
     "      entries: [192.0.2.300]\n", 6, 17, "192.0.2.300"),
    (BASE + "block: {lists: [{name: bad}]}\n", 2, 17, "action"),
    (BASE + "block:\n\t- x\n", 3, 1, "tab"),
    (BASE + "events: {rate: fast}\n", 2, 16, "fast"),
])
def test_refused_configuration_says_where_and_changes_nothing(daemon, wire, text, line, column,
                                                              wants):
    daemon.apply(denying("192.0.2.0/24"))
    daemon.say("block", "add", "198.51.100.1", "--ttl", "1h")
    revision, before, live = daemon.status()["revision"], tables(daemon), lists_in_kernel(daemon)
    (daemon.home / "bad.yaml").write_text(text)
    with pytest.raises(Refused) as refused:
        daemon.say("apply", daemon.home / "bad.yaml")
    assert f"bad.yaml:{line}:{column}: " in refused.value.said
    assert wants in refused.value.said
    assert tables(daemon) == before and lists_in_kernel(daemon) == live
    assert daemon.status()["revision"] == revision
    assert not wire.passes(udp("192.0.2.7"))
    checked = daemon.verb("check", daemon.home / "bad.yaml")
    assert checked.returncode == 1 and f":{line}:{column}: " in checked.stderr


def test_same_configuration_gives_the_same_tables_byte_for_byte(daemon):
    lists = ["10.0.0.0/8", "192.0.2.3-192.0.2.77", "2001:db8::/32", "2001:db8:1::7",
             *[f"203.0.{a}.{b}" for a in range(4) for b in range(0, 250, 7)]]
    daemon.apply(denying(*lists))
    first = tables(daemon)
    daemon.apply(denying("192.0.2.0/24"))
    assert tables(daemon) != first
    daemon.apply(denying(*lists))
    assert tables(daemon) == first


def test_tables_do_not_depend_on_the_daemon_that_compiled_them(weir_daemon, pair):
    config = denying("10.0.0.0/8", "192.0.2.3-192.0.2.77", "2001:db8::/32")
    one, two = weir_daemon(pair.inside, config=config), weir_daemon(pair.inside, config=config)
    assert tables(one) == tables(two)


def test_apply_of_what_is_live_already_changes_nothing(daemon):
    first = daemon.apply(denying("192.0.2.0/24"))
    again = daemon.apply(denying("192.0.2.0/24"))
    assert again["revision"] in (first["revision"], first["revision"] + 1)
    assert again["changed"] == (again["revision"] != first["revision"])


# --- revisions ----------------------------------------------------------------------------------

def test_stale_revision_is_refused_with_the_one_that_is_live(daemon, wire):
    revision = daemon.apply(denying("192.0.2.0/24"))["revision"]
    with pytest.raises(Refused) as refused:
        daemon.say("apply", "-", "--expect", str(revision - 1), text=denying("198.51.100.0/24"))
    assert f"revision {revision - 1} was expected, {revision} is live" \
        in refused.value.said
    for words in (["block", "add", "198.51.100.1"], ["block", "clear"], ["rollback"]):
        with pytest.raises(Refused):
            daemon.say(*words, "--expect", str(revision - 1))
    assert wire.verdicts([udp("192.0.2.7"), udp("198.51.100.1")]) == [False, True]
    daemon.say("apply", "-", "--expect", str(revision), text=denying("198.51.100.0/24"))
    assert wire.verdicts([udp("192.0.2.7"), udp("198.51.100.1")]) == [True, False]


def test_rollback_goes_back_and_again_forth(daemon, wire):
    daemon.apply(denying("192.0.2.0/24"))
    daemon.apply(denying("198.51.100.0/24"))
    frames = [udp("192.0.2.7"), udp("198.51.100.1")]
    daemon.say("rollback")
    assert wire.verdicts(frames) == [False, True]
    assert daemon.ask("config", "show")["text"] == denying("192.0.2.0/24")
    daemon.say("rollback")
    assert wire.verdicts(frames) == [True, False]


def test_rollback_keeps_what_was_added_at_run_time(daemon, wire):
    daemon.apply(denying("192.0.2.0/24"))
    daemon.say("block", "add", "203.0.113.7")
    daemon.say("block", "import", "-", text="198.51.100.0/24\n")
    daemon.apply(BASE)
    daemon.say("rollback")
    assert wire.verdicts([udp("192.0.2.1"), udp("203.0.113.7"), udp("198.51.100.1")]) == [
        False, False, False]


def test_rollback_without_a_policy_before_is_refused(daemon):
    with pytest.raises(Refused) as refused:
        daemon.say("rollback")
    assert refused.value.status == 1


def test_rollback_survives_a_restart(daemon, wire):
    daemon.apply(denying("192.0.2.0/24"))
    daemon.apply(denying("198.51.100.0/24"))
    daemon.restart()
    assert not wire.passes(udp("198.51.100.1"))
    daemon.say("rollback")
    assert wire.verdicts([udp("192.0.2.7"), udp("198.51.100.1")]) == [False, True]


# --- comparing and checking --------------------------------------------------------------------

def test_diff_names_what_is_added_removed_and_changed(daemon):
    daemon.apply(denying("192.0.2.0/24", "198.51.100.0/24"))
    changes = daemon.ask("diff", "-", text=denying("192.0.2.0/24", "203.0.113.0/24")
                         + "memory: 64MiB\n")
    assert changes["changed"]
    rows = {row["key"]: row for row in changes["changes"]}
    assert rows["memory"]["op"] == "add" and rows["memory"]["to"] == "64MiB"
    text = daemon.say("diff", "-", text=denying("192.0.2.0/24", "203.0.113.0/24"))
    assert re.search(r"^- .*198\.51\.100\.0/24", text, re.M)
    assert re.search(r"^\+ .*203\.0\.113\.0/24", text, re.M)
    assert "192.0.2.0/24" not in text
    assert daemon.ask("diff", "-", text=denying("192.0.2.0/24", "198.51.100.0/24"))[
        "changed"] is False


def test_diff_works_without_a_daemon(daemon):
    daemon.apply(denying("192.0.2.0/24"))
    daemon.stop()
    (daemon.home / "new.yaml").write_text(denying("203.0.113.0/24"))
    text = daemon.say("diff", daemon.home / "new.yaml", "--state-dir", daemon.state)
    assert "192.0.2.0/24" in text and "203.0.113.0/24" in text


def test_check_needs_no_daemon(tmp_path):
    path = tmp_path / "good.yaml"
    path.write_text(denying("192.0.2.0/24"))
    environment = dict(os.environ, WEIR_SOCKET=str(tmp_path / "none"))
    assert subprocess.run([WEIR, "check", path], env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE).returncode == 0


# --- SIGHUP --------------------------------------------------------------------------------------

def test_apply_of_keys_that_change_no_table_is_a_change(daemon):
    before = daemon.ask("status")["revision"]
    applied = daemon.apply(BASE + "events: {keep: 77}\n")
    assert applied["changed"] and applied["revision"] == before + 1


def test_sighup_does_what_apply_does(daemon, wire):
    daemon.reload(denying("192.0.2.0/24"))
    wait_for(lambda: not wire.passes(udp("192.0.2.7")), "the new policy is live")
    assert daemon.ask("config", "show")["text"] == denying("192.0.2.0/24")


def test_sighup_with_a_bad_file_is_logged_with_its_place_and_changes_nothing(daemon, wire):
    daemon.apply(denying("192.0.2.0/24"))
    before = tables(daemon)
    daemon.reload(BASE + "blok: {}\n")
    wait_for(lambda: "weir.yaml:2:1: " in daemon.log(), "the place is logged")
    assert tables(daemon) == before and not wire.passes(udp("192.0.2.7"))


def test_bad_file_at_start_ends_a_first_start_with_its_place(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, config=BASE + "blok: {}\n", start=False).launch()
    assert daemon.process.wait(20) != 0
    assert "weir.yaml:2:1: " in daemon.log()
    assert not daemon.pin_dir.exists() or not list((daemon.pin_dir / "links").iterdir())


def test_bad_file_at_restart_leaves_the_data_path_as_it_was(daemon, wire):
    daemon.apply(denying("192.0.2.0/24"))
    daemon.stop()
    daemon.config.write_text(BASE + "blok: {}\n")
    daemon.launch()
    wait_for(lambda: daemon.process.poll() is not None or daemon.healthy(), "it decides")
    assert "weir.yaml:2:1: " in daemon.log()
    assert not wire.passes(udp("192.0.2.7"))


def test_apply_from_standard_input_finds_lists_beside_the_caller(daemon):
    (daemon.home / "bad.txt").write_text("192.0.2.0/24\n")
    done = daemon.namespace.run(
        "sh", "-c", 'cd "$1" && exec "$2" apply -', "sh", daemon.home, WEIR, check=False,
        env=daemon.environment(),
        input=BASE + "block: {lists: [{name: bad, action: deny, file: bad.txt}]}\n")
    assert done.returncode == 0, done.stderr
    assert daemon.ask("block", "lists")["lists"][0]["v4"] == 1
