#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Limits of memory, processes and processors hold, wherever the server was started.

usage: limits.py PLACE

  root, user               no systemd; a user has a control group of its own
  system                   systemd: root, in a service
  session                  systemd: a user's login, as over ssh
  user-service             systemd: a service of the user's manager
  user-scope               systemd: a scope that was delegated, in a login
"""

import os
import pathlib
import signal
import subprocess
import sys
import time

from harness import (CGROUPS, HANG_S, PROGRAM, TESTER, as_user, check, delegate, equal, main, run,
                     succeeds, test)

PLACE = sys.argv[1]
LOGIN = ["systemd-run", "--quiet", "--wait", "--pipe", "-p", "PAMName=login", "-p", "User=tester",
         "--setenv=PATH=" + os.environ["PATH"]]
MANAGER = [*as_user(TESTER), "XDG_RUNTIME_DIR=/run/user/%d" % TESTER, "systemd-run", "--user",
           "--quiet", "--wait", "--pipe", "--setenv=PATH=" + os.environ["PATH"]]
WORDS = {
    "root": [],
    "user": as_user(TESTER),
    "system": [],
    "session": LOGIN,
    "user-service": MANAGER,
    "user-scope": [*LOGIN, "systemd-run", "--user", "--scope", "--quiet", "-p", "Delegate=yes"],
}[PLACE]
MIB = 1 << 20


def enter():
    """In the child, before it becomes the server."""
    if PLACE == "user":
        (OWN / "cgroup.procs").write_text("0")


OWN = delegate("of-tester", TESTER) if PLACE == "user" else None


def start(*words, **more):
    return subprocess.Popen([*WORDS, PROGRAM, *words], cwd="/", text=True, preexec_fn=enter, **more)


def finish(*words):
    with start(*words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
               stderr=subprocess.PIPE) as process:
        output, errors = process.communicate(timeout=HANG_S)
    return subprocess.CompletedProcess(words, process.returncode, output, errors)


def groups_of_ours():
    return sorted(path for path in CGROUPS.rglob("kilntainers-*") if path.is_dir()
                  and "kilntainers-job" not in path.name)


def values(name):
    found = []
    for group in groups_of_ours():
        for path in [group / name, *group.rglob(name)]:
            found.append(path.read_text().strip())
    return found


def wait_until(condition, server=None):
    """False if it does not come true, or the server has ended before."""
    deadline = time.monotonic() + HANG_S
    while not condition() and time.monotonic() < deadline:
        if server and server.poll() is not None:
            break
        time.sleep(0.05)
    return condition()


@test
def doctor_says_what_holds_the_limits():
    said = finish("doctor", "--backend", "native")
    check(said.returncode == 0 and "cgroup v2" in said.stdout, str(said))


@test
def a_command_that_takes_too_much_memory_is_killed_and_told():
    done = finish("exec", "--memory", "64m", "--", "python3", "-c",
                  "x = bytearray(200 << 20); print('got it')")
    check(done.returncode == 137 and "got it" not in done.stdout, str(done))
    check("memory" in done.stderr, "no notice: %s" % done)


@test
def files_of_a_sandbox_count_as_memory():
    done = finish("exec", "--memory", "64m", "--disk", "200m", "--", "dd", "if=/dev/zero",
                  "of=/tmp/x", "bs=1M", "count=150")
    check(done.returncode != 0 and "memory" in done.stderr, str(done))


@test
def a_command_that_takes_less_is_not():
    done = finish("exec", "--memory", "256m", "--", "python3", "-c",
                  "x = bytearray(100 << 20); print('got it')")
    equal((done.returncode, done.stdout), (0, "got it\n"), str(done))


@test
def processes_have_an_end():
    done = finish("exec", "--pids-limit", "24", "--", "python3", "-c", """if 1:
        import os, time
        made = 0
        try:
            while made < 60:
                if os.fork() == 0:
                    time.sleep(60)
                    os._exit(0)
                made += 1
        except OSError as error:
            print(error.errno, made)
    """)
    words = done.stdout.split()
    check(len(words) == 2 and words[0] == "11" and 5 <= int(words[1]) < 24, str(done))


@test
def the_kernel_has_been_told_each_limit():
    with start("exec", "--memory", "96m", "--pids-limit", "99", "--cpu", "0.5", "--", "sleep", "4712",
               stdin=subprocess.DEVNULL) as server:
        try:
            check(wait_until(lambda: run("/usr/bin/pgrep", "-fx", "sleep 4712").stdout, server),
                  "no command runs")
            pid = int(run("/usr/bin/pgrep", "-fx", "sleep 4712").stdout.split()[0])
            line = pathlib.Path("/proc/%d/cgroup" % pid).read_text()
            group = CGROUPS / line.strip().split("::/")[1]
            check(any(group.is_relative_to(ours) for ours in groups_of_ours()), line)
            check(str(96 * MIB) in values("memory.max"), "memory: %s" % values("memory.max"))
            check("0" in values("memory.swap.max") or not values("memory.swap.max"), "swap")
            check("99" in values("pids.max"), "processes: %s" % values("pids.max"))
            shares = [value.split() for value in values("cpu.max")]
            check(any(share[0] != "max" and int(share[0]) * 2 == int(share[1]) for share in shares),
                  "processors: %s" % shares)
        finally:
            for found in run("/usr/bin/pgrep", "-fx", "sleep 4712").stdout.split():
                os.kill(int(found), signal.SIGKILL)
            server.wait(HANG_S)


@test
def nothing_is_left_of_the_groups():
    check(wait_until(lambda: not groups_of_ours()), str(groups_of_ours()))


@test
def a_server_that_is_killed_leaves_no_process():
    with start("exec", "--memory", "96m", "--", "sleep", "4713", stdin=subprocess.DEVNULL) as server:
        check(wait_until(lambda: run("/usr/bin/pgrep", "-fx", "sleep 4713").stdout, server),
              "none runs")
        for pid in run("/usr/bin/pgrep", "-fx", PROGRAM + " exec .*4713").stdout.split():
            os.kill(int(pid), signal.SIGKILL)
        server.wait(HANG_S)
    check(wait_until(lambda: not run("/usr/bin/pgrep", "-fx", "sleep 4713").stdout), "it is left")


if PLACE in ("session", "user-service", "user-scope"):
    # The user's manager stays between the logins.
    succeeds(run("loginctl", "enable-linger", "tester"))
    succeeds(run("systemctl", "start", "user@%d" % TESTER))
main()
