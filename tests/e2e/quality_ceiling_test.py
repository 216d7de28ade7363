# SPDX-License-Identifier: Apache-2.0
"""A ceiling on what measuring costs, held against real traffic: fewer connections are measured, all
say so, and when the traffic is over each is measured again."""
import contextlib
import re
import time

import pytest

from harness.account import metrics
from harness.daemon import Daemon
from harness.net import Namespace, veth
from harness.programs import IPERF, listens, running
from harness.wait import pause, wait_for

CONFIG = ("api: {listen: off}\nquality: {enabled: true%s}\n"
          "interfaces: [{name: lan, hook: tc}, {name: wan, hook: tc}]\n")
STREAMS = 64
SERVER = "198.18.2.2"
WINDOW_S = 5            # over so long costs are taken
# Of the ceiling: looks are a second apart, and traffic is not the same in each.
TOLERANCE = 1.15


class Way:
    """client - gateway - server. veth() has nothing put together: packets are those of a wire."""

    def __init__(self, stack):
        self.client, self.gateway, self.server = (Namespace(name) for name in
                                                  ("client", "gateway", "server"))
        for station in (self.client, self.gateway, self.server):
            stack.callback(station.delete)
        veth(self.client, "eth0", self.gateway, "lan")
        veth(self.gateway, "wan", self.server, "eth0")
        for station, device, number in ((self.client, "eth0", "1.2"), (self.gateway, "lan", "1.1"),
                                        (self.gateway, "wan", "2.1"), (self.server, "eth0", "2.2")):
            station.run("ip", "addr", "add", f"198.18.{number}/24", "dev", device)
        self.client.run("ip", "route", "add", "default", "via", "198.18.1.1")
        self.server.run("ip", "route", "add", "default", "via", "198.18.2.1")
        self.gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=1")


@pytest.fixture
def way():
    with contextlib.ExitStack() as stack:
        yield Way(stack)


@pytest.fixture
def daemon(way):
    with Daemon(way.gateway, config=CONFIG % "") as made:
        wait_for(lambda: made.ask("quality")["interfaces"] == 2, "it measures", 20)
        yield made


@contextlib.contextmanager
def traffic(way):
    with running(way.server, "iperf3", "-s", "-1"):
        wait_for(lambda: listens(way.server, IPERF), "the server listens")
        with running(way.client, "iperf3", "-c", SERVER, "-P", STREAMS, "-t", 3600) as client:
            yield client


def metric(daemon, name):
    text = metrics(daemon)
    return float(re.search(rf"^weir_{name} (\S+)$", text, re.M)[1])


def sampled(daemon):
    return daemon.ask("quality", "--limit", "1")["sample"]


class Cost:
    """Percent of a processor, between two looks at the counter: the daemon reads it once a second,
    so both wait for it to change."""

    def __init__(self, daemon):
        self.daemon = daemon

    def look(self):
        first = metric(self.daemon, "tcp_measuring_seconds_total")

        def changed():
            now = metric(self.daemon, "tcp_measuring_seconds_total")
            return now != first and (time.monotonic(), now)
        return wait_for(changed, "the counter goes on", 30)

    def percent(self, seconds=WINDOW_S):
        began, before = self.look()
        while time.monotonic() < began + seconds:
            pause(0.1)
        ended, after = self.look()
        return 100 * (after - before) / (ended - began)


def measuring_costs(cost, least):
    """Of all connections, when it is as much: else no ceiling could be below."""
    def enough():
        percent = cost.percent(2)
        return percent >= least and percent
    return wait_for(enough, f"measuring costs {least} %", 60)


@pytest.mark.alone
@pytest.mark.outside
def test_under_load_the_ceiling_is_held_and_without_it_all_is_measured_again(way, daemon):
    cost = Cost(daemon)
    with traffic(way):
        ceiling = round(0.75 * measuring_costs(cost, 4))
        daemon.apply(CONFIG % f", cpu: {ceiling}")

        def holds():
            before, percent, answer = sampled(daemon), cost.percent(), daemon.ask("quality")
            return (min(before, answer["sample"]) > 1 and percent <= ceiling * TOLERANCE and answer)
        answer = wait_for(holds, f"{ceiling} % are held", 90)
        assert answer["governor"] == "holding" and answer["cpu_ceiling_percent"] == ceiling
        assert answer["total"]["is_estimate"] and answer["not_sampled"] > 0
        assert answer["total"]["segments"] > answer["measured"]["segments"]
        assert metric(daemon, "tcp_sample") > 1
        said = daemon.say("quality")
        assert "about " in said and re.search(r"one of \d+ connections is measured", said)
        daemon.restart()
        assert sampled(daemon) > 1, "whoever comes next begins with the rate that was held"
    wait_for(lambda: sampled(daemon) == 1, "all are measured again", 60)
    assert daemon.ask("quality")["governor"] == "free"
