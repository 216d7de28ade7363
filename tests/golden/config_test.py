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


def test_reference_page_is_what_the_tables_say():
    done = run(BUILD / "weir-gen-docs")
    page = (TREE / "docs" / "user" / "configuration.md").read_bytes()
    assert done.stdout.decode() == page.decode(), "run tools/gen-docs"
