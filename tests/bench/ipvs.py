# SPDX-License-Identifier: Apache-2.0
"""G4: the balancer beside IPVS, where a kernel has it (tests/kernels). What an emulated processor
measures is good for the ratio of two that take turns, and for nothing else."""
import contextlib
import os
import pathlib
import subprocess

from bench import flow_lanes, served_tcp
from bench.balance import Race, column, turns
from bench.conntrack import flows
from bench.measure import median, ratio
from harness.ipvs import lacking
from harness.kernel import release

IS_EMULATED = "WEIR_GUEST" in os.environ
# Behind XDP Weir translates from Linux 6.6 on.
OURS = ("weir tc", "weir xdp", "weir shortcut") if release() >= (6, 6) else ("weir tc",)
# Of the places in its table of connections; the 12 it has by itself are for a few thousand.
TABLE_BITS = 18
TCP_LANES = {"plain": served_tcp.TcpLane, "ipvs": served_tcp.Ipvs, "nft": served_tcp.Nft,
             "weir tc": served_tcp.Weir, "weir xdp": served_tcp.WeirXdp}


def packet_rows(report, family, count, rounds, packets):
    """One service of one backend, by live frames; count 0: each packet begins a flow."""
    with flow_lanes.kernel_sizes(1 << 20), contextlib.ExitStack() as stack:
        race = Race(stack, family, count, kinds=("empty", "plain", "nft", "ipvs", *OURS))
        what = f"end to end, v{family}, UDP, {flows(count) if count else 'new flow'}"
        for way in ("forward", "reply") if count else ("forward",):
            ns = race.run(way, rounds, packets)
            for name in (*OURS, "nft", "plain"):
                report.add("G4", f"{what}, {way}, {name}", median(ns[name]), "ns",
                           "IPVS", median(ns["ipvs"]), ratio(ns["ipvs"], ns[name]))
            for name in (*OURS[:2], "nft"):     # the shortcut has another way out
                report.add("G4", f"{what}, {way}, {name}: adds", added(ns, name), "ns", "IPVS",
                           added(ns, "ipvs"))


def added(ns, name):
    """To plain routing."""
    return median([a - b for a, b in zip(ns[name], ns["plain"])])


def connection_rows(report, rounds, seconds):
    with contextlib.ExitStack() as stack:
        lanes = {name: stack.enter_context(kind()) for name, kind in TCP_LANES.items()
                 if name in (*OURS, "plain", "ipvs", "nft")}
        rates = turns(lanes, rounds, lambda lane: lane.connections(seconds))
        beside(report, "connections a second", {name: column(row, "rate")
                                                for name, row in rates.items()}, "1/s")
        beside(report, "one large stream",
               turns(lanes, rounds, lambda lane: lane.stream_gbits(seconds)), "Gbit/s")


def beside(report, what, found, unit):
    """More is better, so the ratio is to IPVS."""
    for name in (name for name in found if name != "ipvs"):
        report.add("G4", f"{what}, {name}", median(found[name]), unit, "IPVS",
                   median(found["ipvs"]), ratio(found[name], found["ipvs"]))


def why_not():
    subprocess.run(["modprobe", "-q", "ip_vs", f"conn_tab_bits={TABLE_BITS}"], check=False)
    if why := lacking("ip_vs_rr"):
        return why
    bits = int(pathlib.Path("/sys/module/ip_vs/parameters/conn_tab_bits").read_text())
    return bits < TABLE_BITS and f"ip_vs was loaded with conn_tab_bits={bits} before"


def ipvs_rows(report, quick):
    if why := why_not():
        report.skipped("G4", "the balancer beside IPVS", why)
        return
    rounds = 3 if quick else 7
    packets = 20000 if quick else 50000
    for family, count in (("4", 1000), ("4", 0)) if quick else (("4", 1000), ("4", 0), ("6", 1000)):
        packet_rows(report, family, count, rounds, packets)
    connection_rows(report, 3, 3 if IS_EMULATED else 2)
