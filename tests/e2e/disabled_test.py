# SPDX-License-Identifier: Apache-2.0
"""What is not asked for is not in the programs: by what the kernel runs, told by bpftool."""
import re
import subprocess

import pytest

from harness.kernel import BPFTOOL, bpftool, release

# A policy with the feature, and maps that its code cannot do without.
FEATURES = {
    "attack": ("attack: {enabled: true}\n", {"ctr_attack"}),
    "conntrack": ("conntrack: {enabled: true}\n", {"st_flow", "st_half", "ctr_conntrack"}),
    "limit": ("limit: {sources: 4096, limits: [{name: some, packets: 10/s}]}\n",
              {"st_limit", "ctr_limit"}),
    "sanity": ("sanity: {level: strict}\n", {"ctr_sanity", "st_fragment"}),
    "services": ("balance: {services: [{name: web, address: 192.0.2.1, port: 80, backends: "
                 "[{address: 192.0.2.2}]}]}\n", {"ctr_backend", "ctr_balance", "tmp_served"}),
    "synproxy": ("synproxy: {services: [{ports: 80}]}\n", {"ctr_synproxy", "tmp_cookie"}),
}
PLAIN = "api: {listen: off}\n"


def dumps(daemon):
    """The code of each packet program of the daemon, translated, as text."""
    own = bpftool("map", "show", "pinned", daemon.pin_dir / "maps" / "cfg_iface")["id"]
    ids = [row["id"] for row in bpftool("prog", "show")
           if row["name"].startswith("weir_") and own in row.get("map_ids", ())]
    assert len(ids) == 3                # XDP, TC in and TC out
    return [subprocess.run([BPFTOOL, "prog", "dump", "xlated", "id", str(number)], check=True,
                           stdout=subprocess.PIPE, text=True).stdout for number in ids]


def maps_of(text):
    names = {row["id"]: row.get("name") for row in bpftool("map", "show")}
    return {names[int(number)] for number in re.findall(r"map\[id:(\d+)\]", text)}


def loads_of_constants(text):
    """Reads of up to four bytes right behind the address of a constant."""
    return re.findall(r"\(18\) (r\d) = map\[id:\d+\]\[0\]\+\d+\n +\d+: \((?:71|69|61)\) "
                      r".* = \*\(u\d+ \*\)\(\1 ", re.sub(r"^;.*\n", "", text, flags=re.M))


@pytest.fixture
def watching(weir_daemon, pair):
    return lambda config: weir_daemon(pair.inside, config=config, interfaces=[pair.wire])


@pytest.mark.skipif(release() < (6, 8), reason="functions that nobody calls are left out by "
                    "Linux 6.8")
def test_program_without_features_has_no_map_of_theirs(watching):
    theirs = set().union(*(maps for _, maps in FEATURES.values()))
    for text in dumps(watching(PLAIN)):
        assert maps_of(text) & theirs == set()


@pytest.mark.parametrize("feature", FEATURES)
def test_feature_is_there_once_it_is_asked_for_and_goes_with_it(watching, feature):
    config, maps = FEATURES[feature]
    daemon = watching(PLAIN)
    plain = [len(text.splitlines()) for text in dumps(daemon)]
    daemon.apply(PLAIN + config)
    used = [maps_of(text) for text in dumps(daemon)]
    assert set().union(*used) >= maps
    daemon.apply(PLAIN)
    assert [len(text.splitlines()) for text in dumps(daemon)] == plain


def test_no_constant_is_read_right_behind_its_address(watching):
    for text in dumps(watching(PLAIN + FEATURES["conntrack"][0])):
        assert loads_of_constants(text) == []
