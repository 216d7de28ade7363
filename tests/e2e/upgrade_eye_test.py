# SPDX-License-Identifier: Apache-2.0
"""Everything that /metrics prints, while the daemon is reloaded, stopped, killed and replaced under
traffic: nothing falls, nothing is missing, nothing leaps; and in the end each counter, and each
total of flows, is what nftables, the kernel and who sent it have counted."""
import bisect
import pathlib
import re
import shutil
import time

import pytest

from harness.account import device_counts
from harness.counted import (DEVICES, LINK_HEADER, SAID, Traffic, config, counted, gateway,
                             kernels, passing)
from harness.current import current
from harness.daemon import HELPERS, TREE, WEIR, Daemon
from harness.pages import Pages, page_of
from harness.wait import SLOWNESS, wait_for

LATE_S = 3 * SLOWNESS       # a look each second, and a busy machine
ROUNDS = 40                 # of traffic, before and behind each step; ten while nobody reads
WAYS = {"ingress": "rx", "egress": "tx"}
UNITS = ("packets", "bytes")
# Port, and what nftables counts to it and from it.
PORTS = {80: ("to_backends", "to_clients"), 8081: ("direct_in", "direct_out"),
         9000: ("own_in", "own_out")}
# Not of packets; of flows that end, with all that they had carried; or of other namespaces.
OTHERS = re.compile(r"weir_(http|log|balance_health|tcp_measuring|conntrack_ended|flow|"
                    r"sockets_ended)_|_other_namespaces_|_seconds_sum")
# Of programs that have tables of their own, and of devices: another layout leaves these as they
# are.
GO_ON = ("device", "kernel", "passing", "sockets")
GO_ON_SERIES = re.compile("weir_(interface|kernel|tcp|sockets?)_")
OF_SOCKETS = re.compile("weir_sockets?(_|$)")
RATE = re.compile(r"weir_(interface_\w+_packets|attack)_rate")
STARTED, OTHER_LAYOUT = "started", "weir-other-layout"


def true(cluster, traffic):
    """By name, what others than Weir have counted."""
    sent, nft = traffic.sent, counted(cluster)
    whole = {name: (count.packets, count.bytes + count.packets * LINK_HEADER)
             for name, count in nft.items()}
    found = {
        "closed": sent["closed"], "bounded": sent["bounded"], "denied": sent["denied"],
        "list": sent["denied"], "pings": nft["pings"].packets,
        "connections": sent["web"], "backends": sent["web"], "answered": sent["web"],
        "timed": sent["web"], "cookies": sent["cookie"], "handed": sent["cookie"],
        "proven": sum(sent[name] for name in ("web", "direct", "own", "cookie", "ping")),
        "udp": sent["closed"] + sent["bounded"] + sent["denied"],
        "syn": nft["lan_syn"].packets + sent["cookie"],
        "passing lan": nft["lan_tcp"].packets, "passing wan": nft["wan_tcp"].packets,
        "passing handshakes": sent["web"] + sent["direct"],
        "kernel no socket": kernels(cluster.gateway)["UdpNoPorts"],
    }
    for (device, direction), count in device_counts(cluster.gateway, DEVICES).items():
        for unit, value in zip(UNITS, count):
            for what in ("device", "account", "reason"):
                found[f"{what} {device} {direction} {unit}"] = value
    for at, unit in enumerate(UNITS):
        for side, name in (("in", "to_backends"), ("out", "to_clients")):
            found[f"service {side} {unit}"] = found[f"backend {side} {unit}"] = whole[name][at]
        for port, names in PORTS.items():
            for side, name in zip(("sent", "received"), names):
                found[f"port {port} {side} {unit}"] = whole[name][at]
        found[f"service flows {unit}"] = whole["to_backends"][at] + whole["to_clients"][at]
    return found


def true_of_sockets(cluster, traffic):
    kernel = kernels(cluster.gateway)
    return {"sockets": kernel["TcpPassiveOpens"] + kernel["TcpActiveOpens"],
            # The kernel counts the FIN as a byte received, and so does `ss -ti`.
            "sockets received": (SAID + 1) * (traffic.sent["own"] + traffic.sent["cookie"])}


def told_of_sockets(daemon):
    groups = current(daemon, "top", "--group", "process")["groups"]
    return {"sockets": page_of(daemon).sum("weir_sockets_seen_total"),
            "sockets received": sum(row["bytes_received"] for row in groups)}


def told_of_ports(daemon):
    """By the totals of flows, of those that ended and those that live."""
    rows = {row["name"]: row for row in daemon.ask(
        "flow", "top", "--ended", "--group", "port", "--limit", "10000")["rows"]}
    found = {f"port {port} {side} {unit}": rows.get(f"{port}/tcp", {}).get(f"{side}_{unit}", 0)
             for port in PORTS for side in ("sent", "received") for unit in UNITS}
    rows = daemon.ask("flow", "top", "--ended", "--group", "service")["rows"]
    found.update({f"service flows {unit}": sum(row[unit] for row in rows) for unit in UNITS})
    return found


