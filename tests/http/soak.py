#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sessions made, used and dropped at full load; what must not grow is looked at; prints TAP.

usage: soak.py PROGRAM [SECONDS] [--backend NAME] [--csv FILE] [--plot FILE]

Half of the clients end their sessions by DELETE, the others go without a word and leave theirs to
--max-sessions. Once that cap is reached, memory, descriptors and threads must not rise any more:
a line is laid through the second half of the samples, and its slope is the assertion.
"""

import argparse
import itertools
import os
import pathlib
import statistics
import sys
import threading
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

import plot
import serving
from serving import check, equal

MAX_SESSIONS = 200
CLIENTS = 8
SAMPLE_S = 0.5
MIB = 1 << 20
# What the line may rise for each session that came and went. One object that is forgotten is more.
LIMITS = {"memory": 100, "descriptors": 0.005, "threads": 0.005}


def rise(samples, name):
    """For each session, in the second half: the line through the samples, and three standard
    errors of its slope, as chance alone may tilt it so far."""
    later = samples[len(samples) // 2:]
    sessions = [sample["sessions"] for sample in later]
    values = [sample[name] for sample in later]
    line = statistics.linear_regression(sessions, values)
    rest = statistics.pstdev([value - line.intercept - line.slope * count
                              for count, value in zip(sessions, values)])
    return line.slope, 3 * rest / (statistics.pstdev(sessions) * len(later) ** 0.5)


def is_flat(samples, name):
    slope, noise = rise(samples, name)
    return slope < LIMITS[name] + noise


def with_leak(samples, name):
    """As if every session left twice of what the limit is."""
    return [{**sample, name: sample[name] + 2 * LIMITS[name] * sample["sessions"]}
            for sample in samples]


class Load:
    def __init__(self, server):
        self.server = server
        self.counts = itertools.count()
        self.done = 0
        self.failures = []
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(number,))
                        for number in range(CLIENTS)]

    def work(self, number):
        try:
            while not self.is_over.is_set() and not self.failures:
                session = self.server.legacy()
                equal(session.call("echo $((6 * 7))")["stdout"], "42\n")
                if number % 2 == 0:
                    check(session.delete().status in (200, 204))
                session.close()
                self.done = next(self.counts)
        except Exception as failure:  # to be raised in the main thread
            self.failures.append(failure)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()


def observe(server, load, seconds):
    samples, begun = [], time.monotonic()
    while time.monotonic() - begun < seconds and not load.failures:
        time.sleep(SAMPLE_S)
        samples.append({"s": time.monotonic() - begun, "sessions": load.done,
                        "memory": server.memory_bytes(), "descriptors": server.descriptors(),
                        "threads": server.threads()})
    return samples


def draw(samples, path):
    plot.write_lines(
        path, "%d sessions made, used and dropped" % samples[-1]["sessions"],
        [sample["s"] for sample in samples],
        [("MiB resident", [sample["memory"] / MIB for sample in samples]),
         ("descriptors", [sample["descriptors"] for sample in samples]),
         ("threads", [sample["threads"] for sample in samples])])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("seconds", nargs="?", type=float, default=60)
    parser.add_argument("--backend", default="native")
    parser.add_argument("--csv")
    parser.add_argument("--plot")
    options = parser.parse_args()
    failed = 0
    with serving.Server(os.path.abspath(options.program), "--backend=" + options.backend,
                        "--max-sessions=%d" % MAX_SESSIONS, "--allow-unlimited-memory",
                        "--log-level=info") as server:
        with Load(server) as load:
            samples = observe(server, load, options.seconds)
        for failure in load.failures:
            print("# %r" % failure)
        failed += bool(load.failures)
        print("%s 1 - every one of %d sessions got its answer"
              % ("not ok" if load.failures else "ok", load.done))
        for number, (name, limit) in enumerate(LIMITS.items(), 2):
            print("# %s: %+.4f for each session, by chance %.4f, limit %.4f; at the end %d; "
                  "twice the limit would be %s" % (
                      name, *rise(samples, name), limit, samples[-1][name],
                      "missed" if is_flat(with_leak(samples, name), name) else "found"))
            is_ok = is_flat(samples, name)
            failed += not is_ok
            print("%s %d - %s: no rise" % ("ok" if is_ok else "not ok", number, name))
        code = server.stop()
        failed += code != 0
        print("%s 5 - the server ends well" % ("not ok" if code else "ok"))
    print("1..5")
    if options.csv:
        with open(options.csv, "w") as file:
            file.write("seconds,sessions,memory_bytes,descriptors,threads\n")
            for sample in samples:
                file.write("%.1f,%d,%d,%d,%d\n" % tuple(sample.values()))
    if options.plot:
        draw(samples, options.plot)
    sys.exit(1 if failed else 0)


main()
