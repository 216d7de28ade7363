# SPDX-License-Identifier: Apache-2.0
"""Each list file here stands in a configuration that `weir check` reads: good_* is taken, bad_* is
refused, and NAME.ok is, byte for byte, what is said of it: line, column, fault and cure.

After a wanted change of words:  WEIR_GOLDEN_WRITE=1 tests/run golden  and read the difference."""
import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[2]
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD", TREE / "build"))
SUFFIXES = (".txt", ".csv", ".json", ".netset")
FILES = sorted(path for path in HERE.iterdir() if path.suffix in SUFFIXES)
# What the first line shows is for `auto` to find out, but for these.
FORMATS = {"bad_text.txt": "text"}


def check(path, folder):
    config = folder / "weir.yaml"
    config.write_text("block:\n  lists:\n    - name: tested\n      action: deny\n"
                      f"      format: {FORMATS.get(path.name, 'auto')}\n      file: {path.name}\n")
    (folder / path.name).write_bytes(path.read_bytes())
    done = subprocess.run([str(BUILD / "weir"), "check", config.name], cwd=folder, timeout=60,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout.decode()


def test_there_are_good_and_bad_files_of_every_format():
    kinds = {(path.name.split("_")[0], path.suffix) for path in FILES}
    assert kinds == {(kind, suffix) for kind in ("good", "bad")
                     for suffix in SUFFIXES}


@pytest.mark.parametrize("path", [path for path in FILES if path.name.startswith("bad_")],
                         ids=lambda path: path.name)
def test_bad_file_is_refused_in_these_words(path, tmp_path):
    code, said = check(path, tmp_path)
    wanted = path.with_name(path.name + ".ok")
    if os.environ.get("WEIR_GOLDEN_WRITE"):
        wanted.write_text(said)
    assert said == wanted.read_text()
    assert code == 1


@pytest.mark.parametrize("path", [path for path in FILES if path.name.startswith("good_")],
                         ids=lambda path: path.name)
def test_good_file_is_taken(path, tmp_path):
    code, said = check(path, tmp_path)
    assert code == 0, said
    assert "is right" in said
