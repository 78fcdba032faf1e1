# SPDX-License-Identifier: MIT
"""What the tests in a virtual machine stand on: TAP, users, commands, control groups."""

import json
import os
import pathlib
import subprocess
import sys
import threading
import traceback

HOME = pathlib.Path("/opt/kilntainers")
PROGRAM = str(HOME / "build" / "kilntainers")
# Hang guard; an emulated processor on a busy machine is slow, but not that slow.
HANG_S = 120
CGROUPS = pathlib.Path("/sys/fs/cgroup")
# In /etc/passwd: one with subordinate ids, one without.
TESTER, LONER = 1000, 1001
USERS = {TESTER: "tester", LONER: "loner"}
TESTS = []


class Skip(Exception):
    """This cannot run here; the text says why."""


def test(function):
    """The name is the sentence."""
    TESTS.append(function)
    return function


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def equal(found, expected, what):
    check(found == expected, "%s: found %r, expected %r" % (what, found, expected))


def as_user(uid):
    """Words before a command that make it that user's; none for root."""
    if uid == 0:
        return []
    return ["/usr/bin/setpriv", "--reuid=%d" % uid, "--regid=%d" % uid, "--clear-groups",
            "--inh-caps=-all", "env", "HOME=/home/" + USERS[uid], "USER=" + USERS[uid]]


def run(*words, uid=0, stdin="", **more):
    """The finished command, both streams as text."""
    return subprocess.run([*as_user(uid), *words], input=stdin, capture_output=True, text=True,
                          timeout=HANG_S, check=False, cwd="/", **more)


def succeeds(done):
    check(done.returncode == 0, "exit %d\n%s%s" % (done.returncode, done.stdout, done.stderr))
    return done.stdout


def sandbox(script, *options, uid=0, **more):
    return run(PROGRAM, "exec", *options, "--", "/bin/sh", "-c", script, uid=uid, **more)


def converse(messages, uid=0, *options):
    """Every answer of a server that is told `messages`, its input open until all are there."""
    wanted = sum("id" in message for message in messages)
    with subprocess.Popen([*as_user(uid), PROGRAM, "--log-level", "warning", *options], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True, cwd="/") as server:
        guard = threading.Timer(HANG_S, server.kill)
        guard.start()
        server.stdin.write("".join(json.dumps(message) + "\n" for message in messages))
        server.stdin.flush()
        answers = [json.loads(server.stdout.readline() or "{}") for _ in range(wanted)]
        server.stdin.close()
        server.wait()
        guard.cancel()
    return answers


def delegate(name, uid):
    """A control group of a user's own, as a manager of sessions would give one; its path."""
    controllers = "+memory +pids +cpu\n"
    (CGROUPS / "cgroup.subtree_control").write_text(controllers)
    group = CGROUPS / name
    group.mkdir()
    for path in (group, *(group / ("cgroup." + file)
                          for file in ("procs", "threads", "subtree_control"))):
        os.chown(path, uid, uid)
    return group


def main():
    """Runs every test of the module that calls this; the exit code is whether all passed."""
    failed = 0
    for number, function in enumerate(TESTS, 1):
        name = function.__name__.replace("_", " ")
        try:
            function()
            print("ok %d - %s" % (number, name), flush=True)
        except Skip as reason:
            print("ok %d - %s # SKIP %s" % (number, name, reason), flush=True)
        except Exception:  # every other test still runs
            failed += 1
            for line in traceback.format_exc().splitlines():
                print("# " + line)
            print("not ok %d - %s" % (number, name), flush=True)
    print("1..%d" % len(TESTS), flush=True)
    sys.exit(1 if failed else 0)
