# SPDX-License-Identifier: Apache-2.0
"""Services and backends as commands leave them, by docs/user/balancer.md: what is wrong with one,
what lists and policies must have of it. No line of it is Weir's."""
import dataclasses
import ipaddress
import typing

from harness.policy import Met

TICK_SHIFT = 24                                     # conntrack's tick is 2^24 ns
DEFAULTS = {"interval": "2s", "timeout": "1s", "rise": 2, "fall": 3}
WEB = {"path", "host", "status", "body"}            # keys of health that tcp has no use for
# The ports that checks ask of backends (balance_edits_test.py).
OPEN, CLOSED, ODD = 7001, 7002, 7003                # all listen, none does, those of odd addresses


def family_of(address):
    return ipaddress.ip_address(address).version


def span_of(port):
    """(first, last) of one port, "8000-8099" or "all"."""
    if port == "all":
        return 0, 65535
    first, _, last = str(port).partition("-")
    return int(first), int(last or first)


def seconds(text):
    return float(text[:-1])


def exactness(port):
    return 0 if port == "all" else 1 if "-" in str(port) else 2


def overlap(one, other):
    return one[0] <= other[1] and other[0] <= one[1]


@dataclasses.dataclass
class Backend:
    port: typing.Optional[int] = None       # its own, of several the first
    weight: int = 1
    is_drained: bool = False
    weight_written: typing.Optional[int] = None         # where the configuration has it

    @property
    def is_written(self):
        return self.weight_written is not None

    def acts(self):
        return self.weight if not self.is_drained else 0

    def is_changed(self):
        return not self.is_written or self.is_drained or self.weight != self.weight_written


