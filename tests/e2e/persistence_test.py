# SPDX-License-Identifier: Apache-2.0
"""What is kept on disk: a full one loses nothing, a damaged file is kept aside and named."""
import json
import pathlib
import subprocess
import tempfile

import pytest

from harness.daemon import Refused
from harness.frames import udp
from harness.net import unique
from harness.wait import wait_for

pytestmark = pytest.mark.outside


@pytest.fixture
def small_disk():
    """A file system of 256 KiB, and a way to fill it."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=unique("disk") + "-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", path], check=True)

    def fill():
        with open(path / "ballast", "wb", buffering=0) as ballast:
            for size in (4096, 1):
                try:
                    while True:
                        ballast.write(b"x" * size)
                except OSError:
                    pass
    try:
        yield path, fill
    finally:
        subprocess.run(["umount", "-l", path], check=True)
        path.rmdir()


def test_full_disk_refuses_changes_and_loses_nothing(weir_daemon, pair, wire, small_disk):
    path, fill = small_disk
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire], state=path / "state")
    daemon.say("block", "add", "192.0.2.1", "--note", "kept")
    daemon.say("block", "import", "-", "--list", "feed", text="198.51.100.0/24\n")
    files = {file.name: file.read_bytes() for file in daemon.state.iterdir()}
    fill()
    for words, text in ((["block", "add", "192.0.2.2"], None),
                        (["block", "add", "192.0.2.3", "--ttl", "1h"], None),
                        (["block", "del", "192.0.2.1"], None),
                        (["block", "clear"], None),
                        (["block", "import", "-", "--list", "more"], "203.0.113.0/24\n"),
                        (["block", "import", "-", "--list", "feed", "--replace"], "192.0.2.9\n")):
        with pytest.raises(Refused) as refused:
            daemon.say(*words, text=text)
        assert "space" in refused.value.said, words
    frames = [udp(address) for address in ("192.0.2.1", "198.51.100.1", "192.0.2.2", "192.0.2.3",
                                           "203.0.113.1", "192.0.2.9")]
    wanted = [False, False, True, True, True, True]
    assert wire.verdicts(frames) == wanted
    for name, content in files.items():
        assert (daemon.state / name).read_bytes() == content, name
    daemon.kill()
    daemon.start()
    assert wire.verdicts(frames) == wanted
    (path / "ballast").unlink()
    daemon.say("block", "add", "192.0.2.2")
    assert wire.verdicts(frames) == [False, False, False, True, True, True]


def test_full_disk_refuses_a_policy(weir_daemon, pair, wire, small_disk):
    path, fill = small_disk
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire], state=path / "state")
    fill()
    with pytest.raises(Refused) as refused:
        daemon.apply("api: {listen: off}\n"
                     "block: {lists: [{name: l, action: deny, entries: [192.0.2.0/24]}]}\n")
    assert "space" in refused.value.said
    assert wire.passes(udp("192.0.2.7"))


@pytest.mark.parametrize("damage", [b"", b"{", b"\0" * 100, b'{"version":99}', b"[]", None],
                         ids=["empty", "open", "zeros", "version", "array", "cut"])
def test_damaged_list_is_kept_aside_named_and_the_rest_is_loaded(daemon, wire, damage):
    daemon.say("block", "import", "-", "--list", "broken", text="192.0.2.0/24\n")
    daemon.say("block", "import", "-", "--list", "whole", text="198.51.100.0/24\n")
    daemon.say("allow", "add", "203.0.113.7")
    daemon.stop()
    path = daemon.state / "block-broken.json"
    content = path.read_bytes()
    damaged = content[:len(content) // 2] if damage is None else damage
    path.write_bytes(damaged)
    daemon.start()
    assert {row["name"] for row in daemon.ask("block", "lists")["lists"] if row["v4"]} == {"whole"}
    assert [row["entry"] for row in daemon.entries("allow")] == ["203.0.113.7"]
    assert wire.verdicts([udp("192.0.2.1"), udp("198.51.100.1")]) == [True, False]
    assert "block-broken.json" in daemon.log()
    aside = [file for file in daemon.state.iterdir()
             if file.name != path.name and "broken" in file.name]
    assert len(aside) == 1 and aside[0].read_bytes() == damaged
    assert aside[0].name in daemon.log()


@pytest.mark.parametrize("name", ["block.json", "policy.json", "tokens.json"])
def test_any_damaged_file_is_kept_aside_and_the_daemon_starts(daemon, wire, name):
    daemon.apply("api: {listen: off}\n"
                 "block: {lists: [{name: l, action: deny, entries: [192.0.2.0/24]}]}\n")
    daemon.say("block", "add", "198.51.100.1")
    daemon.stop()
    path = daemon.state / name
    path.write_bytes(b"{ this is no JSON")
    daemon.start()
    assert name in daemon.log()
    assert [file for file in daemon.state.iterdir() if file.name.startswith(name)
            and file.read_bytes() == b"{ this is no JSON"], "kept aside"
    assert not wire.passes(udp("198.51.100.1")), "what is in other files is loaded"
    if path.exists():
        json.loads(path.read_text())


def test_refused_file_leaves_the_policy_of_before_and_a_line_a_problem(daemon, wire):
    daemon.apply("api: {listen: off}\n"
                 "block: {lists: [{name: l, action: deny, entries: [192.0.2.0/24]}]}\n")
    daemon.stop()
    daemon.config.write_text("conntrack: {capacity: -3, half-open: many}\n")
    daemon.start()
    lines = [line for line in daemon.log().splitlines() if "weir.yaml" in line]
    assert [line for line in lines if ":1:23: conntrack.capacity: " in line]
    assert [line for line in lines if ":1:38: conntrack.half-open: " in line]
    assert "the policy applied last goes on; mend it, then weir apply FILE" in daemon.log()
    assert "\\x0a" not in daemon.log()
    assert not wire.passes(udp("192.0.2.1"))


@pytest.mark.parametrize("kept", (0, 21), ids=("whole", "tail"))
def test_a_file_full_of_zeros_is_refused_and_not_empty(daemon, wire, kept):
    """As a power cut leaves one that was just saved."""
    text = ("api: {listen: off}\n"
            "block: {lists: [{name: l, action: deny, entries: [192.0.2.0/24]}]}\n")
    daemon.apply(text)
    daemon.stop()
    daemon.config.write_bytes(text.encode()[:kept].ljust(len(text), b"\0"))
    daemon.start()
    assert "weir.yaml: it has a NUL byte in it" in daemon.log()
    assert "the policy applied last goes on; mend it, then weir apply FILE" in daemon.log()
    assert not wire.passes(udp("192.0.2.1"))


def test_state_is_for_the_daemon_alone(daemon):
    daemon.say("block", "add", "192.0.2.1")
    assert (daemon.state / "tokens.json").stat().st_mode & 0o077 == 0
    assert daemon.state.stat().st_mode & 0o022 == 0


def test_state_directory_that_cannot_be_written_is_said_at_start(weir_daemon, pair, tmp_path):
    (tmp_path / "file").write_text("")
    daemon = weir_daemon(pair.inside, state=tmp_path / "file" / "state", start=False).launch()
    assert daemon.process.wait(20) != 0
    assert str(tmp_path / "file") in daemon.log()
    wait_for(lambda: not daemon.socket.exists(), "no socket is left")
