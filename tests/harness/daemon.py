# SPDX-License-Identifier: Apache-2.0
"""`weir daemon` with directories, socket and pins of its own, and the command line that asks it."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.parse

from harness import pins
from harness.net import unique
from harness.wait import SLOWNESS, wait_for

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD", TREE / "build"))
WEIR = pathlib.Path(os.environ.get("WEIR", BUILD / "weir")).resolve()
# What tests/meson.build makes for the harness.
HELPERS = (BUILD if "WEIR_BUILD" in os.environ else WEIR.parent) / "tests"
SANITIZED = "WEIR_TEST_SANITIZED" in os.environ     # $WEIR is built with ASan and UBSan
COMPLAINTS = re.compile(r"(ERROR|WARNING): \w+Sanitizer|runtime error:")
BPFFS = pathlib.Path("/sys/fs/bpf")


class Refused(AssertionError):
    """A verb that did not do as told: its exit status and what it said."""

    def __init__(self, words, done):
        super().__init__(f"weir {' '.join(map(str, words))}: exit {done.returncode}: "
                         f"{done.stderr.strip() or done.stdout.strip()}")
        self.status, self.said, self.out = done.returncode, done.stderr, done.stdout


def assert_clean(text):
    """No sanitizer complained, of what was done or of what was left at the end."""
    assert not COMPLAINTS.search(text), text


def route_of(words, reads):
    """Where to ask for a verb of `reads` that has no flags; None: it is another."""
    words = tuple(map(str, words))
    for length in range(len(words), 0, -1):
        named, rest = reads.get(words[:length]), words[length:]
        if named is not None and len(rest) <= len(named) and \
                not any(word.startswith("-") for word in rest):
            path = "/api/v1/" + "/".join(words[:length])
            return path + ("?" + urllib.parse.urlencode(list(zip(named, rest))) if rest else "")
    return None


class Daemon:
    """Not running before start(). Leaves nothing behind after close()."""

    def __init__(self, namespace, config="api: {listen: off}\n", interfaces=(), label="daemon",
                 state=None, prefix=()):
        self.namespace, self.interfaces, self.prefix = namespace, interfaces, list(prefix)
        self.binary = WEIR
        self.known_reads = {}
        self.name = unique(label)
        self.home = pathlib.Path(tempfile.mkdtemp(prefix=self.name + "-"))
        self.home.chmod(0o755)
        self.state, self.run_dir = state or self.home / "state", self.home / "run"
        self.socket = self.run_dir / "weir.sock"
        self.pin_dir = BPFFS / self.name
        self.config = self.home / "weir.yaml"
        self.config.write_text(config)
        self.log_path = self.home / "log"
        self.process, self.kept_log = None, ""
        if not os.path.ismount(BPFFS):
            subprocess.run(["mount", "-t", "bpf", "bpf", BPFFS], check=True)

    # --- life ------------------------------------------------------------------------------

    def command(self):
        """To be started from anywhere."""
        return self.namespace.command(*self.words())

    def words(self):
        words = [*self.prefix, self.binary, "daemon", "--config", self.config, "--state-dir",
                 self.state, "--run-dir", self.run_dir, "--pin-dir", self.pin_dir]
        for interface in self.interfaces:
            words += ["--interface", interface]
        return list(map(str, words))

    def launch(self):
        """Starts it and does not wait."""
        assert not self.process or self.process.poll() is not None, "it runs, and would be left"
        with open(self.log_path, "ab") as log, self.namespace.entered():
            self.process = subprocess.Popen(self.words(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        return self

    def start(self):
        self.launch()
        wait_for(self.answers, f"the daemon answers; its log: {self.log_path}", 30)
        return self

    def answers(self):
        assert self.process.poll() is None, f"the daemon ended: {self.log()}"
        return self.healthy()

    def healthy(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get("/healthz", 5)[0] == 200
        return False

    def end(self, number=signal.SIGTERM):
        if self.process:
            if self.process.poll() is None:
                self.process.send_signal(number)
            self.process.wait(20 * SLOWNESS)

    def stop(self):
        """As systemd stops it: the data path stays."""
        self.end()

    def kill(self):
        self.end(signal.SIGKILL)

    def restart(self):
        self.stop()
        return self.start()

    def reload(self, config):
        self.config.write_text(config)
        self.process.send_signal(signal.SIGHUP)

    def last_log(self):
        """The end of the log, kept when close() removes the file."""
        return self.kept_log or "\n".join(self.log().splitlines()[-40:])

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            # Killed, it could not tell of leaks; otherwise it is the quicker end.
            self.end(signal.SIGTERM if SANITIZED else signal.SIGKILL)
        if pins.are_links(self.pin_dir):
            pins.detach(self.pin_dir)
        elif self.namespace.path.exists():      # a test may have taken it away
            self.namespace.run(WEIR, "cleanup", "--force", "--pin-dir", self.pin_dir, "--run-dir",
                               self.run_dir, check=False)
        pins.remove(self.pin_dir)
        whole_log, self.kept_log = self.log(), self.last_log()
        shutil.rmtree(self.home, ignore_errors=True)
        assert_clean(whole_log)

    def __enter__(self):
        try:
            return self.start() if not self.process else self
        except BaseException:
            self.close()        # one that is slow to answer would go on beside the next
            raise

    def __exit__(self, *_):
        self.close()

    # --- asking ------------------------------------------------------------------------------

    def environment(self):
        return dict(os.environ, WEIR_SOCKET=str(self.socket), NO_COLOR="1")

    def get(self, path, seconds=120):
        """(status, text) by the daemon's socket. No program is started: it is asked often."""
        connection = http.client.HTTPConnection("localhost")
        with socket.socket(socket.AF_UNIX) as connection.sock:
            connection.sock.settimeout(seconds * SLOWNESS)
            connection.sock.connect(str(self.socket))
            connection.request("GET", path, headers={"Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def verb(self, *words, text=None):
        """Runs `weir WORDS` in the daemon's namespace; gives the finished process."""
        given = {} if text is None else {"input": text}
        patience = ("--timeout", f"{int(120 * SLOWNESS)}s") if SLOWNESS > 1 else ()
        done = self.namespace.run(WEIR, *patience, *words, check=False, env=self.environment(),
                                  **given)
        assert_clean(done.stderr)
        return done

    def say(self, *words, text=None):
        """Runs a verb that must work; gives what it printed."""
        done = self.verb(*words, text=text)
        if done.returncode:
            raise Refused(words, done)
        return done.stdout

    def ask(self, *words, text=None):
        """Runs a verb with --json that must work; gives the answer."""
        answer = self.read(*words) if text is None else None
        return json.loads(self.say(*words, "--json", text=text)) if answer is None else answer

    def read(self, *words):
        """The same by the verb's route, of which the command line prints what it gets. None: that
        has more to do, or to say."""
        path = route_of(words, self.reads())
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, answer = self.get(path) if path else (None, None)
            return json.loads(answer) if status == 200 else None
        return None

    def reads(self):
        """{words of each verb that reads: its arguments without flags}."""
        if not self.known_reads:
            with contextlib.suppress(OSError, http.client.HTTPException):
                table = json.loads(self.get("/api/v1/operations")[1])["operations"]
                self.known_reads.update({
                    tuple(row["route"].split("/")[3:]):
                    [arg["name"] for arg in row["args"] if arg["positional"]]
                    for row in table if row["kind"] == "read"})
        return self.known_reads

    def apply(self, config, *words):
        return self.ask("apply", "-", *words, text=config)

    def status(self):
        return self.ask("status")

    def reasons(self):
        """Packets by reason, those with none left out."""
        return {row["reason"]: row["packets"] for row in self.status()["reasons"] if row["packets"]}

    def interface(self, name):
        rows = {row["name"]: row for row in self.ask("interface", "list")["interfaces"]}
        return rows.get(name)

    def entries(self, noun="block", *words):
        return self.ask(noun, "list", "--limit", "100000", *words)["entries"]

    def export(self, noun="block", *words):
        return self.say(noun, "export", *words)
