# SPDX-License-Identifier: Apache-2.0
"""What is known of floods outside of the command line: metrics, a second flood's event, the file
that keeps what is usual; and what is refused."""
import json
import re

from harness.account import metrics
from harness.attack import (CALM_SOURCES, FRAMES, config, events, flooded, is_level,  # noqa: F401
                            judged, rate_of)
from harness.live import LiveFrames
from harness.wait import wait_for


def test_metrics_have_levels_rates_and_thresholds(flooded, pair, wire):      # noqa: F811
    daemon = flooded(rates="{icmp: {elevated: 50/s, attack: 2000/s}}")
    wire.send([FRAMES["icmp"]] * 7)
    rows = wait_for(lambda: (text := metrics(daemon)) and
                    'attack_packets_total{interface="wire",rate="icmp"} 7\n' in text and text,
                    "they are in the metrics")
    for line in ('attack_level{interface="wire"} 0',
                 'attack_threshold{interface="wire",rate="icmp",level="elevated"} 50',
                 'attack_threshold{interface="wire",rate="icmp",level="attack"} 2000',
                 'attack_threshold{interface="wire",rate="syn",level="elevated"} 1000',
                 'attack_packets_total{interface="wire",rate="syn"} 0',
                 'attack_changes_total{interface="wire",level="attack"} 0',
                 'attack_usual{interface="wire",rate="bad-flags"} 0'):
        assert f"weir_{line}\n" in rows
    with LiveFrames(pair.outside, pair.far, CALM_SOURCES, FRAMES["icmp"]):
        wait_for(lambda: 'weir_attack_level{interface="wire"} 2\n' in metrics(daemon),
                 "the level is in the metrics", 20)
        found = re.search(r'weir_attack_rate\{interface="wire",rate="icmp"\} ([\d.e+]+)\n',
                          metrics(daemon))
        assert float(found[1]) >= 2000
    assert 'attack_changes_total{interface="wire",level="attack"} 1\n' in metrics(daemon)


def test_what_was_usual_outlives_a_restart(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire], config=config(), start=False)
    daemon.state.mkdir(parents=True, exist_ok=True)
    (daemon.state / "attack.json").write_text(
        '{"version":1,"usual":[{"name":"wire","syn":600,"udp":12.5},{"name":"gone","syn":7}]}')
    judged(daemon.start())
    row = rate_of(daemon, "syn")
    assert row["usual"] in (599, 600)
    assert row["elevated"]["threshold_is"] == row["attack"]["threshold_is"] == "learned"
    assert 2395 <= row["elevated"]["threshold"] <= 2400
    assert 5990 <= row["attack"]["threshold"] <= 6000
    assert rate_of(daemon, "udp")["elevated"] == {"threshold": 50000, "threshold_is": "written"}
    daemon.stop()
    kept = {row["name"]: row for row in json.loads(
        (daemon.state / "attack.json").read_text())["usual"]}
    assert 590 < kept["wire"]["syn"] <= 600 and kept["gone"]["syn"] == 7


def test_bad_input_changes_nothing_and_says_why(weir_daemon, pair):
    daemon = judged(weir_daemon(pair.inside, interfaces=[pair.wire], config=config()))
    done = daemon.verb("apply", "-", text=config(rates="{syn: {attack: 10/s}}"))
    assert done.returncode != 0
    assert "attack (10/s) is not above elevated (1000/s)" in done.stderr
    assert rate_of(daemon, "syn")["attack"]["threshold"] == 5000


def test_second_flood_is_told_of_while_the_first_goes_on(flooded, pair):    # noqa: F811
    daemon = flooded(rates="{udp: {elevated: 200/s, attack: 1000/s}, "
                           "icmp: {elevated: 200/s, attack: 1000/s}}")
    with LiveFrames(pair.outside, pair.far, CALM_SOURCES):
        wait_for(is_level(daemon, "attack"), "the first is an attack", 20)
        with LiveFrames(pair.outside, pair.far, CALM_SOURCES, FRAMES["icmp"]):
            wait_for(lambda: rate_of(daemon, "icmp")["level"] == "attack", "so is the second", 20)
    rows = [(row["was"], row["level"], row["rate"], row["threshold"]) for row in events(daemon)]
    assert rows[:2] == [("calm", "elevated", "udp", 200), ("elevated", "attack", "udp", 1000)]
    assert rows[2:4] == [("attack", "attack", "icmp", 200), ("attack", "attack", "icmp", 1000)]
