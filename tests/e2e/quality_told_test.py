# SPDX-License-Identifier: Apache-2.0
"""A change of how many connections are measured is an event, and a line of the log."""
import pytest

from harness.daemon import Daemon
from harness.ecs import assert_ecs
from harness.logged import lines_of, of_kind
from harness.wait import wait_for

CONFIG = """\
api: {{listen: off}}
interfaces: [{{name: {wire}, hook: tc}}]
quality: {{enabled: true, {quality}}}
log: {{file: {{path: {path}, kinds: [quality]}}}}
"""
SAMPLE, CEILING = 8, 50


@pytest.fixture
def governed(pair, tmp_path):
    """Nothing passes, so the ceiling has room for all: whoever follows a daemon that measured one
    of 8 measures all, once it has looked for a while."""
    path = tmp_path / "weir.json"
    config = CONFIG.format(wire=pair.wire, path=path, quality=f"sample: {SAMPLE}")
    with Daemon(pair.inside, config=config) as daemon:
        wait_for(lambda: daemon.ask("quality").get("interfaces") == 1, "it measures", 20)
        daemon.stop()
        daemon.config.write_text(
            CONFIG.format(wire=pair.wire, path=path, quality=f"cpu: {CEILING}"))
        yield daemon.start(), path


def test_a_change_of_the_sample_is_an_event_and_a_line_of_the_log(governed):
    daemon, path = governed
    event, = wait_for(lambda: daemon.ask("events", "--kind", "quality")["events"],
                      "an event of the kind", 30)
    assert (event["kind"], event["what"]) == ("quality", "sampling")
    assert (event["sample"], event["before"], event["ceiling_percent"]) == (1, SAMPLE, CEILING)
    assert "sampling" in daemon.say("events", "--kind", "quality")
    line, = wait_for(lambda: path.exists() and lines_of(path), "a line of the log")
    assert_ecs(line)
    assert of_kind([line], "quality")
    assert line["event"]["action"] == "sampling-changed"
    assert line["event"]["category"] == ["host"] and line["event"]["type"] == ["info"]
    assert line["@timestamp"] == event["time"]
    assert line["weir"]["quality"] == {key: event[key] for key in
                                       ("what", "sample", "before", "cpu_percent",
                                        "ceiling_percent")}
    assert line["message"] == f"quality: measures all, before 1 of {SAMPLE} connections"
