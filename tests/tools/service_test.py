# SPDX-License-Identifier: Apache-2.0
"""The systemd unit is well formed, keeps four capabilities, and its sandbox lets bpf() through."""
import pathlib
import re
import shutil
import subprocess

import pytest

TREE = pathlib.Path(__file__).resolve().parent.parent.parent
UNIT = (TREE / "packaging/systemd/weir.service.in").read_text()
CAPABILITIES = {"CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON", "CAP_NET_RAW"}
# Of 10; a unit with no sandbox at all has 9.6.
EXPOSURE_MAX = 3.0

needs_analyze = pytest.mark.skipif(not shutil.which("systemd-analyze"),
                                   reason="systemd-analyze is not installed")


def unit_file(folder):
    path = folder / "weir.service"
    path.write_text(UNIT.replace("@bindir@/weir", "/bin/true"))
    return path


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)


@needs_analyze
def test_unit_is_well_formed(tmp_path):
    done = analyze("verify", unit_file(tmp_path))
    assert (done.returncode, done.stdout) == (0, "")


@needs_analyze
def test_exposure_is_low(tmp_path):
    done = analyze("security", "--offline=true", unit_file(tmp_path))
    assert float(re.search(r"exposure level for weir.service: ([\d.]+)", done.stdout)[1]) \
        <= EXPOSURE_MAX


@pytest.mark.parametrize("key", ["CapabilityBoundingSet", "AmbientCapabilities"])
def test_unit_keeps_four_capabilities(key):
    assert set(re.search(rf"^{key}=(.*)$", UNIT, re.M)[1].split()) == CAPABILITIES


def test_bpf_is_allowed_after_the_privileged_calls_are_taken_away():
    filters = re.findall(r"^SystemCallFilter=(.*)$", UNIT, re.M)
    assert any(line.startswith("~") and "@privileged" in line for line in filters)
    assert "bpf" in filters[-1].split() and not filters[-1].startswith("~")
