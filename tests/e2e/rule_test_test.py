# SPDX-License-Identifier: Apache-2.0
"""`weir rule test`: a file of expectations against a daemon, and against a configuration alone."""
import json
import os
import re
import subprocess

import pytest

from harness.daemon import BPFFS, WEIR, Daemon
from harness.net import Pair

CONFIG = """api: {listen: off}
block:
  lists:
    - {name: office, action: allow, entries: [192.0.2.7, '2001:db8:1::/48']}
    - {name: bad, action: deny, entries: [192.0.2.0/24, '2001:db8::/32']}
"""
MET = """# what the lists are for
tcp 192.0.2.7:5 > 10.0.0.2:22 is allowed by office
tcp 192.0.2.8:5 > 10.0.0.2:22 flags syn,ack is denied by bad    # not only the first packet
tcp [2001:db8::1]:5 > [2001:dead::2]:443 is denied by drop_blocked
tcp [2001:db8:1::1]:5 > [2001:dead::2]:443 is allowed

udp 10.0.0.1:53 > 10.0.0.2:1024 is allowed by policy
icmp 10.0.0.1 > 10.0.0.2 type echo-reply code 0 is allowed by pass_policy
gre 192.0.2.1 > 10.0.0.2 is denied
47 192.0.2.1 > 10.0.0.2 fragment later length 600 vlan 5 dscp ef ttl 3 is denied by bad
icmp 2001:db8::1 > ff02::1 type nd-neighbor-solicit ttl 255 is allowed by pass_neighbour
icmp 2001:db8::1 > ff02::1 type nd-neighbor-solicit ttl 254 is denied by bad
"""
NOT_MET = """tcp 192.0.2.7:5 > 10.0.0.2:22 is denied by bad
udp 10.0.0.1:53 > 10.0.0.2:1024 is allowed
gre 192.0.2.1 > 10.0.0.2 is denied by office
udp 192.0.2.1:1 > 10.0.0.2:2 is rejected
"""


@pytest.fixture(scope="module")
def pair():
    with Pair() as made:
        yield made


@pytest.fixture(scope="module")
def daemon(pair):
    with Daemon(pair.inside, config=CONFIG) as made:
        made.say("interface", "attach", pair.wire, "--egress")
        yield made


def offline(text, *words, config=CONFIG, tmp_path, around=()):
    (tmp_path / "weir.yaml").write_text(config)
    return subprocess.run([*around, WEIR, "rule", "test", "-", "--config", tmp_path / "weir.yaml",
                           *words],
                          input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=dict(os.environ, WEIR_SOCKET="/nowhere", NO_COLOR="1"))


@pytest.fixture(params=["daemon", "configuration"])
def tried(request, daemon, tmp_path):
    """Runs a file of expectations through either door."""
    if request.param == "daemon":
        return lambda text, *words: daemon.verb("rule", "test", "-", *words, text=text)
    return lambda text, *words: offline(text, *words, tmp_path=tmp_path)


def test_expectations_that_are_met_are_counted(tried):
    done = tried(MET)
    assert (done.returncode, done.stdout) == (0, "10 passed, 0 failed\n"), done.stdout


def test_each_that_is_not_met_is_told_with_its_line_and_what_came(tried):
    done = tried(NOT_MET)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "standard input:1: expected denied by bad, found allowed by office (pass_allowed)",
        "    tcp 192.0.2.7:5 > 10.0.0.2:22 is denied by bad",
        "standard input:3: expected denied by office, found denied by bad (drop_blocked)",
        "    gre 192.0.2.1 > 10.0.0.2 is denied by office",
        "standard input:4: expected rejected, found denied by bad (drop_blocked)",
        "    udp 192.0.2.1:1 > 10.0.0.2:2 is rejected",
        "1 passed, 3 failed"]


def test_json_says_the_same(tried):
    done = tried(NOT_MET, "--json")
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert (answer["passed"], answer["failed"]) == (1, 3)
    assert [row["line"] for row in answer["failures"]] == [1, 3, 4]
    assert answer["failures"][0]["expected"] == {"outcome": "denied", "by": "bad"}
    assert answer["failures"][0]["found"] == {
        "outcome": "allowed", "reason": "pass_allowed", "list": "office", "entry": "192.0.2.7"}


