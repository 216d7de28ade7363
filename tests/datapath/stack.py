#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How much stack the functions of a program take together, as Linux before 6.11 counts: a frame is
rounded up to 32 bytes, also an empty one, and 512 are the most (check_max_stack_depth()). Newer
kernels count by 16, so what is too deep shows only on an old one. What is in a branch that a
constant takes out counts here as well. usage: stack.py OBJECT..."""
import collections
import re
import shutil
import subprocess
import sys

MOST, ROUND = 512, 32


def functions(path):
    """({name: bytes of its frame}, {name: names it calls}) of a BPF object."""
    objdump = shutil.which("llvm-objdump-19") or "llvm-objdump"
    listing = subprocess.run([objdump, "-dr", "--no-show-raw-insn", str(path)], check=True,
                             text=True, stdout=subprocess.PIPE).stdout
    frames, calls, current = {}, collections.defaultdict(set), None
    for line in listing.splitlines():
        if re.match(r"^[0-9a-f]+ <\.?LBB", line):      # a label inside a function, from older clang
            continue
        if name := re.match(r"^[0-9a-f]+ <(.*)>:", line):
            current = name[1]
            frames[current] = 0
        for depth in re.findall(r"r(?:10 -|\d+ \+= -) ?(0x[0-9a-f]+|\d+)", line):
            if int(depth, 0) <= MOST:
                frames[current] = max(frames[current], int(depth, 0))
        if called := re.search(r"R_BPF_64_32\s+(\w+)", line):
            calls[current].add(called[1])
    return frames, calls


def deepest(path):
    """{program: (bytes, [(function, bytes of its frame), ...])}, each program's deepest way."""
    frames, calls = functions(path)
    known = {}

    def way(name):
        if name not in known:
            frame = max(frames[name] + ROUND - 1, ROUND) // ROUND * ROUND
            depth, below = max((way(called) for called in calls[name]), default=(0, []))
            known[name] = depth + frame, [(name, frame), *below]
        return known[name]

    return {name: way(name) for name in frames if name.startswith("weir_")}


if __name__ == "__main__":
    found = [(path, name, *way) for path in sys.argv[1:] for name, way in deepest(path).items()]
    for path, name, depth, way in found:
        print(f"{path}: {name}: {depth}:", " > ".join(f"{part} {frame}" for part, frame in way))
    sys.exit(any(depth > MOST for _, _, depth, _ in found))
