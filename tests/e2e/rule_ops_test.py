# SPDX-License-Identifier: Apache-2.0
"""Rules of run time: the verbs, their order among those of the configuration, what they count, and
what a restart keeps."""
import json

import pytest

from harness.frames import udp
from harness.rules import (BASE, RULES, add, cleared, counted, hits, order, refusal,  # noqa: F401
                           rules, standing)
from harness.wait import wait_for
from harness.wire import MARK

# Of udp(), with the mark and the number that Wire puts behind it.
FRAME_BYTES = 14 + 20 + 8 + 8 + len(MARK) + 4


# --- add, del -----------------------------------------------------------------------------------

def test_rule_is_live_when_the_command_returns_and_gone_when_deleted(cleared):
    daemon, wire = cleared
    frames = [udp("192.0.2.1"), udp("203.0.113.9"), udp("2001:db8::9")]
    assert wire.verdicts(frames) == [True, True, True]
    answer = add(daemon, "drop-it", "--src", "203.0.113.0/24, 2001:db8::/64", "--proto", "udp",
                 "--dport", "2000")
    assert wire.verdicts(frames) == [True, False, False]
    assert (answer["result"], answer["name"], answer["place"], answer["of"]) == (
        "added", "drop-it", 5, 5)
    daemon.say("rule", "del", "drop-it")
    assert wire.verdicts(frames) == [True, True, True]


def test_every_field_is_taken_kept_and_shown(cleared):
    daemon, _ = cleared
    fields = {"src": "not 10.0.0.0/8", "dst": "office", "proto": "tcp", "sport": "1024-65535",
              "dport": "80, 443", "interface": "eth*, not lo", "direction": "egress",
              "family": "ipv4", "tcp-flags": "syn/syn,ack", "state": "untracked",
              "fragment": "none", "length": "0-1500", "dscp": "ef", "vlan": "100-200",
              "schedule": "mon-fri 08:00-18:00", "mark": "0x10", "comment": "all of it",
              "group": "web"}
    words = [part for key, value in fields.items() for part in (f"--{key}", value)]
    add(daemon, "all", *words, "--log")
    row = rules(daemon)[-1]
    assert {key: row[key] for key in fields} == fields
    assert (row["log"], row["enabled"], row["acts"], row["origin"]) == (True, True, True, "runtime")
    for part in ("dport 80, 443", "src not 10.0.0.0/8", "egress", "tcp", "dscp ef"):
        assert part in row["conditions"]
    add(daemon, "types", "--icmp-type", "3", "--icmp-code", "0-3")
    assert [rules(daemon)[-1][key] for key in ("icmp-type", "icmp-code")] == ["3", "0-3"]
    text = daemon.say("rule", "list")
    for part in ("all of it", "deny, log mark 0x10", "runtime", "file"):
        assert part in text


def test_rules_without_a_name_are_numbered_and_numbers_are_not_given_again(cleared):
    daemon, _ = cleared
    first, second = (daemon.ask("rule", "add", "--action", "deny", "--src", src)["name"]
                     for src in ("192.0.2.50", "192.0.2.51"))
    number = int(first.removeprefix("rule-"))
    assert second == f"rule-{number + 1}"
    daemon.say("rule", "del", second)
    daemon.restart()
    assert daemon.ask("rule", "add", "--action", "deny")["name"] == f"rule-{number + 2}"


