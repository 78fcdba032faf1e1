#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures the server over stdio beside a plain vfork and exec of the same programs.

usage: bench/run.py PROGRAM SPAWN_HELPER [--csv FILE] [--svg FILE] [OPTION...]

Prints a table (median, 10th and 90th percentile, ratio to the plain exec taken in the
same run). Rounds of both alternate, so that a busy neighbour hits both. OPTIONs go to
the server.
"""

import argparse
import collections
import csv
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / "tools"), str(TOP / "tests" / "chaos")]

import plot
import traces
from mcp_client import Client

ROUNDS = 5
CALLS_PER_ROUND = 60
STARTS = 40
SANDBOXES = 50
HANG_GUARD_S = 20
OUTPUT_BYTES = 2 * 1024 * 1024
MODERN = "2026-07-28"
TRUE = "/usr/bin/true"
STATIC = ["/usr/bin/busybox", "true"]

# unit "ms": samples are compared by their median; "MB": memory
Row = collections.namedtuple("Row", "name unit samples baseline")


def percentile(samples, share):
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def timed(action):
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


class Bench:
    def __init__(self, argv, spawn):
        self.argv = argv
        self.spawn = spawn
        self.rows = []

    def add(self, name, samples, unit="ms", baseline=None):
        row = Row(name, unit, samples, baseline)
        self.rows.append(row)
        print_row(row)

    def server(self):
        client = Client(self.argv, stderr=subprocess.DEVNULL)
        client.initialize()
        return client

    def plain(self, argv, count):
        """Milliseconds of vfork, exec and wait, measured by the helper."""
        done = subprocess.run([self.spawn, str(count)] + argv, check=True, capture_output=True,
                              text=True)
        return [float(line) / 1000 for line in done.stdout.split()]

    # --- rows ---

    def start_to_initialize(self):
        samples = []
        for _ in range(STARTS):
            started = time.perf_counter()
            client = self.server()
            samples.append((time.perf_counter() - started) * 1000)
            client.finish()
        self.add("process start to initialize answered", samples,
                 baseline=self.plain([TRUE], STARTS))

    def warm_calls(self):
        programs = {"exec of true (dynamic)": [TRUE]}
        if os.access(STATIC[0], os.X_OK):
            programs["exec of busybox true (static)"] = STATIC
        client = self.server()
        for title, argv in programs.items():
            client.call(args=argv)
            plain, warm = [], []
            for _ in range(ROUNDS):
                plain += self.plain(argv, CALLS_PER_ROUND)
                warm += [timed(lambda: client.call(args=argv)) for _ in range(CALLS_PER_ROUND)]
            self.add("plain " + title, plain)
            self.add("warm " + title, warm, baseline=plain)
        client.finish()

    def first_call(self):
        cold, over_warm = [], []
        for _ in range(STARTS):
            client = self.server()
            cold.append(timed(lambda: client.call(args=[TRUE])))
            warm = min(timed(lambda: client.call(args=[TRUE])) for _ in range(5))
            over_warm.append(cold[-1] - warm)
            client.finish()
        self.add("first call, cold", cold)
        self.add("first call, cold, over a warm one", over_warm)

    def big_output(self):
        client = self.server()
        argv = ["head", "-c", str(OUTPUT_BYTES), "/dev/zero"]
        text = "head -c %d /dev/zero | tr '\\0' x" % OUTPUT_BYTES
        client.call(args=argv)
        self.add("2 MiB of text", [timed(lambda: client.call(command=text))
                                   for _ in range(CALLS_PER_ROUND // 3)])
        client.finish()

    def ping_while_running(self):
        client = self.server()
        client.call(args=[TRUE])
        for _ in range(4):
            client.start_call(command="sleep 1000")
        self.add("ping while four commands run", [
            timed(lambda: client.request("ping")) for _ in range(ROUNDS * CALLS_PER_ROUND)])
        client.kill()

    def cancel(self):
        """From the client's cancel until every process of the command has gone."""
        client = self.server()
        client.call(args=[TRUE])
        at_rest = set(traces.descendants(client.server.pid))
        samples = []
        for _ in range(STARTS):
            call = client.start_call(command="sleep 1000 & setsid sleep 1000 & wait")
            tree = wait_for_tree(client.server.pid, at_rest, programs=2)
            started = time.perf_counter()
            client.notify("notifications/cancelled", requestId=call, reason="bench")
            while any(traces.parent_and_state(pid)[1] not in ("", "Z") for pid in tree):
                if time.perf_counter() - started > HANG_GUARD_S:
                    raise SystemExit("bench: the cancelled command goes on")
            samples.append((time.perf_counter() - started) * 1000)
        self.add("cancel until the tree is dead", samples)
        client.finish()

    def memory(self):
        client = self.server()
        self.add("memory of the server, idle (RSS)", [rss_mb(client.server.pid)], unit="MB")
        self.add("memory of server and zygote, idle (PSS)", [tree_pss_mb(client.server.pid)],
                 unit="MB")
        before = tree_pss_mb(client.server.pid)
        started = [timed(lambda: modern_call(client, args=[TRUE])) for _ in range(SANDBOXES)]
        self.add("%d sandboxes made in a row, each with a call" % SANDBOXES, started)
        each = (tree_pss_mb(client.server.pid) - before) / SANDBOXES
        self.add("memory of one sandbox, all in (PSS)", [each], unit="MB")
        client.finish()

    def peers(self):
        if not shutil.which("bwrap"):
            print("(bwrap is not installed: no row)")
            return
        bwrap = [shutil.which("bwrap"), "--unshare-all", "--die-with-parent", "--ro-bind", "/usr",
                 "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",
                 "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev",
                 "--tmpfs", "/tmp", TRUE]
        self.add("bwrap: a fresh sandbox and true", self.plain(bwrap, STARTS),
                 baseline=self.plain([TRUE], STARTS))


