#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures the server over HTTP: many sessions, many callers, and who waits for whom.

usage: bench/over_http.py PROGRAM [--csv FILE] [--docs] [--sessions N] [--only PART[,PART...]]
                     [OPTION...]

Prints a table (percentiles, extremes; "ratio" is to the same work on an idle server, taken in
the same run) and how it stands to the targets. --docs also writes the figures into docs/.
OPTIONs go to the server.
"""

import argparse
import os
import pathlib
import resource
import sys
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / folder) for folder in ("tests/http", "tests/chaos")]

import memory
import serving
import table
import wire
from agents import call, message, modern, modern_fields

# Sessions with a sandbox, unless --sessions says otherwise.
SESSIONS = 200
MAKERS = 16
CALLERS = 64
CALLS_PER_CALLER = 20
RUNNING = 200
SAMPLES = 300
LARGE_SAMPLES = 50
IDLE_SESSIONS = 1000
STREAMS = 60
OUTPUT = "head -c 2000000 /dev/zero | tr '\\0' x"
SENDERS = 4


def timed(action):
    begun = time.perf_counter()
    action()
    return (time.perf_counter() - begun) * 1000


def sample(action, count=SAMPLES):
    return [timed(action) for _ in range(count)]


class Bench:
    def __init__(self, argv, sessions):
        self.argv = argv
        self.sessions = sessions
        self.rows = []

    def add(self, name, samples, unit="ms", baseline=None):
        row = table.Row(name, unit, samples, baseline)
        self.rows.append(row)
        table.print_row(row)

    def server(self, *options):
        return serving.Server(self.argv[0], "--backend=native", "--allow-unlimited-memory",
                              "--log-level=info", *self.argv[1:], *options)

    def crowd(self):
        """Sessions that all come at once, each with a sandbox of its own."""
        with self.server("--max-sandboxes=%d" % (self.sessions + 8)) as server:
            idle_kb, idle_mb = memory.used_mb(), memory.rss_mb(server.pid)
            clients, took = [], []

            def begin(_):
                def first_call():
                    client = server.legacy()
                    serving.equal(client.call("true")["exit_code"], 0)
                    clients.append(client)

                took.append(timed(first_call))

            begun = time.perf_counter()
            serving.in_threads(MAKERS, range(self.sessions), begin)
            total_ms = (time.perf_counter() - begun) * 1000
            count = "%d sessions with a sandbox" % self.sessions
            self.add(count + ": all", [total_ms])
            self.add(count + ": handshake and first call, %d at once" % MAKERS, took)
            again = timed(lambda: serving.in_threads(
                MAKERS, clients, lambda client: client.call("true")))
            self.add(count + ": all, a second call", [again])
            self.add(count + ": memory of each, all in",
                     [(memory.used_mb() - idle_kb) / self.sessions], "MB")
            self.add(count + ": memory of the server (RSS)", [memory.rss_mb(server.pid)], "MB")
            self.add("memory of the server, idle (RSS)", [idle_mb], "MB")
            for client in clients:
                client.close()

    def callers(self):
        with self.server() as server:
            clients = [server.legacy() for _ in range(CALLERS)]
            for client in clients:
                client.call("true")
            alone = sample(lambda: clients[0].call("true"))
            self.add("warm call of true, one caller", alone)
            took = []

            def work(client):
                for _ in range(CALLS_PER_CALLER):
                    took.append(timed(lambda: client.call("true")))

            begun = time.perf_counter()
            serving.in_threads(CALLERS, clients, work)
            seconds = time.perf_counter() - begun
            self.add("warm call of true, %d callers" % CALLERS, took, baseline=alone)
            self.add("calls of %d callers" % CALLERS, [len(took) / seconds], "/s")
            for client in clients:
                client.close()

    def waiting(self):
        """What one client waits for, while others keep the server busy."""
        with self.server("--max-parallel=64") as server:
            client = server.legacy()
            client.call("true")
            work = {
                "ping": lambda: client.ask("ping"),
                "tools/list": lambda: client.ask("tools/list"),
                "tools/call of true": lambda: client.call("true"),
            }
            alone = {name: sample(action) for name, action in work.items()}
            for name, samples in alone.items():
                self.add(name, samples)
            with running_commands(server):
                for name, action in work.items():
                    self.add("%s while %d commands run" % (name, RUNNING), sample(action),
                             baseline=alone[name])
            with large_results(server):
                for name, action in work.items():
                    self.add(name + " while 2 MB results are sent", sample(action),
                             baseline=alone[name])
            self.add("a result of 2 MB", sample(lambda: client.call(OUTPUT), LARGE_SAMPLES))
            client.close()

    def memory(self):
        with self.server() as server:
            server.legacy().close()
            before = memory.rss_mb(server.pid)
            for _ in range(IDLE_SESSIONS):
                server.legacy().close()
            self.add("memory of an idle session (RSS)",
                     [(memory.rss_mb(server.pid) - before) * 1024 / IDLE_SESSIONS], "kB")
            streams = []
            before = memory.rss_mb(server.pid)
            for _ in range(STREAMS):
                client = server.modern()
                found, body = client.connect(), modern("subscriptions/listen", {"notifications": {}})
                client.send(found, body, **modern_fields(body))
                found.read()
                streams.append(found)
            self.add("memory of an open stream (RSS)",
                     [(memory.rss_mb(server.pid) - before) * 1024 / STREAMS], "kB")
            for found in streams:
                found.close()


class running_commands:
    """Commands of other clients that run meanwhile."""

    def __init__(self, server):
        self.server = server
        self.held = []

    def __enter__(self):
        clients = [self.server.legacy() for _ in range(8)]
        for number in range(RUNNING):
            client = clients[number % len(clients)]
            found = client.connect()
            client.send(found, message("tools/call", call("sleep 300")))
            self.held.append(found)
        self.clients = clients
        deadline = time.monotonic() + 60
        while self.server.metrics()["kilntainers_calls_running"] < RUNNING:
            if time.monotonic() > deadline:
                raise RuntimeError("%d commands do not run" % RUNNING)
            time.sleep(0.05)

    def __exit__(self, *_):
        for client in self.clients:
            client.delete()
            client.close()
        for found in self.held:
            found.close()


class large_results:
    """Other clients, who are sent large results one after another."""

    def __init__(self, server):
        self.server = server
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self.work) for _ in range(SENDERS)]

    def work(self):
        client = self.server.legacy()
        while not self.is_over.is_set():
            found = client.connection()
            client.send(found, message("tools/call", call(OUTPUT)))
            # The bytes as they come: to parse them would be this process's work, not the server's.
            response = found.read()
            if response.is_stream:
                while found.take_chunk():
                    pass
        client.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        time.sleep(0.5)

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()


TARGETS = (
    ("1000 sessions with a sandbox: all", lambda plain: 3000),
    ("1000 sessions with a sandbox: memory of each, all in", lambda plain: 0.8),
    ("1000 sessions with a sandbox: memory of the server (RSS)", lambda plain: 40),
    ("memory of the server, idle (RSS)", lambda plain: 6),
    ("ping while %d commands run" % RUNNING, lambda plain: 100),
    ("tools/list while %d commands run" % RUNNING, lambda plain: 100),
    ("ping while 2 MB results are sent", lambda plain: 100),
    ("tools/list while 2 MB results are sent", lambda plain: 100),
    ("a result of 2 MB", lambda plain: 100),
)

# What a client waits for is judged by the median and by this percentile.
JUDGED_BY = 99

PARTS = {
    "crowd": Bench.crowd,
    "callers": Bench.callers,
    "waiting": Bench.waiting,
    "memory": Bench.memory,
}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("program")
    parser.add_argument("--csv")
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--only", type=lambda names: names.split(","), default=list(PARTS))
    arguments, options = parser.parse_known_args()
    place = TOP / ("docs" if arguments.docs else "build/bench")
    csv_path = arguments.csv or place / "benchmarks-http.csv"
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    bench = Bench([os.path.abspath(arguments.program)] + options, arguments.sessions)
    print(table.machine())
    table.print_heading()
    for part in arguments.only:
        PARTS[part](bench)
    table.print_verdicts(bench.rows, TARGETS, JUDGED_BY)
    table.write_csv(bench.rows, csv_path)
    if arguments.docs:
        table.write_page(bench.rows, TARGETS, TOP / "docs" / "benchmarks.md",
                         "figures over HTTP: make bench", JUDGED_BY)
    print("written: %s" % os.path.relpath(csv_path))


main()
