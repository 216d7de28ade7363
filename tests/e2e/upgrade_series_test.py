# SPDX-License-Identifier: Apache-2.0
"""Series of /metrics where there are more than are told: who is told of by himself, and who is of
`other`, is the same behind a restart, so that neither leaps nor falls."""
import shutil
import socket

import pytest

from harness.daemon import HELPERS, WEIR
from harness.net import Pair
from harness.pages import page_of
from harness.wait import wait_for

RULES, FIRST_PORT = 40, 4001
SERIES = 200                # so a metric has 25
OTHER = 'weir_rule_packets_total{rule="other",action="other"}'


@pytest.fixture
def pair():
    with Pair("series", addresses=True) as made:
        yield made


def config(names, series=SERIES):
    rules = ", ".join(f"{{name: {name}, proto: udp, dport: {FIRST_PORT + number}, action: count, "
                      "direction: ingress}" for number, name in enumerate(names))
    return ("api: {listen: off}\ninterfaces: [{name: wire, hook: tc}]\n"
            f"metrics: {{series: {series}}}\nrules: {{rules: [{rules}]}}\n")


def send(pair, counts):
    """So many datagrams to the port of each rule."""
    with pair.outside.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for number, count in enumerate(counts):
            for _ in range(count):
                sock.sendto(b"x", (pair.inside_v4, FIRST_PORT + number))


def hits(daemon):
    return {name: value for name, value in page_of(daemon).values.items()
            if name.startswith("weir_rule_packets_total")}


def told(daemon, total):
    """The series, once they are of all that was sent."""
    wait_for(lambda: sum(hits(daemon).values()) == total, "all is told of, once")
    return hits(daemon)


def ended(daemon, how):
    if how == "stopped":
        daemon.stop()
    else:
        daemon.kill()


@pytest.mark.parametrize("how", ("stopped", "killed"))
def test_who_came_later_is_of_the_others_behind_a_restart_too(pair, weir_daemon, tmp_path, how):
    names = [f"m{number:02}" for number in range(RULES)]
    counts = [3 + number for number in range(RULES)]
    daemon = weir_daemon(pair.inside, config=config(names))
    send(pair, counts)
    before = told(daemon, sum(counts))
    assert before[OTHER] > 0 and 5 < len(before) <= SERIES // 8 + 1
    # It would be the first by its name, and is the last to come.
    names.append("a-late-one")
    counts.append(1000)
    daemon.apply(config(names))
    send(pair, [0] * RULES + counts[-1:])
    grown = told(daemon, sum(counts))
    assert grown == before | {OTHER: before[OTHER] + counts[-1]}
    # One of the others goes, with what it has: they are no less for it.
    daemon.apply(config([*names[:RULES - 1], names[-1]]))
    wait_for(lambda: page_of(daemon).sum("weir_revision") == daemon.status()["revision"], "told")
    assert hits(daemon) == grown
    for binary in (WEIR, shutil.copy(WEIR, tmp_path / "weir-next")):
        ended(daemon, how)
        daemon.binary = binary
        daemon.start()
        assert hits(daemon) == grown


def test_others_are_no_less_behind_tables_of_another_layout(pair, weir_daemon):
    """Which begin at 0: what was told of the others stays in their sum."""
    names, counts = [f"m{number:02}" for number in range(RULES)], [2] * RULES
    daemon = weir_daemon(pair.inside, config=config(names))
    send(pair, counts)
    before = told(daemon, sum(counts))
    daemon.kill()
    daemon.binary = HELPERS / "weir-other-layout"
    daemon.start()
    anew = hits(daemon)
    assert anew.keys() == before.keys()
    assert anew[OTHER] == before[OTHER] and sum(anew.values()) == before[OTHER]
    send(pair, counts)
    assert told(daemon, before[OTHER] + sum(counts))[OTHER] == 2 * before[OTHER]
