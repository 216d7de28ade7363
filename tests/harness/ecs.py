# SPDX-License-Identifier: Apache-2.0
"""Fields of the Elastic Common Schema 8.11 and the words that it allows, as its reference has them
(elastic.co/docs/reference/ecs): what a line of the log may hold."""
import datetime
import ipaddress

KEYWORD, LONG, IP, DATE, TEXT, FLOAT = "keyword", "long", "ip", "date", "text", "float"
FIELDS = {
    "@timestamp": DATE, "message": TEXT, "ecs.version": KEYWORD,
    "event.action": KEYWORD, "event.category": KEYWORD, "event.created": DATE,
    "event.dataset": KEYWORD, "event.duration": LONG, "event.end": DATE, "event.kind": KEYWORD,
    "event.module": KEYWORD, "event.outcome": KEYWORD, "event.reason": KEYWORD,
    "event.sequence": LONG, "event.start": DATE, "event.type": KEYWORD,
    "source.ip": IP, "source.port": LONG, "source.packets": LONG, "source.bytes": LONG,
    "destination.ip": IP, "destination.port": LONG, "destination.packets": LONG,
    "destination.bytes": LONG, "server.ip": IP, "server.port": LONG,
    "network.bytes": LONG, "network.community_id": KEYWORD, "network.direction": KEYWORD,
    "network.iana_number": KEYWORD, "network.packets": LONG, "network.transport": KEYWORD,
    "network.type": KEYWORD, "network.vlan.id": KEYWORD, "network.inner.vlan.id": KEYWORD,
    "observer.hostname": KEYWORD, "observer.product": KEYWORD, "observer.type": KEYWORD,
    "observer.version": KEYWORD, "observer.ingress.interface.name": KEYWORD,
    "observer.egress.interface.name": KEYWORD,
    "rule.id": KEYWORD, "rule.name": KEYWORD, "user.id": KEYWORD, "user.name": KEYWORD,
    "process.pid": LONG, "process.name": KEYWORD, "process.executable": KEYWORD,
    "process.command_line": KEYWORD,
    "container.id": KEYWORD,
}
ALWAYS = ["@timestamp", "message", "ecs.version", "event.kind", "event.category", "event.type",
          "event.action", "event.dataset", "event.module", "event.sequence", "observer.type"]
LISTS = {"event.category", "event.type"}       # "this field is an array"
ALLOWED = {
    "event.kind": {"alert", "asset", "enrichment", "event", "metric", "state", "pipeline_error",
                   "signal"},
    "event.category": {"api", "authentication", "configuration", "database", "driver", "email",
                       "file", "host", "iam", "intrusion_detection", "library", "malware",
                       "network", "package", "process", "registry", "session", "threat",
                       "vulnerability", "web"},
    "event.type": {"access", "admin", "allowed", "change", "connection", "creation", "deletion",
                   "denied", "device", "end", "error", "group", "indicator", "info",
                   "installation", "protocol", "start", "user"},
    "event.outcome": {"failure", "success", "unknown"},
    "network.direction": {"ingress", "egress", "inbound", "outbound", "internal", "external",
                          "unknown"},
}


def is_date(value):
    return (isinstance(value, str) and len(value) == len("2031-05-01T12:30:00.250Z") and
            bool(datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ")))


IS = {
    KEYWORD: lambda value: isinstance(value, str),
    TEXT: lambda value: isinstance(value, str),
    LONG: lambda value: type(value) is int and -2**63 <= value < 2**63,
    FLOAT: lambda value: type(value) in (int, float),
    IP: lambda value: isinstance(value, str) and bool(ipaddress.ip_address(value)),
    DATE: is_date,
}


def member(line, path):
    """By its dotted name, None when it is not there."""
    for name in path.split("."):
        line = line.get(name) if isinstance(line, dict) else None
    return line


def leaves(line, before=""):
    for name, value in line.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{before}{name}.")
        else:
            yield before + name, value


def assert_ecs(line):
    """Every field that is not Weir's own is one of ECS, of its type, and of its words."""
    for path, value in leaves(line):
        assert "." not in path.rsplit(".", 1)[-1]
        if path.startswith("weir."):
            continue
        assert path in FIELDS, f"{path} is no field of ECS"
        assert isinstance(value, list) == (path in LISTS), path
        for word in value if isinstance(value, list) else [value]:
            assert IS[FIELDS[path]](word), f"{path}: {word!r} is no {FIELDS[path]}"
            assert word in ALLOWED.get(path, {word}), f"{path}: ECS knows no {word!r}"
    for path in ALWAYS:
        assert member(line, path) is not None, f"there is no {path}"
