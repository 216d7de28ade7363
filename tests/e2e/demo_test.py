# SPDX-License-Identifier: Apache-2.0
"""make demo: what it says is so, and it leaves nothing behind, also when it is interrupted."""
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from harness.daemon import BPFFS, TREE, WEIR
from harness.net import unique
from harness.wait import SLOWNESS, wait_for

pytestmark = pytest.mark.outside


@pytest.fixture
def demo():
    """Starts the demo under a name of its own; gives (process, name)."""
    name = unique("demo")
    process = subprocess.Popen(
        [TREE / "tools/demo"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env=dict(os.environ, WEIR=str(WEIR), WEIR_DEMO_NAME=name, WEIR_DEMO_PACE="0"))
    yield process, name
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=30 * SLOWNESS)


def left_behind(name):
    spaces = [path.name for path in pathlib.Path("/run/netns").glob(f"{name}*")]
    pins = [path.name for path in BPFFS.glob(f"{name}*")]
    files = [path.name for path in pathlib.Path("/tmp").glob(f"{name}*")]
    processes = subprocess.run(["pgrep", "-f", f"{name}[.-]"], stdout=subprocess.PIPE,
                               text=True).stdout.split()
    return spaces + pins + files + processes


def test_demo_shows_each_thing_it_says(demo):
    process, name = demo
    out, _ = process.communicate(timeout=120 * SLOWNESS)
    assert process.returncode == 0, out
    for scene in range(1, 6):
        assert re.search(rf"^{scene}\. ", out, re.M), out
    verdicts = re.findall(r"^  (client|attacker) +GET \S+  (200 OK|no answer)$", out, re.M)
    assert ("client", "no answer") not in verdicts, "nothing ever stops the client"
    attacker = [said for who, said in verdicts if who == "attacker"]
    no, yes = "no answer", "200 OK"
    assert attacker == [yes, no, yes, no, no, no, yes, no, yes]
    seconds = float(re.search(r"After ([\d.]+) s the attacker is let in", out)[1])
    assert 4.9 <= seconds < 5 + 10 * SLOWNESS, out
    assert "1,000,000 entries in list feed" in out
    assert re.search(r"drop_blocked .*list runtime-deny", out)
    before, now = map(int, re.search(r"packets dropped: (\d+) before, (\d+) now", out).groups())
    assert 0 < before < now
    assert "'dney'" in out and "did you mean 'deny'" in out
    assert not left_behind(name)


@pytest.mark.parametrize("moment", [r"^1\. ", r"no answer", r"block import"])
def test_demo_interrupted_leaves_nothing(demo, moment):
    process, name = demo
    start, seen = time.monotonic(), ""
    while not re.search(moment, seen, re.M):
        line = process.stdout.readline()
        assert line and time.monotonic() - start < 60 * SLOWNESS, seen
        seen += line
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=30 * SLOWNESS)
    assert process.returncode == 130
    wait_for(lambda: not left_behind(name), f"nothing is left: {left_behind(name)}")


def test_two_demo_networks_stand_side_by_side():
    names = [unique("demo"), unique("demo")]
    try:
        for name in names:
            done = subprocess.run([TREE / "tools/demo-net", "up"], text=True,
                                  stdout=subprocess.PIPE, check=True,
                                  env=dict(os.environ, WEIR_DEMO_NAME=name))
            assert done.stdout.splitlines()[-1] == f"{name}-gateway wan*"
    finally:
        for name in names:
            subprocess.run([TREE / "tools/demo-net", "down"], check=True,
                           env=dict(os.environ, WEIR_DEMO_NAME=name))
    assert not left_behind(names[0]) and not left_behind(names[1])
