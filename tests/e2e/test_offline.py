# SPDX-License-Identifier: Apache-2.0
"""What Weir says and undoes with no daemon, and what the doctor finds, with real programs."""
import ctypes
import itertools
import json
import os
import pathlib
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import time

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD", TREE / "build"))
WEIR = BUILD / "weir"
BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"
SLOWNESS = float(os.environ.get("WEIR_TEST_SLOWNESS", "1"))
NR_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
PROG_LOAD, OBJ_PIN, PROG_QUERY = 5, 6, 16
XDP, XDP_PASS = 6, 2
TCX = (46, 47)
CLONE_NEWNET = 0x40000000
OUR_FILTER = ["handle", "0x7765", "pref", "119"]
CONFIG = """
interfaces:
  - {name: left, hook: xdp, egress: true}
  - {name: right, hook: tc}
api: {listen: "off"}
"""
numbers = itertools.count()
libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    result = libc.syscall(NR_BPF, command, attributes, len(attributes))
    assert result >= 0, os.strerror(ctypes.get_errno())
    return result


def pin_foreign_program(path):
    """A program that passes every packet, by hand, so that it is certainly not Weir's."""
    code = struct.pack("<BBhiBBhi", 0xb7, 0, 0, XDP_PASS, 0x95, 0, 0, 0)  # r0 = pass; exit
    insns = ctypes.create_string_buffer(code)
    licence = ctypes.create_string_buffer(b"GPL")
    load = struct.pack("<IIQQIIQII16s", XDP, 2, ctypes.addressof(insns),
                       ctypes.addressof(licence), 0, 0, 0, 0, 0, b"stranger")
    program = bpf(PROG_LOAD, ctypes.create_string_buffer(load, len(load)))
    name = ctypes.create_string_buffer(str(path).encode())
    pin = struct.pack("<QI", ctypes.addressof(name), program)
    bpf(OBJ_PIN, ctypes.create_string_buffer(pin, len(pin)))
    os.close(program)


def query_tcx(ifindex, attach_type):
    ids = (ctypes.c_uint32 * 16)()
    query = struct.pack("<IIIIQII", ifindex, attach_type, 0, 0, ctypes.addressof(ids), 16, 0)
    attributes = ctypes.create_string_buffer(query, 128)  # newer kernels write further members
    bpf(PROG_QUERY, attributes)
    return ids[:struct.unpack_from("<I", attributes.raw, 24)[0]]


class Place:
    """A namespace with the veth pair left and right, and the directories of one Weir."""

    def __init__(self):
        self.name = f"weir-off-{os.getpid()}-{next(numbers)}"
        self.home = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        self.pins = pathlib.Path("/sys/fs/bpf") / self.name
        self.others = pathlib.Path("/sys/fs/bpf") / f"{self.name}-others"
        self.process = None
        self.others.mkdir()
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.ip("link", "add", "left", "type", "veth", "peer", "name", "right")
        self.ip("link", "set", "left", "up")
        self.ip("link", "set", "right", "up")

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        subprocess.run(["ip", "netns", "del", self.name], check=True)
        shutil.rmtree(self.pins, ignore_errors=True)
        shutil.rmtree(self.others, ignore_errors=True)
        shutil.rmtree(self.home)

    def run(self, *command, check=True, **more):
        return subprocess.run(["nsenter", f"--net=/run/netns/{self.name}", *map(str, command)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=check, timeout=60, **more)

    def ip(self, *arguments):
        return self.run("ip", *arguments).stdout

    def tc(self, *arguments):
        return self.run("tc", *arguments).stdout

    def weir(self, verb, *arguments, check=True):
        done = self.run(WEIR, verb, *arguments, "--json", check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def status(self):
        return json.loads(self.weir("status", "--socket", self.home / "run/weir.sock", "--pin-dir",
                                    self.pins).stdout)

    def cleanup(self):
        return json.loads(self.weir("cleanup", "--force", "--pin-dir", self.pins, "--run-dir",
                                    self.home / "run").stdout)

    def start(self):
        (self.home / "weir.yaml").write_text(CONFIG)
        log = open(self.home / "log", "ab")
        self.process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.name}", WEIR, "daemon", "--config",
             self.home / "weir.yaml", "--state-dir", self.home / "state", "--run-dir",
             self.home / "run", "--pin-dir", self.pins], stdout=log, stderr=log)
        end = time.monotonic() + 20 * SLOWNESS
        while b"ready" not in (self.home / "log").read_bytes():
            assert self.process.poll() is None and time.monotonic() < end, \
                (self.home / "log").read_text()
            select.select([], [], [], 0.05)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def attached(self):
        """Ids of all XDP and TCX programs on devices of the namespace."""
        links = json.loads(self.ip("-j", "link"))
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.name}") as there:
            assert libc.setns(there.fileno(), CLONE_NEWNET) == 0
            try:
                tcx = [query_tcx(link["ifindex"], way) for link in links for way in TCX]
            finally:
                assert libc.setns(home.fileno(), CLONE_NEWNET) == 0
        return sorted([link["xdp"]["prog"]["id"] for link in links if "xdp" in link] +
                      list(itertools.chain(*tcx)))

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
    done = place.weir("status", "--socket", place.home / "none", "--pin-dir", place.pins,
                      check=False)
    assert done.returncode == 3
    assert "nothing is pinned" in done.stdout + done.stderr


