# SPDX-License-Identifier: Apache-2.0
"""A host that lets in nothing but what it knows: what is forgotten shows as dropped."""
import json
import threading

from harness.wait import SLOWNESS, pause, wait_for

# Of UDP: a reload takes longer than 30 s where the processor is emulated.
TIMEOUTS = {"answered": "20m", "stream": "20m"} if SLOWNESS > 1 else {}


def configured(capacity=1000, half_open=1000, is_open=False, hook="tc", more="", **conntrack):
    """Flows that are remembered pass, and what begins one only while `is_open`."""
    tracking = {"enabled": True, "pick-up": False, "capacity": capacity, "half-open": half_open,
                **conntrack, "timeouts": {**conntrack.get("timeouts", {}), **TIMEOUTS}}
    rules = [{"name": "known", "state": "established,related", "action": "allow"},
             {"name": "neighbours", "proto": "icmpv6", "icmp-type": "131-136,143",
              "action": "allow"},
             {"name": "web", "proto": "tcp", "dport": 80, "state": "new", "action": "allow"}]
    if is_open:
        rules.append({"name": "open", "action": "allow"})
    return (f"api: {{listen: off}}\nevents: {{rate: 50/s}}\nconntrack: {json.dumps(tracking)}\n"
            f"interfaces: [{{name: wire, hook: {hook}, egress: true}}]\n{more}"
            "rules: " + json.dumps({"policy": [{"ingress": "deny", "egress": "deny"}],
                                    "rules": rules}) + "\n")


def reload(daemon, text, *words):
    """The answer of `weir reload` once the configuration file is `text`."""
    daemon.config.write_text(text)
    return daemon.ask("reload", *words)


def capacities(daemon):
    row = daemon.status()["conntrack"]
    return row["capacity"], row["half_open_capacity"]


def flows(daemon, *words):
    """{(proto, ends): row}; fails where a flow is there twice."""
    rows = daemon.ask("flow", "list", "--limit", "1000000", *words)["flows"]
    named = {(row["proto"], row["src"], row["sport"], row["dst"], row["dport"]): row
             for row in rows}
    assert len(named) == len(rows), "a flow is there twice"
    return named


def drops(daemon):
    return {reason: count for reason, count in daemon.reasons().items()
            if reason.startswith("drop")}


def told(daemon):
    """The packets that were dropped, or some of them: why a test fails."""
    return [{name: row.get(name) for name in ("direction", "src", "dst", "proto", "sport", "dport",
                                              "len")}
            for row in daemon.ask("events", "--kind", "drop")["events"]]


def has_old(daemon):
    """Whether tables that flows come over from are pinned."""
    return any((daemon.pin_dir / "maps").glob("st_old_*"))


def wait_until_settled(daemon):
    wait_for(lambda: not has_old(daemon), "all flows have come over", 30)


class Ratchet:
    """Reads counters over and over, and keeps what went backwards."""

    def __init__(self, read):
        self.read, self.last, self.fallen, self.rounds = read, {}, [], 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ended.is_set():
            now = self.read()
            self.fallen += [(name, self.last[name], value) for name, value in now.items()
                            if value < self.last.get(name, 0)]
            self.fallen += [(name, self.last[name], None) for name in self.last.keys() - now]
            self.last = now
            self.rounds += 1
            pause(0.02)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def counters(daemon):
    """Everything that only ever goes up, by name."""
    status = daemon.status()
    named = {f"reason {row['reason']} {kind}": row[kind] for row in status["reasons"]
             for kind in ("packets", "bytes")}
    named.update({f"event {kind} {name}": count for kind, row in status["events"].items()
                  for name, count in row.items()})
    named.update({f"conntrack {name}": status["conntrack"][name] for name in (
        "new", "proven", "invalid", "related", "displaced", "refused", "moved")})
    named.update({f"rule {row['name']}": row["packets"]
                  for row in daemon.ask("rule", "hits")["rules"]})
    named.update({f"list {row['name']}": row["hits"]["packets"]
                  for row in daemon.ask("block", "lists")["lists"]})
    return named
