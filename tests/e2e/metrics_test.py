# SPDX-License-Identifier: Apache-2.0
"""/metrics: what devices count is told as they count it, over restarts too; Prometheus itself reads
it, at the API's address or at one of its own."""
import collections
import contextlib
import datetime
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile

import pytest

from harness.account import device_counts, metrics
from harness.daemon import TREE, WEIR, Daemon, Refused
from harness.net import Pair
from harness.programs import running
from harness.wait import wait_for
from harness.wire import packet_socket

PORT, PROMETHEUS = 8081, 9090
NAMES = ("rx_packets", "tx_packets", "rx_bytes", "tx_bytes")
SAMPLE = re.compile(r"^(\w+?)_interface_(\w+)\{interface=\"(\w+)\"\} (\S+)$", re.M)


def config(listen="off", prefix="weir_", more=""):
    return ("api: {listen: off}\ninterfaces: [{name: wire, hook: tc, egress: true}]\n"
            "conntrack: {enabled: true, account: true}\n"
            f"metrics: {{listen: '{listen}', prefix: {prefix}{more}}}\n")


@pytest.fixture(scope="module")
def pair():
    with contextlib.closing(Pair("metrics", addresses=True)) as made:
        yield made


def told(daemon):
    """Of `wire`: rx_packets_total, rx_packets_rate and so on."""
    return {name: float(value) for _, name, device, value in SAMPLE.findall(metrics(daemon))
            if device == "wire"}


def counted(pair):
    """The same, as the kernel has it in /proc/net/dev."""
    counts = device_counts(pair.inside, ["wire"])
    return {f"{way}_{unit}_total": getattr(counts["wire", direction], unit)
            for way, direction in (("rx", "ingress"), ("tx", "egress"))
            for unit in ("packets", "bytes")}


def totals(daemon):
    return {name: value for name, value in told(daemon).items() if name.endswith("_total")}


def pinged(pair, count):
    pair.outside.run("ping", "-c", str(count), "-i", "0.002", "-s", "200", pair.inside_v4)


def ask(pair, path, *options, port=PORT, address=None):
    """(status, body) of a request from the other host."""
    done = pair.outside.run("curl", "-s", "-m", "10", "-w", "\n%{http_code}", *options,
                            f"http://{address or pair.inside_v4}:{port}{path}", check=False)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def test_devices_counts_are_told_and_how_much_that_is_a_second(pair):
    with Daemon(pair.inside, config=config()) as daemon:
        before = totals(daemon)
        pinged(pair, 500)
        wait_for(lambda: totals(daemon) == counted(pair), "what the kernel counts is told")
        assert totals(daemon)["rx_packets_total"] - before["rx_packets_total"] >= 500
        rates = []
        wait_for(lambda: rates.append(told(daemon)) or rates[-1]["rx_packets_rate"] == 0
                 and len(rates) > 1 and max(row["rx_packets_rate"] for row in rates) > 0,
                 "it is seen, and over")
        most = max(row["rx_packets_rate"] for row in rates)
        assert 500 / 8 < most < 600, "500 packets, over five seconds or what there was of them"
        assert any(row["tx_bytes_rate"] > 100 * row["tx_packets_rate"] > 0 for row in rates)


def test_restart_leaves_no_gap_and_no_spike(pair):
    with Daemon(pair.inside, config=config()) as daemon:
        pinged(pair, 50)
        before = wait_for(lambda: (row := totals(daemon)) == counted(pair) and row, "counted")
        daemon.kill()
        pinged(pair, 50)
        daemon.start()
        rates = []
        after = wait_for(lambda: rates.append(told(daemon)) or (row := totals(daemon)) ==
                         counted(pair) and "rx_packets_rate" in rates[-1] and row, "counted again")
        assert all(after[name] >= before[name] for name in before)
        assert after["rx_packets_total"] >= before["rx_packets_total"] + 50
        assert all(row.get("rx_packets_rate", 0) < 50 for row in rates), \
            "what came while nobody looked is in no rate"


