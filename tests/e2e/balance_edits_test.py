# SPDX-License-Identifier: Apache-2.0
"""Random edits of services and backends at 100 a second while connections go through a service that
is not edited: none fails, and then all is as a model has it and as a fresh start makes it.

WEIR_EDIT_SECONDS=300 tests/run e2e balance_edits goes on for minutes."""
import collections
import contextlib
import json
import os
import random
import shutil
import threading
import time

import pytest

from harness.balanced import leaving
from harness.cluster import BACKEND_PORT, BACKENDS, PORT, SERVICE, Client, Cluster, serving
from harness.daemon import Daemon
from harness.edits import Door, Editor
from harness.net import Namespace
from harness.policy import Services
from harness.wait import SLOWNESS, wait_for

SECONDS = float(os.environ.get("WEIR_EDIT_SECONDS", "20"))
SEED = os.environ.get("WEIR_EDIT_SEED", str(random.SystemRandom().randrange(1 << 32)))
EDITORS, RATE = 16, 100


def configured(editors):
    steady = {"name": "steady", "address": SERVICE[4], "port": PORT,
              "backends": [{"address": address, "port": BACKEND_PORT}
                           for address in BACKENDS[4]]}
    services = [steady] + [row for editor in editors for row in editor.written()]
    return ("api: {listen: off}\ninterfaces: [{name: lan, hook: tc}, {name: wan, hook: tc}]\n"
            "conntrack: {enabled: auto, capacity: 65536}\n"
            f"balance: {json.dumps({'services': services})}\n")


class Traffic:
    """Connections to the service that nobody edits, one after the other."""

    def __init__(self, cluster):
        self.cluster, self.over, self.count, self.failed = cluster, threading.Event(), 0, []
        self.backends = collections.Counter()
        # Some 400 connections a second: in a minute its usual ports would all be in TIME_WAIT.
        cluster.client.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535",
                           "net.ipv4.tcp_tw_reuse=1")
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over.is_set():
            try:
                with Client(self.cluster, 4) as client:
                    assert client.echoes(b"x" * 2000)
                    self.backends[client.backend] += 1
            except (OSError, AssertionError) as error:
                self.failed.append(repr(error))
            self.count += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


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


def expected(editors):
    return {name: service for editor in editors for name, service in editor.services.items()}


def assert_listed(daemon, model):
    """The commands tell what the model has."""
    rows = {row["name"]: row for row in daemon.ask("service", "list")["services"]}
    del rows["steady"]
    assert {name: (row["address"], row["scheduler"], row["enabled"], row["backends"])
            for name, row in rows.items()} == {
        name: (service.address, service.scheduler, service.is_enabled, len(service.backends))
        for name, service in model.items()}
    listed = {}
    for row in daemon.ask("service", "backend", "list")["backends"]:
        if row["service"] != "steady":
            listed[row["service"], row["address"]] = row["weight"], row.get("drained", False)
    assert listed == {(name, address): (backend.weight, backend.is_drained)
                      for name, service in model.items()
                      for address, backend in service.backends.items()}


def assert_enforced(services, model):
    """The policy gives connections to whom the model does, by weight."""
    shares = services.shares()
    del shares[SERVICE[4], PORT]
    wanted = {(service.address, service.port): service.shares()
              for service in model.values() if service.is_enabled}
    assert shares.keys() == wanted.keys()
    for end, weights in wanted.items():
        assert shares[end].keys() == weights.keys(), end
        for address, slots in shares[end].items():
            part = slots / sum(shares[end].values())
            assert abs(part - weights[address] / sum(weights.values())) < 0.001, end
    assert not services.unfound()


@contextlib.contextmanager
def fresh(daemon, config):
    """Another daemon, which starts on what this one has kept of its edits."""
    namespace = Namespace("fresh")
    try:
        with contextlib.closing(Daemon(namespace, config=config)) as other:
            other.state.mkdir()
            shutil.copy(daemon.state / "balance.json", other.state)
            yield other.start()
    finally:
        namespace.delete()


def cpu_seconds(daemon):
    fields = open(f"/proc/{daemon.process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tell(editors, revisions, seconds, cpu_s, traffic):
    took = sorted(took for editor in editors for took in editor.took_s)
    done = sum((collections.Counter(editor.done) for editor in editors), collections.Counter())
    print(f"seed {SEED}: {len(took)} edits ({sum(e.refused for e in editors)} refused) in "
          f"{seconds:.0f} s, {len(took) / seconds:.0f} a second, {revisions} policies, "
          f"{1e3 * took[len(took) // 2]:.0f} ms in the middle, {1e3 * took[-1]:.0f} ms at most; "
          f"{100 * cpu_s / seconds:.0f}% of a processor; {traffic.count} connections, "
          f"{len(traffic.failed)} failed; {dict(done)}")
    return len(took) / seconds


@pytest.mark.alone
def test_random_edits_leave_what_a_fresh_start_makes():
    editors = [Editor(number, SEED) for number in range(EDITORS)]
    config = configured(editors)
    with Cluster() as cluster, serving(cluster, 4), Daemon(cluster.gateway,
                                                           config=config) as daemon:
        before, cpu_s, begin = daemon.status()["revision"], cpu_seconds(daemon), time.monotonic()
        with Traffic(cluster) as traffic:
            wrong = edit(daemon, editors, SECONDS, RATE)
        seconds = time.monotonic() - begin
        rate = tell(editors, daemon.status()["revision"] - before, seconds,
                    cpu_seconds(daemon) - cpu_s, traffic)
        assert not wrong, "\n".join(map(str, wrong))
        assert not traffic.failed, traffic.failed
        assert traffic.count > 100 / SLOWNESS and len(traffic.backends) == len(BACKENDS[4])
        assert rate > RATE / 2 / SLOWNESS
        wait_for(lambda: not leaving(daemon), "nobody had connections")
        model, services = expected(editors), Services(daemon)
        assert_listed(daemon, model)
        assert_enforced(services, model)
        with fresh(daemon, config) as other:
            assert_listed(other, model)
            assert Services(other).content() == services.content(), SEED


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