def told(daemon):
    """The same names, as Weir has it."""
    page = page_of(daemon)
    found = {
        "closed": page.sum("weir_rule_packets_total", rule="counted"),
        "bounded": page.sum("weir_rule_packets_total", rule="bounded"),
        "denied": page.sum("weir_packets_total", reason="drop_blocked"),
        "list": page.sum("weir_list_hits_packets_total", list="bad"),
        "pings": page.sum("weir_limit_packets_total", limit="pings"),
        "connections": page.sum("weir_balance_service_connections_total"),
        "backends": page.sum("weir_balance_backend_connections_total"),
        "answered": page.sum("weir_balance_backend_answered_total"),
        "timed": page.sum("weir_balance_handshake_seconds_count"),
        "cookies": page.sum("weir_synproxy_answered_total"),
        "handed": page.sum("weir_synproxy_handed_total"),
        "proven": page.sum("weir_conntrack_proven_total"),
        "udp": page.sum("weir_attack_packets_total", rate="udp"),
        "syn": page.sum("weir_attack_packets_total", rate="syn"),
        "passing lan": page.sum("weir_tcp_segments_total", interface="lan"),
        "passing wan": page.sum("weir_tcp_segments_total", interface="wan"),
        "passing handshakes": page.sum("weir_tcp_handshake_seconds_count"),
        "kernel no socket": page.sum("weir_kernel_drops_total", reason="NO_SOCKET"),
        **told_of_ports(daemon),
    }
    for device in DEVICES:
        for direction, way in WAYS.items():
            for unit in UNITS:
                name, labels = f"{device} {direction} {unit}", {"interface": device}
                found[f"device {name}"] = page.sum(f"weir_interface_{way}_{unit}_total", **labels)
                labels["direction"] = direction
                found[f"reason {name}"] = page.sum(f"weir_{unit}_total", **labels)
                found[f"account {name}"] = page.sum(f"weir_account_{unit}_total", **labels)
    for what in ("service", "backend"):
        for side in ("in", "out"):
            for unit in UNITS:
                name = f"weir_balance_{what}_{side}_{unit}_total"
                found[f"{what} {side} {unit}"] = page.sum(name)
    return found


def less(now, before):
    return {name: value - before.get(name, 0) for name, value in now.items()}


class Books:
    """Both, since this was made, when nothing passes."""

    def __init__(self, daemon, cluster, traffic):
        self.daemon, self.cluster, self.traffic = daemon, cluster, traffic
        # Where this kernel lets them be.
        self.has_sockets = daemon.ask("socket", "list")["watched"]
        self.before, self.since = None, time.monotonic()
        wait_for(self.is_quiet, "nothing comes or goes", 10)

    def read(self):
        """As it is, and as it is told."""
        wanted, found = true(self.cluster, self.traffic), told(self.daemon)
        if self.has_sockets:
            wanted.update(true_of_sockets(self.cluster, self.traffic))
            found.update(told_of_sockets(self.daemon))
        assert wanted.keys() == found.keys()
        return wanted, found

    def is_quiet(self):
        """Nothing has changed for so long that all of it is told."""
        found = self.read()
        if found != self.before:
            self.before, self.since = found, time.monotonic()
        return time.monotonic() - self.since > LATE_S

    def differ(self, names=""):
        """{name: (as it is, as it is told)}, of those that begin so."""
        wanted, found = (less(now, before) for now, before in zip(self.read(), self.before))
        return {name: (value, found[name]) for name, value in wanted.items()
                if name.startswith(names) and found[name] != value}

    def check(self, names=""):
        try:
            wait_for(lambda: not self.differ(names), "all is counted")
        except AssertionError:
            assert not self.differ(names)
            raise


class Devices:
    """What they had counted at the latest at some moment, by pages."""

    def __init__(self, pages):
        self.pages, self.times = pages, [page.after_s for page in pages]

    def at(self, when):
        return self.pages[max(bisect.bisect_right(self.times, when) - 1, 0)].passed


def may_begin_anew(earlier, later, series):
    """Where another daemon tells of it: what is its own, and of another layout nearly all."""
    return later.step.startswith(STARTED) and earlier.step != later.step and (
        earlier.begins_with_daemon(series)
        or later.step.endswith(OTHER_LAYOUT) and not GO_ON_SERIES.match(series))


def assert_none_falls_or_is_missing(pages):
    for earlier, later in zip(pages, pages[1:]):
        for series, value in earlier.counters.items():
            if not may_begin_anew(earlier, later, series):
                now = later.counters.get(series)
                assert now is not None and now >= value, (series, earlier.step, value, later.step,
                                                          now)


