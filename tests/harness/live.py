# SPDX-License-Identifier: Apache-2.0
"""Frames at full speed, made in the kernel: the other side of live_frames.c."""
import collections
import contextlib
import pathlib
import re
import signal
import subprocess

from harness.daemon import HELPERS
from harness.wait import SLOWNESS, wait_for


class LiveFrames:
    """One frame for each source in turn, out of `device`, from start to stop(): UDP over IPv4, or
    `frame`, which has no tag and up to 128 bytes and says of which family the sources are. A source
    "ADDRESS COUNT" stands for so many addresses from that one on, drawn by chance; of IPv6 for so
    many networks /64 and any host of them, and what a frame from ADDRESS has for a checksum stays
    right. `rate`: about so many a second; 0: as many as there can be."""

    def __init__(self, namespace, device, sources, frame=None, rate=0):
        form = [bytes(frame).hex()] if frame is not None else []
        self.process = subprocess.Popen(
            [HELPERS / "live_frames", HELPERS / "live_frames.bpf.o", namespace.path, device,
             str(rate), *form],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.process.stdin.write("".join(f"{source}\n" for source in sources))
        self.process.stdin.close()
        self.process.stdin = None
        self.mpps = None

    @contextlib.contextmanager
    def held(self):
        """No more come meanwhile."""
        self.process.send_signal(signal.SIGSTOP)
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat")
        try:
            wait_for(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "T", "they stop")
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """Gives {source: frames sent}."""
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=30 * SLOWNESS)
        assert self.process.returncode == 0, err
        self.mpps = float(re.search(r"([\d.]+) Mpps", err)[1])
        sent = collections.Counter()        # a source may be named more than once
        for row in out.splitlines():
            sent[row.split()[0]] += int(row.split()[1])
        return sent

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
