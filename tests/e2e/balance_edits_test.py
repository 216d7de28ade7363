# SPDX-License-Identifier: Apache-2.0
"""Random edits of services and backends of all kinds at 100 a second while connections go through
services that are not edited, and through one whose weights and backends change all the time: none
fails, what is refused leaves all as it was, and then all is as a model has it and as a fresh start
makes it.

WEIR_EDIT_SECONDS=300 tests/run e2e balance_edits goes on for minutes."""
import collections
import contextlib
import itertools
import json
import os
import random
import shutil
import socket
import threading
import time

import pytest

from harness.balanced import FAMILIES, leaving
from harness.cluster import (BACKEND_PORT, BACKENDS, PORT, SERVICE, Client, Cluster, Stream,
                             StreamServer, serving)
from harness.daemon import Daemon
from harness.drawn import SOURCES
from harness.edited import ODD, OPEN, overlap, span_of
from harness.edits import Door, Editor, without_states
from harness.kernel import BEHIND_XDP
from harness.net import Namespace
from harness.policy import Services
from harness.wait import SLOWNESS, wait_for

SECONDS = float(os.environ.get("WEIR_EDIT_SECONDS", "20"))
SEED = os.environ.get("WEIR_EDIT_SEED", str(random.SystemRandom().randrange(1 << 32)))
EDITORS, RATE = 16, 100
MOVING, MOVING_PORT, MOVING_BACKENDS = "steady-moving", 81, 8081     # its port, and the backends'
EDITED = ("10.91.0.0/16", "fd91::/16")          # where the backends are that come and go
ONLY_ODD = f"""table inet odd {{
    chain input {{
        type filter hook input priority 0
        tcp dport {ODD} ip daddr & 0.0.0.1 == 0.0.0.0 reject with tcp reset
        tcp dport {ODD} ip6 daddr & ::1 == :: reject with tcp reset
    }}
}}"""


# --- what nobody edits ---------------------------------------------------------------------------

def steady():
    """Those that connections go by; and one of each kind, for the first and the last of a kind make
    the packet programs others, which takes a second."""
    echoes = [{"name": f"steady-{family}", "address": SERVICE[family], "port": PORT,
               "backends": [{"address": address, "port": BACKEND_PORT}
                            for address in BACKENDS[family]]} for family in FAMILIES]
    echoes.append({"name": MOVING, "address": SERVICE[4], "port": MOVING_PORT, "backends": [
        {"address": address, "port": MOVING_BACKENDS} for address in BACKENDS[4][:2]]})
    kinds = ({"scheduler": "round-robin"}, {"scheduler": "least-connections"}, {"forward": "l2"},
             {"forward": "ipip"}, {"source": SOURCES[4]}, {"affinity": {"timeout": "1m"}},
             {"port": "8000-8099"})
    return echoes + [{"name": f"steady-kind-{at}", "address": f"10.95.0.{at + 1}", "port": PORT,
                      "backends": [{"address": f"10.95.1.{at + 1}"}], **kind}
                     for at, kind in enumerate(kinds)]


def configured(editors, hook):
    services = steady() + [row for editor in editors for row in editor.written()]
    interfaces = [{"name": name, "hook": hook} for name in ("lan", "wan")]
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"
            "conntrack: {enabled: auto, capacity: 65536}\n"
            f"balance: {json.dumps({'services': services})}\n")


class Asked(Stream):
    """Answers checks of both types."""

    def handle(self):
        with contextlib.suppress(OSError):
            if self.request.recv(4096):
                self.request.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")


