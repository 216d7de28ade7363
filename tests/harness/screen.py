# SPDX-License-Identifier: Apache-2.0
"""A program on the screen of a terminal: tmux keeps it, by a server of its own."""
import os
import re
import shlex
import shutil
import subprocess
import tempfile

from harness.net import unique
from harness.wait import SLOWNESS, wait_for


class Screen:
    """Runs the words in a terminal of this size, in the namespace; a shell waits behind them, and
    says how they ended."""

    def __init__(self, namespace, words, size=(80, 24), term="tmux-256color", env=None):
        self.name = unique("screen")
        self.home = tempfile.mkdtemp(prefix=self.name + "-")
        self.namespace = namespace
        given = {"LC_ALL": "C.UTF-8", "TERM": term, **(env or {})}
        line = " ".join(["env"] + [shlex.quote(f"{name}={value}") for name, value in given.items()]
                        + [shlex.quote(str(word)) for word in words])
        # What the terminal sends to all that run in it is not to end the shell.
        script = (f"trap : INT QUIT; stty -g >{self.home}/before; {line}; echo ended $?; "
                  f"stty -g >{self.home}/after; exec sleep infinity")
        self.tmux("new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), "sh", "-c", script)

    def tmux(self, *words):
        return self.namespace.run("tmux", "-u", "-L", self.name, "-f", "/dev/null", *words,
                                  env=dict(os.environ, TMUX_TMPDIR=self.home, LC_ALL="C.UTF-8"))

    def text(self):
        """What is on the screen, a line each, without blanks at their ends."""
        return self.tmux("capture-pane", "-p").stdout.rstrip("\n")

    def lines(self):
        return self.text().split("\n")

    def styled(self):
        """With the escape sequences of colours."""
        return self.tmux("capture-pane", "-p", "-e").stdout

    def keys(self, *names):
        """As tmux calls them: Enter, Escape, Up, C-c, or characters."""
        for name in names:
            self.tmux("send-keys", name)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def mouse(self, x, y, button=0):
        """A button pressed at this column and line, from 0; 64 and 65 are the wheel."""
        for code in (button, 3) if button < 64 else (button,):      # 3: it is let go
            self.type(f"\033[M{chr(32 + code)}{chr(33 + x)}{chr(33 + y)}")

    def resize(self, width, height):
        self.tmux("resize-window", "-x", str(width), "-y", str(height))

    def pid(self):
        """Of the program itself."""
        shell = self.tmux("list-panes", "-F", "#{pane_pid}").stdout.strip()
        children = subprocess.run(["pgrep", "-P", shell], capture_output=True, text=True)
        return int(children.stdout.split()[0])

    def shows(self, pattern, seconds=10):
        """Waits until the screen has it; gives the match."""
        def look():
            self.seen = self.text()
            return re.search(pattern, self.seen, re.M)
        try:
            return wait_for(look, f"the screen shows {pattern!r}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.seen}") from None

    def lacks(self, pattern, seconds=10):
        wait_for(lambda: not re.search(pattern, self.text(), re.M),
                 f"the screen has no {pattern!r} any more:\n{self.text()}", seconds)

    def ended(self):
        """Its exit status, once it ended; the terminal is as it was."""
        status = int(self.shows(r"^ended (\d+)", 20 * SLOWNESS)[1])
        read = [wait_for(lambda name=name: self.read(name), name) for name in ("before", "after")]
        assert read[0] == read[1], "the terminal is not as it was"
        return status

    def read(self, name):
        with open(f"{self.home}/{name}", encoding="ascii") as file:
            return file.read()

    def close(self):
        self.tmux("kill-server")
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
