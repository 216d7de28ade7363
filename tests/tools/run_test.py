# SPDX-License-Identifier: Apache-2.0
"""tests/run must count right: what crashes or says nothing is never counted as passed."""
import importlib.machinery
import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

TREE = pathlib.Path(__file__).resolve().parent.parent.parent


def load():
    loader = importlib.machinery.SourceFileLoader("tests_run", str(TREE / "tests" / "run"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("tests_run", loader))
    loader.exec_module(module)
    return module


run = load()


def outcomes(counter, tmp_path, status, text, report=None):
    log = tmp_path / "x.log"
    log.write_text(text)
    if report is not None:
        log.with_suffix(".xml").write_text(report)
    return [case.outcome for case in counter(status, log)]


def test_tap_counts_each_case(tmp_path):
    text = "1..3\nok 1 - a\nnot ok 2 - b\nok 3 # SKIP no network\n"
    assert outcomes(run.count_tap, tmp_path, 1, text) == ["passed", "failed", "skipped"]


def test_tap_counts_each_group_of_a_program(tmp_path):
    text = "1..1\nok 1 - a\n1..1\nok 1 - b\n"
    assert outcomes(run.count_tap, tmp_path, 0, text) == ["passed", "passed"]


def test_tap_of_a_crash_counts_the_missing_as_failed(tmp_path):
    assert outcomes(run.count_tap, tmp_path, -11, "1..3\nok 1 - a\n") == [
        "passed", "failed", "failed"]


def test_tap_that_says_nothing_is_a_failure(tmp_path):
    assert outcomes(run.count_tap, tmp_path, 0, "") == ["failed"]


def test_tap_with_a_leak_at_the_end_is_a_failure(tmp_path):
    assert outcomes(run.count_tap, tmp_path, 1, "1..1\nok 1 - a\nLeakSanitizer\n") == [
        "passed", "failed"]


def test_program_that_is_not_built_is_a_failure(tmp_path):
    job = run.Job("unit", "x", [str(tmp_path / "missing")], {}, 1, "tap")
    assert [case.outcome for case in run.run_and_count(job, tmp_path)] == ["failed"]


def test_program_that_hangs_is_stopped_and_a_failure(tmp_path):
    job = run.Job("unit", "x", ["/bin/sleep", "60"], {}, 0.2, "single")
    assert [case.outcome for case in run.run_and_count(job, tmp_path)] == ["failed"]


def test_single_counts_by_exit_status(tmp_path):
    assert outcomes(run.count_single, tmp_path, 0, "fine\n") == ["passed"]
    assert outcomes(run.count_single, tmp_path, 1, "SKIP no\n") == ["failed"]
    assert outcomes(run.count_single, tmp_path, None, "") == ["failed"]
    assert outcomes(run.count_single, tmp_path, 0, "SKIP: no clang\n") == ["skipped"]


def test_junit_counts_each_case(tmp_path):
    report = ('<testsuites><testsuite><testcase classname="a" name="x"/>'
              '<testcase classname="a" name="y"><failure message="m">t</failure></testcase>'
              '<testcase classname="a" name="z"><skipped message="m"/></testcase>'
              '<testcase classname="a" name="w"><error message="m">t</error></testcase>'
              '</testsuite></testsuites>')
    assert outcomes(run.count_junit, tmp_path, 1, "", report) == [
        "passed", "failed", "skipped", "failed"]


def test_junit_without_a_report_is_a_failure(tmp_path):
    assert outcomes(run.count_junit, tmp_path, -9, "") == ["failed"]


def test_last_line_names_skips_only_when_there_are_some():
    assert run.describe(run.collections.Counter(passed=3, failed=1)) == "3 passed, 1 failed"
    assert run.describe(run.collections.Counter(passed=3, skipped=2)) == (
        "3 passed, 0 failed, 2 skipped")


def fails_at_first(folder, name, times):
    """A job of a test that fails so many times."""
    (folder / f"{name}.py").write_text(
        "import pathlib\n\n\ndef test_x():\n"
        f"    path = pathlib.Path({str(folder / name)!r})\n"
        "    path.open('a').write('x')\n"
        f"    assert len(path.read_text()) > {times}, 'too early'\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", folder / f"{name}.py"]
    return run.Job("e2e", name, list(map(str, command)), {}, 60, "junit", "beside")


def taken_again(jobs, folder):
    results = [(job, run.run_and_count(job, folder)) for job in jobs]
    results, once = run.take_again(results, folder)
    return [case.outcome for _, cases in results for case in cases], once


def test_what_fails_once_is_taken_again_and_told(tmp_path):
    jobs = [fails_at_first(tmp_path, name, times)
            for name, times in (("fine", 0), ("once", 1), ("always", 9))]
    outcomes, once = taken_again(jobs, tmp_path)
    assert outcomes == ["passed", "passed", "failed"]
    assert ["once.test_x" in case.name and "too early" in case.detail for case in once] == [True]
    assert (tmp_path / "fine").read_text() == "x"
    assert {path.name for path in tmp_path.glob("e2e-once*.log")} == {
        "e2e-once.log", "e2e-once-beside-again.log"}


def test_neither_many_nor_what_needs_no_network_is_taken_again(tmp_path, monkeypatch):
    jobs = [fails_at_first(tmp_path, "once", 1)._replace(suite="golden")]
    assert taken_again(jobs, tmp_path) == (["failed"], [])
    monkeypatch.setattr(run, "AGAIN_MOST", 1)
    jobs = [fails_at_first(tmp_path, name, 1) for name in ("first", "second")]
    assert taken_again(jobs, tmp_path) == (["failed", "failed"], [])


def test_what_failed_once_is_said_at_the_end(tmp_path, capsys):
    once = [run.Case("e2e/x y", "failed", "too early")]
    assert run.report([run.Case("e2e/x y", "passed", "")], once, tmp_path) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-2:] == ["1 of those that passed did so only when taken again, alone: e2e/x y",
                         "1 passed, 0 failed"]
    assert "    too early" in told


