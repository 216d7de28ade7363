# SPDX-License-Identifier: Apache-2.0
"""The log as a file: how it is asked for, what stands in it, and what the daemon says of it."""
import json
import pathlib

from harness.ecs import member
from harness.frames import UDP, Raw, ether, ip
from harness.wait import wait_for

CONFIG = """\
api: {{listen: off}}
events: {{rate: {rate}, sample: {sample}}}
log:
  file: {{path: {path}, size: {size}, keep: {keep}{more}}}
rules:
  enabled: true
  rules:
  - {{name: told, proto: udp, dport: 7777, action: allow, log: true}}
block: {{lists: [{{name: bad, action: deny, entries: [192.0.2.0/24, "2001:db8:bad::/48"]}}]}}
"""


def config(path, rate="100000/s", sample=1, size="100MB", keep=5, more=""):
    return CONFIG.format(path=path, rate=rate, sample=sample, size=size, keep=keep, more=more)


def udp(remote, sport=1000, dport=2000):
    return ether() / ip(remote) / UDP(sport=sport, dport=dport) / Raw(b"x" * 8)


def lines_of(*paths, is_written=False):
    """Every line whole and an object of its own. is_written: they go on coming meanwhile, many at a
    time, and what is read may end within one."""
    found = []
    for path in paths:
        text = pathlib.Path(path).read_text()
        if is_written:
            text = text[:text.rfind("\n") + 1]
        assert text == "" or text.endswith("\n"), f"{path} ends within a line"
        found += [json.loads(line) for line in text.splitlines()]
    return found


def of_kind(lines, kind):
    return [line for line in lines if member(line, "event.dataset") == f"weir.{kind}"]


def place(daemon):
    return daemon.status()["log"]["file"]


def idle(daemon):
    """What the place says when nothing waits."""
    return wait_for(lambda: (lambda now: now if not now["waiting"] else None)(place(daemon)),
                    "the log has written what waited", 60)