def test_names_are_those_of_netprobe_by_their_prefix(pair):
    with Daemon(pair.inside, config=config(prefix="netprobe_")) as daemon:
        pinged(pair, 3)
        wait_for(lambda: len(told(daemon)) == 8, "rates are there from the second look on")
        text = metrics(daemon)
    for name in NAMES:
        assert f"# TYPE netprobe_interface_{name}_total counter" in text
        assert f"# TYPE netprobe_interface_{name}_rate gauge" in text


def test_another_address_tells_metrics_and_nothing_else(pair):
    with Daemon(pair.inside, config=config(f"0.0.0.0:{PORT}")) as daemon:
        status, body = ask(pair, "/metrics")
        assert status == 200 and 'weir_interface_rx_packets_total{interface="wire"}' in body
        assert ask(pair, "/healthz") == (200, '{"status":"ok","revision":1}\n')
        assert ask(pair, "/metrics", "--head")[0] == 200
        for path in ("/api/v1/status", "/", "/api/v1/operations", "/openapi.json"):
            status, body = ask(pair, path)
            assert status == 404 and "/metrics or /healthz" in body
        for method in ("POST", "DELETE", "PUT"):
            assert ask(pair, "/metrics", "-X", method)[0] == 405
        assert ask(pair, "/metrics", "-X", "POST", "-d", "x" * 100)[0] in (405, 413)
        assert daemon.status()["revision"] == 1


def test_loopback_address_is_no_other_sites(pair):
    with Daemon(pair.inside, config=config(f"127.0.0.1:{PORT}")):
        def status(*options):
            return pair.inside.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *options,
                                   f"http://127.0.0.1:{PORT}/metrics").stdout
        assert status() == "200"
        assert status("-H", "Host: evil.example") == "421"


def test_address_moves_and_goes_with_the_configuration(pair):
    with Daemon(pair.inside, config=config(f"0.0.0.0:{PORT}")) as daemon:
        assert ask(pair, "/metrics")[0] == 200
        daemon.apply(config(f"0.0.0.0:{PORT + 1}"))
        assert ask(pair, "/metrics", port=PORT + 1)[0] == 200
        wait_for(lambda: ask(pair, "/metrics")[0] == 0, "nobody listens there now")
        with pair.inside.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
            taken.bind(("0.0.0.0", PORT + 2))
            taken.listen()
            daemon.apply(config(f"0.0.0.0:{PORT + 2}"))
            wait_for(lambda: "metrics.listen" in daemon.log() and "another program listens there"
                     in daemon.log(), "it is told of")
        assert ask(pair, "/metrics", port=PORT + 1)[0] == 200, "the door that was stays open"
        daemon.apply(config())
        wait_for(lambda: ask(pair, "/metrics", port=PORT + 1)[0] == 0, "it is off")


def test_who_asks_slowly_keeps_nobody_waiting(pair):
    """Half a request, a hundred times; and a reader who does not read."""
    with Daemon(pair.inside, config=config(f"0.0.0.0:{PORT}")), contextlib.ExitStack() as stack:
        for number in range(100):
            sock = stack.enter_context(pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM))
            sock.settimeout(10)
            with contextlib.suppress(OSError):
                sock.connect((pair.inside_v4, PORT))
                sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + b"\r\n" * (number % 2))
        # The bound on connections of one address may turn him away, who comes last: from another
        # address there is an answer at once.
        done = pair.inside.run("curl", "-s", "-m", "10", f"http://127.0.0.1:{PORT}/metrics")
        assert "weir_interface_rx_packets_total" in done.stdout


