# SPDX-License-Identifier: Apache-2.0
"""A log whose path becomes unwritable while it is written: what finds no room in the queue is
counted, and told where people and machines look; the rest is written when that is over."""
import re
import shutil
import subprocess

import pytest

from harness.account import metrics
from harness.daemon import Daemon
from harness.logged import config, idle, lines_of, of_kind, place, udp
from harness.wait import wait_for
from harness.wire import Wire

BURST, MOST_BYTES = 3000, 4 << 20


class Full:
    """Of a disk so small that ballast fills it."""
    says = "No space left on device"

    def __init__(self, home):
        self.folder = home / "disk"
        self.folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", self.folder], check=True)

    def begin(self):
        with pytest.raises(OSError), (self.folder / "ballast").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 512)

    def end(self):
        (self.folder / "ballast").unlink()

    def close(self):
        subprocess.run(["umount", "-l", self.folder], check=True)


class ReadOnly:
    """Something that may not be written is mounted over it."""
    says = "Read-only file system"

    def __init__(self, home):
        self.folder, self.is_over = home / "under", True
        self.folder.mkdir()

    def begin(self):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", self.folder], check=True)
        self.is_over = False

    def end(self):
        subprocess.run(["umount", "-l", self.folder], check=True)
        self.is_over = True

    def close(self):
        if not self.is_over:
            self.end()


class Gone:
    """Its folder is removed, and the one above: that is nobody's to make."""
    says = "No such file or directory"

    def __init__(self, home):
        self.above = home / "above"
        self.folder = self.above / "folder"
        self.folder.mkdir(parents=True)

    def begin(self):
        shutil.move(self.above, self.above.with_name("away"))

    def end(self):
        shutil.move(self.above.with_name("away"), self.above)

    def close(self):
        pass


@pytest.fixture(params=[Full, ReadOnly, Gone])
def trouble(request, tmp_path):
    made = request.param(tmp_path)
    yield made
    made.close()


def lost_by_metrics(daemon):
    return int(float(re.search(r'^weir_log_lost_total\{to="file"\} (\S+)$', metrics(daemon),
                               re.M)[1]))


def drops_sent(daemon):
    return daemon.status()["events"]["drop"]["sent"]


def lost_drops(daemon):
    """Of a busy machine lines of other kinds may be lost with them."""
    return place(daemon)["lost_by_kind"].get("drop", 0)


def flood(wire):
    assert not any(wire.verdicts([udp("192.0.2.7")] * BURST))


def test_nothing_is_lost_silently_and_it_goes_on(pair, trouble):
    path = trouble.folder / "weir.json"
    with Daemon(pair.inside, config(path), interfaces=[pair.wire]) as daemon, \
            Wire.inward(pair) as wire:
        assert not any(wire.verdicts([udp("192.0.2.7")] * 20))
        wait_for(lambda: path.exists() and len(of_kind(lines_of(path), "drop")) == 20, "20 lines")
        trouble.begin()

        def overflows():
            flood(wire)
            return place(daemon)["lost"] > 1000
        wait_for(overflows, "the queue is full", 60)
        now = place(daemon)
        assert trouble.says in now["problem"] and now["waiting_bytes"] <= MOST_BYTES
        wait_for(lambda: trouble.says in daemon.log(), "a warning names it", 60)
        wait_for(lambda: lost_by_metrics(daemon) >= now["lost"], "metrics have what is lost",
                 60)
        trouble.end()
        wait_for(lambda: "problem" not in place(daemon), "it goes on by itself", 60)
        assert not wire.passes(udp("192.0.2.8"))
        wait_for(lambda: len(of_kind(lines_of(path, is_written=True), "drop")) +
                 lost_drops(daemon) == drops_sent(daemon), "each is written or counted", 60)
        now, lines = idle(daemon), lines_of(path)
        assert now["lost"] == sum(now["lost_by_kind"].values()) == sum(
            line.get("weir", {}).get("log", {}).get("lost", 0) for line in lines)
        assert len(lines) + now["lost"] == lines[-1]["event"]["sequence"]
        told = wait_for(lambda: re.search(r"it goes on; (\d+) lines were lost", daemon.log()),
                        "the end is told")
        assert int(told[1]) == now["lost"]
        wait_for(lambda: lost_by_metrics(daemon) == now["lost"], "metrics have all that was lost")


def test_a_stop_says_how_many_lines_went_with_it(pair, tmp_path):
    trouble = Gone(tmp_path)
    path = trouble.folder / "weir.json"
    with Daemon(pair.inside, config(path), interfaces=[pair.wire]) as daemon, \
            Wire.inward(pair) as wire:
        assert not wire.passes(udp("192.0.2.7"))
        wait_for(lambda: path.exists() and of_kind(lines_of(path), "drop"), "a line")
        trouble.begin()
        assert not any(wire.verdicts([udp("192.0.2.7")] * 300))
        wait_for(lambda: place(daemon)["waiting"] >= 300 and
                 "cannot be opened" in daemon.log(), "300 wait")
        waiting = place(daemon)["waiting"]
        daemon.stop()
        told = re.search(r"log to file: (\d+) lines that waited are lost", daemon.log())
        assert told and int(told[1]) >= waiting
