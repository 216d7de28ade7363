# SPDX-License-Identifier: Apache-2.0
"""What each hook costs the traffic of sockets on a veth: why `hook: auto` takes TC there (G18)."""
import contextlib
import json
import signal
import subprocess

from bench.measure import median
from harness.daemon import Daemon
from harness.net import Pair
from harness.wait import wait_for

HOOKS = ("tc", "xdp", "xdp-generic")
PORT = 5201


@contextlib.contextmanager
def server(pair):
    """iperf3 on the inner end."""
    process = subprocess.Popen(pair.inside.command("iperf3", "-s", "-p", PORT),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: f":{PORT}" in pair.inside.run("ss", "-ltn").stdout, "iperf3 listens", 5)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def gbits(pair, seconds):
    done = pair.outside.run("iperf3", "-J", "-c", pair.inside_v4, "-p", PORT, "-t", seconds)
    return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"] / 1e9


def hooks_rows(report, quick):
    """One TCP stream without Weir and at each hook, a policy of a thousand entries, interleaved."""
    rounds, seconds = (1, 1) if quick else (5, 2)
    rates = {hook: [] for hook in ("none", *HOOKS)}
    with contextlib.ExitStack() as stack:
        pair = stack.enter_context(Pair("hooks", addresses=True))
        for namespace, device in ((pair.inside, pair.wire), (pair.outside, pair.far)):
            namespace.run("ethtool", "-K", device, "tx", "on", check=False)    # as a veth is made
        stack.enter_context(server(pair))
        daemon = Daemon(pair.inside, label="hooks")
        stack.callback(daemon.close)
        daemon.start()
        entries = "".join(f"198.51.{high}.{low}\n" for high in range(4) for low in range(250))
        (daemon.home / "thousand.txt").write_text(entries)
        daemon.say("block", "import", daemon.home / "thousand.txt", "--list", "thousand")
        for _ in range(rounds):
            rates["none"].append(gbits(pair, seconds))
            for hook in HOOKS:
                daemon.say("interface", "attach", pair.wire, "--hook", hook)
                rates[hook].append(gbits(pair, seconds))
                daemon.say("interface", "detach", pair.wire)
    bare = median(rates["none"])
    for hook in HOOKS:
        ratio = median([mine / none for mine, none in zip(rates[hook], rates["none"])])
        report.add("G18", f"one TCP stream over a veth, hook: {hook}", median(rates[hook]),
                   "Gbit/s", "without Weir", bare, ratio)
