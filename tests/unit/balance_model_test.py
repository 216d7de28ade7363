# SPDX-License-Identifier: Apache-2.0
"""Numbers and slots of compiled services against tests/model/maglev.py: a host of any version, and
the flows that it remembers, must come to the same."""
import json
import os
import pathlib
import random
import subprocess

import pytest

from model import maglev

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD", TREE / "build"))
PROTOS = {"tcp": 6, "udp": 17}


def backends_of(family, count, seed):
    drawn = random.Random(seed)
    weights = [drawn.choice((0, 1, 1, 2, 10, 65535 if seed % 2 else 100)) for _ in range(count)]
    return [{"address": f"10.{number >> 8}.{number & 255}.7" if family == 4
             else f"fd00:{number:x}::{seed:x}", "port": drawn.randrange(1, 65536), "weight": weight}
            for number, weight in enumerate(weights)]


def compiled(family, proto, backends):
    service = {"name": "web", "address": "192.0.2.1" if family == 4 else "2001:db8::1",
               "port": 80, "proto": proto, "backends": backends}
    done = subprocess.run([BUILD / "tests" / "balance-print"], text=True, stdout=subprocess.PIPE,
                          input=json.dumps({"balance": {"services": [service]}}), check=True)
    return [[int(word) for word in line.split()] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("proto", PROTOS)
@pytest.mark.parametrize("count, seed", ((1, 1), (2, 2), (3, 3), (10, 4), (100, 5), (1000, 6)))
def test_numbers_and_slots_are_those_of_the_model(family, proto, count, seed):
    backends = backends_of(family, count, seed)
    backends[0]["weight"] = 1
    ends = [maglev.end(backend["address"], backend["port"], PROTOS[proto]) for backend in backends]
    numbers, slots = compiled(family, proto, backends)
    assert numbers == maglev.numbers(ends)
    assert slots == maglev.slots(ends, [backend["weight"] for backend in backends])


def test_the_thousand_backends_have_numbers_that_had_to_give_way():
    """Else the above says nothing of those that have the same hash."""
    ends = [maglev.end(backend["address"], backend["port"], 6)
            for backend in backends_of(4, 1000, 6)]
    first = {maglev.hash_bytes(one, maglev.NUMBER) % maglev.NUMBERS for one in ends}
    assert len(first) < len(ends) and len(set(maglev.numbers(ends))) == len(ends)


def test_a_backend_that_stands_alone_has_the_number_that_it_always_had():
    """Written down once, so that no later version forgets what live flows remember."""
    assert maglev.numbers([maglev.end("10.0.0.1", 80, 6)]) == compiled(
        4, "tcp", [{"address": "10.0.0.1", "port": 80}])[0] == [62184]
