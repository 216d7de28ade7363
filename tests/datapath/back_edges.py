#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Finds loops that kernels up to 6.1 at least refuse before they verify ("back-edge from insn"):
those that run into their first instruction from one that is no jump. Newer kernels take them, so
such a loop shows only on an old one. usage: back_edges.py OBJECT..."""
import re
import shutil
import subprocess
import sys


def programs(path):
    """Name -> {number: text} for each function of a BPF object."""
    objdump = shutil.which("llvm-objdump-19") or "llvm-objdump"
    listing = subprocess.run([objdump, "-d", "--no-show-raw-insn", str(path)], check=True,
                             text=True, stdout=subprocess.PIPE).stdout
    found, current = {}, {}
    for line in listing.splitlines():
        if re.match(r"^[0-9a-f]+ <\.?LBB", line):      # a label inside a function, from older clang
            continue
        if name := re.match(r"^[0-9a-f]+ <(.*)>:", line):
            current = found.setdefault(name[1], {})
        elif instruction := re.match(r"^\s+(\d+):\s+(.*)", line):
            current[int(instruction[1])] = instruction[2]
    return found


def successors(instructions):
    """Number -> [(number, whether by a jump)], in the order in which the kernel walks them."""
    numbers = sorted(instructions)
    following = dict(zip(numbers, numbers[1:]))
    result = {}
    for number in numbers:
        text = instructions[number]
        jump = re.search(r"goto ([+-]0x[0-9a-f]+)", text)
        target = number + 1 + int(jump[1], 16) if jump else None
        if text.startswith("exit"):
            result[number] = []
        elif text.startswith("goto"):
            result[number] = [(target, True)]
        elif jump:
            result[number] = [(following[number], True), (target, True)]
        else:
            result[number] = [(following[number], False)] if number in following else []
    return result


def back_edges(instructions):
    """[(from, to)] as the kernel's depth-first walk meets them."""
    edges = successors(instructions)
    start = min(instructions)
    open_now, walked, refused = {start}, set(), []
    path = [(start, iter(edges[start]))]
    while path:
        number, rest = path[-1]
        for to, by_jump in rest:
            if to in open_now:
                refused += [] if by_jump else [(number, to)]
            elif to not in walked:
                open_now.add(to)
                path.append((to, iter(edges[to])))
                break
        else:
            path.pop()
            open_now.discard(number)
            walked.add(number)
    return refused


def refused_in(path):
    """{program: back edges} of those programs that have any."""
    return {name: edges for name, instructions in programs(path).items()
            if instructions and (edges := back_edges(instructions))}


if __name__ == "__main__":
    bad = {path: refused for path in sys.argv[1:] if (refused := refused_in(path))}
    for path, refused in bad.items():
        for name, edges in refused.items():
            print(f"{path}: {name}: instruction {edges[0][0]} falls into the loop at "
                  f"{edges[0][1]}; end the loop in its condition (bpf/lib/cursor.h)")
    sys.exit(bool(bad))
