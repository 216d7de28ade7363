# SPDX-License-Identifier: Apache-2.0
"""Random edits of services and backends over the API, and a model of what they leave: what each
does and what is refused follows from docs/user/balancer.md."""
import dataclasses
import http.client
import json
import random
import socket
import time

from harness.wait import SLOWNESS, pause

SCHEDULERS = ("maglev", "round-robin", "source-hash")
FILE_BACKENDS, MOST_BACKENDS, MOST_SERVICES = 3, 6, 4
PORT, BACKEND_PORT = 80, 8080


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
        self.request("POST", "/api/v1/" + operation.replace(".", "/"), json.dumps(words),
                     {"Content-Type": "application/json"})
        answer = self.getresponse()
        return answer.status, json.loads(answer.read())


@dataclasses.dataclass
class Backend:
    weight: int = 1
    is_drained: bool = False
    is_written: bool = False

    def acts(self):
        return self.weight if not self.is_drained else 0


@dataclasses.dataclass
class Service:
    address: str
    scheduler: str = "maglev"
    port: int = PORT
    is_enabled: bool = True
    is_written: bool = False
    backends: dict = dataclasses.field(default_factory=dict)    # {address: Backend}

    def shares(self):
        return {address: backend.acts() for address, backend in self.backends.items()
                if backend.acts()}


class Editor:
    """One of several that edit at the same time, each services of its own."""

    def __init__(self, number, seed):
        self.number, self.drawn = number, random.Random(f"{seed}/{number}")
        self.services = {f"file-{number}": Service(
            f"10.90.{number}.1", SCHEDULERS[number % len(SCHEDULERS)], is_written=True,
            backends={self.backend(0, i): Backend(is_written=True)
                      for i in range(FILE_BACKENDS)})}
        self.done, self.refused, self.took_s = {}, 0, []

    def backend(self, service, index):
        return f"10.91.{self.number}.{10 * service + index + 1}"

    def written(self):
        """Its part of the configuration."""
        return [{"name": name, "address": service.address, "port": PORT,
                 "scheduler": service.scheduler,
                 "backends": [{"address": address, "port": BACKEND_PORT}
                              for address in service.backends]}
                for name, service in self.services.items() if service.is_written]

    def draw(self):
        """(operation, its words, the status that is due); the model is as it will be then."""
        return self.drawn.choice([
            self.add, self.delete, self.enable, self.disable, self.backend_add, self.backend_set,
            self.backend_set, self.backend_drain, self.backend_undrain, self.backend_delete,
            self.dnat_add, self.dnat_remove])()

    def edit(self, door):
        operation, words, due = self.draw()
        begin = time.monotonic()
        status, answer = door.ask(operation, **words)
        self.took_s.append(time.monotonic() - begin)
        assert status == due, (operation, words, due, status, answer)
        self.done[operation] = self.done.get(operation, 0) + 1
        self.refused += status != 200

    def run(self, daemon, seconds, each_s):
        """An edit each `each_s`, or as fast as they go."""
        door, begin, count = Door(daemon), time.monotonic(), 0
        while time.monotonic() < begin + seconds:
            self.edit(door)
            count += 1
            pause(max(0, begin + count * each_s - time.monotonic()))
        door.close()

    # --- edits -------------------------------------------------------------------------------

    def index(self):
        return self.drawn.randrange(1, MOST_SERVICES + 1)

    def name(self):
        """Of a service there may be; most often of one there is."""
        if self.drawn.random() < 0.7:
            return self.drawn.choice(sorted(name for name in self.services if name[0] in "fr"))
        return self.drawn.choice([f"file-{self.number}"] + [
            f"run-{self.number}-{i}" for i in range(1, MOST_SERVICES + 1)])

    def pick(self):
        """A service, and the address of a backend it may have."""
        name = self.name()
        which = int(name.rsplit("-", 1)[1]) if name.startswith("run") else 0
        service = self.services.get(name)
        if service and service.backends and self.drawn.random() < 0.6:
            return name, self.drawn.choice(sorted(service.backends))
        return name, self.backend(which, self.drawn.randrange(MOST_BACKENDS))

    def add(self):
        index = self.index()
        name, scheduler = f"run-{self.number}-{index}", self.drawn.choice(SCHEDULERS)
        backends = [self.backend(index, i) for i in range(self.drawn.randrange(MOST_BACKENDS))]
        words = {"name": name, "address": f"10.92.{self.number}.{index}", "port": PORT,
                 "scheduler": scheduler,
                 "backend": ",".join(f"{address}:{BACKEND_PORT}" for address in backends)}
        if name in self.services:
            return "service.add", words, 409
        self.services[name] = Service(words["address"], scheduler,
                                      backends={address: Backend() for address in backends})
        return "service.add", words, 200

    def delete(self):
        name = self.name()
        found = self.services.get(name)
        if found and not found.is_written:
            del self.services[name]
        return "service.del", {"name": name}, (
            404 if not found else 400 if found.is_written else 200)

    def turn(self, operation, is_enabled):
        name = self.name()
        if name in self.services:
            self.services[name].is_enabled = is_enabled
        return operation, {"name": name}, 200 if name in self.services else 404

    def enable(self):
        return self.turn("service.enable", True)

    def disable(self):
        return self.turn("service.disable", False)

    def backend_add(self):
        name, address = self.pick()
        weight = self.drawn.randrange(5)
        words = {"service": name, "backend": f"{address}:{BACKEND_PORT}", "weight": weight}
        service = self.services.get(name)
        if not service or address in service.backends:
            return "service.backend.add", words, 409 if service else 404
        service.backends[address] = Backend(weight)
        return "service.backend.add", words, 200

    def change(self, operation, change, **more):
        name, address = self.pick()
        words = {"service": name, "backend": f"{address}:{BACKEND_PORT}", **more}
        service = self.services.get(name)
        backend = service.backends.get(address) if service else None
        if not backend:
            return operation, words, 404
        return operation, words, change(service, address, backend) or 200

    def backend_set(self):
        weight = self.drawn.randrange(6)

        def change(_service, _address, backend):
            backend.weight = weight
        return self.change("service.backend.set", change, weight=weight)

    def backend_drain(self):
        def change(_service, _address, backend):
            backend.is_drained = True
        return self.change("service.backend.drain", change)

    def backend_undrain(self):
        def change(_service, _address, backend):
            backend.is_drained = False
        return self.change("service.backend.undrain", change)

    def backend_delete(self):
        def change(service, address, backend):
            if backend.is_written:
                return 400
            del service.backends[address]
            return 200
        return self.change("service.backend.del", change)

    def dnat(self):
        index = self.drawn.randrange(1, 3)
        vip = f"10.93.{self.number}.{index}"
        rip = f"10.94.{self.number}.{10 * index + self.drawn.randrange(MOST_BACKENDS)}"
        return f"{vip}-{PORT}-tcp", {"vip": vip, "vport": PORT, "rip": rip,
                                     "rport": BACKEND_PORT, "protocol": "tcp"}

    def dnat_add(self):
        name, words = self.dnat()
        service = self.services.setdefault(name, Service(words["vip"]))
        if words["rip"] in service.backends:
            return "lb.add-dnat", words, 409
        service.backends[words["rip"]] = Backend()
        return "lb.add-dnat", words, 200

    def dnat_remove(self):
        name, words = self.dnat()
        service = self.services.get(name)
        if not service or words["rip"] not in service.backends:
            return "lb.remove-dnat", words, 404
        del service.backends[words["rip"]]
        if not service.backends:
            del self.services[name]
        return "lb.remove-dnat", words, 200
