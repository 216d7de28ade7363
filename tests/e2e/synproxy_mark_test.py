# SPDX-License-Identifier: Apache-2.0
"""XDP marks what has proven itself for the program behind it. A reload changes one, then the other:
what is under way between them meanwhile is known only by a mark that both have."""
import pytest

from harness.daemon import Daemon
from harness.kernel import BEHIND_XDP, bpftool, link_ids
from harness.net import Pair

pytestmark = BEHIND_XDP
CONFIG = """api: {listen: off}
interfaces: [{name: wire, hook: xdp-generic}]
synproxy: {services: [{ports: '8080', mode: always}]}
"""
MARKS = 1       # the word that bpf/lib/cookie.h marks with; the others are new with each load


def secret_of(program):
    """Constants of a program, as the kernel holds them."""
    for number in bpftool("prog", "show", "id", program)["map_ids"]:
        if bpftool("map", "show", "id", number)["name"].endswith(".rodata"):
            row, = bpftool("map", "dump", "id", number)
            named = {name: value for entry in row["formatted"]["value"][".rodata"]
                     for name, value in entry.items()}
            return named["probe_constants"]["secret"]
    raise AssertionError(f"program {program} has no constants")


def secrets(daemon):
    """{link: (program, its secret)} of all that are attached."""
    return {name: (program, secret_of(program))
            for name, (_, program) in link_ids(daemon.pin_dir).items()}


@pytest.fixture
def daemon():
    with Pair("mark", addresses=True) as pair, Daemon(pair.inside, config=CONFIG) as made:
        yield made


def test_the_mark_outlives_the_programs(daemon):
    rows = [secrets(daemon)]
    # Other constants, and so other programs; and back again.
    for more in ("sanity: {level: basic}\n", ""):
        daemon.config.write_text(CONFIG + more)
        daemon.say("reload")
        rows.append(secrets(daemon))
        before, after = rows[-2:]
        assert len(before) > 1 and before.keys() == after.keys()
        for name, (program, secret) in before.items():
            assert after[name][0] != program and after[name][1] != secret, f"{name} is the same"
    assert len({secret[MARKS] for row in rows for _, secret in row.values()}) == 1
