# SPDX-License-Identifier: Apache-2.0
"""The log for other people's log systems: each line against the fields of the Elastic Common
Schema and against what was sent, none lost or torn, whatever becomes of the file."""
import datetime
import itertools
import json
import os
import pathlib
import signal
import stat
import subprocess

import pytest

from harness.daemon import Daemon
from harness.ecs import assert_ecs, member
from harness.frames import TCP, ether, ip
from harness.logged import config, idle, lines_of, of_kind, place, udp
from harness.wait import wait_for
from harness.wire import MARK, Wire

def tcp(remote, sport, dport):
    return ether() / ip(remote) / TCP(sport=sport, dport=dport, flags="S")


def rotated(path, keep=1000):
    """The files from the oldest to the newest."""
    numbers = [n for n in range(keep, 0, -1) if pathlib.Path(f"{path}.{n}").exists()]
    return [f"{path}.{n}" for n in numbers] + [str(path)]


@pytest.fixture
def logged(pair, tmp_path):
    with Daemon(pair.inside, config(tmp_path / "weir.json"), interfaces=[pair.wire]) as daemon, \
            Wire.inward(pair) as wire:
        yield daemon, wire, tmp_path / "weir.json"


def wait_lines(path, kind, count):
    def there():
        found = of_kind(lines_of(path), kind) if path.exists() else []
        return found if len(found) >= count else None
    return wait_for(there, f"{count} lines of {kind}")


def test_a_dropped_packet_is_a_line_with_what_was_sent(logged, pair):
    _, wire, path = logged
    before = datetime.datetime.now(datetime.timezone.utc)
    frames = [tcp("192.0.2.7", sport=4711, dport=22), udp("2001:db8:bad::7", sport=53, dport=999)]
    assert not any(wire.verdicts(frames))
    four, six = wait_lines(path, "drop", 2)
    after = datetime.datetime.now(datetime.timezone.utc)
    for line in four, six:
        assert_ecs(line)
        when = datetime.datetime.fromisoformat(line["@timestamp"].replace("Z", "+00:00"))
        assert before - datetime.timedelta(seconds=1) <= when <= after
        assert line["observer"]["ingress"]["interface"]["name"] == pair.wire
        assert line["event"]["type"] == ["connection", "denied"]
        assert line["event"]["reason"] == "drop_blocked"
        assert line["weir"]["drop"]["list"] == "bad"
        assert line["network"]["packets"] == 1
        assert line["weir"]["drop"]["sample"] == 1 and line["weir"]["drop"]["left_out"] == 0
    assert (four["source"], four["destination"]["port"]) == ({"ip": "192.0.2.7", "port": 4711}, 22)
    assert (four["network"]["transport"], four["network"]["type"]) == ("tcp", "ipv4")
    assert four["network"]["iana_number"] == "6"
    assert (six["source"], six["destination"]["port"]) == (
        {"ip": "2001:db8:bad::7", "port": 53}, 999)
    assert (six["network"]["transport"], six["network"]["type"]) == ("udp", "ipv6")
    assert six["event"]["sequence"] > four["event"]["sequence"]


