# SPDX-License-Identifier: Apache-2.0
"""Each config/NAME.yaml read gives config/NAME.ok byte for byte: every value, or every problem with
line, column, key and cure. Which of the two it is, the file's name says: bad_* is refused.

After a wanted change of words:  WEIR_GOLDEN_WRITE=1 tests/run golden  and read the difference."""
import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD", TREE / "build"))
CASES = sorted((HERE / "config").glob("*.yaml"))
CHECKED = sorted((HERE / "check").glob("*.yaml"))
WARNED = sorted((HERE / "warn").glob("*.yaml"))
TABLES = sorted((HERE / "tables").glob("*.yaml"))


def run(*command):
    return subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, timeout=60, check=False)


def test_there_are_at_least_forty_cases():
    assert len(CASES) >= 40
    assert {path.stem for path in CASES} == {path.stem for path in (HERE / "config").glob("*.ok")}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_reading_gives_what_was_written_down(path):
    done = run(BUILD / "tests" / "config-print", path)
    wanted = path.with_suffix(".ok")
    if os.environ.get("WEIR_GOLDEN_WRITE"):
        wanted.write_bytes(done.stdout)
    assert done.stdout.decode() == wanted.read_bytes().decode()
    assert done.returncode == (1 if path.stem.startswith("bad_") else 0)


@pytest.mark.parametrize("path", [path for path in CASES if path.stem.startswith("bad_")],
                         ids=lambda path: path.stem)
def test_every_problem_names_its_place_and_its_cure(path):
    """Also of those whose words were written down wrong: FILE:LINE:COLUMN: … ; …"""
    done = run(BUILD / "tests" / "config-print", path)
    lines = done.stdout.decode().splitlines()
    assert lines
    for line in lines:
        if line.startswith("and ") and line.endswith(" more"):
            continue
        file, number, column, rest = line.split(":", 3)
        assert file == path.name and int(number) >= 1 and int(column) >= 1
        assert "; " in rest


@pytest.mark.parametrize("path", CHECKED, ids=lambda path: path.stem)
def test_weir_check_refuses_with_what_was_written_down(path):
    """check/NAME.yaml through the program and its real features; NAME.ok is what it says."""
    done = subprocess.run([str(BUILD / "weir"), "check", path.name], cwd=path.parent,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, check=False)
    wanted = path.with_suffix(".ok")
    if os.environ.get("WEIR_GOLDEN_WRITE"):
        wanted.write_bytes(done.stderr)
    assert done.stderr.decode() == wanted.read_bytes().decode()
    assert (done.stdout, done.returncode) == (b"", 1)


@pytest.mark.parametrize("path", WARNED, ids=lambda path: path.stem)
def test_weir_check_warns_with_what_was_written_down(path):
    """warn/NAME.yaml is right, and NAME.ok is what there is to be said about it."""
    done = subprocess.run([str(BUILD / "weir"), "check", path.name], cwd=path.parent,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 0
    assert done.stdout.decode().startswith(f"{path.name} is right: ")
    assert done.stderr.decode() == path.with_suffix(".ok").read_text()


@pytest.mark.parametrize("name", ["empty", "api_off", "interface_patterns", "crlf"])
def test_weir_check_finds_a_right_file_right(name):
    path = HERE / "config" / f"{name}.yaml"
    done = run(BUILD / "weir", "check", path)
    assert done.returncode == 0
    assert done.stdout.decode().startswith(f"{path} is right: ")


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_rules_become_the_tables_that_were_worked_out(path):
    """tables/NAME.yaml in, which rules each value meets out; NAME.ok was worked out by hand."""
    done = run(BUILD / "tests" / "tables-print", path)
    assert done.returncode == 0
    assert done.stdout.decode() == path.with_suffix(".ok").read_text()


def test_reference_page_is_what_the_tables_say():
    done = run(BUILD / "weir-gen-docs")
    page = (TREE / "docs" / "user" / "configuration.md").read_bytes()
    assert done.stdout.decode() == page.decode(), "run tools/gen-docs"
