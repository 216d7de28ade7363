# SPDX-License-Identifier: Apache-2.0
"""The look before an apply: what is live and would be cut is shown, and stops who cannot be
asked."""
import contextlib
import json
import os
import pty
import socket
import subprocess

import pytest

from harness.daemon import WEIR
from harness.net import Pair
from harness.wait import SLOWNESS, wait_for

FAILED = 1
PLAIN = "api: {listen: off}\n"
PORT = 4022


def denying(*entries, rest=""):
    return PLAIN + ("block: {lists: [{name: l, action: deny, entries: "
                    f"[{', '.join(entries)}]}}{rest}]}}\n")


@pytest.fixture
def pair():
    with Pair(addresses=True) as made:
        yield made


@contextlib.contextmanager
def connected(pair, client="10.77.1.2", server="10.77.1.1"):
    """A TCP connection from outside, and the port that took it; gives the client's port."""
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    with pair.inside.socket(family, socket.SOCK_STREAM) as listener, \
            pair.outside.socket(family, socket.SOCK_STREAM) as caller:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((server, PORT))
        listener.listen()
        caller.bind((client, 0))
        caller.settimeout(10 * SLOWNESS)
        caller.connect((server, PORT))
        taken, _ = listener.accept()
        with taken:
            yield caller.getsockname()[1]


def apply(daemon, config, *words, session=None):
    env = daemon.environment()
    env.pop("SSH_CONNECTION", None)
    if session:
        env["SSH_CONNECTION"] = session
    path = daemon.home / "next.yaml"
    path.write_text(config)
    return daemon.namespace.run(WEIR, "apply", path, *words, check=False, env=env)


def live(daemon):
    return daemon.ask("config", "show")["text"]


@pytest.mark.parametrize("client, server, blocked", [
    ("10.77.1.2", "10.77.1.1", "10.77.1.0/24"), ("fd77::2", "fd77::1", '"fd77::/64"')])
def test_dry_run_names_the_connection_and_changes_nothing(daemon, pair, client, server, blocked):
    with connected(pair, client, server) as port:
        done = apply(daemon, denying(blocked), "--dry-run", "--json")
        assert done.returncode == 0, done.stderr
        [cut] = json.loads(done.stdout)["cut"]
        shown = apply(daemon, denying(blocked), "--dry-run").stdout
    with open("/proc/self/comm") as comm:
        program = comm.read().strip()
    assert cut == {"proto": "tcp", "peer": client, "peer_port": port, "forwarded": False,
                   "local": server, "local_port": PORT, "interface": pair.wire,
                   "reason": "drop_blocked", "program": program}
    assert "Would be cut" in shown and str(port) in shown and "drop_blocked" in shown
    assert live(daemon) == PLAIN


def test_dry_run_without_anything_to_cut_says_so(daemon, pair):
    with connected(pair):
        done = apply(daemon, denying("192.0.2.0/24"), "--dry-run")
    assert done.returncode == 0 and "no live connection would be cut" in done.stdout


def test_port_that_strangers_can_no_longer_reach_is_named(daemon, pair):
    with connected(pair):
        done = apply(daemon, denying("192.0.2.0/24"), "--dry-run", "--json")
        [port] = json.loads(done.stdout)["closed_ports"]
        assert (port["proto"], port["local_port"]) == ("tcp", PORT)
        assert "Strangers would no longer reach" in apply(daemon, denying("192.0.2.0/24"),
                                                          "--dry-run").stdout
        assert apply(daemon, denying("192.0.2.0/24"), "--look").returncode == 0


def test_what_is_cut_stops_who_cannot_be_asked(daemon, pair):
    with connected(pair):
        refused = apply(daemon, denying("10.77.1.2"), "--look")
        assert refused.returncode == FAILED
        for words in ("1 live connection would be cut", "nothing was applied", "--yes",
                      "--confirm"):
            assert words in refused.stderr
        assert live(daemon) == PLAIN
        answer = json.loads(apply(daemon, denying("10.77.1.2"), "--look", "--json").stdout)
        assert "would be cut" in answer["error"] and len(answer["preview"]["cut"]) == 1
        assert apply(daemon, denying("10.77.1.2"), "--look", "--yes").returncode == 0
        assert live(daemon) == denying("10.77.1.2")


def test_trial_needs_no_answer(daemon, pair):
    with connected(pair):
        done = apply(daemon, denying("10.77.1.2"), "--look", "--confirm", "1h")
    assert done.returncode == 0 and "Would be cut" in done.stderr
    assert daemon.status()["confirm"]


def test_who_is_dropped_already_is_not_cut(daemon, pair):
    with connected(pair):
        daemon.apply(denying("10.77.1.2"))
        done = apply(daemon, denying("10.77.1.0/24"), "--look")
        assert done.returncode == 0, done.stderr


def test_what_was_allowed_at_run_time_is_not_cut(daemon, pair):
    daemon.say("allow", "add", "10.77.1.2")
    daemon.say("allow", "add", "10.77.1.2", "--ttl", "1h")
    before = sorted(file.name for file in daemon.state.iterdir())
    with connected(pair):
        assert apply(daemon, denying("10.77.1.0/24"), "--look").returncode == 0
    assert sorted(file.name for file in daemon.state.iterdir()) == before


def test_connection_on_an_interface_nobody_watches_is_not_cut(weir_daemon, pair):
    daemon = weir_daemon(pair.inside)
    with connected(pair):
        assert apply(daemon, denying("10.77.1.0/24"), "--look").returncode == 0
        watched = "interfaces: [{name: 'wi*'}]\n" + denying("10.77.1.0/24")
        assert apply(daemon, watched, "--look").returncode == FAILED


