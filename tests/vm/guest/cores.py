#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A kernel that starts a program for each crash starts none for a crash of ours.

That program would run as root of the machine, in no sandbox, with words that a sandbox
chose. Every test ends with a crash outside, which must be seen: then all were.
"""

import os
import pathlib
import signal
import subprocess
import time

from harness import HANG_S, LONER, PROGRAM, TESTER, as_user, check, equal, main, run, sandbox, test

SEEN = pathlib.Path("/run/crashes")
HELPER = pathlib.Path("/run/crash-helper")
CRASHES = (
    "kill -SEGV $$", "kill -ABRT $$", "sh -c 'ulimit -c unlimited; kill -SEGV $$'",
    "python3 -c 'import os; os.abort()'",
    # A limit of 0 is the one that such a pattern ignores.
    "sh -c 'ulimit -c 0; kill -SEGV $$'", "sh -c 'ulimit -S -c 0; kill -SEGV $$'",
    "python3 -c 'import os, resource as r; r.setrlimit(r.RLIMIT_CORE, (0, 0)); os.abort()'",
    "prlimit --core=0:0 sh -c 'kill -SEGV $$'",
    "python3 -c 'import ctypes; ctypes.string_at(0)'",
)


def wait_until(condition):
    deadline = time.monotonic() + HANG_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def seen():
    return SEEN.read_text().split() if SEEN.exists() else []


def crash_outside(uid):
    """A crash as any program has it; it must start the helper."""
    with subprocess.Popen([*as_user(uid), "sleep", "1000"], cwd="/") as program:
        wait_until(lambda: os.readlink("/proc/%d/exe" % program.pid).endswith("/sleep"))
        program.send_signal(signal.SIGSEGV)
        program.wait()
        check(wait_until(lambda: str(program.pid) in seen()), "the control was not seen")
        return str(program.pid)


def starts_none(uid, crash):
    SEEN.unlink(missing_ok=True)
    crash()
    control = crash_outside(uid)
    equal(seen(), [control], "crashes that started the helper")


def line_of_descent(server):
    """Pids from the server down to the command of its sandbox; [] while there is none."""
    found = [int(word) for word in run("/usr/bin/pgrep", "-fx", "sleep 4711").stdout.split()][:1]
    while found and found[0] not in (1, server.pid):
        parent = run("ps", "-o", "ppid=", "-p", str(found[0])).stdout.strip()
        found.insert(0, int(parent or 1))
    return found if found[:1] == [server.pid] else []


def crash_in_sandbox(uid):
    for script in CRASHES:
        def crash():
            done = sandbox(script + "; echo code $?", uid=uid)
            check(done.returncode > 128 or "code 1" in done.stdout, "%s: %s" % (script, done))
        try:
            starts_none(uid, crash)
        except AssertionError as error:
            raise AssertionError("%s: %s" % (script, error)) from None


def crash_the_machinery(uid):
    """The server, its zygote, PID 1 of a sandbox and what is below it: each of a server of its own."""
    def all_of_them():
        for level in range(4):
            with subprocess.Popen([*as_user(uid), PROGRAM, "exec", "--", "sleep", "4711"], cwd="/",
                                  stderr=subprocess.DEVNULL) as server:
                check(wait_until(lambda: line_of_descent(server) or server.poll() is not None)
                      and len(line_of_descent(server)) >= 4, "no command runs")
                victim = line_of_descent(server)[level]
                for number in (signal.SIGSEGV, signal.SIGABRT):
                    try:
                        os.kill(victim, number)
                    except ProcessLookupError:
                        pass
                time.sleep(0.2)
                server.kill()
                server.wait()
            check(wait_until(lambda: not run("/usr/bin/pgrep", "-fx", "sleep 4711").stdout),
                  "a command outlives its server")
    starts_none(uid, all_of_them)


@test
def a_crash_in_a_sandbox_of_root_starts_nothing():
    crash_in_sandbox(0)


@test
def a_crash_in_a_sandbox_of_a_user_starts_nothing():
    crash_in_sandbox(TESTER)


@test
def a_crash_in_a_sandbox_of_one_id_starts_nothing():
    crash_in_sandbox(LONER)


@test
def a_crash_of_what_makes_roots_sandboxes_starts_nothing():
    crash_the_machinery(0)


@test
def a_crash_of_what_makes_a_users_sandboxes_starts_nothing():
    crash_the_machinery(TESTER)


HELPER.write_text("#!/bin/sh\necho \"$1\" >>%s\n" % SEEN)
HELPER.chmod(0o755)
pathlib.Path("/proc/sys/kernel/core_pattern").write_text("|%s %%P\n" % HELPER)
main()