@contextlib.contextmanager
def checkable(cluster):
    """One host has all addresses of backends that are edited, and answers what checks ask: at one
    port for all, at one for those of odd addresses alone."""
    kind = type("Made", (StreamServer,), {"address_family": socket.AF_INET6})
    for prefix, via in zip(EDITED, (BACKENDS[4][0], BACKENDS[6][0])):
        cluster.backends.run("ip", "route", "add", "local", prefix, "dev", "lo")
        cluster.gateway.run("ip", "route", "add", prefix, "via", via)
    cluster.backends.run("nft", "-f", "-", input=ONLY_ODD)
    with contextlib.ExitStack() as stack:
        for port in (OPEN, ODD):
            with cluster.backends.entered():
                server = stack.enter_context(kind(("::", port), Asked))
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
        yield


class Traffic:
    """Connections to the steady services, one after the other."""

    def __init__(self, cluster):
        self.cluster, self.over, self.count, self.failed = cluster, threading.Event(), 0, []
        self.backends = collections.Counter()
        # Some 400 connections a second: in a minute its usual ports would all be in TIME_WAIT.
        cluster.client.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535",
                           "net.ipv4.tcp_tw_reuse=1")
        self.thread = threading.Thread(target=self.run)

    def run(self):
        for family, port in itertools.cycle(((4, PORT), (6, PORT), (4, MOVING_PORT))):
            if self.over.is_set():
                return
            try:
                with Client(self.cluster, family, port=port) as client:
                    assert client.echoes(b"x" * 2000)
                    self.backends[client.backend, port] += 1
            except (OSError, AssertionError) as error:
                self.failed.append((port, repr(error)))
            self.count += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class Mover:
    """Edits the service of that name, of which one backend always takes connections, until closed;
    then it is as the file has it."""

    def __init__(self, daemon):
        self.door, self.over, self.rounds = Door(daemon), threading.Event(), 0
        self.first, self.second, self.spare = (f"{address}:{MOVING_BACKENDS}"
                                               for address in BACKENDS[4])
        self.thread = threading.Thread(target=self.run)

    def do(self, verb, backend, **words):
        status, answer = self.door.ask(f"service.backend.{verb}", service=MOVING, backend=backend,
                                       **words)
        assert status == 200, (verb, backend, answer)

    def run(self):
        drawn = random.Random(SEED)
        while not self.over.wait(0.05):
            for backend in (self.first, self.second):
                self.do("set", backend, weight=drawn.randrange(1, 10))
            self.do("add", self.spare)
            away = drawn.choice((self.first, self.second))
            self.do("drain", away)
            self.do("undrain", away)
            self.do("del", self.spare)
            self.rounds += 1
        for backend in (self.first, self.second):
            self.do("set", backend, weight=1)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.door.close()


def edit(daemon, editors, seconds, rate):
    """All at once; gives what went wrong."""
    wrong = []

    def run(editor):
        try:
            editor.run(daemon, seconds, len(editors) / rate)
        except Exception as error:                      # pylint: disable=broad-except
            wrong.append(error)
    threads = [threading.Thread(target=run, args=(editor,)) for editor in editors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


# --- what is left --------------------------------------------------------------------------------

def expected(editors):
    return {name: service for editor in editors for name, service in editor.services.items()}


def is_edited(row):
    return not row.get("service", row.get("name")).startswith("steady")


def listed(daemon):
    """(services, backends) of `service list`, each in an order of its own."""
    said = daemon.ask("service", "list")
    return [sorted(filter(is_edited, said[kind]), key=lambda row: json.dumps(row, sort_keys=True))
            for kind in ("services", "backends")]


def wanted_lists(model):
    services = [service.listed(name) for name, service in model.items()]
    backends = [row for name, service in model.items()
                for row in service.backends_listed(name).values()]
    return [sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))
            for rows in (services, backends)]


def differing(found, wanted):
    """Rows of one alone."""
    return [[row for row in one if row not in other] for one, other in (
        pair for kinds in zip(found, wanted) for pair in (kinds, kinds[::-1]))]