def modern_call(client, **arguments):
    """A call of the era without sessions: without a handle it gets a sandbox of its own."""
    return client.answer_of(client.start("tools/call", name="sandbox_exec", arguments=arguments, _meta={
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {}}))


def wait_for_tree(server, at_rest, programs):
    """The processes of a command, once all its programs run."""
    deadline = time.monotonic() + HANG_GUARD_S
    while time.monotonic() < deadline:
        new = set(traces.descendants(server)) - at_rest
        sleeping = [pid for pid in new if traces.read("/proc/%d/comm" % pid).strip() == "sleep"]
        if len(sleeping) >= programs:
            return sleeping
    raise SystemExit("bench: the command to cancel did not start")


def rss_mb(pid):
    for line in traces.read("/proc/%d/status" % pid).splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def tree_pss_mb(server):
    """What a server and all its processes take, shared pages counted once."""
    total = 0
    for pid in [server] + traces.descendants(server):
        for line in traces.read("/proc/%d/smaps_rollup" % pid).splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def ratio(row):
    if not row.baseline:
        return None
    return statistics.median(row.samples) / statistics.median(row.baseline)


def print_row(row):
    times = "%.1f x" % ratio(row) if row.baseline else ""
    print("%-46s %9.3f %9.3f %9.3f %-3s %8s" % (
        row.name, statistics.median(row.samples), percentile(row.samples, 0.1),
        percentile(row.samples, 0.9), row.unit, times), flush=True)


def write_csv(rows, path):
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["row", "unit", "samples", "median", "p10", "p90", "ratio_to_plain_exec"])
        for row in rows:
            out.writerow([row.name, row.unit, len(row.samples),
                          "%.4f" % statistics.median(row.samples),
                          "%.4f" % percentile(row.samples, 0.1),
                          "%.4f" % percentile(row.samples, 0.9),
                          "%.3f" % ratio(row) if row.baseline else ""])


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("program")
    parser.add_argument("spawn")
    parser.add_argument("--csv", default=str(TOP / "build" / "bench.csv"))
    parser.add_argument("--svg", default=str(TOP / "build" / "bench.svg"))
    arguments, options = parser.parse_known_args()

    bench = Bench([os.path.abspath(arguments.program)] + options, os.path.abspath(arguments.spawn))
    print("%s, %d cores" % (platform.release(), os.cpu_count()))
    print("%-46s %9s %9s %9s     %8s" % ("", "median", "p10", "p90", "to plain"))
    for measure in (bench.start_to_initialize, bench.warm_calls, bench.first_call,
                    bench.big_output, bench.ping_while_running, bench.cancel, bench.memory,
                    bench.peers):
        measure()
    write_csv(bench.rows, arguments.csv)
    plot.write(arguments.svg, [
        (row.name, percentile(row.samples, 0.1), statistics.median(row.samples),
         percentile(row.samples, 0.9)) for row in bench.rows if row.unit == "ms"])
    print("written: %s and %s" % (os.path.relpath(arguments.csv), os.path.relpath(arguments.svg)))


main()
