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

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

from harness import (CGROUPS, HANG_S, PROGRAM, TESTER, Skip, as_user, check, delegate, equal, main,
                     run, succeeds, test)

PLACE = sys.argv[1]
LOGIN = ["systemd-run", "--quiet", "--wait", "--pipe", "-p", "PAMName=login", "-p", "User=tester",
         "--setenv=PATH=" + os.environ["PATH"]]
MANAGER = [*as_user(TESTER), "XDG_RUNTIME_DIR=/run/user/%d" % TESTER, "systemd-run", "--user",
           "--quiet", "--wait", "--pipe", "--setenv=PATH=" + os.environ["PATH"]]
OF_MANAGER = {**os.environ, "XDG_RUNTIME_DIR": "/run/user/%d" % TESTER}
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


def groups_below(top):
    """Without a word of those that go away meanwhile, which Path.rglob fails at."""
    for parent, names, _ in os.walk(top):
        yield from (pathlib.Path(parent, name) for name in names)


def groups_of_ours():
    return sorted(path for path in groups_below(CGROUPS) if path.name.startswith("kilntainers-")
                  and "kilntainers-job" not in path.name)


def values(name):
    found = []
    for group in groups_of_ours():
        for path in [group, *groups_below(group)]:
            with contextlib.suppress(OSError):
                found.append((path / name).read_text().strip())
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


# --- scopes of systemd ---------------------------------------------------------------------------


def scope_of(number):
    """Where a server that runs `sleep NUMBER` has its sandboxes; its processes, by what they are."""
    scope, = (path for path in groups_of_ours() if path.suffix == ".scope")
    return scope, {"server": pids_of(PROGRAM + " exec .*" + number, "-f"),
                   "command": pids_of("sleep " + number, "-f"), "zygote": pids_of("kiln-zygote")}


def pids_of(pattern, *options):
    return [int(pid) for pid in run("/usr/bin/pgrep", "-x", *options, pattern).stdout.split()]


def kill(pids):
    check(pids, "nobody is there to be killed")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def is_populated(scope):
    return "populated 1" in (scope / "cgroup.events").read_text()


def units_of_ours():
    """What the user's manager takes for scopes of ours."""
    return succeeds(run("systemctl", "--user", "--plain", "--no-legend", "list-units", "--all",
                        "kilntainers-*.scope", uid=TESTER, env=OF_MANAGER))


@contextlib.contextmanager
def stopped_manager():
    """The user's manager, not looking."""
    pid = int(succeeds(run("systemctl", "show", "-P", "MainPID", "user@%d" % TESTER)))
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def watch_the_end(scope, command):
    """Ends the command; whether there were groups in the scope at a moment when nobody was."""
    deadline = time.monotonic() + HANG_S
    directory = os.open(scope, os.O_PATH)
    events = os.open(scope / "cgroup.events", os.O_RDONLY)
    kill(command)
    try:
        while time.monotonic() < deadline:
            is_empty = b"populated 0" in os.pread(events, 100, 0)
            # Each directory in it is a link to it.
            if is_empty and os.fstat(directory).st_nlink > 2:
                return True
    except OSError:
        return False
    finally:
        os.close(events)
        os.close(directory)
    raise AssertionError("the scope does not end")


def needs_scope():
    if PLACE not in ("session", "user-service"):
        raise Skip("no user's manager is asked for a scope here")


@test
def a_scope_has_no_groups_when_its_last_process_ends():
    """Then systemd removes it, and fails if somebody else is at the same work."""
    needs_scope()
    for _ in range(3):
        with start("exec", "--", "sleep", "4714", stdin=subprocess.DEVNULL) as server:
            check(wait_until(lambda: pids_of("sleep 4714", "-f"), server), "no command runs")
            scope, pids = scope_of("4714")
            check(not watch_the_end(scope, pids["command"]), "there were groups in the empty scope")
            server.wait(HANG_S)