def test_words_choose_and_options_go_to_pytest():
    wish = run.parse_arguments(["e2e", "block", "-k", "ttl"])
    assert wish.suites == ["e2e"]
    assert wish.words == ["block"]
    assert wish.pytest_options == ["-k", "ttl"]


@pytest.mark.parametrize("arguments, is_all", [([], False), (["e2e", "unit"], False),
                                               (["--all"], True), (["e2e", "block"], True),
                                               (["-k", "ttl"], True)])
def test_all_combinations_are_taken_where_all_or_some_tests_are_named(arguments, is_all):
    wish = run.parse_arguments(arguments)
    assert wish.is_all == is_all
    jobs = run.pytest_jobs("tools", wish)
    assert {job.env["WEIR_TEST_THINNED"] for job in jobs} == {"" if is_all else "1"}


def test_file_is_run_once_beside_others_and_once_more_only_where_a_test_is_alone(tmp_path,
                                                                                monkeypatch):
    folder = tmp_path / "tests" / "e2e"
    folder.mkdir(parents=True)
    (folder / "a_test.py").write_text("def test_x():\n    pass\n")
    (folder / "b_test.py").write_text("@pytest.mark.alone\ndef test_y():\n    pass\n")
    monkeypatch.setattr(run, "TREE", tmp_path)
    jobs = run.pytest_jobs("e2e", run.parse_arguments([]))
    assert [(job.name, job.share, job.env["WEIR_TEST_SHARE"]) for job in jobs] == [
        ("a_test", "beside", "beside"), ("b_test", "beside", "beside"),
        ("b_test", "alone", "alone")]


def test_shares_together_are_all_tests_and_none_twice(tmp_path):
    (tmp_path / "conftest.py").write_text((TREE / "tests" / "conftest.py").read_text())
    (tmp_path / "x_test.py").write_text(
        "import pytest\n\n\n@pytest.mark.alone\ndef test_a():\n    pass\n\n\n"
        "@pytest.mark.outside\ndef test_b():\n    pass\n\n\ndef test_c():\n    pass\n")
    ran = {}
    for share, guest in (("beside", ""), ("alone", ""), ("beside", "1")):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "x_test.py"],
            env=dict(os.environ, WEIR_TEST_SHARE=share, WEIR_GUEST=guest), cwd=tmp_path,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        ran[share, guest] = re.findall(r"::(\w+) PASSED", done.stdout)
    assert ran == {("beside", ""): ["test_b", "test_c"], ("alone", ""): ["test_a"],
                   ("beside", "1"): ["test_c"]}
