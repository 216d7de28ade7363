# SPDX-License-Identifier: Apache-2.0
"""The time of day is set while the daemon runs, forwards and back: rates, ages and times to live
are by a clock that nobody sets."""
import datetime
import re
import socket
import time

import pytest

from harness.account import device_counts, metrics
from harness.jumping import JumpingDaemon
from harness.net import Pair
from harness.wait import SLOWNESS, wait_for

CONFIG = ("api: {listen: off}\ninterfaces: [{name: wire, hook: tc, egress: true}]\n"
          "conntrack: {enabled: true, account: true}\nsockets: {enabled: true}\n"
          "block: {lists: [{name: bad, action: deny, entries: [192.0.2.0/24]}]}\n")
YEAR, PORT = 365 * 86400, 6100
RATE = re.compile(r'^weir_interface_rx_packets_rate\{interface="wire"\} (\S+)$', re.M)


def year_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).year


@pytest.mark.parametrize("years", (10, -5))
def test_rates_ages_and_times_to_live_are_those_of_before(years):
    with Pair("jump", addresses=True) as pair, \
            JumpingDaemon(pair.inside, config=CONFIG) as daemon, \
            pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM) as server, \
            pair.inside.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        server.bind((pair.outside_v4, PORT))
        server.listen()
        began = time.monotonic()
        sock.connect((pair.outside_v4, PORT))
        sock.send(b"x")
        wait_for(lambda: daemon.ask("socket", "list", f"rport={PORT}")["sockets"], "the socket")
        daemon.say("block", "add", "198.51.100.7", "--ttl", "1h")
        this_year = year_of(daemon.ask("socket", "list")["as_of"])

        daemon.jump(years * YEAR)
        # That it took: what is told as a time of day is of then.
        wait_for(lambda: abs(year_of(daemon.ask("socket", "list")["as_of"]) - this_year - years)
                 <= 1, "its time of day is another")
        rates = []

        def ticks():
            pair.outside.run("ping", "-c", "20", "-i", "0.002", pair.inside_v4)
            rates.extend(map(float, RATE.findall(metrics(daemon))))
            return len(rates) > 30
        wait_for(ticks, "rates are told", 30)
        flow, = daemon.ask("flow", "list", f"port={PORT}")["flows"]
        lived = time.monotonic() - began
        assert 0 <= flow["age_s"] <= lived + 1 and 0 <= flow["idle_s"] <= lived + 1
        received = device_counts(pair.inside, ["wire"])["wire", "ingress"].packets
        assert all(0 <= rate <= received for rate in rates) and max(rates) > 0
        begun = daemon.ask("socket", "list", f"rport={PORT}")["sockets"][0]["begun"]
        assert abs(year_of(begun) - this_year - years) <= 1
        left = [row["ttl_s"] for row in daemon.ask("block", "list")["entries"]
                if row["entry"].startswith("198.51.100.7")]
        assert len(left) == 1 and 3600 - lived - 60 * SLOWNESS <= left[0] <= 3600