def assert_listed(daemon, model):
    """The commands tell what the model has, once checks have found what there is."""
    wanted = wanted_lists(model)
    with contextlib.suppress(AssertionError):           # what differs says more
        wait_for(lambda: listed(daemon) == wanted, "the lists are the model's", 60)
    assert differing(listed(daemon), wanted) == [[]] * 4, SEED
    door = Door(daemon)
    for name, service in model.items():
        _, row = door.read("service.show", name=name)
        row.pop("served_by")
        assert without_states(row) == without_states(service.shown(name)), SEED
    door.close()


def enforced(daemon, model):
    """The policy's services. What a check finds is told a moment before the policy that heeds it is
    live."""
    def is_so():
        with contextlib.suppress(AssertionError):
            assert_enforced(Services(daemon), model)
            return True
        return False
    with contextlib.suppress(AssertionError):           # what differs says more
        wait_for(is_so, "the policy is the model's", 20)
    services = Services(daemon)
    assert_enforced(services, model)
    return services


def assert_enforced(services, model):
    """The policy has of each service what the model has, and gives connections to whom it does, by
    weight."""
    acting = {service.end: service for service in model.values() if service.is_enabled}
    others = {(row["address"], row.get("proto", "tcp"), span_of(row["port"])[0])
              for row in steady()}
    assert services.met().keys() == acting.keys() | others
    met, serving_of, shares = services.met(), services.serving(), services.shares()
    for end, service in acting.items():
        assert met[end] == service.met(), end
        assert {(one.address, one.port): (one.shift, one.weight, one.is_down)
                for one in serving_of[end]} == service.serving(), end
        assert_shared(shares[end], service.shares())
    assert not services.unfound()
    assert_wide(services, acting)


def assert_shared(slots, weights):
    assert slots.keys() == weights.keys()
    for key, count in slots.items():
        part = count / sum(slots.values())
        assert abs(part - weights[key] / sum(weights.values())) < 0.001, (slots, weights)


def assert_wide(services, acting):
    """Ranges of ports stand where packets look for them, and no two of one table meet."""
    wanted = {"service": collections.Counter(), "backend": collections.Counter()}
    for service in (one for one in acting.values() if "-" in str(one.port) or one.port == "all"):
        wanted["service"][service.address, service.proto, *span_of(service.port)] += 1
        for address, first in service.backends if service.forward == "nat" else ():
            wanted["backend"][address, service.proto, first, service.there(first)[1]] += 1
    for kind, tables in services.wide.items():
        found = collections.Counter((*end, first, last) for end, rows in tables.items()
                                    for first, last, _ in rows if end[0][:5] != "10.95")
        assert found == wanted[kind], kind
        for rows in tables.values():
            assert not any(overlap(one, other) for one, other in itertools.combinations(
                [row[:2] for row in rows if row[0]], 2)), rows


@contextlib.contextmanager
def fresh(daemon, config):
    """Another daemon in the place of this one, which starts on what this one has kept."""
    with contextlib.closing(Daemon(daemon.namespace, config=config)) as other:
        other.state.mkdir()
        shutil.copy(daemon.state / "balance.json", other.state)
        daemon.close()
        yield other.start()


