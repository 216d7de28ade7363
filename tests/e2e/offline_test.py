# SPDX-License-Identifier: Apache-2.0
"""What Weir says and undoes with no daemon, and what the doctor finds, with real programs."""
import ctypes
import json
import os
import shutil
import struct
import time

import pytest

from harness.daemon import BPFFS, BUILD, WEIR, Daemon
from harness.net import Namespace, unique
from harness.stranger import bpf, pin_foreign_program
from harness.wait import SLOWNESS, wait_for

BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"
PROG_QUERY = 16
TCX = (46, 47)
HAS_TCX = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 6)
TC = "tcx" if HAS_TCX else "clsact"
WAYS = ("ingress", "egress")
OUR_FILTER = ["handle", "0x7765", "pref", "119"]
CONFIG = """
interfaces:
  - {name: left, hook: xdp, egress: true}
  - {name: right, hook: tc}
api: {listen: "off"}
"""


def query_tcx(ifindex, attach_type):
    ids = (ctypes.c_uint32 * 16)()
    query = struct.pack("<IIIIQII", ifindex, attach_type, 0, 0, ctypes.addressof(ids), 16, 0)
    attributes = ctypes.create_string_buffer(query, 128)  # newer kernels write further members
    bpf(PROG_QUERY, attributes)
    return ids[:struct.unpack_from("<I", attributes.raw, 24)[0]]


class Place:
    """A namespace with the veth pair left and right, a daemon for it, and pins of others."""

    def __init__(self):
        self.namespace = Namespace("offline")
        self.daemon = Daemon(self.namespace, CONFIG, label="offline")
        self.pins = self.daemon.pin_dir
        self.others = BPFFS / unique("others")
        self.others.mkdir()
        self.ip("link", "add", "left", "type", "veth", "peer", "name", "right")
        self.ip("link", "set", "left", "up")
        self.ip("link", "set", "right", "up")
        # The kernel takes a while to say that there is a carrier.
        wait_for(lambda: self.ip("-br", "link").count(" UP ") == 2, "both ends are up")

    def close(self):
        self.daemon.close()
        self.namespace.delete()
        shutil.rmtree(self.others, ignore_errors=True)

    def run(self, *words, check=True):
        return self.namespace.run(*words, check=check, timeout=60 * SLOWNESS)

    def ip(self, *words):
        return self.run("ip", *words).stdout

    def tc(self, *words):
        return self.run("tc", *words).stdout

    def status(self):
        return json.loads(self.run(WEIR, "status", "--socket", self.daemon.socket, "--pin-dir",
                                   self.pins, "--json").stdout)

    def cleanup(self):
        return json.loads(self.run(WEIR, "cleanup", "--force", "--pin-dir", self.pins, "--run-dir",
                                   self.daemon.run_dir, "--json").stdout)

    def doctor(self):
        return checks(self.run(WEIR, "doctor", "--pin-dir", self.pins, "--json", check=False))

    def attached_tcx(self, links):
        with self.namespace.entered():
            return [program for link in links for way in TCX
                    for program in query_tcx(link["ifindex"], way)]

    def attached(self):
        """Ids of all programs on devices of the namespace: XDP, TCX and clsact."""
        links = json.loads(self.ip("-j", "link"))
        filters = [row for link in links for way in WAYS for row in
                   json.loads(self.tc("-j", "filter", "show", "dev", link["ifname"], way) or "[]")]
        return sorted([link["xdp"]["prog"]["id"] for link in links if "xdp" in link] +
                      [row["options"]["prog"]["id"] for row in filters if "prog" in
                       row.get("options", {})] +
                      (self.attached_tcx(links) if HAS_TCX else []))

    def load_ours(self):
        """Weir's programs without a daemon, for what this kernel would not use by itself."""
        self.run(BPFTOOL, "prog", "loadall", BUILD / "bpf/main.o", self.others / "programs")


@pytest.fixture
def place():
    made = Place()
    yield made
    made.close()


# --- status ---------------------------------------------------------------------------------------

def test_status_with_nothing_pinned_says_so(place):
    done = place.run(WEIR, "status", "--socket", place.daemon.socket, "--pin-dir", place.pins,
                     check=False)
    assert done.returncode == 3
    assert "nothing is pinned" in done.stdout + done.stderr


