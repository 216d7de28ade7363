# SPDX-License-Identifier: Apache-2.0
"""Random edits of services and backends over the API, and a model of what they leave
(harness/edited.py): what each does and what is refused follows from docs/user/balancer.md."""
import collections
import dataclasses
import http.client
import json
import random
import socket
import time
import urllib.parse

from harness.drawn import (SCHEDULERS, SOURCES, WEIGHT_MOST, Drawn, health_words, own_port,
                           service_words, word_of)
from harness.edited import Backend, Service, changed_health, given, written_of
from harness.wait import SLOWNESS, pause

MOST_SERVICES, MOST_BACKENDS = 5, 4
FILE, RUN, DNAT = 0, 2, 3                       # kinds of services, by who makes them
FILE_FIRST = 100                                # of the addresses of their backends


class Door(http.client.HTTPConnection):
    """The daemon's socket, kept open."""

    def __init__(self, daemon):
        super().__init__("weir", timeout=60 * SLOWNESS)
        self.path = str(daemon.socket)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def ask(self, operation, **words):
        """(status, answer)."""
        self.request("POST", place_of(operation), json.dumps(words),
                     {"Content-Type": "application/json"})
        return self.answered()

    def read(self, operation, **words):
        """Of one that changes nothing."""
        self.request("GET", f"{place_of(operation)}?{urllib.parse.urlencode(words)}")
        return self.answered()

    def answered(self):
        answer = self.getresponse()
        return answer.status, json.loads(answer.read())


def place_of(operation):
    return "/api/v1/" + operation.replace(".", "/")


def without_states(row):
    """What checks find comes when they find it."""
    return {member: value for member, value in row.items() if member not in ("state", "leaving")}


def made_name(words):
    """Of a service that add-dnat makes; a name has no colons."""
    return f"{words['vip']}-{words['vport']}-{words['protocol']}".replace(":", ".")


def same(found, wanted, of):
    """Both are told where they are not."""
    differing = {key: (found.get(key), wanted.get(key)) for key in found | wanted
                 if found.get(key) != wanted.get(key)}
    assert not differing, (of, differing)


