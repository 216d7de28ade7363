# SPDX-License-Identifier: Apache-2.0
"""Backends that speak first behind an upgrade that begins with empty tables: nobody is reset."""
import contextlib
import select
import socket
import threading
import time

import pytest

from harness.balanced import HOOKS, config
from harness.cluster import BACKEND_PORT, BACKENDS, PORT, SERVICE, Cluster, family_kind
from harness.daemon import HELPERS, WEIR, Daemon
from harness.kernel import dump
from harness.wait import SLOWNESS, wait_for

OTHER_LAYOUT = HELPERS / "weir-other-layout"
UPGRADES = 4
# Seconds. The program waits for a client three; and between two words of a backend the client has
# acknowledged the one before, so that the next is what the new program hears first.
CLIENT_EVERY, BACKEND_EVERY = 1.0, 0.3


class Talk:
    """One side of a connection: says a number of bytes, one at a time, and hears the other's."""

    def __init__(self, sock, every):
        self.sock, self.every, self.said, self.heard = sock, every, 0, 0
        self.trouble, self.is_over = [], threading.Event()
        self.threads = [threading.Thread(target=self.guard, args=(act,), daemon=True)
                        for act in (self.speak, self.hear)]
        for thread in self.threads:
            thread.start()

    def guard(self, act):
        try:
            act()
        except OSError as why:
            self.trouble.append(f"{act.__name__}: {why}")

    def speak(self):
        while not self.is_over.wait(self.every):
            self.sock.sendall(b"x")
            self.said += 1
        self.sock.shutdown(1)

    def hear(self):
        while data := self.sock.recv(65536):
            self.heard += len(data)

    def join(self):
        for thread in self.threads:
            thread.join(60 * SLOWNESS)
            assert not thread.is_alive()


@contextlib.contextmanager
def connected(cluster, family):
    """The client's end and the backend's of a connection to the service."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(cluster.backends.socket(family_kind(family)))
                     for _ in BACKENDS[family]]
        for listener, address in zip(listeners, BACKENDS[family]):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, BACKEND_PORT))
            listener.listen()
        client = stack.enter_context(cluster.client.socket(family_kind(family)))
        client.settimeout(60 * SLOWNESS)
        client.connect((SERVICE[family], PORT))
        yield client, stack.enter_context(accepted(listeners))


def accepted(listeners):
    ready = select.select(listeners, [], [], 20 * SLOWNESS)[0]
    backend, _ = ready[0].accept()
    backend.settimeout(60 * SLOWNESS)
    return backend


def speak_over_upgrades(daemon, talks):
    """How many segments were dropped as too early."""
    early = 0
    for number in range(UPGRADES):
        daemon.stop() if number % 2 else daemon.kill()
        daemon.binary = WEIR if number % 2 else OTHER_LAYOUT
        daemon.start()
        heard = talks[0].heard
        wait_for(lambda: talks[0].heard > heard or talks[0].trouble, "it goes on", 20)
        early += daemon.reasons().get("drop_early", 0)
    return early


def outlive_upgrades(daemon, client, backend):
    """Nothing that either says is lost, and something was too early."""
    talks = Talk(client, CLIENT_EVERY), Talk(backend, BACKEND_EVERY)
    early = speak_over_upgrades(daemon, talks)
    for talk in talks:
        talk.is_over.set()
    for talk in talks:
        talk.join()
    assert not talks[0].trouble + talks[1].trouble
    assert (talks[0].heard, talks[1].heard) == (talks[1].said, talks[0].said)
    assert early > 0


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("hook", HOOKS)
def test_backend_that_speaks_before_its_client_does_not_lose_him(hook, family):
    with Cluster() as cluster, \
            Daemon(cluster.gateway, config=config(family, hook=hook)) as daemon, \
            connected(cluster, family) as (client, backend):
        outlive_upgrades(daemon, client, backend)


def waits_until(daemon):
    """By the kernel's word for the map: struct weir_live ends with it."""
    (_, value), = dump(daemon.pin_dir / "maps" / "cfg_live")
    return int.from_bytes(bytes(int(byte, 16) for byte in value)[16:24], "little")


def test_wait_begins_with_an_upgrade_and_with_no_start_after_it(pair, weir_daemon):
    daemon = weir_daemon(pair.inside, config=config(4), interfaces=[pair.wire])
    daemon.kill()
    daemon.binary = OTHER_LAYOUT
    begun = time.monotonic_ns()
    daemon.start()
    until = waits_until(daemon)
    assert begun + 3 * 10**9 < until < time.monotonic_ns() + 3 * 10**9
    daemon.kill()
    daemon.start()
    assert waits_until(daemon) == until
