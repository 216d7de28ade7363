# SPDX-License-Identifier: Apache-2.0
"""`weir rule import` of NAME.json (what nft prints for NAME.nft) and of NAME.save gives NAME.yaml
and, on standard error, NAME.report, byte for byte. Both were written down by hand from what the
rules of the source mean.

After a wanted change of words:  WEIR_GOLDEN_WRITE=1 tests/run golden  and read the difference."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[2]
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD", TREE / "build"))
NFT = sorted(HERE.glob("*.json"))
SAVED = sorted(HERE.glob("*.save"))
can_load = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"),
                              reason="needs root and nft")


def run(*arguments, text=None):
    return subprocess.run([str(BUILD / "weir"), "rule", "import", *map(str, arguments)],
                          input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                          check=False)


def import_of(path):
    return run("--from", "nft" if path.suffix == ".json" else "iptables", path)


def exit_code(report):
    return 0 if report.endswith(" 0 things not\n") else 4


@pytest.mark.parametrize("path", NFT + SAVED, ids=lambda path: path.name)
def test_import_gives_what_was_written_down(path):
    done = import_of(path)
    rules, report = path.with_suffix(".yaml"), path.with_suffix(".report")
    if os.environ.get("WEIR_GOLDEN_WRITE"):
        rules.write_bytes(done.stdout)
        report.write_bytes(done.stderr)
    assert done.stdout.decode() == rules.read_text()
    assert done.stderr.decode() == report.read_text()
    assert done.returncode == exit_code(report.read_text())


@can_load
@pytest.mark.parametrize("path", NFT, ids=lambda path: path.stem)
def test_nft_itself_prints_that_json(path):
    """The real nft loads NAME.nft into a namespace of its own; the import of what it prints is the
    same, whatever else a newer nft says of its tables."""
    source = path.with_suffix(".nft")
    printed = subprocess.run(["unshare", "--net", "sh", "-ec",
                              'nft -f "$1"; nft -j list ruleset', "sh", source],
                             stdout=subprocess.PIPE, timeout=60, check=True).stdout
    done = run("--from", "nft", "-", text=printed)
    assert done.stdout.decode() == path.with_suffix(".yaml").read_text()


@pytest.mark.parametrize("path", NFT + SAVED, ids=lambda path: path.name)
def test_weir_check_takes_the_result(path, tmp_path):
    """With the list that rules of an ipset name, and that is not in what iptables-save prints. That
    rules never act is told of: they did not in what they come from."""
    config = tmp_path / "weir.yaml"
    config.write_text("block:\n  lists:\n    - name: friends\n      action: set\n"
                      + path.with_suffix(".yaml").read_text())
    done = subprocess.run([str(BUILD / "weir"), "check", config], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    # What there is nothing to do about in the result is said, and nothing else: its interfaces
    # are for the file that it goes into.
    said = [line for line in done.stderr.decode().splitlines() if "warning: " in line]
    for line in said:
        assert re.search(r"a mark is set at TC hooks only|never acts: |none is named: ", line), said
    assert not done.stderr or said


@pytest.mark.parametrize("path", NFT + SAVED, ids=lambda path: path.name)
def test_json_answer_says_the_same(path):
    kind = "nft" if path.suffix == ".json" else "iptables"
    done = run("--from", kind, path, "--json")
    answer = json.loads(done.stdout)
    report = path.with_suffix(".report").read_text()
    assert answer["yaml"] == path.with_suffix(".yaml").read_text()
    said = "".join(f"{word}: {row['where']}: {row['rule']}; {row['why']}\n"
                   for word, key in (("note", "notes"), ("not taken over", "unmapped"))
                   for row in answer[key])
    assert report.startswith(said)
    assert report[len(said):].split()[0] == str(answer["mapped"])
    assert done.returncode == exit_code(report)


def test_big_and_empty_sets_become_lists(tmp_path):
    members = [f"192.0.2.{n}" for n in range(1, 80, 2)]
    done = run("--from", "nft", "-", text=json.dumps({"nftables": [
        {"set": {"family": "ip", "table": "t", "name": "Many_Hosts", "type": "ipv4_addr",
                 "elem": members}},
        {"set": {"family": "ip", "table": "t", "name": "none", "type": "ipv4_addr",
                 "flags": ["timeout"]}},
        {"chain": {"family": "ip", "table": "t", "name": "in", "type": "filter", "hook": "input",
                   "prio": 0, "policy": "accept"}},
        *({"rule": {"family": "ip", "table": "t", "chain": "in", "handle": number, "expr": [
            {"match": {"op": "==", "right": right, "left": {
                "payload": {"protocol": "ip", "field": "saddr"}}}}, {"drop": None}]}}
          for number, right in enumerate(("@Many_Hosts", "@none", {"set": members})))]}).encode())
    page = yaml.safe_load(done.stdout)
    lists = {row["name"]: row for row in page["block"]["lists"]}
    assert [row["src"] for row in page["rules"]["rules"]] == ["many_hosts", "set-none", "in-2"]
    assert {name: (row["action"], len(row["entries"])) for name, row in lists.items()} == {
        "many_hosts": ("set", 40), "set-none": ("set", 0), "in-2": ("set", 40)}
    config = tmp_path / "weir.yaml"
    config.write_bytes(done.stdout)
    subprocess.run([str(BUILD / "weir"), "check", config], stdin=subprocess.DEVNULL, timeout=60,
                   stdout=subprocess.DEVNULL, check=True)
    assert b"set-none" not in done.stderr and b"set none: none; its members of this moment" \
        in done.stderr


@pytest.mark.parametrize("kind, text, words", [
    ("nft", b"{", b"not valid JSON"),
    ("nft", b"{}", b"not a ruleset of nft"),
    ("nft", b"[1]", b"write it with: nft -j list ruleset"),
    ("iptables", b"hello\n", b"no table and no rule of iptables"),
    ("iptables", b"", b"write it with iptables-save"),
])
def test_what_is_no_ruleset_is_refused(kind, text, words):
    done = run("--from", kind, "-", text=text)
    assert (done.returncode, done.stdout) == (1, b"")
    assert words in done.stderr


def test_output_is_written_to_the_file_named(tmp_path):
    done = run("--from", "nft", HERE / "router.json", "--output", tmp_path / "rules.yaml")
    assert (done.returncode, done.stdout) == (0, b"")
    assert (tmp_path / "rules.yaml").read_bytes() == (HERE / "router.yaml").read_bytes()


def test_words_of_the_source_cannot_add_to_the_yaml():
    """Comments, prefixes and names of chains are anybody's."""
    evil = 'x\n    - name: evil\u2028# "\\'
    done = run("--from", "nft", "-", text=json.dumps({"nftables": [
        {"chain": {"family": "ip", "table": evil, "name": evil, "type": "filter", "hook": "input",
                   "prio": 0, "policy": "drop"}},
        {"rule": {"family": "ip", "table": evil, "chain": evil, "handle": 1, "comment": evil,
                  "expr": [{"log": {"prefix": evil}}, {"accept": None}]}}]}).encode())
    rows = yaml.safe_load(done.stdout)["rules"]["rules"]
    assert [(row["name"], row["action"]) for row in rows] == [("x-name-evil", "allow"),
                                                              ("r2", "deny")]


