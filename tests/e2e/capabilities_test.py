# SPDX-License-Identifier: Apache-2.0
"""What the daemon needs: four capabilities, little memory, next to no processor time."""
import contextlib
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

import pytest

from harness import kernel
from harness.current import current
from harness.daemon import BPFFS
from harness.frames import udp
from harness.net import Pair
from harness.wait import SLOWNESS, pause, wait_for

FOUR = ("bpf", "net_admin", "perfmon", "net_raw")
WATCHES = ("api: {listen: off}\nsockets: {enabled: true}\ndrops: {enabled: true}\n"
           "quality: {enabled: true}\n")
IDLE_SECONDS = 10
MEMORY_MAX = 20 << 20
PROCESSOR_MAX = 0.005
WAKES_S = 0.05             # as the daemon looks for events


def with_only(capabilities):
    """A command that gives up every other capability for good."""
    keep = ",".join(f"+{name}" for name in capabilities)
    return ["setpriv", "--inh-caps", f"-all,{keep}", "--bounding-set", f"-all,{keep}"]


def capabilities_of(process):
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"^CapEff:\s*(\w+)", text, re.M)[1], 16)


def test_four_capabilities_are_enough_for_all_of_it(weir_daemon, pair, wire):
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire], prefix=with_only(FOUR))
    bits = sum(1 << number for number in (39, 12, 38, 13))      # in the order of FOUR
    assert capabilities_of(daemon.process) == bits
    daemon.say("block", "add", "192.0.2.1", "--ttl", "1h")
    daemon.say("block", "import", "-", "--list", "feed", text="198.51.100.0/24\n")
    frames = [udp("192.0.2.1"), udp("198.51.100.1"), udp("203.0.113.1")]
    assert wire.verdicts(frames) == [False, False, True]
    assert daemon.ask("explain", "--src", "192.0.2.1", "--dst", "10.0.0.1")["verdict"] == "drop"
    links = {name: row[0] for name, row in kernel.link_ids(daemon.pin_dir).items()}
    daemon.kill()
    daemon.start()
    assert capabilities_of(daemon.process) == bits
    assert {name: row[0] for name, row in kernel.link_ids(daemon.pin_dir).items()} == links
    assert wire.verdicts(frames) == [False, False, True]
    daemon.apply("api: {listen: off}\n"
                 "block: {lists: [{name: l, action: deny, entries: [203.0.113.0/24]}]}\n")
    assert wire.verdicts(frames) == [False, False, False]
    for hook in ("xdp", "xdp-generic", "tc"):
        daemon.say("interface", "detach", pair.wire)
        daemon.say("interface", "attach", pair.wire, "--hook", hook)
        assert wire.verdicts(frames) == [False, False, False], hook


def test_four_capabilities_are_enough_to_watch(weir_daemon):
    with Pair("capw", addresses=True) as pair:
        assert pair.pings()
        daemon = weir_daemon(pair.inside, interfaces=[pair.wire], prefix=with_only(FOUR),
                             config=WATCHES)
        wait_for(lambda: daemon.ask("socket", "list")["watched"], "sockets are watched")
        wait_for(lambda: daemon.ask("drops")["watched"], "drops are watched")
        wait_for(lambda: daemon.ask("quality").get("interfaces") == 1, "quality is measured", 20)
        with pair.inside.socket(socket.AF_INET, socket.SOCK_STREAM) as listener, \
                pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM) as client, \
                pair.outside.socket(socket.AF_INET, socket.SOCK_DGRAM) as asks:
            listener.bind((pair.inside_v4, 6100))
            listener.listen()
            client.connect((pair.inside_v4, 6100))
            with listener.accept()[0]:
                wait_for(lambda: any(row["pid"] == os.getpid() for row in current(
                    daemon, "list", "lport=6100")["sockets"]), "it is known whose it is")
            asks.sendto(b"x", (pair.inside_v4, 6101))       # where nobody listens
            wait_for(lambda: any(row["reason"] == "NO_SOCKET" for row in
                                 daemon.ask("drops")["drops"]), "the drop is told of")


@pytest.mark.parametrize("missing", ["bpf", "net_admin"])
def test_missing_capability_is_said_at_start(weir_daemon, pair, missing):
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire], start=False,
                         prefix=with_only(set(FOUR) - {missing}))
    daemon.launch()
    assert daemon.process.wait(20 * SLOWNESS) != 0
    assert f"CAP_{missing.upper()}" in daemon.log(), daemon.log()
    assert BPFFS.exists()


def processor_seconds(process):
    """Not by ticks, which a timer may always meet or never."""
    return int(pathlib.Path(f"/proc/{process.pid}/schedstat").read_text().split()[0]) / 1e9


def resident_bytes(process):
    """Without what is shared with other programs or is a table."""
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s*(\d+) kB", text, re.M)[1]) << 10


@contextlib.contextmanager
def waking():
    """Nothing but as many wakings: what each costs is the machine's, and differs widely among
    virtual ones."""
    process = subprocess.Popen([sys.executable, "-c", f"""
import time
while True:
    time.sleep({WAKES_S})
"""])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.alone
def test_idle_daemon_takes_little(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire], config="")
    daemon.say("block", "add", "192.0.2.1", "--ttl", "1h")
    with waking() as other:
        both = daemon.process, other
        before, start = [processor_seconds(one) for one in both], time.monotonic()
        while time.monotonic() - start < IDLE_SECONDS:
            pause(IDLE_SECONDS - (time.monotonic() - start))
        spent = [processor_seconds(one) - was for one, was in zip(both, before)]
    share, least = (seconds / (time.monotonic() - start) for seconds in spent)
    memory = resident_bytes(daemon.process)
    print(f"idle: {memory / (1 << 20):.1f} MiB resident, {share:.2%} of a core, "
          f"{least:.2%} wakings alone")
    assert memory <= MEMORY_MAX
    assert share <= least + 2 * PROCESSOR_MAX * SLOWNESS
