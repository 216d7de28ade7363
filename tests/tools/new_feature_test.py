# SPDX-License-Identifier: Apache-2.0
"""A new feature compiles on both sides as soon as it is made, and passes the checks."""
import pathlib
import shutil
import subprocess

import pytest

TREE = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDERS = ("abi", "base", "bpf", "core", "features", "tools")


@pytest.fixture
def tree(tmp_path):
    for folder in FOLDERS:
        shutil.copytree(TREE / folder, tmp_path / folder)
    shutil.copy(TREE / "meson.build", tmp_path)
    shutil.copy(TREE / ".clang-format", tmp_path)
    return tmp_path


def run(*command, cwd=None):
    return subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)


def new_feature(tree, name="gauge"):
    return run(TREE / "tools/new-feature", name, "measures the river", tree)


def test_new_feature_compiles_on_both_sides(tree):
    assert new_feature(tree).returncode == 0
    multiarch = run("cc", "-print-multiarch").stdout.strip()
    kernel = run("clang-19", "-target", "bpf", "-mcpu=v3", "-O2", "-g", "-I.", "-idirafter",
                 f"/usr/include/{multiarch}", "-c", "bpf/main.bpf.c", "-o", "main.o", cwd=tree)
    assert (kernel.returncode, kernel.stdout) == (0, "")
    for source in ("features/gauge/gauge.c", "features/gauge/gauge_test.c", "features/features.c"):
        user = run("cc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wmissing-prototypes",
                   "-Wno-unused-parameter", "-Werror", "-I.", "-fsyntax-only", source, cwd=tree)
        assert (user.returncode, user.stdout) == (0, "")


def test_new_feature_is_last_in_each_list(tree):
    new_feature(tree)
    assert "\t&weir_gauge,\n\tNULL," in (tree / "features/features.c").read_text()
    pipeline = (tree / "bpf/pipeline.h").read_text()
    assert "\t       gauge_stage(p) ?:\n\t       default_policy(p);\n" in pipeline
    assert "  'gauge': ['gauge'],\n}" in (tree / "meson.build").read_text()


@pytest.mark.parametrize("tool", ["check-includes", "check-maps", "check-style"])
def test_new_feature_passes_the_checks(tree, tool):
    new_feature(tree)
    problems = run(tree / "tools" / tool, tree).stdout.splitlines()
    assert [line for line in problems if "gauge" in line] == []


@pytest.mark.parametrize("name", ["block", "Gauge", "a", "twelve_chars", "../x"])
def test_bad_name_changes_nothing(tree, name):
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    assert new_feature(tree, name).returncode != 0
    assert before == {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