@dataclasses.dataclass
class Service:
    address: str
    port: typing.Union[int, str] = 80
    proto: str = "tcp"
    forward: str = "nat"
    source: typing.Optional[str] = None
    scheduler: str = "maglev"
    client_prefix: int = 0
    affinity_s: int = 0
    affinity_prefix: int = 0
    announce: bool = False
    health: dict = dataclasses.field(default_factory=dict)      # its keys; nothing: no checks
    on_all_down: str = "refuse"
    is_enabled: bool = True
    is_written: bool = False
    backends: dict = dataclasses.field(default_factory=dict)    # {(address, its port): Backend}

    @property
    def family(self):
        return family_of(self.address)

    @property
    def end(self):
        """What there may be once."""
        return self.address, self.proto, span_of(self.port)[0]

    def there(self, port=None):
        """(first, last) at a backend that has this port, or none of its own."""
        first, last = span_of(self.port)
        own = first if port is None else port
        return own, own + last - first

    def key(self, address, port=None):
        return address, self.there(port)[0]

    # --- what is wrong, as the statuses that are due -----------------------------------------

    def faults(self):
        """… with what is said of the service itself."""
        bits = 32 if self.family == 4 else 128
        wrong = (self.client_prefix and self.scheduler != "source-hash",
                 self.client_prefix > bits, self.affinity_prefix > bits,
                 self.affinity_prefix and not self.affinity_s,
                 self.source and (self.forward != "nat" or family_of(self.source) != self.family),
                 self.health and self.health_is_wrong())
        return {400} if any(wrong) else set()

    def health_is_wrong(self):
        said = {"type": "none", **DEFAULTS, **self.health}
        return any((said["type"] == "none",             # where other keys stand beside it
                    said["type"] == "tcp" and WEB & said.keys(),
                    seconds(said["timeout"]) > seconds(said["interval"]),
                    said.get("through") == "tunnel" and self.forward == "nat",
                    self.port == "all" and "port" not in said))

    def backend_faults(self, address, port=None):
        """… with a backend, but for what others have."""
        one_family = self.forward in ("nat", "l2")
        wrong = (one_family and family_of(address) != self.family,
                 self.port == "all" and port is not None,
                 self.port != "all" and self.there(port)[1] > 65535,
                 self.forward != "nat" and port not in (None, span_of(self.port)[0]),
                 self.forward != "nat" and address == self.address)
        is_taken = self.key(address, port) in self.backends or \
            self.backend_clashes_with(address, port, self)
        return {status for status, is_so in ((400, any(wrong)), (409, is_taken)) if is_so}

    def clashes(self, other):
        """Whether packets could be to either."""
        return (self.address, self.proto) == (other.address, other.proto) and \
            overlap(span_of(self.port), span_of(other.port)) and \
            exactness(self.port) == exactness(other.port)

    def backend_clashes_with(self, address, port, other):
        """Whether packets to this backend could be to the service `other`."""
        return self.forward == "nat" and (address, self.proto) == (other.address, other.proto) and \
            overlap(self.there(port), span_of(other.port))

    def is_backend_of(self, other):
        """Whether packets to this service could be to a backend of that one."""
        return any(other.backend_clashes_with(address, first, self)
                   for address, first in other.backends)

    def backend_clashes(self, address, port, other):
        """Whether answers of this backend could be those of one that `other` has, which may be this
        service itself: then of one that begins elsewhere."""
        if {self.forward, other.forward} != {"nat"} or self.proto != other.proto:
            return False
        is_more_exact = self.address == other.address and \
            exactness(self.port) != exactness(other.port) and \
            self.there(port) == span_of(self.port)
        return any(theirs == address and overlap(self.there(port), other.there(first)) and
                   not (is_more_exact and other.there(first) == span_of(other.port))
                   for theirs, first in other.backends)

    # --- what is to be seen of it ------------------------------------------------------------

    def is_up(self, address):
        """By the port that is asked. At addresses of services nobody is."""
        asked = self.health.get("port")
        is_odd = ipaddress.ip_address(address).packed[-1] % 2 == 1
        return address != self.address and (asked == OPEN or asked == ODD and is_odd)

    def shares(self):
        """{backend: its weight} of those that get connections."""
        wanted = {key: backend.acts() for key, backend in self.backends.items() if backend.acts()}
        up = {key: weight for key, weight in wanted.items()
              if not self.health or self.is_up(key[0])}
        return up if up or self.on_all_down == "refuse" else wanted

    def met(self):
        """What the policy's line of it has to say."""
        several = len(self.shares()) > 1        # else nothing is chosen
        hashes = self.scheduler == "source-hash"
        return Met(self.forward, self.source, several and not hashes,
                   several and self.scheduler == "round-robin",
                   self.scheduler == "least-connections", self.affinity_s > 0, False,
                   several and self.mask(self.client_prefix),
                   self.affinity_s * 10**9 >> TICK_SHIFT, self.mask(self.affinity_prefix))

    def mask(self, prefix):
        """IPv4 addresses stand behind 96 bits."""
        return prefix + 96 * (self.family == 4) if prefix else 128

    def serving(self):
        """{backend: how far its ports are from the service's, its weight, and whether it gets none
        as its checks have it down}; these ask the drained too."""
        first, shares = span_of(self.port)[0], self.shares()
        return {key: (key[1] - first & 0xFFFF, shares.get(key, 0),
                      bool(self.health) and key not in shares and not self.is_up(key[0]))
                for key in self.backends}

    def state(self):
        """By checks, once all have been asked."""
        wanted = [self.is_up(address) for (address, _), backend in self.backends.items()
                  if backend.acts()]
        if not self.is_enabled:
            return "disabled"
        if self.backends and not wanted:
            return "drained"
        return "up" if wanted and all(wanted) else "degraded" if any(wanted) else "down"

    def backend_state(self, address, backend):
        if not self.is_enabled:
            return "disabled"
        return "drained" if backend.is_drained else "up" if self.is_up(address) else "down"

    def listed(self, name):
        """Its row of `service list`."""
        row = {"name": name, "address": self.address, "port": self.port, "proto": self.proto,
               "forward": self.forward, "scheduler": self.scheduler,
               "client_prefix": self.client_prefix, "affinity_s": self.affinity_s,
               "affinity_prefix": self.affinity_prefix, "source": self.source,
               "announce": self.announce, "origin": "file" if self.is_written else "runtime",
               "backends_changed": self.is_written and sum(
                   backend.is_changed() for backend in self.backends.values()),
               "state": self.state() if self.health else None}
        return {**{member: value for member, value in row.items() if value},
                "enabled": self.is_enabled, "backends": len(self.backends)}

    def ports_listed(self, first):
        last = self.there(first)[1]
        return "all" if self.port == "all" else first if first == last else f"{first}-{last}"

    def backends_listed(self, name):
        """{backend: its row of the lists}."""
        rows = {}
        for (address, first), backend in self.backends.items():
            rows[address, first] = row = {
                "service": name, "address": address, "port": self.ports_listed(first),
                "weight": backend.weight, "origin": "file" if backend.is_written else "runtime"}
            if backend.is_drained:
                row["drained"] = True
            if backend.is_written and backend.weight != backend.weight_written:
                row["weight_in_file"] = backend.weight_written
            if self.health:
                row["state"] = self.backend_state(address, backend)
        return rows

    def shown(self, name):
        """What `service show` has beside its backends."""
        row = self.listed(name)
        if self.health:
            said = {**DEFAULTS, **self.health}
            row.update({f"health_{key.replace('-', '_')}": value for key, value in said.items()
                        if key != "type"}, health=said["type"])
        if self.health or self.on_all_down != "refuse":
            row["on_all_down"] = self.on_all_down
        return row


# --- words ---------------------------------------------------------------------------------------

def given(words):
    return {name: value for name, value in words.items() if value is not None}


def changed_health(health, keys):
    """What `keys` make of it; of another type goes what that has no use for."""
    kind = keys.get("type", health.get("type", "none"))
    if kind == "none":
        return {"type": kind, **keys} if len(keys) > 1 or "type" not in keys else {}
    kept = {key: value for key, value in health.items() if kind == "http" or key not in WEB}
    return {key: value for key, value in {**kept, **keys, "type": kind}.items()
            if (key, value) not in (("port", 0), ("path", ""))}


def written_of(name, service):
    """As weir.yaml has it."""
    health = {**service.health}
    downs = health.pop("damping-downs", None)
    if downs is not None:
        health["damping"] = {"downs": downs}
    affinity = {"timeout": f"{service.affinity_s}s",
                **given({"client-prefix": service.affinity_prefix or None})}
    return {"name": name, "address": service.address, "port": service.port,
            "proto": service.proto, "forward": service.forward, "scheduler": service.scheduler,
            "announce": service.announce, "on-all-down": service.on_all_down,
            **given({"source": service.source, "client-prefix": service.client_prefix or None,
                     "affinity": affinity if service.affinity_s else None,
                     "health": health or None}),
            "backends": [given({"address": address, "port": backend.port,
                                "weight": backend.weight})
                         for (address, _), backend in service.backends.items()]}
