# SPDX-License-Identifier: Apache-2.0
"""How much fits, and what is said when it does not: from 16 MiB to three million entries."""
import ipaddress
import random

import pytest

from harness.daemon import Refused
from harness.frames import udp
from harness.kernel import bpftool

pytestmark = pytest.mark.outside

SMALL = """\
api: {listen: off}
memory: 4MiB
block: {live: 4096, v4-entries: 100000, v6-entries: 20000}
"""
SMALL_BUDGET = 16 << 20


def kernel_bytes(daemon):
    """What the kernel itself says its maps take, those of both policy slots included."""
    paths = [path for folder in ("maps", "policy") for path in (daemon.pin_dir / folder).iterdir()]
    return sum(bpftool("map", "show", "pinned", path)["bytes_memlock"] for path in paths)


def distinct(family, count, seed):
    bits = 32 if family == 4 else 128
    numbers = random.Random(seed)
    made = set()
    while len(made) < count:
        made.add(numbers.getrandbits(bits))
    address = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
    return [str(address(number)) for number in made]


def write(path, rows):
    path.write_text("\n".join(rows) + "\n")
    return path


def test_small_machine_holds_100_000_entries_in_16_mib(weir_daemon, pair, tmp_path):
    daemon = weir_daemon(pair.inside, SMALL, interfaces=[pair.wire])
    rows = distinct(4, 100_000, 1)
    for _ in range(2):      # the second fills the other slot
        daemon.say("block", "import", write(tmp_path / "v4", rows), "--list", "v4", "--replace")
        rows[0] = "198.51.100.77"
    assert kernel_bytes(daemon) <= SMALL_BUDGET


def test_one_entry_more_is_refused_and_changes_nothing(weir_daemon, pair, wire, tmp_path):
    daemon = weir_daemon(pair.inside, SMALL, interfaces=[pair.wire])
    rows = distinct(4, 100_001, 2)
    daemon.say("block", "import", write(tmp_path / "full", rows[:-1]), "--list", "full")
    revision = daemon.ask("status")["revision"]
    with pytest.raises(Refused) as refused:
        daemon.say("block", "import", write(tmp_path / "more", rows[-1:]), "--list", "more")
    assert "100001" in refused.value.said and "100000" in refused.value.said
    assert daemon.ask("status")["revision"] == revision
    assert not wire.passes(udp(rows[0]))
    assert wire.passes(udp(rows[-1]))


def test_policy_past_the_memory_ceiling_is_refused_with_both_numbers(weir_daemon, pair, wire,
                                                                     tmp_path):
    daemon = weir_daemon(pair.inside, "api: {listen: off}\nmemory: 1MiB\n", interfaces=[pair.wire])
    daemon.say("block", "import", write(tmp_path / "few", ["192.0.2.1"]), "--list", "few")
    with pytest.raises(Refused) as refused:
        daemon.say("block", "import", write(tmp_path / "many", distinct(4, 200_000, 3)),
                   "--list", "many")
    assert "1MiB" in refused.value.said and "memory" in refused.value.said
    assert not wire.passes(udp("192.0.2.1"))


def test_two_million_v4_and_one_million_v6_are_enforced(weir_daemon, pair, wire, tmp_path):
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire])
    v4, v6 = distinct(4, 2_000_000, 4), distinct(6, 1_000_000, 5)
    daemon.say("block", "import", write(tmp_path / "v4", v4), "--list", "v4")
    daemon.say("block", "import", write(tmp_path / "v6", v6), "--list", "v6")
    listed = v4[:200] + v6[:200]
    taken = {*v4, *v6}
    free = [address for address in distinct(4, 200, 6) + distinct(6, 200, 7)
            if address not in taken]
    assert not any(wire.verdicts([udp(address) for address in listed]))
    assert all(wire.verdicts([udp(address) for address in free]))
