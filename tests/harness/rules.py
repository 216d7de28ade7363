# SPDX-License-Identifier: Apache-2.0
"""Rules of a daemon: what it has, adding some, what they count; and asking it by HTTP. Tests import
the fixtures `standing` and `cleared`."""
import contextlib
import http.client
import json
import socket

import pytest

from harness.daemon import Daemon, Refused
from harness.net import Pair
from harness.wait import wait_for
from harness.wire import Wire

PORT = 11813
BASE = "api: {listen: off}\n"
# For frames.udp(), which goes to 198.18.0.1, port 2000.
RULES = BASE + """rules:
  groups: [{name: web}, {name: resting, enabled: false}]
  sets: [{name: office, members: 10.0.0.0/8}]
  rules:
    - {name: one, src: 192.0.2.1, action: allow}
    - {src: 192.0.2.2, action: deny}
    - {name: three, src: 192.0.2.3, action: count}
    - {name: asleep, src: 192.0.2.4, action: deny, group: resting}
"""


@pytest.fixture(scope="module")
def standing():
    """(daemon, pair) for the many tests that need no fresh one."""
    with Pair() as pair, Daemon(pair.inside, config=RULES, interfaces=[pair.wire]) as daemon:
        yield daemon, pair


@pytest.fixture
def cleared(standing):
    """(daemon, wire) with the rules of the configuration alone."""
    daemon, pair = standing
    clear(daemon)
    daemon.apply(RULES)
    with Wire.inward(pair) as wire:
        yield daemon, wire


def clear(daemon):
    for row in rules(daemon):
        if row["origin"] == "runtime":
            daemon.say("rule", "del", row["name"])


def rules(daemon, *words):
    return daemon.ask("rule", "list", *words)["rules"]


def order(daemon):
    return [row.get("name", "-") for row in rules(daemon)]


def add(daemon, name, *words, action="deny"):
    return daemon.ask("rule", "add", name, "--action", action, *words)


def refusal(daemon, *words, text=None):
    with pytest.raises(Refused) as refused:
        daemon.say(*words, text=text)
    return refused.value.said


def hits(daemon, name):
    row, = daemon.ask("rule", "hits", name)["rules"]
    return row["packets"], row["bytes"]


def counted(daemon, name, packets):
    wait_for(lambda: hits(daemon, name)[0] == packets, f"{name} counts {packets}")
    return hits(daemon, name)[1]


def explained(daemon, src, **words):
    given = [part for key, value in words.items() for part in (f"--{key}", str(value))]
    return daemon.ask("explain", "--src", src, "--dst", "198.18.0.1", "--proto", "udp",
                      "--dport", "2000", *given)


def ask_http(daemon, method, path, role=None, body=None):
    """(status, text) through the socket, as root, or through TCP with the role's token."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT)
    headers = {"Content-Type": "application/json"}
    if role:
        rows = json.loads((daemon.state / "tokens.json").read_text())["tokens"]
        token, = (row["token"] for row in rows if row["role"] == role)
        headers["Authorization"] = f"Bearer {token}"
        with daemon.namespace.entered():
            connection.sock = socket.create_connection(("127.0.0.1", PORT), 10)
    else:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(daemon.socket))
    with contextlib.closing(connection):
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
