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
# What the line may rise in an hour at this load. A leak of 100 bytes in each session would be
# many times as much.
LIMITS = {"memory": 40 * MIB, "descriptors": 60, "threads": 30}


def slope(samples, name):
    """By the hour, of the second half."""
    later = samples[len(samples) // 2:]
    fit = statistics.linear_regression([sample["s"] for sample in later],
                                       [sample[name] for sample in later])
    return fit.slope * 3600


def spread(samples, name):
    """How far one sample may stand from another by chance, as a slope over the second half."""
    later = samples[len(samples) // 2:]
    values = [sample[name] for sample in later]
    length_s = later[-1]["s"] - later[0]["s"]
    # The standard error of the slope of a line through noise, three of them.
    deviation = statistics.pstdev(values)
    return 3 * deviation / (length_s * (len(later) / 12) ** 0.5) * 3600


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
            rise, noise = slope(samples, name), spread(samples, name)
            is_flat = rise < limit + noise
            failed += not is_flat
            print("%s %d - %s do not grow" % ("ok" if is_flat else "not ok", number, name))
            print("# %s: %+.0f an hour (limit %.0f, noise %.0f), at the end %d"
                  % (name, rise, limit, noise, samples[-1][name]))
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