def test_status_after_kill_tells_hooks_and_counters(place):
    place.daemon.start()
    place.ip("addr", "add", "10.77.0.1/24", "dev", "left")
    place.ip("neigh", "add", "10.77.0.2", "lladdr", "02:00:00:00:00:02", "dev", "left")
    for address in ("192.0.2.1", "2001:db8::/32"):
        place.daemon.say("block", "add", address)
    place.daemon.kill()
    before = place.status()
    # Nobody answers: the packets only leave.
    place.run("ping", "-c", "5", "-i", "0.05", "-W", "1", "10.77.0.2", check=False)
    after = place.status()
    assert after["daemon"] is False
    assert {(row["name"], row["mode"], row["egress"]) for row in after["interfaces"]} == {
        ("left", "xdp native", TC), ("right", TC, "off")}

    def left(status):
        return sum(row["egress_counts"]["pass_packets"] for row in status["interfaces"]
                   if row["name"] == "left")
    assert left(after) - left(before) >= 5
    assert [row["entries"] for row in after["sets"] if row["name"] == "set_block"] == [2]
    assert after["revision"] >= 2


def test_status_tells_a_detached_program(place):
    place.daemon.start()
    place.daemon.kill()
    (place.pins / "links" / f"{place.namespace.ifindex('left')}-xdp").unlink()
    modes = {row["name"]: row["mode"] for row in place.status()["interfaces"]}
    assert modes == {"left": "detached", "right": TC}


def test_status_of_another_layout_tells_it_and_reads_no_counters(place):
    place.daemon.start()
    place.daemon.kill()
    value = [*[0] * 8, 99, *[0] * 15]  # word, layout, until when it settles
    place.run(BPFTOOL, "map", "update", "pinned", place.pins / "maps/cfg_live", "key", *[0] * 4,
              "value", *value)
    status = place.status()
    assert status["layout"] == 99
    assert "another version" in status["note"]
    assert "interfaces" not in status


# --- cleanup --------------------------------------------------------------------------------------

def test_cleanup_after_kill_leaves_nothing(place):
    place.daemon.start()
    place.daemon.kill()
    assert len(place.attached()) == 3
    answer = place.cleanup()
    assert answer["daemon"] is False and answer["failed"] == []
    assert place.attached() == []
    assert not place.pins.exists()
    assert not place.daemon.socket.exists()


def test_cleanup_a_second_time_finds_nothing(place):
    place.daemon.start()
    place.daemon.kill()
    place.cleanup()
    answer = place.cleanup()
    assert answer["removed"] == [] and answer["failed"] == []


def test_cleanup_beside_a_daemon_detaches_and_says_it_runs(place):
    place.daemon.start()
    answer = place.cleanup()
    assert answer["daemon"] is True
    assert place.attached() == []
    assert place.daemon.process.poll() is None
    assert place.daemon.socket.exists()


def test_cleanup_takes_pins_of_an_interrupted_replacement(place):
    place.daemon.start()
    place.daemon.kill()
    (place.pins / "maps/ctr_hit").rename(place.pins / "maps/ctr_hit-new")
    (place.pins / "policy/1").rename(place.pins / "policy/1-new")
    place.cleanup()
    assert not place.pins.exists()


def test_cleanup_leaves_pins_of_others(place):
    place.daemon.start()
    place.daemon.kill()
    for folder in ("maps", "links", "policy"):
        pin_foreign_program(place.pins / folder / "stranger")
    place.cleanup()
    assert sorted(str(path.relative_to(place.pins)) for path in place.pins.rglob("*")
                  if not path.is_dir()) == ["links/stranger", "maps/stranger", "policy/stranger"]


def test_cleanup_leaves_programs_of_others(place):
    pin_foreign_program(place.others / "stranger")
    place.ip("link", "set", "dev", "left", "xdpgeneric", "pinned", place.others / "stranger")
    foreign = place.attached()
    assert len(foreign) == 1
    place.cleanup()
    assert place.attached() == foreign


def test_cleanup_refuses_a_place_that_holds_no_pins(place, tmp_path):
    ordinary = tmp_path / "ordinary"
    (ordinary / "maps").mkdir(parents=True)
    (ordinary / "maps/cfg_live").write_text("a file of somebody")
    done = place.run(WEIR, "cleanup", "--force", "--pin-dir", ordinary, check=False)
    assert done.returncode == 1
    assert (ordinary / "maps/cfg_live").exists()