def cpu_seconds(daemon):
    fields = open(f"/proc/{daemon.process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tell(editors, revisions, seconds, cpu_s, traffic):
    took = sorted(took for editor in editors for took in editor.took_s)
    done, refused = (sum((getattr(editor, name) for editor in editors), collections.Counter())
                     for name in ("done", "refused"))
    print(f"seed {SEED}: {len(took)} edits ({refused.total()} refused) in "
          f"{seconds:.0f} s, {len(took) / seconds:.0f} a second, {revisions} policies, "
          f"{1e3 * took[len(took) // 2]:.0f} ms in the middle, {1e3 * took[-1]:.0f} ms at most; "
          f"{100 * cpu_s / seconds:.0f}% of a processor; {traffic.count} connections, "
          f"{len(traffic.failed)} failed; {dict(done)}; refused: {dict(refused)}")
    return len(took) / seconds


@contextlib.contextmanager
def edited(config):
    """(cluster, daemon) with all that edits and connections are about."""
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(Cluster())
        for family in FAMILIES:
            stack.enter_context(serving(cluster, family))
        stack.enter_context(serving(cluster, 4, port=MOVING_BACKENDS))
        stack.enter_context(checkable(cluster))
        yield cluster, stack.enter_context(Daemon(cluster.gateway, config=config))


@pytest.mark.alone
@pytest.mark.parametrize("hook, share", (
    ("tc", 1), pytest.param("xdp-generic", 0.4, marks=BEHIND_XDP)), ids=("tc", "xdp-generic"))
def test_random_edits_leave_what_a_fresh_start_makes(hook, share):
    """`share`: of the time."""
    editors = [Editor(number, SEED) for number in range(EDITORS)]
    config = configured(editors, hook)
    with edited(config) as (cluster, daemon):
        before, cpu_s, begin = daemon.status()["revision"], cpu_seconds(daemon), time.monotonic()
        with Mover(daemon) as mover, Traffic(cluster) as traffic:
            wrong = edit(daemon, editors, SECONDS * share, RATE)
        seconds = time.monotonic() - begin
        rate = tell(editors, daemon.status()["revision"] - before, seconds,
                    cpu_seconds(daemon) - cpu_s, traffic)
        assert not wrong, "\n".join(map(str, wrong))
        assert not traffic.failed, traffic.failed
        assert traffic.count > 100 / SLOWNESS
        assert mover.rounds > 3
        assert set(traffic.backends) == {*itertools.product((*BACKENDS[4], *BACKENDS[6]), (PORT,)),
                                         *itertools.product(BACKENDS[4], (MOVING_PORT,))}
        assert rate > RATE / 2 / SLOWNESS
        wait_for(lambda: not leaving(daemon), "nobody had connections")
        model = expected(editors)
        assert_listed(daemon, model)
        services = enforced(daemon, model)
        with fresh(daemon, config) as other:
            assert_listed(other, model)
            assert not enforced(other, model).differing(services), SEED


def at_once(daemon, calls):
    """The statuses of calls that are made at the same time, in their order."""
    statuses = [None] * len(calls)

    def ask(index, operation, words):
        door = Door(daemon)
        statuses[index] = door.ask(operation, **words)[0]
        door.close()
    threads = [threading.Thread(target=ask, args=(index, *call))
               for index, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def test_an_edit_that_has_no_room_does_not_spoil_those_beside_it():
    """1 MiB has room for some of 24 services of two backends, 131 KB each."""
    namespace, added = Namespace("room"), set()
    config = ("api: {listen: off}\nmemory: 1MiB\nbalance: {services: [{name: steady, address: "
              "10.9.0.1, port: 80, backends: [{address: 10.9.1.1}, {address: 10.9.1.2}]}]}\n")
    try:
        with Daemon(namespace, config=config) as daemon:
            for turn in range(6):
                names = [f"s{turn}-{index}" for index in range(4)]
                calls = [("service.add", {
                    "name": name, "address": f"10.9.2.{4 * turn + index + 1}", "port": 80,
                    "backend": ",".join(f"10.9.{10 + turn}.{4 * index + i + 1}" for i in (0, 1))})
                    for index, name in enumerate(names)]
                calls += [("service.backend.set", {
                    "service": "steady", "backend": "10.9.1.1", "weight": 2 + turn})] * 4
                statuses = at_once(daemon, calls)
                assert statuses[4:] == [200] * 4 and set(statuses) <= {200, 507}
                added |= {name for name, status in zip(names, statuses) if status == 200}
            listed = {row["name"] for row in daemon.ask("service", "list")["services"]}
            assert listed == added | {"steady"} and 0 < len(added) < 8
            daemon.restart()
            assert {row["name"] for row in daemon.ask("service", "list")["services"]} == listed
    finally:
        namespace.delete()