def test_session_of_ones_own_wants_force(daemon, pair):
    with connected(pair) as port:
        session = f"10.77.1.2 {port} 10.77.1.1 {PORT}"
        refused = apply(daemon, denying("10.77.1.2"), "--look", "--yes", session=session)
        assert refused.returncode == FAILED
        assert "SSH session you are in" in refused.stderr and "--force" in refused.stderr
        shown = apply(daemon, denying("10.77.1.2"), "--dry-run", session=session)
        assert shown.returncode == 0 and "SSH session you are in" in shown.stdout
        assert daemon.entries("allow") == [] and live(daemon) == PLAIN
        forced = apply(daemon, denying("10.77.1.2"), "--look", "--yes", "--force",
                       session=session)
        assert forced.returncode == 0, forced.stderr


DENYING = PLAIN + "rules: {policy: [{interface: 'wi*', ingress: deny}]}\n"


def test_default_deny_is_looked_at_unasked(daemon, pair):
    untracked = DENYING + "conntrack: {enabled: false}\n"
    with connected(pair):
        refused = apply(daemon, untracked)
        assert refused.returncode == FAILED and "1 live connection would be cut" in refused.stderr
        assert live(daemon) == PLAIN
        other = untracked.replace("wi*", "other*")
        assert apply(daemon, other).returncode == 0


def test_default_deny_takes_over_what_is_connected(daemon, pair):
    with connected(pair):
        done = apply(daemon, DENYING)
        assert done.returncode == 0 and "Would be cut" not in done.stderr, done.stderr
    assert live(daemon) == DENYING


def test_session_of_ones_own_is_kept_as_default_deny_comes(daemon, pair):
    with connected(pair) as port:
        done = apply(daemon, DENYING, "--yes", session=f"10.77.1.2 {port} 10.77.1.1 {PORT}")
        assert done.returncode == 0, done.stderr
        assert live(daemon) == DENYING
        kept = daemon.entries("allow")
        assert [row["entry"] for row in kept] == ["10.77.1.2"] and "SSH" in kept[0]["note"]
        assert pair.pings()


def test_session_is_kept_as_what_leaves_is_denied_by_default(daemon, pair):
    watched = PLAIN + "interfaces: [{name: wire, egress: true}]\n"
    daemon.apply(watched)
    with connected(pair) as port:
        session = f"10.77.1.2 {port} 10.77.1.1 {PORT}"
        done = apply(daemon, watched + "rules: {policy: [{egress: deny}]}\n", session=session)
    assert done.returncode == 0, done.stderr
    assert "allowed 10.77.1.2, where you are logged in from" in done.stderr
    assert [row["entry"] for row in daemon.entries("allow")] == ["10.77.1.2"]


@pytest.mark.parametrize("rule", ["action: deny", "action: reject, family: ipv4",
                                  "action: deny, direction: ingress, interface: wire"])
def test_last_rule_that_denies_is_looked_at_as_a_default_is(daemon, pair, rule):
    with connected(pair) as port:
        session = f"10.77.1.2 {port} 10.77.1.1 {PORT}"
        config = PLAIN + f"rules: {{rules: [{{{rule}}}]}}\n"
        done = apply(daemon, config, "--yes", session=session)
    assert done.returncode == FAILED
    assert "the SSH session you are in would be cut" in done.stderr
    assert live(daemon) == PLAIN


def test_session_that_a_rule_would_cut_wants_force(daemon, pair):
    rule = DENYING.replace("deny}]}", f"deny}}], rules: [{{dport: {PORT}, action: deny}}]}}")
    with connected(pair) as port:
        session = f"10.77.1.2 {port} 10.77.1.1 {PORT}"
        refused = apply(daemon, rule, "--yes", session=session)
        assert refused.returncode == FAILED
        assert "SSH session you are in" in refused.stderr and "--force" in refused.stderr
        assert live(daemon) == PLAIN
        assert apply(daemon, rule, "--yes", "--force", session=session).returncode == 0


def test_default_deny_that_nobody_confirms_goes_by_itself(daemon, pair):
    assert pair.pings()
    assert apply(daemon, DENYING, "--confirm", "5s").returncode == 0
    assert not pair.pings()
    wait_for(lambda: live(daemon) == PLAIN, "the old configuration is back", 15)
    assert pair.pings()


def ask_on_a_terminal(daemon, config, answer):
    path = daemon.home / "next.yaml"
    path.write_text(config)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        daemon.namespace.command(WEIR, "apply", path, "--look"), stdin=theirs, stdout=theirs,
        stderr=theirs, env=daemon.environment())
    os.close(theirs)
    said = bytearray()

    def hears(words):
        with contextlib.suppress(OSError):     # the other end was closed
            said.extend(os.read(ours, 4096))
        return words in said
    try:
        wait_for(lambda: hears(b"apply? [y/N]"), "the question", 20)
        os.write(ours, answer)
        status = process.wait(20 * SLOWNESS)
    finally:
        process.kill()
        os.close(ours)
    assert b"Would be cut" in said
    return status


def test_terminal_is_asked(daemon, pair):
    config = denying("10.77.1.2")
    with connected(pair):
        for answer in (b"n\n", b"\n"):
            assert ask_on_a_terminal(daemon, config, answer) == FAILED
            assert live(daemon) == PLAIN
        assert ask_on_a_terminal(daemon, config, b"y\n") == 0
    assert live(daemon) == config


def test_wrong_configuration_is_told_with_and_without_a_look(daemon):
    for words in (["--dry-run"], ["--look"]):
        done = apply(daemon, "block: {lists: 7}\n", *words)
        assert done.returncode == FAILED and "block.lists" in done.stderr