@pytest.mark.parametrize("words, said", [
    (["add", "x", "--action", "deny", "--dport", "70000"], "dport: '70000'"),
    (["add", "x", "--action", "deny", "--src", "nowhere"], "no set and no list 'nowhere'"),
    (["add", "one", "--action", "deny"], "there is a rule 'one', in the configuration"),
    (["add", "Up", "--action", "deny"], "'Up'"),
    (["add", "x", "--action", "limit"], "needs a rate"),
    (["add", "x", "--action", "mark"], "needs a mark"),
    (["add", "x", "--action", "deny", "--group", "absent"], "no group 'absent'"),
    (["add", "x", "--action", "deny", "--before", "absent"], "no rule of the name or number"),
    (["add", "x", "--action", "deny", "--first", "--last"], "stands in one place"),
    (["add", "x", "--action", "deny", "--before", "one", "--after", "one"], "stands in one place"),
    (["del", "absent"], "no rule of the name or number 'absent'"),
    (["del", "one"], "weir.yaml:6"),
    (["del", "one"], "part of the configuration"),
    (["move", "one", "--last"], "part of the configuration"),
    (["disable", "three"], "part of the configuration"),
    (["move", "mine"], "not said where"),
    (["move", "mine", "--after", "mine"], "next to itself"),
    (["hits", "absent"], "no rule of the name or number 'absent'"),
])
def test_refused_edits_say_why_and_change_nothing(cleared, words, said):
    daemon, wire = cleared
    add(daemon, "mine", "--src", "203.0.113.1")
    if "weir.yaml:6" == said:       # the file that was applied last is named
        daemon.reload(RULES + "\n")
        wait_for(lambda: "\n\n" in daemon.ask("config", "show")["text"], "it was read again")
    before, revision = rules(daemon), daemon.status()["revision"]
    assert said in refusal(daemon, "rule", *words)
    assert [{**row, "packets": 0, "bytes": 0} for row in rules(daemon)] == [
        {**row, "packets": 0, "bytes": 0} for row in before]
    assert daemon.status()["revision"] == revision
    assert wire.verdicts([udp("203.0.113.1"), udp("192.0.2.1"), udp("192.0.2.2")]) == [
        False, True, False]


def test_more_rules_than_there_may_be_are_refused_with_numbers(weir_daemon, pair):
    many = BASE + "rules: {rules: [" + ", ".join(
        f"{{src: 10.{i >> 8}.{i & 255}.1, action: count}}" for i in range(9999)) + "]}\n"
    daemon = weir_daemon(pair.inside, config=many)
    add(daemon, "last")
    assert "9999 rules in the configuration and 1 of run time: 10000" in refusal(
        daemon, "rule", "add", "more", "--action", "deny")
    more = many.replace("[{src", "[{src: 10.255.0.1, action: count}, {src", 1)
    assert "10000 rules, and 1 of run time, where 10000 are the most" in refusal(
        daemon, "apply", "-", text=more)
    assert daemon.status()["rules"]["runtime"] == 1
    listed = daemon.ask("rule", "list", "--limit", "2", "--offset", "9999")
    assert ([row["name"] for row in listed["rules"]], listed["total"]) == (["last"], 10000)


# --- order --------------------------------------------------------------------------------------

def test_places_among_the_rules_of_the_configuration(cleared):
    daemon, _ = cleared
    nameless = str(rules(daemon)[1]["id"])
    for name, *words in (("a", "--first"), ("b", "--first"), ("c",), ("d", "--last"),
                         ("e", "--before", "three"), ("f", "--before", "three"),
                         ("g", "--after", "one"), ("h", "--after", "one"),
                         ("i", "--before", nameless), ("j", "--before", "g"),
                         ("k", "--after", "a"), ("l", "--after", "d")):
        add(daemon, name, *words)
    assert order(daemon) == ["b", "a", "k", "one", "h", "j", "g", "i", "-", "e", "f", "three",
                             "asleep", "c", "d", "l"]
    daemon.restart()
    assert order(daemon) == ["b", "a", "k", "one", "h", "j", "g", "i", "-", "e", "f", "three",
                             "asleep", "c", "d", "l"]


def test_the_first_that_decides_wins_wherever_it_was_put(cleared):
    daemon, wire = cleared
    frame = udp("192.0.2.1")
    add(daemon, "x", "--src", "192.0.2.0/24")
    assert wire.passes(frame), "behind the rule that allows it"
    daemon.say("rule", "move", "x", "--before", "one")
    assert not wire.passes(frame)
    daemon.say("rule", "move", "x", "--after", "one")
    assert wire.passes(frame)
    daemon.say("rule", "move", "x", "--first")
    assert not wire.passes(frame)
    assert order(daemon)[0] == "x"
    daemon.say("rule", "move", "x", "--last")
    assert wire.passes(frame)


def test_rules_move_next_to_each_other(cleared):
    daemon, _ = cleared
    for name in ("a", "b", "c"):
        add(daemon, name, "--after", "asleep" if name == "a" else chr(ord(name) - 1))
    for words, wanted in ((("a", "--after", "c"), "bca"), (("a", "--before", "b"), "abc"),
                          (("c", "--before", "b"), "acb"), (("a", "--after", "b"), "cba"),
                          (("b", "--before", "c"), "bca")):
        daemon.say("rule", "move", *words)
        assert "".join(order(daemon)[4:]) == wanted, words