def test_promtool_finds_nothing_to_say(pair):
    with Daemon(pair.inside, config=config(f"0.0.0.0:{PORT}")) as daemon:
        pinged(pair, 5)
        wait_for(lambda: len(told(daemon)) == 8, "rates")
        done = subprocess.run(["promtool", "check", "metrics"], input=ask(pair, "/metrics")[1],
                              text=True, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_device_whose_name_is_no_text_leaves_the_page_readable(pair):
    """The kernel takes all bytes but a few; the page and JSON are UTF-8."""
    name, shown = os.fsdecode(b"w\xff\\"), "w\N{REPLACEMENT CHARACTER}"
    pair.inside.run("ip", "link", "add", name, "type", "veth", "peer", "name", "there")
    try:
        for device in (name, "there"):
            pair.inside.run("ip", "link", "set", device, "up")
        whole = config(f"0.0.0.0:{PORT}").replace("{name: wire,", "{name: 'w*',") + (
            "attack: {enabled: true}\nquality: {enabled: true}\n")
        with Daemon(pair.inside, config=whole) as daemon:
            wait_for(lambda: daemon.interface(shown + "\\")["attached"], "it is watched")
            wait_for(lambda: daemon.ask("quality").get("interfaces") == 2, "it is measured")
            with packet_socket(pair.inside, "there", 0) as sock:
                sock.send(bytes(6) + bytes(6) + b"\x08\x06" + bytes(46))
            found = wait_for(lambda: 'weir_packets_total{interface="w\ufffd' in (
                page := raw(pair)).decode() and page, "it counts there")
            done = subprocess.run(["promtool", "check", "metrics"], input=found,
                                  capture_output=True)
            assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
            label = f'interface="{shown}' + 2 * "\\" + '"'
            told_by = re.findall(r"^weir_(\w+)\{" + re.escape(label), found.decode(), re.M)
            assert {"interface_rx_packets_total", "account_packets_total", "packets_total",
                    "attack_level", "tcp_segments_total"} <= set(told_by)
    finally:
        pair.inside.run("ip", "link", "del", name)


def raw(pair):
    return pair.outside.run("curl", "-s", "-f", "-m", "10",
                            f"http://{pair.inside_v4}:{PORT}/metrics", text=False).stdout


def queried(pair, query):
    done = pair.outside.run("curl", "-s", "-m", "10", "--data-urlencode", f"query={query}",
                            f"http://127.0.0.1:{PROMETHEUS}/api/v1/query", check=False)
    rows = json.loads(done.stdout)["data"]["result"] if done.stdout.startswith("{") else []
    return float(rows[0]["value"][1]) if rows else None


def test_prometheus_has_what_the_kernel_counts(pair):
    with Daemon(pair.inside, config=config(f"0.0.0.0:{PORT}")), \
            tempfile.TemporaryDirectory(prefix="weir-prometheus-") as folder:
        path = pathlib.Path(folder) / "prometheus.yml"
        path.write_text("global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: weir\n"
                        f"  static_configs: [{{targets: ['{pair.inside_v4}:{PORT}']}}]\n")
        with running(pair.outside, "prometheus", f"--config.file={path}",
                     f"--storage.tsdb.path={folder}/data",
                     f"--web.listen-address=127.0.0.1:{PROMETHEUS}"):
            wait_for(lambda: queried(pair, "up{job='weir'}") == 1, "Prometheus reads it", 60)
            before = counted(pair)["rx_packets_total"]
            pinged(pair, 200)
            assert counted(pair)["rx_packets_total"] >= before + 200
            name = "weir_interface_rx_packets_total{interface='wire'}"
            # Each reading is a few packets more.
            wait_for(lambda: before + 200 <= (queried(pair, name) or 0)
                     <= counted(pair)["rx_packets_total"], "it has what was counted", 60)
            assert queried(pair, "scrape_samples_scraped") < 500


LINE = re.compile(r"^\d\d:\d\d:\d\d  in (\S+)/s ([\d,]+) packets/s  "
                  r"out (\S+)/s ([\d,]+) packets/s  dropped (\d+)$")


def realtime_is_json(daemon, pair):
    """Each line an object by itself: the row of the list, and when it was."""
    command = pair.inside.command(WEIR, "--socket", daemon.socket, "--json", "monitor", "wire",
                                  "realtime", "--interval", "100ms")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            before, after = [json.loads(process.stdout.readline()) for _ in range(2)]
        finally:
            process.terminate()
    listed, = daemon.ask("interface", "list")["interfaces"]
    for row in before, after:
        assert row.keys() == listed.keys() | {"time"} and row["name"] == "wire"
        assert row["device"]["rx_bytes_per_s"] >= 0
    began, ended = [datetime.datetime.fromisoformat(row["time"].replace("Z", "+00:00"))
                    for row in (before, after)]
    assert ended - began >= datetime.timedelta(milliseconds=90)


def test_one_interface_by_the_words_of_xnet(pair):
    with Daemon(pair.inside, config="api: {listen: off}\n") as daemon:
        with pytest.raises(Refused, match="wire is not watched\n +weir monitor wire start"):
            daemon.say("monitor", "wire", "status")
        assert "wire" in daemon.say("monitor", "wire", "start")
        wait_for(lambda: "rx_bytes_per_s" in daemon.ask("monitor", "wire", "status")
                 ["interfaces"][0].get("device", {}), "rates are known")
        said = daemon.say("monitor", "wire", "status").splitlines()
        assert said[0].split()[:7] == ["interface", "hook", "egress", "passed", "dropped", "in",
                                       "out"]
        command = pair.inside.command(WEIR, "--socket", daemon.socket, "monitor", "wire",
                                      "realtime", "--interval", "100ms")
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                pinged(pair, 500)
                most = 0
                for _ in range(40):
                    found = LINE.match(process.stdout.readline().rstrip())
                    most = max(most, int(found[2].replace(",", "")))
                assert most > 30
            finally:
                process.terminate()
        realtime_is_json(daemon, pair)
        with pytest.raises(Refused, match="--csv: what is printed again and again is no table"):
            daemon.say("monitor", "wire", "realtime", "--csv")
        assert daemon.say("monitor", "wire", "stop") == "wire is watched no longer\n"
        with pytest.raises(Refused, match="wire is not watched"):
            daemon.say("monitor", "wire", "realtime")
        with pytest.raises(Refused, match="nothere"):
            daemon.say("monitor", "nothere", "stop")
        assert daemon.ask("monitor", "wire", "start")["interfaces"][0]["name"] == "wire"
        assert daemon.ask("monitor", "wire", "stop")["interfaces"] == []


def test_what_is_not_known_or_off_is_not_shown_as_nothing(pair):
    config = "api: {listen: off}\ninterfaces: [{name: ghost}]\n"
    with Daemon(pair.inside, config=config) as daemon:
        command = pair.inside.command(WEIR, "--socket", daemon.socket, "monitor", "ghost",
                                      "realtime")
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout.readline()[8:] == "  in -  out -  dropped 0\n"
            finally:
                process.terminate()
        lines = daemon.say("status").splitlines()
        assert ["log", "off"] in [line.split() for line in lines] and "log" not in lines


def rows(text):
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_series_have_a_bound_and_counters_their_sum(pair):
    """Each of fifty rules has four."""
    def text(series):
        rules = ", ".join(f"{{name: r{number}, action: limit, rate: 9/s, "
                          f"proto: tcp, dport: {number}}}"
                          for number in range(1, 51))
        return config(f"0.0.0.0:{PORT}", more=f", series: {series}") + \
            f"rules: {{rules: [{rules}]}}\n"

    with Daemon(pair.inside, config=text(100000)) as daemon:
        wait_for(lambda: len(told(daemon)) == 8, "rates")
        whole = rows(ask(pair, "/metrics")[1])
        assert len(whole) > 280
        assert "weir_metrics_series_left_out 0" in whole
        daemon.apply(text(200))
        some = rows(ask(pair, "/metrics")[1])
    assert len(some) <= 200 and "weir_metrics_series_limit 200" in some
    left_out = next(int(row.split()[1]) for row in some if "series_left_out" in row)
    assert left_out > 80
    assert 'weir_rule_packets_total{rule="other",action="other"} 0' in some
    shown = collections.Counter(row.split("{")[0] for row in some if row.startswith("weir_rule_"))
    assert len(shown) == 4 and max(shown.values()) <= 25, "an eighth each at the most"


def test_alerts_and_board_ask_for_metrics_that_there_are():
    """By the page, which metrics_page_test.py holds against a daemon with everything on."""
    text = "".join((TREE / "packaging" / name).read_text()
                   for name in ("prometheus/weir.rules.yml", "grafana/weir.json"))
    wanted = {re.sub(r"_bucket$", "", name) for name in re.findall(r"weir_\w+", text)}
    page = (TREE / "docs/user/metrics.md").read_text()
    assert len(wanted) > 20
    assert wanted <= set(re.findall(r"^\| `(weir_\w+)`", page, re.M))
