# SPDX-License-Identifier: Apache-2.0
"""What the kernel itself says of programs, links and maps, by bpftool and ip: never by Weir."""
import json
import os
import subprocess

import pytest

BPFTOOL = "/usr/sbin/bpftool"


def release():
    """Of the kernel that runs, as (6, 18)."""
    return tuple(int(part) for part in os.uname().release.split(".")[:2])


BEHIND_XDP = pytest.mark.skipif(release() < (6, 6), reason="a program behind XDP by Linux 6.6")


def by_hook(rows):
    """Parameters, of which the hook comes first: what needs a program behind XDP is marked so."""
    return [pytest.param(row, marks=() if "tc" in (row, row[0]) else BEHIND_XDP) for row in rows]


def hooks(*names):
    return tuple(by_hook(names))


def has_module(name):
    """Whether the kernel has it; it is loaded by that."""
    return subprocess.run(["modprobe", "-q", name], check=False).returncode == 0


def bpftool(*words):
    done = subprocess.run([BPFTOOL, "--json", *map(str, words)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, f"bpftool {words}: {done.stdout} {done.stderr}"
    return json.loads(done.stdout) if done.stdout.strip() else None


def dump(path):
    """Keys and values of a pinned map, as bytes in hex."""
    return [(tuple(row["key"]), tuple(row["value"])) for row in bpftool(
        "map", "dump", "pinned", path)]


def link_ids(pin_dir):
    """{name of the pin: (id of the link, id of its program)}; clsact has filters and no links."""
    rows = {}
    for path in sorted((pin_dir / "links").iterdir()):
        if path.name.endswith("-clsact"):       # no link: the mark that the qdisc is ours
            continue
        row = bpftool("link", "show", "pinned", path)
        rows[path.name] = (row["id"], row["prog_id"])
    return rows


def map_ids(pin_dir):
    return {path.name: bpftool("map", "show", "pinned", path)["id"]
            for path in sorted((pin_dir / "maps").iterdir())}


def ids(kind):
    """Ids of all programs, maps or links there are."""
    return {row["id"] for row in bpftool(kind, "show") or []}


def links(namespace):
    """`ip -json -statistics link`, by name."""
    return {row["ifname"]: row
            for row in json.loads(namespace.run("ip", "-json", "-d", "-s", "link").stdout)}