def test_chains_that_call_one_another_for_ever_end():
    """Each chain jumps twice to the next, the last to the first."""
    rules = [{"rule": {"family": "ip", "table": "t", "chain": f"c{number}", "handle": 2 * number +
                       twice, "expr": [{"jump": {"target": f"c{(number + 1) % 30}"}}]}}
             for number in range(30) for twice in range(2)]
    base = {"chain": {"family": "ip", "table": "t", "name": "c0", "type": "filter",
                      "hook": "input", "prio": 0, "policy": "accept"}}
    done = run("--from", "nft", "-", text=json.dumps({"nftables": [base, *rules]}).encode())
    assert done.returncode == 4
    assert b"jumps go round, or more than 16 deep" in done.stderr


def rules_of(text, kind="iptables"):
    done = run("--from", kind, "-", "--json", text=text.encode())
    answer = json.loads(done.stdout)
    rows = yaml.safe_load(answer["yaml"])["rules"]["rules"] or []
    return [{key: value for key, value in row.items() if key not in ("name", "comment")}
            for row in rows], answer


IN = {"direction": "ingress", "family": "ipv4"}


@pytest.mark.parametrize("chain, wanted", [
    # What is left for the rule behind a return: its opposite.
    ("-A x ! -s 10.0.0.0/8 -j RETURN\n-A x -j DROP",
     [{"direction": "ingress", "src": "10.0.0.0/8", "action": "deny"}]),
    ("-A x ! -i eth+ -j RETURN\n-A x -j DROP", [{"interface": "eth*", **IN, "action": "deny"}]),
    ("-A x -p udp -j RETURN\n-A x -j DROP", [{**IN, "proto": "not udp", "action": "deny"}]),
    ("-A x -p udp -j RETURN\n-A x ! -p tcp -j DROP",
     [{**IN, "proto": "not tcp, not udp", "action": "deny"}]),
    ("-A x -j RETURN\n-A x -j DROP", []),
    # Both conditions at once.
    ("-A x -s 10.0.0.0/8 -j y\n-A y -s 10.1.0.0/16 -j DROP",
     [{"direction": "ingress", "src": "10.1.0.0/16", "action": "deny"}]),
    ("-A x -s 10.0.0.0/8 -j y\n-A y -s 11.0.0.1 -j DROP", []),
    ("-A x -p tcp -j y\n-A y -p udp -j DROP", []),
    ("-A x -i eth+ -j y\n-A y -i eth0 -j DROP", [{"interface": "eth0", **IN, "action": "deny"}]),
    ("-A x -g y\n-A x -j DROP\n-A y -p esp -j DROP", [{**IN, "proto": "esp", "action": "deny"}]),
])
def test_chains_are_written_out_exactly(chain, wanted):
    rows, answer = rules_of(f"-P INPUT ACCEPT\n-N x\n-N y\n-A INPUT -j x\n{chain}\n")
    assert rows == wanted
    assert answer["unmapped"] == []