def test_anchored_rule_follows_its_anchor_through_an_apply(cleared):
    daemon, _ = cleared
    add(daemon, "x", "--before", "three")
    daemon.apply(BASE + """rules:
  rules:
    - {name: three, src: 192.0.2.3, action: count}
    - {name: new, action: count}
    - {name: one, src: 192.0.2.1, action: allow}
""")
    assert order(daemon) == ["x", "three", "new", "one"]


def test_rule_whose_anchor_goes_stands_last_with_a_warning_and_comes_back(cleared):
    daemon, _ = cleared
    nameless = str(rules(daemon)[1]["id"])
    add(daemon, "x", "--before", "three")
    add(daemon, "y", "--after", nameless)
    add(daemon, "z", "--before", nameless)
    done = daemon.verb("apply", "-", text=BASE + "rules: {rules: [{name: one, action: allow}, "
                                                 "{name: four, action: count}]}\n")
    assert done.returncode == 0
    for name in "xyz":
        assert f"'{name}' of run time stood next to one that is gone" in done.stderr
    assert order(daemon) == ["one", "four", "z", "y", "x"]
    daemon.apply(RULES)
    assert order(daemon) == ["one", "z", "-", "y", "x", "three", "asleep"]


def test_apply_with_the_name_of_a_rule_of_run_time_is_refused(cleared):
    daemon, _ = cleared
    add(daemon, "mine")
    said = refusal(daemon, "apply", "-", text=RULES + "    - {name: mine, action: deny}\n")
    assert "a rule of run time has the name 'mine' already" in said and "rule del" in said
    assert order(daemon)[-1] == "mine"


# --- counters -----------------------------------------------------------------------------------

def test_hits_are_counted_by_rule_and_survive_swaps_applies_and_restarts(cleared):
    daemon, wire = cleared
    add(daemon, "x", "--src", "203.0.113.0/24")
    start = {name: hits(daemon, name)[0] for name in ("one", "three")}
    wire.send([udp("203.0.113.1")] * 5 + [udp("192.0.2.1")] * 3 + [udp("192.0.2.3")] * 2)
    assert counted(daemon, "x", 5) == 5 * FRAME_BYTES
    for name, packets in (("one", 3), ("three", 2)):
        counted(daemon, name, start[name] + packets)
    number = rules(daemon, "--match", "203.0.113.0/24")[0]["id"]
    for step, packets in (("swap", 6), ("apply", 7), ("restart", 8), ("kill", 9)):
        if step == "swap":
            add(daemon, "other", "--first", "--src", "198.51.100.1")
            daemon.say("rule", "move", "x", "--first")
        elif step == "apply":
            daemon.apply(RULES.replace("    - {name: one", "    - {name: before, action: count, "
                                       "src: 198.51.100.9}\n    - {name: one"))
        elif step == "restart":
            daemon.restart()
        else:
            daemon.kill()
            daemon.start()
        wire.send([udp("203.0.113.1")])
        counted(daemon, "x", packets)
        counted(daemon, "three", start["three"] + 2)
        row, = rules(daemon, "--match", "203.0.113.0/24")
        assert row["id"] == number, step


def test_rule_that_comes_anew_counts_from_nothing(cleared):
    daemon, wire = cleared
    add(daemon, "x", "--src", "203.0.113.0/24")
    wire.send([udp("203.0.113.1")] * 4)
    counted(daemon, "x", 4)
    daemon.say("rule", "del", "x")
    add(daemon, "x", "--src", "203.0.113.0/24")
    assert hits(daemon, "x") == (0, 0)
    wire.send([udp("203.0.113.1")] * 2)
    counted(daemon, "x", 2)


def test_rules_alike_and_without_names_keep_what_each_counted(cleared):
    daemon, wire = cleared
    twins = "    - {src: 192.0.2.9, action: count}\n" * 2 + "    - {src: 192.0.2.9, action: deny}\n"
    daemon.apply(RULES + twins)
    wire.send([udp("192.0.2.9")] * 3)
    wait_for(lambda: [row["packets"] for row in rules(daemon)[4:]] == [3, 3, 3], "all three count")
    numbers = [row["id"] for row in rules(daemon)[4:]]
    assert len(set(numbers)) == 3
    daemon.apply(RULES.replace("  rules:\n", "  rules:\n    - {name: front, action: count}\n")
                 + twins)
    assert [row["id"] for row in rules(daemon)[5:]] == numbers