def clsact(place, *, pinned=True):
    """Our filter as on kernels without TCX, and the pin that says the qdisc is ours."""
    place.load_ours()
    place.tc("qdisc", "add", "dev", "left", "clsact")
    place.tc("filter", "add", "dev", "left", "ingress", *OUR_FILTER, "bpf", "da", "pinned",
             place.others / "programs/weir_tc_in")
    if pinned:
        (place.pins / "links").mkdir(parents=True)
        pin_foreign_program(place.pins / "links" / f"{place.namespace.ifindex('left')}-clsact")


def test_cleanup_takes_our_filter_and_our_qdisc(place):
    clsact(place)
    answer = place.cleanup()
    assert answer["removed"][:2] == ["clsact filter of left (in)", "clsact qdisc of left"]
    assert "clsact" not in place.tc("qdisc", "show", "dev", "left")


def test_cleanup_leaves_a_qdisc_that_was_there_before(place):
    clsact(place, pinned=False)
    place.cleanup()
    assert "clsact" in place.tc("qdisc", "show", "dev", "left")
    assert place.tc("filter", "show", "dev", "left", "ingress") == ""


def test_cleanup_leaves_our_qdisc_when_others_use_it(place):
    clsact(place)
    place.tc("filter", "add", "dev", "left", "egress", "handle", "1", "pref", "7", "bpf", "da",
             "pinned", place.others / "programs/weir_tc_out")
    place.cleanup()
    assert place.tc("filter", "show", "dev", "left", "ingress") == ""
    assert "weir_tc_out" in place.tc("filter", "show", "dev", "left", "egress")


# --- doctor ---------------------------------------------------------------------------------------

def checks(done):
    return {check["check"]: check for check in json.loads(done.stdout)["checks"]}


def test_doctor_as_root_tries_every_hook(place):
    found = place.doctor()
    assert {"kernel", "capabilities", "bpffs", "packet programs", "xdp native", "xdp generic",
            "tcx", "clsact", "ring buffer", "test run"} <= found.keys()
    for check in found.values():
        assert check["ok"] == (check["level"] == "ok")
        assert check["found"]
    faults = [check for check in found.values() if check["level"] == "error"]
    assert faults == []


def test_doctor_leaves_devices_as_they_are(place):
    before = place.ip("-d", "link")
    place.doctor()
    assert place.ip("-d", "link") == before
    assert not place.pins.exists()


def test_doctor_names_a_foreign_program(place):
    pin_foreign_program(place.others / "stranger")
    place.ip("link", "set", "dev", "left", "xdpgeneric", "pinned", place.others / "stranger")
    found = place.doctor()["xdp on left"]
    assert found["level"] == "warning"
    assert f"{place.attached()[0]} (stranger)" in found["found"]
    assert found["mend"].startswith("ip link set dev left xdp off")


def test_doctor_does_not_take_ours_for_foreign(place):
    place.daemon.start()
    found = place.doctor()
    assert "xdp on left" not in found
    assert found["foreign tc"]["found"] == "none"


def test_doctor_says_nothing_of_checksums_that_veths_leave_to_devices(place):
    """As each does by itself; whatever they are watched with, they lose nothing by it."""
    def told():
        return {name: row["mend"] for name, row in place.doctor().items()}

    assert "tx-checksum-ip-generic: on" in place.run("ethtool", "-k", "left").stdout
    before = told()
    for end in ("left", "right"):
        place.run("ethtool", "-K", end, "tx", "off")
    assert told() == before


def test_doctor_without_capabilities_names_them(place):
    done = place.run("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                     "--inh-caps=-all", WEIR, "doctor", "--json", check=False)
    assert done.returncode == 1
    found = checks(done)
    assert found["capabilities"]["level"] == "error"
    for name in ("CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON", "CAP_NET_RAW"):
        assert name in found["capabilities"]["found"]
    assert found["hooks"]["found"].startswith("not checked")


def test_doctor_mounts_a_missing_bpffs(place):
    script = 'umount -a -t bpf; "$0" doctor --json; findmnt -n -o FSTYPE /sys/fs/bpf'
    done = place.run("unshare", "--mount", "sh", "-c", script, WEIR, check=False)
    text, mounted = done.stdout.rstrip().rsplit("\n", 1)
    found = {check["check"]: check for check in json.loads(text)["checks"]}
    assert "it is now" in found["bpffs"]["found"]
    assert mounted == "bpf"


@pytest.mark.alone
def test_doctor_answers_within_three_seconds(place):
    start = time.monotonic()
    place.doctor()
    assert time.monotonic() - start < 3 * SLOWNESS