def community_ids(frames, folder):
    """As Wireshark works them out."""
    from scapy.utils import wrpcap
    wrpcap(str(folder / "sent.pcap"), [bytes(frame) for frame in frames], linktype=1)
    done = subprocess.run(["tshark", "-r", folder / "sent.pcap", "--enable-protocol", "communityid",
                           "-T", "fields", "-e", "communityid"], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.decode().split()


def test_the_community_id_is_that_of_wireshark(logged, tmp_path):
    _, wire, path = logged
    frames = [tcp("192.0.2.7", sport=4711, dport=22), udp("192.0.2.200", sport=53, dport=53),
              udp("2001:db8:bad::7", sport=60000, dport=999),
              tcp("192.0.2.8", sport=1, dport=65535)]
    assert not any(wire.verdicts(frames))
    found = [line["network"]["community_id"] for line in wait_lines(path, "drop", 4)]
    wanted = community_ids(frames, tmp_path)
    assert len(set(wanted)) == 4 and found == wanted


def test_a_rule_that_logs_is_a_line_with_its_name(logged):
    _, wire, path = logged
    assert wire.passes(udp("198.51.100.9", sport=5, dport=7777))
    line, = wait_lines(path, "log", 1)
    assert_ecs(line)
    assert line["rule"]["name"] == "told"
    assert line["source"] == {"ip": "198.51.100.9", "port": 5}


def test_a_flow_that_ended_is_a_line_with_what_it_carried(pair, tmp_path):
    path = tmp_path / "weir.json"
    text = config(path, more=", kinds: [flow]") + "conntrack: {enabled: true, account: true}\n"
    with Daemon(pair.inside, text, interfaces=[pair.wire]) as daemon, Wire.inward(pair) as wire:
        frames = [udp("198.51.100.9", sport=5, dport=7)] * 3
        assert all(wire.verdicts(frames))
        size = sum(len(bytes(frame)) + len(MARK) + 4 for frame in frames)
        daemon.say("flow", "flush", "--all")
        line, = wait_lines(path, "flow", 1)
        assert_ecs(line)
        assert line["source"] == {"ip": "198.51.100.9", "port": 5, "packets": 3, "bytes": size}
        assert line["destination"] == {"ip": "198.18.0.1", "port": 7, "packets": 0, "bytes": 0}
        assert line["network"]["packets"] == 3 and line["network"]["bytes"] == size
        assert line["observer"]["ingress"]["interface"]["name"] == pair.wire
        assert line["event"]["type"] == ["connection", "end"]
        assert line["event"]["start"] <= line["event"]["end"] <= line["event"]["created"]
        assert line["network"]["community_id"] == community_ids(frames[:1], tmp_path)[0]


def test_changes_and_warnings_are_lines_with_who_did_it(logged):
    daemon, _, path = logged
    daemon.apply(config(path, sample=7))
    line = wait_lines(path, "change", 1)[-1]
    assert_ecs(line)
    assert line["event"]["action"] == "policy-changed"
    assert line["weir"]["change"]["what"] == "apply" and line["user"]["name"]
    assert line["weir"]["change"]["revision"] == daemon.status()["revision"]


def test_a_kind_that_is_not_asked_for_is_not_written(pair, tmp_path):
    path = tmp_path / "weir.json"
    text = config(path, more=", kinds: [change]")
    with Daemon(pair.inside, text, interfaces=[pair.wire]) as daemon, Wire.inward(pair) as wire:
        assert not wire.passes(udp("192.0.2.7"))
        daemon.apply(text)
        wait_lines(path, "change", 1)
        assert not of_kind(lines_of(path), "drop")


def test_what_the_data_path_left_out_is_said_in_the_next_line(pair, tmp_path):
    path = tmp_path / "weir.json"
    text = config(path, rate="10/s")
    with Daemon(pair.inside, text, interfaces=[pair.wire]) as daemon, Wire.inward(pair) as wire:
        assert not wire.passes(udp("192.0.2.1"))
        wait_lines(path, "drop", 1)
        assert not any(wire.verdicts([udp("192.0.2.7")] * 3000))

        def told():
            assert not wire.passes(udp("192.0.2.9"))
            events = daemon.status()["events"]["drop"]
            found = of_kind(lines_of(path), "drop")
            left_out = sum(line["weir"]["drop"]["left_out"] for line in found)
            return left_out > 2000 and len(found) == events["sent"] and (left_out, events)
        left_out, events = wait_for(told, "lines that say what was left out")
        assert left_out <= events["capped"] + events["lost"]


def lost_before(line):
    return line.get("weir", {}).get("log", {}).get("lost", 0)


def test_every_line_is_there_once_over_many_rotations(pair, tmp_path):
    path = tmp_path / "weir.json"
    text = config(path, size="64KiB", keep=1000)
    with Daemon(pair.inside, text, interfaces=[pair.wire]) as daemon, Wire.inward(pair) as wire:
        for _ in range(4):
            assert not any(wire.verdicts([udp("192.0.2.7")] * 2000))
        events = daemon.status()["events"]["drop"]
        wait_for(lambda: daemon.status()["events"]["drop"]["sent"] == events["sent"], "silence")
        now = wait_for(lambda: (lambda at: at if at["written"] + at["lost"] >= events["sent"]
                                and not at["waiting"] else None)(place(daemon)), "all is written")
        files = rotated(path)
        lines = lines_of(*files)
        assert len(of_kind(lines, "drop")) + now["lost_by_kind"].get("drop", 0) == events["sent"]
        numbers = [line["event"]["sequence"] for line in lines]
        assert numbers == sorted(set(numbers))
        assert len(numbers) + now["lost"] == max(numbers)
        assert len(files) - 1 == now["rotated"] > 20
        assert all(os.path.getsize(file) <= 65536 for file in files)


def test_no_more_old_files_are_kept_than_asked_for(pair, tmp_path):
    path = tmp_path / "weir.json"
    text = config(path, size="16KiB", keep=2)
    with Daemon(pair.inside, text, interfaces=[pair.wire]) as daemon, Wire.inward(pair) as wire:
        assert not any(wire.verdicts([udp("192.0.2.7")] * 500))
        wait_for(lambda: place(daemon)["rotated"] > 5, "rotations")
        idle(daemon)
        assert sorted(os.listdir(tmp_path)) == ["weir.json", "weir.json.1", "weir.json.2"]
        lines = lines_of(*rotated(path))
        for before, line in itertools.pairwise(lines):      # a busy machine loses some, and says so
            assert line["event"]["sequence"] == before["event"]["sequence"] + 1 + lost_before(line)


def test_old_files_that_a_larger_keep_left_are_removed(pair, tmp_path):
    path = tmp_path / "weir.json"
    text = config(path, size="16KiB", keep=4)
    with Daemon(pair.inside, text, interfaces=[pair.wire]) as daemon, Wire.inward(pair) as wire:
        assert not any(wire.verdicts([udp("192.0.2.7")] * 500))
        wait_for(lambda: len(os.listdir(tmp_path)) == 5, "four old files")
        (tmp_path / "weir.json.old").write_text("somebody's")
        daemon.apply(config(path, size="16KiB", keep=1))
        assert not any(wire.verdicts([udp("192.0.2.7")] * 200))
        wait_for(lambda: sorted(os.listdir(tmp_path)) == ["weir.json", "weir.json.1",
                                                          "weir.json.old"], "one old file")


def test_a_file_that_was_moved_or_removed_is_made_anew(logged):
    daemon, wire, path = logged
    assert not wire.passes(udp("192.0.2.7"))
    wait_lines(path, "drop", 1)
    path.rename(path.with_name("moved"))
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(path.exists, "the file is there again, without an event")
    assert not wire.passes(udp("192.0.2.8"))
    assert wait_lines(path, "drop", 1)[0]["source"]["ip"] == "192.0.2.8"
    path.unlink()
    assert not wire.passes(udp("192.0.2.9"))
    assert wait_lines(path, "drop", 1)[0]["source"]["ip"] == "192.0.2.9"
    assert not of_kind(lines_of(path.with_name("moved")), "drop")[1:]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_new_file_in_the_place_of_the_old_is_the_one_that_is_written(logged):
    """As logrotate's `create` does it, without a signal."""
    _, wire, path = logged
    assert not wire.passes(udp("192.0.2.7"))
    wait_lines(path, "drop", 1)
    moved = path.with_name("moved")
    path.rename(moved)
    path.touch()
    before = moved.read_text()
    assert not wire.passes(udp("192.0.2.8"))
    assert wait_lines(path, "drop", 1)[0]["source"]["ip"] == "192.0.2.8"
    assert moved.read_text() == before


def test_a_cut_file_goes_on_from_its_start(logged):
    _, wire, path = logged
    assert not wire.passes(udp("192.0.2.7"))
    wait_lines(path, "drop", 1)
    os.truncate(path, 0)
    assert not wire.passes(udp("192.0.2.8"))
    assert wait_lines(path, "drop", 1)[0]["source"]["ip"] == "192.0.2.8"


def test_half_a_line_of_a_daemon_that_was_killed_spoils_no_other(pair, tmp_path):
    path = tmp_path / "weir.json"
    with Daemon(pair.inside, config(path), interfaces=[pair.wire]) as daemon, \
            Wire.inward(pair) as wire:
        assert not wire.passes(udp("192.0.2.7"))
        wait_lines(path, "drop", 1)
        daemon.kill()
        with path.open("a") as file:
            file.write('{"@timestamp":"20')
        daemon.start()
        assert not wire.passes(udp("192.0.2.8"))

        def whole():
            text = path.read_text()
            last = text.splitlines()[-1]
            return last if text.endswith("\n") and "192.0.2.8" in last else None
        assert_ecs(json.loads(wait_for(whole, "the line after the restart")))
        bad = [line for line in path.read_text().splitlines() if not line.endswith("}")]
        assert bad == ['{"@timestamp":"20']


def test_what_waits_at_a_stop_is_written(pair, tmp_path):
    folder = tmp_path / "away"
    folder.write_text("where a folder should be")
    path = folder / "weir.json"
    with Daemon(pair.inside, config(path), interfaces=[pair.wire]) as daemon, \
            Wire.inward(pair) as wire:
        assert not any(wire.verdicts([udp("192.0.2.7")] * 300))
        wait_for(lambda: place(daemon)["waiting"] >= 300, "300 events wait")
        folder.unlink()
        daemon.stop()
        assert len(of_kind(lines_of(path), "drop")) == 300


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_costs_no_line_that_finds_room_in_the_queue(pair, small_disk):
    path, ballast = small_disk / "weir.json", small_disk / "ballast"
    with Daemon(pair.inside, config(path), interfaces=[pair.wire]) as daemon, \
            Wire.inward(pair) as wire:
        assert not wire.passes(udp("192.0.2.7"))
        wait_lines(path, "drop", 1)
        with pytest.raises(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 512)
        assert not any(wire.verdicts([udp("192.0.2.7")] * 30))
        wait_for(lambda: "No space left" in place(daemon).get("problem", ""), "it says so")
        checks = {row["check"]: row for row in json.loads(
            daemon.verb("doctor", "--json", "--pin-dir", daemon.pin_dir).stdout)["checks"]}
        assert checks["log file"]["level"] == "warning"
        assert "No space left" in checks["log file"]["found"]
        assert wait_for(lambda: daemon.log().count("cannot be written"), "a warning") == 1
        lines_of(path)                  # none is torn meanwhile
        ballast.unlink()
        wait_for(lambda: "problem" not in place(daemon), "it goes on by itself")
        assert idle(daemon)["lost"] == 0
        assert len(of_kind(lines_of(path), "drop")) == 31
        wait_for(lambda: "log to file: it goes on" in daemon.log(), "the end is told")
        assert daemon.log().count("cannot be written") == 1


def test_what_finds_no_room_is_counted_by_kind_and_the_next_line_says_so(pair, tmp_path):
    folder = tmp_path / "away"
    folder.write_text("where a folder should be")
    path = folder / "weir.json"
    with Daemon(pair.inside, config(path), interfaces=[pair.wire]) as daemon, \
            Wire.inward(pair) as wire:
        wait_for(lambda: "Not a directory" in place(daemon).get("problem", ""), "it says so")

        def overflows():
            assert not any(wire.verdicts([udp("192.0.2.7")] * 3000))
            return place(daemon)["lost"] > 1000
        wait_for(overflows, "the queue is full", 60)
        assert place(daemon)["waiting_bytes"] <= 4 << 20
        daemon.apply(config(path))       # nothing else is kept from its work
        folder.unlink()
        wait_for(lambda: "problem" not in place(daemon), "it goes on by itself")
        assert not wire.passes(udp("192.0.2.8"))
        now = idle(daemon)
        sent = daemon.status()["events"]["drop"]["sent"]
        wait_for(lambda: len(of_kind(lines_of(path), "drop")) +
                 place(daemon)["lost_by_kind"]["drop"] == sent, "each is written or counted")
        lines = lines_of(path)
        gaps = sum(map(lost_before, lines))
        assert gaps == now["lost"]
        assert len(lines) + now["lost"] == lines[-1]["event"]["sequence"]


def test_a_reload_moves_the_log_and_loses_nothing(logged, tmp_path):
    daemon, wire, path = logged
    other = tmp_path / "other" / "weir.json"
    assert not any(wire.verdicts([udp("192.0.2.7")] * 50))
    wait_for(lambda: daemon.status()["events"]["drop"]["sent"] == 50, "50 events")
    daemon.apply(config(other))
    assert not any(wire.verdicts([udp("192.0.2.8")] * 50))
    wait_for(lambda: other.exists() and
             len(of_kind(lines_of(path) + lines_of(other), "drop")) == 100, "100 lines")
    daemon.apply("api: {listen: off}\n")
    wait_for(lambda: not place(daemon)["on"], "it is off")
    assert not place(daemon)["lost"]
