# SPDX-License-Identifier: Apache-2.0
"""/metrics, read over and over: what each series said when, and what the devices of a namespace had
counted by then."""
import collections
import contextlib
import functools
import http.client
import re
import threading
import time

from harness.account import metrics

SERIES = re.compile(r"^(\w+(?:\{.*\})?) (\S+)$", re.M)
HELP, TYPE = (re.compile(rf"^# {word} (\w+) (.*)$", re.M) for word in ("HELP", "TYPE"))
SINCE_START = "since the daemon started"
LAST = "process_resident_memory_bytes "

# Of the devices together, both directions.
Passed = collections.namedtuple("Passed", "packets bytes")


class Page:
    """`step`: what the reader had been told by then; `passed` was read at `after_s`."""

    def __init__(self, text, step="", before_s=0, passed=None):
        self.text, self.step, self.before_s = text, step, before_s
        self.passed, self.after_s = passed, time.monotonic()

    @functools.cached_property
    def values(self):
        return {name: float(value) for name, value in SERIES.findall(self.text)}

    @functools.cached_property
    def types(self):
        return dict(TYPE.findall(self.text))

    @functools.cached_property
    def helps(self):
        return dict(HELP.findall(self.text))

    def family(self, series):
        name = series.partition("{")[0]
        return name if name in self.types else re.sub(r"_(bucket|sum|count)$", "", name)

    @functools.cached_property
    def counters(self):
        return {name: value for name, value in self.values.items()
                if self.types[self.family(name)] in ("counter", "histogram")}

    def begins_with_daemon(self, series):
        return SINCE_START in self.helps[self.family(series)]

    def sum(self, name, **labels):
        """Of all series of that name that have these labels."""
        return sum(value for series, value in self.values.items()
                   if series.partition("{")[0] == name
                   and all(f'{label}="{text}"' in series for label, text in labels.items()))


def page_of(daemon):
    return Page(metrics(daemon))


class Pages:
    """A thread that reads until the end, as soon as a daemon answers and from then on."""

    def __init__(self, daemon, devices):
        self.daemon, self.devices, self.step, self.all = daemon, devices, "", []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def passed(self):
        packets = size = 0
        with open("/proc/thread-self/net/dev", encoding="ascii") as file:
            for line in file:
                name, _, rest = line.partition(":")
                if name.strip() in self.devices:
                    words = [int(word) for word in rest.split()]
                    packets += words[1] + words[9]
                    size += words[0] + words[8]
        return Passed(packets, size)

    def look(self):
        step, before_s = self.step, time.monotonic()
        status, text = self.daemon.get("/metrics")
        # One that a kill cut short is none.
        if status == 200 and LAST in text:
            self.all.append(Page(text, step, before_s, self.passed()))

    def run(self):
        with self.daemon.namespace.entered():
            while not self.over.wait(0.05):
                with contextlib.suppress(OSError, http.client.HTTPException):
                    self.look()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
