# SPDX-License-Identifier: Apache-2.0
"""Services and backends by chance, most of them right, for harness/edits.py."""
from harness.edited import CLOSED, ODD, OPEN, Service, span_of

SCHEDULERS = ("maglev", "round-robin", "source-hash", "least-connections")
PROTOS = ("tcp", "udp", "sctp")
FORWARDS = ("nat", "nat", "nat", "l2", "ipip", "gue")
PORTS = (80, 443, "8000-8099", "8050-8149", "all")
SOURCES = {4: "10.78.2.1", 6: "fd78:2::1"}      # of harness.cluster's gateway
BACKEND_PORT, BACKEND_COUNT = 8080, 16
WEIGHT_MOST = 65535


def word_of(address, port):
    """As commands take it."""
    if port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Drawn:
    def __init__(self, number, drawn):
        self.number, self.drawn = number, drawn

    def chance(self, part):
        return self.drawn.random() < part

    def vip(self, family, kind):
        """One for all of a kind, whose services so meet."""
        return f"10.{90 + kind}.{self.number}.1" if family == 4 else \
            f"fd{90 + kind}:{self.number + 1:x}::1"

    def pool(self, family, first=1):
        """The address of a backend."""
        index = first + self.drawn.randrange(BACKEND_COUNT)
        return f"10.91.{self.number}.{index}" if family == 4 else \
            f"fd91:{self.number + 1:x}::{index:x}"

    def health(self, forward):
        """Keys of one that can be right; by a way of its own where packets go another."""
        kind = self.drawn.choice(("tcp", "tcp", "http"))
        keys = {"type": kind, "port": self.drawn.choice((OPEN, CLOSED, ODD)),
                "interval": self.drawn.choice(("1s", "2s", "3s")),
                "rise": self.drawn.randrange(1, 4), "fall": self.drawn.randrange(1, 4),
                "damping-downs": 0}     # else who often changes is held down for minutes
        if kind == "http" and self.chance(0.5):
            keys["path"] = self.drawn.choice(("/ok", "/a/b?c"))
        if forward != "nat" or self.chance(0.3):
            keys["through"] = "direct"
        return keys

    def service(self, kind=2):
        family, forward = self.drawn.choice((4, 6)), self.drawn.choice(FORWARDS)
        scheduler = self.drawn.choice(SCHEDULERS)
        hides = forward == "nat" and self.chance(0.2)
        prefixes = (0, 16, 24) if family == 4 else (0, 48, 64)
        affinity_s = self.drawn.choice((0, 0, 600, 3600))
        return Service(
            self.vip(family, kind), self.drawn.choice(PORTS), self.drawn.choice(PROTOS), forward,
            SOURCES[family] if hides else None, scheduler,
            self.drawn.choice(prefixes) if scheduler == "source-hash" else 0, affinity_s,
            self.drawn.choice(prefixes) if affinity_s else 0, self.chance(0.1),
            self.health(forward) if self.chance(0.3) else {},
            self.drawn.choice(("refuse", "refuse", "keep-all")))

    def backend(self, service, first=1):
        """(address, its own port or None), most often of those that the service can have."""
        family = service.family
        if service.forward in ("ipip", "gue") and self.chance(0.3) or self.chance(0.03):
            family = 10 - family
        address = service.address if self.chance(0.03) else self.pool(family, first)
        may = service.forward == "nat" and service.port != "all"
        return address, BACKEND_PORT if self.chance(0.5 if may else 0.03) else None

    def weight(self):
        return WEIGHT_MOST + 1 if self.chance(0.02) else self.drawn.choice((0, 1, 1, 2, 3, 5, 100))

    # --- what is wrong -----------------------------------------------------------------------

    def spoil(self, service):
        """One thing of it becomes another, most often wrong."""
        other = 10 - service.family
        keys = self.health("l2")
        rows = [("client_prefix", 24), ("client_prefix", 64), ("affinity_prefix", 16),
                ("affinity_prefix", 64), ("source", SOURCES[service.family]),
                ("source", SOURCES[other]), ("health", {"interval": "2s"}),
                ("health", {key: value for key, value in keys.items() if key != "port"}),
                ("health", {**keys, "timeout": "10s"}),
                ("health", {**keys, "type": "tcp", "path": "/"})]
        if service.forward == "nat":            # elsewhere they go by the tunnel
            rows.append(("health", {**keys, "through": "tunnel"}))
        setattr(service, *self.drawn.choice(rows))


def service_words(service):
    """What service.add says of it, without its backends."""
    words = {"address": service.address, "port": service.port, "proto": service.proto,
             "forward": service.forward, "scheduler": service.scheduler,
             "on-all-down": service.on_all_down, **health_words(service.health)}
    for name, value in (("source", service.source), ("client-prefix", service.client_prefix),
                        ("affinity-prefix", service.affinity_prefix),
                        ("announce", service.announce),
                        ("affinity", service.affinity_s and f"{service.affinity_s}s")):
        if value:
            words[name] = value
    return words


def health_words(keys):
    return {"health" if key == "type" else f"health-{key}": value for key, value in keys.items()}


def own_port(service, first):
    """What is to be said of a backend whose ports begin there."""
    return None if first == span_of(service.port)[0] else first