def assert_none_leaps(pages):
    """None grows by more than what passed since it had grown last: while a change is under way some
    are not read."""
    devices, grown_at = Devices(pages), {}
    for earlier, later in zip(pages, pages[1:]):
        for series, value in later.counters.items():
            grown = value - earlier.counters.get(series, 0)
            if not grown or OTHERS.search(series):
                continue
            since = grown_at.get(series, pages[0].after_s + LATE_S) - LATE_S
            grown_at[series] = later.before_s
            # Of what had passed before the first page, none tells.
            if earlier.before_s < pages[0].after_s + LATE_S:
                continue
            unit = "bytes" if "_bytes_" in series else "packets"
            most = getattr(later.passed, unit) - getattr(devices.at(since), unit)
            assert grown <= most, (series, earlier.step, later.step, grown, most)


def assert_rates_are_of_what_passed(pages):
    """By the busiest second."""
    devices = Devices(pages)
    most = max(page.passed.packets - devices.at(page.after_s - 1).packets for page in pages)
    for page in pages:
        for series, rate in page.values.items():
            if RATE.match(series):
                assert 0 <= rate <= 1.5 * most, (series, page.step, rate, most)


def assert_each_is_told(page):
    """All that the list of metrics has; of sockets where this kernel lets them be watched."""
    listed = set(re.findall(r"^\| `(\w+)`", (TREE / "docs/user/metrics.md").read_text(), re.M))
    lacks = {name for name in listed - page.types.keys() if not OF_SOCKETS.match(name)}
    assert not lacks


def assert_events_tell_of_each_drop(page):
    told_of = page.sum("weir_events_total", kind="drop") + \
        page.sum("weir_events_not_sent_total", kind="drop")
    assert told_of == page.sum("weir_packets_total", verdict="drop") > 0
    assert page.values["weir_events_lost_total"] == \
        page.sum("weir_events_not_sent_total", why="ring_full")


@pytest.fixture
def site():
    with gateway() as cluster:
        yield cluster


class Course:
    """Traffic without a pause, a daemon to which things are done meanwhile, and what it tells."""

    def __init__(self, site, folder):
        self.site, self.folder, self.traffic = site, folder, Traffic(site)
        self.daemon = Daemon(site.gateway, config=config(folder))
        self.pages = Pages(self.daemon, DEVICES)
        self.answered = {}      # what was true when a daemon first answered

    def goes_on(self):
        self.traffic.goes_on(ROUNDS)

    def reload(self, **more):
        self.pages.step = f"reload {more}"
        self.daemon.config.write_text(config(self.folder, **more))
        assert self.daemon.ask("reload")["changed"]
        self.pages.step = f"behind {more}"
        self.goes_on()

    def replace(self, how, binary=WEIR):
        self.daemon.stop() if how == "stopped" else self.daemon.kill()
        self.traffic.goes_on(10)
        self.daemon.binary = binary
        self.pages.step = f"{STARTED} {how} {binary.name}"
        self.daemon.start()
        self.answered = self.true()
        self.goes_on()

    def true(self):
        return true(self.site, self.traffic)

    def check(self, *steps):
        assert_none_falls_or_is_missing(self.pages.all)
        assert_none_leaps(self.pages.all)
        assert_rates_are_of_what_passed(self.pages.all)
        for how in steps:
            assert any(page.step.startswith(how) for page in self.pages.all)


def test_each_counter_goes_on_under_reloads_kills_and_another_binary(site, tmp_path):
    course = Course(site, tmp_path)
    with course.daemon as daemon, course.pages:
        books = Books(daemon, site, course.traffic)
        with passing(site, course.traffic):
            course.goes_on()
            course.reload(entries=("192.0.2.0/24", "198.51.100.0/24"))
            course.reload(capacity=30000)               # tables of another size
            course.replace("stopped")
            course.replace("killed")
            course.replace("stopped", pathlib.Path(shutil.copy(WEIR, tmp_path / "weir-next")))
        books.check()
        page = page_of(daemon)
        assert_each_is_told(page)
        assert_events_tell_of_each_drop(page)
    course.check("reload", "behind", STARTED)


def test_another_layout_begins_anew_and_counts_nothing_twice(site, tmp_path):
    """But for what has tables of its own."""
    course = Course(site, tmp_path)
    with course.daemon as daemon, course.pages:
        whole = Books(daemon, site, course.traffic)
        with passing(site, course.traffic):
            course.goes_on()
            begun = course.true()
            course.replace("killed", HELPERS / OTHER_LAYOUT)
        whole.check(GO_ON)
        anew = Books(daemon, site, course.traffic)
        most, least = (less(course.true(), since) for since in (begun, course.answered))
        for name, value in anew.before[1].items():
            if not name.startswith(GO_ON):
                assert least[name] <= value <= most[name], name
        with passing(site, course.traffic):
            course.goes_on()
        anew.check()
    course.check(STARTED)
