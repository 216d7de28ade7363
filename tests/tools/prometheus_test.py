# SPDX-License-Identifier: Apache-2.0
"""Alerts and the board of packaging: promtool reads and tries them."""
import json
import pathlib
import re
import subprocess

PACKAGING = pathlib.Path(__file__).resolve().parents[2] / "packaging"
RULES = PACKAGING / "prometheus/weir.rules.yml"
TESTS = PACKAGING / "prometheus/weir.rules.test.yml"
BOARD = PACKAGING / "grafana/weir.json"


def promtool(*words):
    return subprocess.run(["promtool", *words], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


def expressions():
    """Of the board, with its variables as Grafana fills them in."""
    board = json.loads(BOARD.read_text())
    rows = [row["expr"] for panel in board["panels"] for row in panel["targets"]]
    return [row.replace("$__rate_interval", "1m").replace("$instance", "a") for row in rows]


def test_alerts_are_rules():
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0 and "12 rules found" in done.stdout, done.stdout


def test_alerts_do_what_their_tests_say():
    done = promtool("test", "rules", str(TESTS))
    assert done.returncode == 0, done.stdout


def test_each_alert_is_tried_when_it_fires_and_when_not():
    names = set(re.findall(r"alert: (\w+)", RULES.read_text()))
    text = TESTS.read_text()
    silent = set(re.findall(r"alertname: (\w+), exp_alerts: \[\]", text))
    fires = set(re.findall(r"alertname: (\w+)\n\s+exp_alerts:\n", text))
    assert fires == names and silent >= names


def matched(expression):
    """(label, operator, value) of each selector, but for who is asked."""
    found = re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', expression)
    return [(label, *rest) for label, *rest in found if label not in ("job", "instance")]


def test_no_alert_asks_for_what_may_be_told_as_other():
    rules = RULES.read_text()
    asked = [expression for expression in re.split(r"\bexpr:", rules)[1:]]
    assert len(asked) == rules.count("alert:")
    for expression in asked:
        assert not matched(expression.partition("annotations:")[0].partition("labels:")[0])


def test_board_shows_beside_some_of_a_metric_s_series_what_may_be_folded():
    """As what it is, and not as what it is not."""
    tried = 0
    for panel in json.loads(BOARD.read_text())["panels"]:
        rows = [row["expr"] for row in panel["targets"]]
        for label, operator, value in (found for row in rows for found in matched(row)):
            tried += 1
            if operator in ("!~", "!="):
                assert "other" in value.split("|"), (label, value)
            else:
                assert any((label, "=", "other") in matched(row) for row in rows), (label, value)
    assert tried >= 3


def test_board_asks_what_prometheus_understands(tmp_path):
    rows = expressions()
    assert len(rows) > 12
    path = tmp_path / "board.yml"
    path.write_text(json.dumps({"groups": [{"name": "board", "rules": [
        {"record": f"panel:{number}", "expr": row} for number, row in enumerate(rows)]}]}))
    done = promtool("check", "rules", str(path))
    assert done.returncode == 0 and f"{len(rows)} rules found" in done.stdout, done.stdout


def test_panels_stand_side_by_side():
    places = [panel["gridPos"] for panel in json.loads(BOARD.read_text())["panels"]]
    cells = [(place["x"] + x, place["y"] + y) for place in places
             for x in range(place["w"]) for y in range(place["h"])]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24
