#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A thousand sessions at once, each with a native sandbox of its own; prints TAP.

usage: crowd.py PROGRAM [SESSIONS]
"""

import os
import resource
import sys
import threading

import serving
import wire
from serving import check, equal, test

PROGRAM = os.path.abspath(sys.argv[1])
SESSIONS = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
THREADS = 32


def each(items, function):
    """In many threads; the first failure raises."""
    left, lock, failures = list(enumerate(items)), threading.Lock(), []

    def work():
        while not failures:
            with lock:
                if not left:
                    return
                number, item = left.pop()
            try:
                function(number, item)
            except Exception as failure:  # to be raised in the test's thread
                failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@test
def a_thousand_sessions_each_with_a_sandbox():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with serving.Server(PROGRAM, "--backend=native", "--max-sandboxes=%d" % (SESSIONS + 8),
                        "--allow-unlimited-memory") as server:
        sessions = [None] * SESSIONS

        def begin(number, _):
            sessions[number] = server.legacy()
            answer = sessions[number].call("echo $$ > /tmp/mine; echo %d >> /tmp/mine" % number)
            equal(answer["exit_code"], 0, str(answer))

        def look_again(number, session):
            lines = session.call("cat /tmp/mine")["stdout"].split()
            equal(lines[1:], [str(number)])

        def end(_, session):
            check(session.delete().status in (200, 204))
            session.close()

        each(range(SESSIONS), begin)
        each(sessions, look_again)
        each(sessions, end)

        def sandboxes():
            with server.connect() as one:
                text = one.request("GET", "/metrics").body.decode()
            return int(float(next(line.split()[1] for line in text.splitlines()
                                  if line.startswith("kilntainers_sandboxes "))))

        # Those of the pool remain.
        check(wire.wait_until(lambda: sandboxes() <= 4), "%d are left" % sandboxes())
        equal(server.stop(), 0)


serving.main()