def test_status_after_kill_tells_hooks_and_counters(place):
    place.start()
    place.ip("addr", "add", "10.77.0.1/24", "dev", "left")
    place.ip("neigh", "add", "10.77.0.2", "lladdr", "02:00:00:00:00:02", "dev", "left")
    for address in ("192.0.2.1", "2001:db8::/32"):
        place.weir("block", "add", address, "--socket", place.home / "run/weir.sock")
    place.kill()
    before = place.status()
    # Nobody answers: the packets only leave.
    place.run("ping", "-c", "5", "-i", "0.05", "-W", "1", "10.77.0.2", check=False)
    after = place.status()
    assert after["daemon"] is False
    assert {(row["name"], row["mode"], row["egress"]) for row in after["interfaces"]} == {
        ("left", "xdp native", "tcx"), ("right", "tcx", "off")}

    def left(status):
        return sum(row["egress_counts"]["pass_packets"] for row in status["interfaces"]
                   if row["name"] == "left")
    assert left(after) - left(before) >= 5
    assert [row["entries"] for row in after["sets"] if row["name"] == "set_block"] == [2]
    assert after["revision"] >= 2


def test_status_tells_a_detached_program(place):
    place.start()
    place.kill()
    (place.pins / "links" / f"{place.ip('-o', 'link', 'show', 'right').split(':')[0]}-in").unlink()
    modes = {row["name"]: row["mode"] for row in place.status()["interfaces"]}
    assert modes == {"left": "xdp native", "right": "detached"}


# --- cleanup --------------------------------------------------------------------------------------

def test_cleanup_after_kill_leaves_nothing(place):
    place.start()
    place.kill()
    assert len(place.attached()) == 3
    answer = place.cleanup()
    assert answer["daemon"] is False and answer["failed"] == []
    assert place.attached() == []
    assert not place.pins.exists()
    assert not (place.home / "run/weir.sock").exists()


def test_cleanup_a_second_time_finds_nothing(place):
    place.start()
    place.kill()
    place.cleanup()
    answer = place.cleanup()
    assert answer["removed"] == [] and answer["failed"] == []


def test_cleanup_beside_a_daemon_detaches_and_says_it_runs(place):
    place.start()
    answer = place.cleanup()
    assert answer["daemon"] is True
    assert place.attached() == []
    assert place.process.poll() is None
    assert (place.home / "run/weir.sock").exists()


def test_cleanup_takes_pins_of_an_interrupted_replacement(place):
    place.start()
    place.kill()
    (place.pins / "maps/ctr_hit").rename(place.pins / "maps/ctr_hit-new")
    (place.pins / "policy/1").rename(place.pins / "policy/1-new")
    place.cleanup()
    assert not place.pins.exists()


def test_cleanup_leaves_pins_of_others(place):
    place.start()
    place.kill()
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


def test_cleanup_refuses_a_place_that_holds_no_pins(place):
    ordinary = place.home / "ordinary"
    (ordinary / "maps").mkdir(parents=True)
    (ordinary / "maps/cfg_live").write_text("a file of somebody")
    done = place.weir("cleanup", "--force", "--pin-dir", ordinary, check=False)
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
        index = place.ip("-o", "link", "show", "left").split(":")[0]
        pin_foreign_program(place.pins / "links" / f"{index}-clsact")


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
    found = checks(place.weir("doctor", "--pin-dir", place.pins, check=False))
    assert {"kernel", "capabilities", "bpffs", "packet programs", "xdp native", "xdp generic",
            "tcx", "clsact", "ring buffer", "test run"} <= found.keys()
    for check in found.values():
        assert check["ok"] == (check["level"] == "ok")
        assert check["found"]
    faults = [check for check in found.values() if check["level"] == "error"]
    assert faults == []


def test_doctor_leaves_devices_as_they_are(place):
    before = place.ip("-d", "link")
    place.weir("doctor", "--pin-dir", place.pins, check=False)
    assert place.ip("-d", "link") == before
    assert not place.pins.exists()


def test_doctor_names_a_foreign_program(place):
    pin_foreign_program(place.others / "stranger")
    place.ip("link", "set", "dev", "left", "xdpgeneric", "pinned", place.others / "stranger")
    found = checks(place.weir("doctor", "--pin-dir", place.pins, check=False))["xdp on left"]
    assert found["level"] == "warning"
    assert f"{place.attached()[0]} (stranger)" in found["found"]
    assert found["mend"].startswith("ip link set dev left xdp off")


def test_doctor_does_not_take_ours_for_foreign(place):
    place.start()
    found = checks(place.weir("doctor", "--pin-dir", place.pins, check=False))
    assert "xdp on left" not in found
    assert found["foreign tc"]["found"] == "none"


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


def test_doctor_answers_within_three_seconds(place):
    start = time.monotonic()
    place.weir("doctor", "--pin-dir", place.pins, check=False)
    assert time.monotonic() - start < 3 * SLOWNESS
