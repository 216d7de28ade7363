# SPDX-License-Identifier: Apache-2.0
"""Calling weir-bench, and the arithmetic of rounds: medians, and medians of per-round ratios."""
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile

from bench import lanes

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["WEIR_BUILD"])
PROGRAM = BUILD / "tests/bench/weir-bench"
MIB = 1 << 20
lanes.FILL = [PROGRAM, "fill"]


def program(*words, text=False):
    """Runs weir-bench; gives its JSON, or what it prints."""
    done = subprocess.run([PROGRAM, *map(str, words)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"weir-bench {words[0]}: {done.stderr.strip()}")
    if text:
        return done.stdout
    return json.loads(done.stdout) if done.stdout else None


@contextlib.contextmanager
def drawn(shape, count):
    """A folder with a list of that shape and sources to send."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"weir-bench-{os.getpid()}-"))
    try:
        folder.chmod(0o755)
        program("shape", shape, count, folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def median(values):
    return statistics.median(values)


def net(rounds, name):
    """Median of what a contender costs more than the empty one in the same round."""
    return median([a - b for a, b in zip(rounds[name], rounds["empty"])])


def net_ratio(rounds, peer, name):
    """Median of the ratios round by round."""
    return median([(p - e) / max(w - e, 0.1)
                   for p, w, e in zip(rounds[peer], rounds[name], rounds["empty"])])


def ratio(peer, weir):
    return median([p / w for p, w in zip(peer, weir)])
