# SPDX-License-Identifier: Apache-2.0
"""Counters and rates of interfaces while another binary takes over under traffic: whoever asks at
whatever moment is told what /sys/class/net counts, without a gap, a spike or anything twice."""
import bisect
import collections
import contextlib
import re
import shutil
import subprocess
import threading
import time

import pytest

from harness.account import metrics
from harness.daemon import HELPERS, WEIR
from harness.net import Pair
from harness.programs import running
from harness.wait import pause, wait_for

CONFIG = "api: {listen: off}\ninterfaces: [{name: wire, hook: tc, egress: true}]\n"
KINDS = ("rx_packets", "tx_packets", "rx_bytes", "tx_bytes")
SAMPLE = re.compile(r'^weir_interface_(\w+)_(total|rate)\{interface="wire"\} (\S+)$', re.M)
RATE_S = 5              # rates are over so long at the most
LATE_S = 3              # a look each second, and a busy machine
# Of a rate: reading takes a while, on both sides.
SLACK = 0.15

# `before_s`, `after_s`: when it was asked and answered; rates as far as there are any.
Told = collections.namedtuple("Told", "before_s totals rates after_s")


class Kernel:
    """What the kernel counts, over and over: when, and which counts. A thread of its own."""

    def __init__(self, namespace, device):
        self.began, self.times, self.counts = [], [], []      # began: when it was being read
        self.over = threading.Event()
        self.ready, self.namespace, self.device = threading.Event(), namespace, device
        self.thread = threading.Thread(target=self.run)

    def read(self):
        with open("/proc/thread-self/net/dev", encoding="ascii") as file:
            for line in file:
                name, _, rest = line.partition(":")
                if name.strip() == self.device:
                    words = [int(word) for word in rest.split()]
                    return dict(zip(KINDS, (words[1], words[9], words[0], words[8])))
        raise AssertionError(f"{self.device} is not there")

    def run(self):
        """Once more behind the end, so that there is one later than all that was asked for."""
        is_over = False
        with self.namespace.entered():
            while not is_over:
                is_over = self.over.wait(0.02)
                self.began.append(time.monotonic())
                counts = self.read()
                self.times.append(time.monotonic())
                self.counts.append(counts)
                self.ready.set()

    def at(self, when, is_later):
        """The last counts of before, or the first of after."""
        place = bisect.bisect_left(self.began, when) if is_later else max(
            bisect.bisect_right(self.times, when) - 1, 0)
        return self.counts[place]

    def rates(self, kind, since, until):
        """Of every piece of a second within: the least and the most."""
        found = []
        last = bisect.bisect_right(self.times, until)
        for i in range(bisect.bisect_left(self.times, since), last):
            j = bisect.bisect_left(self.times, self.times[i] + 0.9, i, last)
            if j < last:
                found.append((self.counts[j][kind] - self.counts[i][kind]) /
                             (self.times[j] - self.times[i]))
        return min(found), max(found)

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(10)
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def by_metrics(daemon):
    before, rows = time.monotonic(), SAMPLE.findall(metrics(daemon))
    return Told(before, {name: int(float(value)) for name, what, value in rows if what == "total"},
                {name: float(value) for name, what, value in rows if what == "rate"},
                time.monotonic())


def by_monitor(daemon):
    before = time.monotonic()
    device = daemon.ask("monitor", "wire", "status")["interfaces"][0]["device"]
    return Told(before, {kind: device[kind] for kind in KINDS},
                {kind: device[f"{kind}_per_s"] for kind in KINDS if f"{kind}_per_s" in device},
                time.monotonic())


def asked_for(daemon, seconds):
    """Both, over and over, from as soon as it answers."""
    end, found = time.monotonic() + seconds, []
    while time.monotonic() < end:
        found += [by_metrics(daemon), by_monitor(daemon)]
        pause(0.05)
    return found


