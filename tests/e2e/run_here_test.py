# SPDX-License-Identifier: Apache-2.0
"""tools/run-here, which `make run` is: it watches, and Ctrl-C leaves the machine as it was."""
import json
import os
import pathlib
import signal
import subprocess

import pytest

pytestmark = pytest.mark.outside

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD", TREE / "build"))
LIMIT_S = 60 * float(os.environ.get("WEIR_TEST_SLOWNESS", "1"))
PINS = pathlib.Path("/sys/fs/bpf")


@pytest.fixture
def namespace():
    name = f"weir-run-here-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        inside(name, "ip", "link", "add", "here", "type", "veth", "peer", "name", "there")
        inside(name, "ip", "link", "set", "here", "up")
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def inside(name, *command):
    return subprocess.run(["nsenter", f"--net=/run/netns/{name}", *command], check=True,
                          stdout=subprocess.PIPE, text=True).stdout


def start(name, interface):
    return subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{name}", TREE / "tools/run-here"], text=True,
        env=dict(os.environ, IFACE=interface, BUILD=BUILD.name), start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def read_until(process, wanted):
    text = ""
    for line in process.stdout:
        text += line
        if wanted in line:
            return text
    raise AssertionError(f"run-here ended without saying '{wanted}':\n{text}")


def test_interrupt_leaves_the_machine_as_it_was(namespace):
    before = {link["ifname"]: link for link in links(namespace)}
    process = start(namespace, "here")
    signal.alarm(int(LIMIT_S))
    try:
        text = read_until(process, "Ctrl-C here ends it")
        assert "Weir watches here and blocks nothing" in text
        assert (PINS / f"weir-run-{process.pid}").exists()
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=LIMIT_S)
    finally:
        signal.alarm(0)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(LIMIT_S)
    assert process.returncode == 0
    assert "nothing of it is left on here" in rest
    assert not (PINS / f"weir-run-{process.pid}").exists()
    assert list(pathlib.Path("/tmp").glob(f"weir-run-{process.pid}*")) == []
    assert {link["ifname"]: link for link in links(namespace)} == before
    assert "clsact" not in inside(namespace, "tc", "qdisc", "show", "dev", "here")


def links(name):
    return [{key: link.get(key) for key in ("ifname", "xdp", "qdisc", "mtu", "operstate")}
            for link in json.loads(inside(name, "ip", "-j", "-d", "link"))]


def test_interface_that_is_not_there_is_named(namespace):
    process = start(namespace, "nowhere")
    text, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1
    assert "there is no interface nowhere" in text and "here" in text