def test_bad_line_is_refused_and_no_other_is_tried(tried):
    done = tried("gre 192.0.2.1 > 10.0.0.2 is allowed\n"
                 "tcp 10.0.0.1 > 10.0.0.2 fags syn is denied\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert "standard input:2:25: 'fags' is not" in done.stderr
    assert "did you mean 'flags'?" in done.stderr


def test_out_is_judged_by_where_it_goes(daemon, pair, tmp_path):
    text = (f"udp 10.0.0.1:1 > 192.0.2.1:2 out {pair.wire} is denied by bad\n"
            f"udp 10.0.0.1:1 > 192.0.2.1:2 in {pair.wire} is allowed by policy\n")
    for done in (daemon.verb("rule", "test", "-", text=text), offline(text, tmp_path=tmp_path)):
        assert (done.returncode, done.stdout) == (0, "2 passed, 0 failed\n"), done.stderr


def test_interface_nobody_watches_fails_its_line_only(daemon):
    done = daemon.verb("rule", "test", "-", text="gre 10.0.0.1 > 10.0.0.2 in nosuch0 is allowed\n"
                                                 "gre 10.0.0.1 > 10.0.0.2 is allowed\n")
    assert done.returncode == 1
    assert "standard input:1: expected allowed, but cannot be asked: " in done.stdout
    assert "nosuch0 is not watched" in done.stdout
    assert done.stdout.endswith("1 passed, 1 failed\n")


def test_run_time_lists_count_with_a_daemon_and_not_without(daemon, tmp_path):
    daemon.say("block", "add", "198.18.9.0/24")
    text = "tcp 198.18.9.1:1 > 10.0.0.1:2 is denied by runtime-deny\n"
    assert daemon.verb("rule", "test", "-", text=text).returncode == 0
    assert offline(text, tmp_path=tmp_path).returncode == 1


def test_nothing_is_counted(daemon):
    before = daemon.reasons()
    daemon.say("rule", "test", "-", text=MET)
    assert daemon.reasons() == before


@pytest.mark.outside
def test_configuration_alone_leaves_nothing_behind(tmp_path):
    """In a bpffs of its own: others put their pins into the machine's meanwhile."""
    script = f'mount -t bpf bpf {BPFFS}; ls {BPFFS}; "$@"; status=$?; ls {BPFFS}; exit $status'
    done = offline(MET, tmp_path=tmp_path, around=("unshare", "--mount", "sh", "-c", script, "sh"))
    assert done.returncode == 0
    before, after = re.fullmatch(r"(.*?)\d+ passed, 0 failed\n(.*)", done.stdout, re.S).groups()
    assert before == after == "maps.debug\nprogs.debug\n", "what the kernel puts there"


NAMED = """rules:
  policy: [{interface: "eth*", ingress: deny}]
  rules:
    - {name: web, interface: eth1, proto: tcp, dport: 80, action: allow}
    - {name: out, interface: ppp0, direction: egress, action: reject}
"""


@pytest.mark.outside
def test_interfaces_need_not_exist_without_a_daemon(tmp_path):
    done = offline("""tcp 10.0.0.1:5 > 10.0.0.2:80 in eth1 is allowed by web
tcp 10.0.0.1:5 > 10.0.0.2:80 in eth0 is denied by policy
tcp 10.0.0.1:5 > 10.0.0.2:80 in lan0 is allowed by policy
tcp 10.0.0.1:5 > 10.0.0.2:80 is allowed by policy
tcp 10.0.0.1:5 > 10.0.0.2:80 out ppp0 is rejected by out
tcp 10.0.0.1:5 > 10.0.0.2:80 in ppp0 is allowed by policy
""", config=NAMED, tmp_path=tmp_path)
    assert done.returncode == 0 and "6 passed, 0 failed" in done.stdout, done.stdout


@pytest.mark.outside
def test_more_interfaces_than_can_be_watched_are_refused(tmp_path):
    lines = "".join(f"gre 10.0.0.1 > 10.0.0.2 in eth{n} is allowed\n" for n in range(64))
    done = offline(lines, tmp_path=tmp_path)
    assert done.returncode == 1 and "line 64: more than 63 interfaces" in done.stderr


@pytest.mark.outside
def test_bad_configuration_is_refused_with_its_place(tmp_path):
    done = offline(MET, config="memroy: 5\n", tmp_path=tmp_path)
    assert done.returncode == 1 and "weir.yaml:1:1: memroy" in done.stderr


@pytest.mark.outside
@pytest.mark.parametrize("words, status, said", [
    (["/nowhere.txt"], 1, "cannot read /nowhere.txt"), ([], 2, "missing"),
    (["-"], 3, "no daemon listens at /nowhere")])
def test_what_cannot_be_tried_has_its_exit_code(words, status, said):
    done = subprocess.run([WEIR, "rule", "test", *words], input=MET, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True,
                          env=dict(os.environ, WEIR_SOCKET="/nowhere"))
    assert (done.returncode, done.stdout) == (status, "") and said in done.stderr