def assert_is_as_counted(kernel, found):
    """Each total is one that the kernel had of late, each rate lies among those of late."""
    for told in found:
        assert set(told.totals) == set(KINDS)
        least = kernel.at(told.before_s - LATE_S, False)
        most = kernel.at(told.after_s, True)
        for kind in KINDS:
            assert least[kind] <= told.totals[kind] <= most[kind], (kind, told)
        for kind, rate in told.rates.items():
            low, high = kernel.rates(kind, told.before_s - RATE_S - LATE_S, told.after_s)
            assert low * (1 - SLACK) <= rate <= high * (1 + SLACK), (kind, low, high, told)


def assert_never_falls(found):
    for earlier, later in zip(found, found[1:]):
        for kind in KINDS:
            assert earlier.totals[kind] <= later.totals[kind], (kind, earlier, later)


@pytest.fixture
def pair():
    with Pair("upgrade", addresses=True) as made:
        yield made


def next_binary(kind, tmp_path):
    return shutil.copy(WEIR if kind == "same" else HELPERS / "weir-other-layout",
                       tmp_path / "weir-next")


@pytest.mark.alone
@pytest.mark.outside
@pytest.mark.parametrize("layout", ("same", "other"))
@pytest.mark.parametrize("how", ("stopped", "killed"))
def test_counters_and_rates_go_on_as_the_kernel_counts(pair, weir_daemon, tmp_path, how, layout):
    daemon = weir_daemon(pair.inside, config=CONFIG)
    with Kernel(pair.inside, "wire") as kernel, \
            running(pair.outside, "ping", "-i", "0.002", "-s", "500", pair.inside_v4):
        wait_for(lambda: kernel.times[-1] > kernel.times[0] + RATE_S + LATE_S + 1,
                 "all that rates may be of is traffic", 30)
        found = asked_for(daemon, RATE_S + LATE_S)
        daemon.stop() if how == "stopped" else daemon.kill()
        ended = time.monotonic()
        daemon.binary = next_binary(layout, tmp_path)
        daemon.start()
        after = asked_for(daemon, RATE_S + LATE_S)
        found += after
        assert_never_falls(found)
        # What passed while nobody counted is in the first answer.
        for kind in KINDS:
            assert after[0].totals[kind] >= kernel.at(ended, False)[kind]
        assert len(after[-1].rates) == len(KINDS)
    assert_is_as_counted(kernel, found)
    # And at rest all are the same.
    wait_for(lambda: by_metrics(daemon).totals == by_monitor(daemon).totals == kernel_now(pair),
             "both tell what the kernel has")


@pytest.mark.outside
@pytest.mark.parametrize("words, line", (
    (("monitor", "wire", "realtime", "--interval", "100ms"), r"^[\d:]{8}  in \d.*/s"),
    (("summary", "--interval", "100ms", "--json"), r'^{"hosts":')))
def test_who_watches_goes_on_watching(pair, weir_daemon, words, line):
    """Without an answer it says so, on standard error, and asks again."""
    daemon = weir_daemon(pair.inside, config=CONFIG)
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(subprocess.Popen(
            pair.inside.command(WEIR, "--socket", daemon.socket, *words), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True))
        stack.callback(process.terminate)

        def shows():
            while not re.match(line, text := process.stdout.readline()):
                assert text, f"it ended: {process.stderr.read()}"
        shows()
        began = time.monotonic()
        daemon.stop()
        assert process.stderr.readline()
        # More than it can have written before.
        lines = int((time.monotonic() - began) / 0.1) + 5
        daemon.start()
        for _ in range(lines):
            shows()
    daemon.stop()
    done = pair.inside.run(WEIR, "--socket", daemon.socket, *words, check=False)
    assert done.returncode == 1 and done.stderr, "who never had an answer does not wait for one"


def kernel_now(pair):
    """As the namespace's own /sys has it."""
    script = "mount -t sysfs sysfs /sys; cd /sys/class/net/wire/statistics; cat " + " ".join(KINDS)
    words = pair.inside.run("unshare", "-m", "sh", "-c", script).stdout.split()
    return dict(zip(KINDS, map(int, words)))