@contextlib.contextmanager
def what_cannot_be_removed(scope):
    """A group in it, until systemd has failed and given up."""
    busy = scope / "busy"
    busy.mkdir()
    succeeds(run("mount", "-t", "tmpfs", "tmpfs", str(busy)))
    try:
        yield
        check(wait_until(lambda: scope.name not in units_of_ours()), units_of_ours())
    finally:
        succeeds(run("umount", str(busy)))
    check(scope.exists(), "systemd did not fail")


@test
def a_scope_that_systemd_gave_up_is_removed_by_the_server():
    needs_scope()
    with start("exec", "--", "sleep", "4715", stdin=subprocess.DEVNULL,
               stderr=subprocess.DEVNULL) as server:
        check(wait_until(lambda: pids_of("sleep 4715", "-f"), server), "no command runs")
        scope, pids = scope_of("4715")
        os.kill(pids["server"][0], signal.SIGSTOP)
        with what_cannot_be_removed(scope):
            kill(pids["zygote"])
        os.kill(pids["server"][0], signal.SIGCONT)
        server.wait(HANG_S)
    check(not scope.exists(), str(scope) + " is left")


def leave_a_scope_that_systemd_gave_up():
    with start("exec", "--", "sleep", "4716", stdin=subprocess.DEVNULL) as server:
        check(wait_until(lambda: pids_of("sleep 4716", "-f"), server), "no command runs")
        scope, pids = scope_of("4716")
        with what_cannot_be_removed(scope):
            kill(pids["server"])
        server.wait(HANG_S)
    return scope


@test
def a_scope_that_systemd_gave_up_is_removed_by_cleanup():
    needs_scope()
    scope = leave_a_scope_that_systemd_gave_up()
    said = succeeds(run(PROGRAM, "cleanup", uid=TESTER, env=OF_MANAGER))
    check(str(scope) in said and not scope.exists(), said)


@test
def a_scope_that_systemd_gave_up_is_removed_by_the_next_server():
    needs_scope()
    scope = leave_a_scope_that_systemd_gave_up()
    succeeds(finish("exec", "--", "true"))
    check(not scope.exists(), str(scope) + " is left")


@test
def a_scope_that_systemd_has_not_looked_at_is_left_to_it():
    """Whose removal it does not see runs for ever, to its mind."""
    needs_scope()
    with start("exec", "--", "sleep", "4717", stdin=subprocess.DEVNULL) as server:
        check(wait_until(lambda: pids_of("sleep 4717", "-f"), server), "no command runs")
        scope, pids = scope_of("4717")
        with stopped_manager():
            kill(pids["server"])
            check(wait_until(lambda: not is_populated(scope)), "processes are in " + str(scope))
            done = run(PROGRAM, "cleanup", uid=TESTER, env=OF_MANAGER)
            check(done.returncode == 1 and "did not answer" in done.stdout, str(done))
            check(scope.exists(), "it was removed")
        server.wait(HANG_S)
    check(wait_until(lambda: not scope.exists()), str(scope) + " is left")
    check(wait_until(lambda: not units_of_ours()), units_of_ours())


def describe(group):
    """What is in a group that should be gone, and what systemd thinks of it."""
    try:
        lines = [str(group), (group / "cgroup.events").read_text().replace("\n", " ")]
        for path in [group, *groups_below(group)]:
            for pid in (path / "cgroup.procs").read_text().split():
                status = pathlib.Path("/proc/%s/status" % pid).read_text().splitlines()[:8]
                lines.append("%s: %s" % (path.name, " ".join(status)))
    except OSError as error:
        lines = [str(group), "gone meanwhile: %s" % error]
    lines.append(run("systemctl", "--user", "--no-pager", "status", group.name, uid=TESTER,
                     env=OF_MANAGER).stdout)
    return "\n".join(lines)


@test
def nothing_is_left_of_the_groups():
    check(wait_until(lambda: not groups_of_ours()),
          "\n".join(describe(group) for group in groups_of_ours()))


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
