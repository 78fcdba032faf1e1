#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A thousand sessions at once, each with a native sandbox of its own; prints TAP.

usage: crowd.py PROGRAM [SESSIONS]
"""

import os
import pathlib
import resource
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "chaos"))

import serving
import traces
import wire
from serving import check, equal, test

PROGRAM = os.path.abspath(sys.argv[1])
SESSIONS = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
POOL = 4
THREADS = 32


def each(items, function):
    """function(number, item) for all, in many threads."""
    serving.in_threads(THREADS, enumerate(items), lambda pair: function(*pair))


class Crowd:
    """A server, its sessions, and a file in the sandbox of each."""

    def __enter__(self):
        self.server = serving.Server(
            PROGRAM, "--backend=native", "--max-sandboxes=%d" % (SESSIONS + POOL),
            "--pool=%d" % POOL, "--allow-unlimited-memory")
        self.sessions = [None] * SESSIONS
        each(range(SESSIONS), self.begin)
        return self

    def __exit__(self, *_):
        self.server.stop()

    def begin(self, number, _):
        self.sessions[number] = session = self.server.legacy()
        equal(session.call("echo %d > /tmp/mine" % number)["exit_code"], 0)

    def processes(self):
        return traces.descendants(self.server.pid)

    def remaining(self):
        """Sandboxes, and those on their way out."""
        metrics = self.server.metrics()
        return [metrics["kilntainers_sandboxes" + kind] for kind in ("", "_removing")]

    def is_gone(self):
        sandboxes, removing = self.remaining()
        return sandboxes <= POOL and removing == 0


def look_again(number, session):
    equal(session.call("cat /tmp/mine")["stdout"], "%d\n" % number)


def end(_, session):
    check(session.delete().status in (200, 204))
    session.close()


@test
def every_session_has_a_sandbox_of_its_own_that_goes_with_it():
    with Crowd() as crowd:
        each(crowd.sessions, look_again)
        check(len([pid for pid in crowd.processes() if traces.is_sandbox(pid)]) >= SESSIONS)
        each(crowd.sessions, end)
        check(wire.wait_until(crowd.is_gone), "left: %r" % crowd.remaining())
        # Each of the pool is a guest with its next supervisor, and places wait for further ones.
        sandboxes = [pid for pid in crowd.processes() if traces.is_sandbox(pid)]
        check(len(sandboxes) <= 3 * POOL, "%d processes are left" % len(sandboxes))
        equal(crowd.server.stop(), 0)


@test
def a_server_that_is_told_to_end_removes_them_all():
    with Crowd() as crowd:
        processes = crowd.processes()
        equal(crowd.server.stop(), 0)
        check(wire.wait_until(lambda: not set(processes) & set(traces.pids())), "some still live")


serving.main()