def test_hits_are_ranked_and_those_never_met_are_shown(cleared):
    daemon, wire = cleared
    add(daemon, "much", "--src", "203.0.113.1")
    add(daemon, "little", "--src", "203.0.113.2")
    add(daemon, "never-met", "--src", "203.0.113.3")
    wire.send([udp("203.0.113.1")] * 40 + [udp("203.0.113.2")] * 30)

    def ranked():
        names = [row["name"] for row in daemon.ask("rule", "hits")["rules"]]
        return [name for name in names if name in ("much", "little", "never-met")]
    wait_for(lambda: ranked() == ["much", "little"], "both are read, the one with more first")
    never = daemon.ask("rule", "hits", "--never")
    names = [row["name"] for row in never["rules"]]
    assert "never-met" in names and "much" not in names
    assert "asleep" not in names, "it does not act"
    assert never["never"] == len(names)
    assert "never-met" in daemon.say("rule", "hits", "--never")


# --- switched off -------------------------------------------------------------------------------

def test_disabled_rule_stays_and_does_not_act(cleared):
    daemon, wire = cleared
    add(daemon, "x", "--src", "203.0.113.0/24")
    wire.send([udp("203.0.113.1")])
    counted(daemon, "x", 1)
    daemon.say("rule", "disable", "x")
    assert wire.passes(udp("203.0.113.1"))
    daemon.restart()
    row = rules(daemon)[-1]
    assert (row["name"], row["enabled"], row["acts"], row["packets"]) == ("x", False, False, 1)
    daemon.say("rule", "enable", "x")
    assert not wire.passes(udp("203.0.113.1"))
    counted(daemon, "x", 2)


def test_rule_of_a_group_goes_with_it(cleared):
    daemon, wire = cleared
    add(daemon, "x", "--src", "203.0.113.1", "--group", "web")
    add(daemon, "y", "--src", "203.0.113.2", "--group", "resting")
    frames = [udp("203.0.113.1"), udp("203.0.113.2")]
    assert wire.verdicts(frames) == [False, True]
    daemon.apply(RULES.replace("{name: web}", "{name: web, enabled: false}"))
    assert wire.verdicts(frames) == [True, True]
    done = daemon.verb("apply", "-", text=BASE)
    assert "of the group 'web', which is gone" in done.stderr
    assert wire.verdicts(frames) == [False, False]


# --- what stays -----------------------------------------------------------------------------------

@pytest.mark.parametrize("end", ["stop", "kill"])
def test_rules_are_there_again_after_a_restart(cleared, end):
    daemon, wire = cleared
    add(daemon, "x", "--src", "203.0.113.0/24", "--comment", "kept")
    before, revision = rules(daemon), daemon.status()["revision"]
    getattr(daemon, end)()
    assert not wire.passes(udp("203.0.113.1")), "the data path stays"
    daemon.start()
    assert not wire.passes(udp("203.0.113.1"))
    after = rules(daemon)
    assert [row["name"] for row in after if "name" in row] == [
        row["name"] for row in before if "name" in row]
    assert [row["id"] for row in after] == [row["id"] for row in before]
    assert after[-1]["comment"] == "kept"
    assert daemon.status()["revision"] == revision, "the very same policy was compiled"


def test_damaged_file_is_kept_aside_and_what_is_good_in_it_is_read(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, config=RULES)
    add(daemon, "good", "--src", "203.0.113.1")
    add(daemon, "bad", "--src", "203.0.113.2")
    daemon.stop()
    path = daemon.state / "rules.json"
    kept = path.read_text().replace("203.0.113.2", "203.0.113.2:x")
    path.write_text(kept)
    daemon.start()
    assert order(daemon)[4:] == ["good"]
    aside, = daemon.state.glob("rules.json.damaged-*")
    assert aside.read_text() == kept
    assert "rules.json is damaged" in daemon.log()
    daemon.stop()
    assert json.loads(path.read_text())["rules"][0]["name"] == "good"
    for text in ("", "{", "[]", '{"version": 2}', '{"version": 1, "rows": {"01": 0}}',
                 '{"version": 1, "rules": 5}'):
        path.write_text(text)
        daemon.start()
        assert order(daemon) == ["one", "-", "three", "asleep"], text
        daemon.stop()