class Editor(Drawn):
    """One of several that edit at the same time, each services of its own."""

    def __init__(self, number, seed):
        super().__init__(number, random.Random(f"{seed}/{number}"))
        self.services = {}
        self.services[f"file-{number}"] = self.written_service()
        self.done, self.refused = collections.Counter(), collections.Counter()
        self.took_s = []

    def written_service(self):
        service = self.service(FILE)
        service.is_written = True
        while len(service.backends) < 3:
            address, port = self.backend(service, FILE_FIRST)
            if not self.more_faults("", service, address, port):
                service.backends[service.key(address, port)] = Backend(port, 1, False, 1)
        return service

    def written(self):
        """Its part of the configuration."""
        return [written_of(name, service) for name, service in self.services.items()
                if service.is_written]

    def draw(self):
        """(operation, its words, the statuses of which one is due); the model is as it will be
        then."""
        return self.drawn.choice([
            self.add, self.add, self.delete, self.change, self.change, self.enable, self.enable,
            self.disable,
            self.backend_add, self.backend_add, self.backend_set, self.backend_set,
            self.backend_drain, self.backend_undrain, self.backend_delete, self.dnat_add,
            self.dnat_remove])()

    def edit(self, door):
        operation, words, due = self.draw()
        begin = time.monotonic()
        status, answer = door.ask(operation, **words)
        self.took_s.append(time.monotonic() - begin)
        assert status in (due or {200}), (operation, words, due, status, answer)
        self.done[operation] += 1
        if due:
            self.refused[operation, status] += 1
            self.assert_unchanged(door, words)

    def assert_unchanged(self, door, words):
        """What was refused has left the service that it was about as it was."""
        name = words.get("service") or words.get("name") or self.at(words)[0] or made_name(words)
        status, row = door.read("service.show", name=name)
        service = self.services.get(name)
        assert status == (200 if service else 404), (words, row)
        if not service:
            return
        found = {(one["address"], one["port"]): without_states(one) for one in row.pop("served_by")}
        wanted = {(one["address"], one["port"]): without_states(one)
                  for one in service.backends_listed(name).values()}
        same(without_states(row), without_states(service.shown(name)), words)
        same(found, wanted, words)

    def run(self, daemon, seconds, each_s):
        """An edit each `each_s`, or as fast as they go."""
        door, begin, count = Door(daemon), time.monotonic(), 0
        while time.monotonic() < begin + seconds:
            self.edit(door)
            count += 1
            pause(max(0, begin + count * each_s - time.monotonic()))
        door.close()

    # --- what there is -----------------------------------------------------------------------

    def name(self):
        """Of a service there may be; most often of one there is."""
        if self.chance(0.9):
            return self.drawn.choice(sorted(self.services))
        return f"run-{self.number}-{self.drawn.randrange(MOST_SERVICES)}"

    def others(self, name):
        return [service for other, service in self.services.items() if other != name]

    def new_faults(self, name, service):
        """Of a service without backends that would come."""
        clash = name in self.services or any(service.clashes(other) or service.is_backend_of(other)
                                             for other in self.services.values())
        return service.faults() | ({409} if clash else set())

    def more_faults(self, name, service, address, port):
        """Of a backend that would come to it."""
        clash = any(service.backend_clashes(address, port, other) or
                    service.backend_clashes_with(address, port, other)
                    for other in (service, *self.others(name)))
        return service.backend_faults(address, port) | ({409} if clash else set())

    # --- services ----------------------------------------------------------------------------

    def add(self):
        name = f"run-{self.number}-{self.drawn.randrange(MOST_SERVICES)}"
        service = self.service(RUN)
        if self.chance(0.15):
            self.spoil(service)
        words = {"name": name, **service_words(service)}
        faults = self.new_faults(name, service) | self.misspell(words)
        backends = [self.backend(service) for _ in range(self.drawn.randrange(MOST_BACKENDS))]
        for address, port in backends:
            faults |= self.more_faults(name, service, address, port)
            service.backends[service.key(address, port)] = Backend(port)
        words["backend"] = ",".join(word_of(*backend) for backend in backends)
        if not faults:
            self.services[name] = service
        return "service.add", words, faults

    def misspell(self, words):
        """A word that can be no such thing."""
        if not self.chance(0.05):
            return set()
        words.update([self.drawn.choice((
            ("port", 0), ("port", "9-8"), ("port", "65536"), ("address", "127.0.0.1"),
            ("address", "fe80::1"), ("address", "web"), ("proto", "icmp"), ("name", "no/name"),
            ("scheduler", "fair"), ("affinity", "31d"), ("client-prefix", 129)))])
        return {400}

    def delete(self):
        name = self.name()
        found = self.services.get(name)
        faults = {404} if not found else {400} if found.is_written else set()
        if not faults:
            del self.services[name]
        return "service.del", {"name": name}, faults

    def turn(self, operation, is_enabled):
        name = self.name()
        if name in self.services:
            self.services[name].is_enabled = is_enabled
        return operation, {"name": name}, set() if name in self.services else {404}

    def enable(self):
        return self.turn("service.enable", True)

    def disable(self):
        return self.turn("service.disable", False)

    def change(self):
        """service.set: some of what may change, of a copy."""
        name = self.name()
        found = self.services.get(name)
        service = dataclasses.replace(found or self.service(RUN))
        words = {}
        for member in (self.change_choice, self.change_affinity, self.change_health,
                       self.change_rest):
            if self.chance(0.5):
                words.update(member(service))
        faults = ({404} if not found else {400} if found.is_written else set()) | \
            (service.faults() if words else {400})
        if not faults:
            self.services[name] = service
        return "service.set", {"name": name, **words}, faults

    def change_choice(self, service):
        scheduler = self.drawn.choice((*SCHEDULERS, None))
        prefix = self.drawn.choice((0, 24, 24, 64, None))
        if scheduler:
            service.scheduler = scheduler
            service.client_prefix *= scheduler == "source-hash"
        if prefix is not None:
            service.client_prefix = prefix
        return given({"scheduler": scheduler, "client-prefix": prefix})

    def change_affinity(self, service):
        seconds = self.drawn.choice((0, 60, 600, None))
        prefix = self.drawn.choice((0, 8, 24, 64, None))
        if seconds is not None:
            service.affinity_s = seconds
            service.affinity_prefix *= seconds > 0
        if prefix is not None:
            service.affinity_prefix = prefix
        return given({"affinity": seconds if seconds is None else f"{seconds}s",
                      "affinity-prefix": prefix})

    def change_health(self, service):
        if service.health and self.chance(0.3):
            keys = {"type": "none", **({"rise": 2} if self.chance(0.1) else {})}
        elif service.health and self.chance(0.6):
            keys = self.drawn.choice((
                {"port": self.health("nat")["port"]}, {"port": 0}, {"rise": 3, "fall": 1},
                {"type": "http", "path": "/changed"}, {"type": "tcp"}, {"path": ""},
                {"interval": "1s"}, {"timeout": "5s"}))
        else:
            keys = self.health(service.forward)
            keys.pop("type") if not service.health and self.chance(0.1) else None
        service.health = changed_health(service.health, keys)
        return health_words(keys)

    def change_rest(self, service):
        service.announce = self.chance(0.5)
        service.on_all_down = self.drawn.choice(("refuse", "keep-all"))
        return {"announce": service.announce, "on-all-down": service.on_all_down}

    # --- backends ----------------------------------------------------------------------------

    def backend_add(self):
        name, weight = self.name(), self.weight()
        found = self.services.get(name)
        service = found or self.service(RUN)
        address, port = self.backend(service, FILE_FIRST if service.is_written else 1)
        faults = self.more_faults(name, service, address, port) if found else {404}
        faults |= {400} if weight > WEIGHT_MOST else set()
        if not faults:
            service.backends[service.key(address, port)] = Backend(port, weight)
        return "service.backend.add", {"service": name, "backend": word_of(address, port),
                                       "weight": weight}, faults

    def of_backend(self, operation, turn, **more):
        """`turn` changes it, or says why it cannot."""
        name = self.name()
        service = self.services.get(name)
        if service and service.backends and self.chance(0.9):
            address, first = self.drawn.choice(sorted(service.backends))
            port = own_port(service, first)
        else:
            address, port = self.backend(service or self.service(RUN))
        backend = service and service.backends.get(service.key(address, port))
        words = {"service": name, "backend": word_of(address, port), **more}
        if not backend:         # or one that it cannot have
            return operation, words, {404, 400}
        return operation, words, turn(service, service.key(address, port), backend) or set()

    def backend_set(self):
        weight = self.weight()

        def turn(_service, _key, backend):
            if weight > WEIGHT_MOST:
                return {400}
            backend.weight = weight
            return None
        return self.of_backend("service.backend.set", turn, weight=weight)

    def backend_drain(self):
        def turn(_service, _key, backend):
            backend.is_drained = True
        return self.of_backend("service.backend.drain", turn)

    def backend_undrain(self):
        def turn(_service, _key, backend):
            backend.is_drained = False
        return self.of_backend("service.backend.undrain", turn)

    def backend_delete(self):
        def turn(service, key, backend):
            if backend.is_written:
                return {400}
            del service.backends[key]
            return None
        return self.of_backend("service.backend.del", turn)

    # --- a service and a backend in one ------------------------------------------------------

    def dnat(self):
        """(words, and the service of that end with its name, if there is one)."""
        family, kind = self.drawn.choice((4, 6)), self.drawn.choice((FILE, RUN, DNAT, DNAT, DNAT))
        words = {"vip": self.vip(family, kind), "vport": self.drawn.choice((80, "8000-8099")),
                 "protocol": self.drawn.choice(("tcp", "udp"))}
        return words, *self.at(words)

    def at(self, words):
        wanted = words["vip"], words["vport"], words["protocol"]
        return next(((name, service) for name, service in self.services.items()
                     if (service.address, service.port, service.proto) == wanted), (None, None))

    def dnat_words(self, service):
        """What may be said of the service beside its end, and is so of `service` then."""
        words = {}
        if self.chance(0.1):
            service.source = words["source"] = SOURCES[service.family]
        if self.chance(0.1):
            service.announce = words["announce"] = True
        if self.chance(0.1):
            service.on_all_down = words["on-all-down"] = "keep-all"
        if self.chance(0.1):
            keys = self.health("nat")
            service.health = changed_health(service.health, keys)
            words.update(health_words(keys))
        return words

    def dnat_add(self):
        """What is said of a service that is there must be so already."""
        words, name, found = self.dnat()
        service = dataclasses.replace(found) if found else Service(
            words["vip"], words["vport"], words["protocol"])
        more = self.dnat_words(service)
        address, port = self.backend(service)
        name = name or made_name(words)
        faults = ({400} if found != service else set()) if found else \
            self.new_faults(name, service)
        faults |= service.faults() | self.more_faults(name, service, address, port)
        if not faults:
            service.backends[service.key(address, port)] = Backend(port)
            self.services[name] = service
        return "lb.add-dnat", {**words, "rip": address, **given({"rport": port}), **more}, faults

    def dnat_remove(self):
        words, name, found = self.dnat()
        if not found:
            return "lb.remove-dnat", words, {404}
        if self.chance(0.3) or not found.backends:
            faults = {400} if found.is_written else set()
            if not faults:
                del self.services[name]
            return "lb.remove-dnat", words, faults
        address, first = self.drawn.choice(sorted(found.backends))
        faults = {400} if found.backends[address, first].is_written else set()
        if not faults:
            del found.backends[address, first]
        if not found.backends and name == made_name(words):     # made by add-dnat, for that one
            del self.services[name]
        return "lb.remove-dnat", {**words, "rip": address,
                                  **given({"rport": own_port(found, first)})}, faults