@pytest.mark.parametrize("rule, why", [
    ("-s 10.0.0.1 -m set --match-set a src -m set --match-set b src -j DROP", "two sets"),
    ("-p tcp -m tcp --dport 70000 -j DROP", "'70000' is no number"),
    ("-s 10.0.0.0/255.0.255.0 -j DROP", "is no prefix"),
    ("-i eth0 -o eth1 -j DROP", "does not know the other interface"),
    ("-p icmp -m icmp ! --icmp-type 3/4 -j DROP", "not one rule"),
    ("-m set --match-set BAD src -j DROP", "cannot be called 'BAD'"),
    ("-p tcp --tcp-flags SYN -j DROP", "-j has no counterpart|unknown TCP flag|lacks"),
    ("--dport 22 -j DROP", "ports of any protocol"),
    ("-j", "lacks its value"),
    ("! -j DROP", "'!' means nothing"),
    ("-m comment --comment \"open -j DROP", "a quote is not closed"),
])
def test_what_is_not_exact_is_listed(rule, why):
    rows, answer = rules_of(f"-P INPUT ACCEPT\n-A INPUT {rule}\n")
    assert rows == []
    assert len(answer["unmapped"]) == 1
    assert answer["unmapped"][0]["where"] == "line 2"
    assert answer["unmapped"][0]["rule"] == f"-A INPUT {rule}"
    assert any(part in answer["unmapped"][0]["why"] for part in why.split("|"))


def test_more_rules_than_weir_takes_are_listed():
    _, answer = rules_of("-P INPUT ACCEPT\n" + "-A INPUT -s 10.0.0.1 -j DROP\n" * 10002)
    assert [row["where"] for row in answer["unmapped"]] == ["line 10002", "line 10003"]
    assert answer["mapped"] == 10000


def test_hook_with_a_device_asks_for_its_interface():
    _, answer = rules_of(json.dumps({"nftables": [
        {"chain": {"family": "netdev", "table": "t", "name": "in", "type": "filter",
                   "hook": "ingress", "prio": 0, "policy": "drop", "dev": ["eth0", "eth1"]}},
        {"rule": {"family": "netdev", "table": "t", "chain": "in", "handle": 1, "expr": [
            {"match": {"op": "==", "left": {"payload": {"protocol": "vlan", "field": "id"}},
                       "right": 100}}, {"accept": None}]}}]}), "nft")
    assert answer["unmapped"] == []
    rows = yaml.safe_load(answer["yaml"])["rules"]["rules"]
    assert [(row["interface"], row.get("vlan"), row["action"]) for row in rows] == [
        ("eth0, eth1", 100, "allow"), ("eth0, eth1", None, "deny")]