def test_change_that_cannot_be_written_is_not_made(weir_daemon, pair, wire):
    daemon = weir_daemon(pair.inside, config=RULES, interfaces=[pair.wire])
    path = daemon.state / "rules.json"
    path.unlink()
    path.mkdir()
    assert "cannot write rules.json" in refusal(daemon, "rule", "add", "x", "--action", "deny")
    assert order(daemon) == ["one", "-", "three", "asleep"]
    assert wire.passes(udp("203.0.113.1"))
    path.rmdir()
    add(daemon, "x")
    assert not wire.passes(udp("203.0.113.1"))


# --- sets that are lists of run time -------------------------------------------------------------

def test_list_that_a_rule_names_cannot_be_cleared(cleared):
    daemon, wire = cleared
    daemon.say("set", "add", "203.0.113.0/24", "--list", "guests")
    add(daemon, "no-guests", "--src", "guests")
    assert not wire.passes(udp("203.0.113.1"))
    said = refusal(daemon, "set", "clear", "--list", "guests")
    assert "rule no-guests.src" in said and "no set and no list 'guests'" in said
    assert not wire.passes(udp("203.0.113.1"))
    daemon.say("rule", "del", "no-guests")
    daemon.say("set", "clear", "--list", "guests")


def test_set_with_the_name_of_a_list_is_refused(cleared):
    """The rule would be about other addresses than when it was added."""
    daemon, wire = cleared
    daemon.say("set", "add", "203.0.113.0/24", "--list", "office-guests")
    add(daemon, "no-guests", "--src", "office-guests")
    twice = RULES.replace("  sets: [", "  sets: [{name: office-guests, members: 198.51.100.1}, ")
    said = refusal(daemon, "apply", "-", text=twice)
    assert "rules.sets[0].name: 'office-guests' is the name of a list already" in said
    assert not wire.passes(udp("203.0.113.1"))
    daemon.say("rule", "del", "no-guests")
    daemon.say("set", "clear", "--list", "office-guests")


def test_start_goes_on_without_a_list_that_is_gone(weir_daemon, pair, wire):
    daemon = weir_daemon(pair.inside, config=BASE, interfaces=[pair.wire])
    daemon.say("set", "add", "203.0.113.0/24", "--list", "guests")
    add(daemon, "no-guests", "--src", "guests")
    add(daemon, "rest", "--src", "203.0.113.0/25")
    daemon.stop()
    (daemon.state / "block-guests.json").unlink()
    daemon.start()
    assert "there is no set 'guests' here: it matches nothing" in daemon.log()
    assert wire.verdicts([udp("203.0.113.1"), udp("203.0.113.200")]) == [False, True]


def test_check_warns_of_a_name_that_may_be_a_list_of_run_time(cleared, tmp_path):
    daemon, _ = cleared
    config = BASE + "rules: {rules: [{src: guests, action: deny}]}\n"
    (tmp_path / "weir.yaml").write_text(config)
    done = daemon.verb("check", tmp_path / "weir.yaml")
    assert done.returncode == 0 and "no set 'guests' here" in done.stderr
    assert "no set and no list 'guests'" in refusal(daemon, "apply", "-", text=config)


@pytest.mark.parametrize("words, more, said", [
    (["--state", "established"], "conntrack: {enabled: false}\n", "connections are not tracked"),
    (["--mark", "7"], "", "a mark is set at TC hooks only"),
])
def test_rules_that_are_not_what_they_look_like_are_warned_of(cleared, words, more, said):
    daemon, _ = cleared
    daemon.apply(more + RULES)
    assert said in daemon.verb("rule", "add", "x", "--action", "allow", *words).stderr
    quiet = daemon.verb("rule", "add", "y", "--action", "allow", "--state", "not established",
                        "--direction", "egress", "--mark", "7")
    assert (quiet.returncode, quiet.stderr) == (0, "")
    key, value = words[0].removeprefix("--"), words[1]
    rule = f"    - {{{key}: {value}, action: allow}}\n"
    done = daemon.verb("check", "-", text=more + RULES + rule)
    assert done.returncode == 0 and said in done.stderr


def test_rule_that_asks_for_a_state_has_connections_tracked(cleared):
    daemon, _ = cleared
    assert not daemon.status()["conntrack"]["on"]
    done = daemon.verb("rule", "add", "x", "--action", "allow", "--state", "established")
    assert (done.returncode, done.stderr) == (0, "")
    assert daemon.status()["conntrack"]["on"]
    daemon.say("rule", "del", "x")
    assert not daemon.status()["conntrack"]["on"]
