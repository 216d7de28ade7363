# SPDX-License-Identifier: Apache-2.0
"""Which files of a tree the check-* tools look at, and how they report. Knows none of the rules."""
import pathlib
import subprocess
import sys

SKIPPED = ("build", ".git", "node_modules", "__pycache__")


def tree_from_arguments():
    """The tree named by the one optional argument, else the one this tool belongs to."""
    if len(sys.argv) > 2 or len(sys.argv) == 2 and sys.argv[1].startswith("-"):
        sys.exit(f"usage: {pathlib.Path(sys.argv[0]).name} [TREE]")
    if len(sys.argv) == 2:
        return pathlib.Path(sys.argv[1]).resolve()
    return pathlib.Path(__file__).resolve().parent.parent


def files(tree):
    """Paths relative to the tree, sorted: what git tracks or would, else what lies there."""
    listed = subprocess.run(["git", "-C", tree, "ls-files", "-co", "--exclude-standard"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if listed.returncode == 0 and (tree / ".git").exists():
        paths = [pathlib.PurePath(line) for line in listed.stdout.splitlines()]
    else:
        paths = [path.relative_to(tree) for path in tree.rglob("*")]
    return sorted({path for path in paths if (tree / path).is_file() and not any(
        part in SKIPPED or part.startswith("build-") for part in path.parts)})


def c_files(tree):
    return [path for path in files(tree) if path.suffix in (".c", ".h")]


def read(tree, path):
    return (tree / path).read_text(encoding="utf-8", errors="replace")


def without_comments(text):
    """C text with comments and the inside of strings blanked; line and column stay as they were."""
    out, at, end = [], 0, len(text)

    def blank(stop):
        return "".join(c if c == "\n" else " " for c in text[at:stop])
    while at < end:
        if text.startswith("/*", at):
            stop = text.find("*/", at + 2)
            stop = end if stop < 0 else stop + 2
            out.append(blank(stop))
        elif text.startswith("//", at):
            stop = text.find("\n", at)
            stop = end if stop < 0 else stop
            out.append(blank(stop))
        elif text[at] in "\"'":
            stop = at + 1
            while stop < end and text[stop] not in (text[at], "\n"):
                stop += 2 if text[stop] == "\\" else 1
            stop = min(stop + 1, end)
            out.append(text[at] + blank(stop)[2:] + text[at] if stop - at >= 2 else text[at:stop])
        else:
            stop = at + 1
            out.append(text[at])
        at = stop
    return "".join(out)


def finish(problems, what):
    """Prints the problems, `file:line: text` each, and gives the exit status."""
    for problem in problems:
        print(problem)
    if problems:
        print(f"{len(problems)} problems in {what}")
    return 1 if problems else 0
