#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a killed server leaves is removed, and nothing else.

usage: leftovers.py LEAVER KILNTAINERS

As root it goes into a control group, control group namespace and mount namespace of its
own, in which it sees no group of anybody else: `cleanup --older-than` kills.
"""

import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "chaos"),
                str(pathlib.Path(__file__).resolve().parents[2] / "tools")]

import as_user  # noqa: E402
import traces  # noqa: E402
from mcp_client import Client  # noqa: E402

LEAVER, PROGRAM = (os.path.abspath(path) for path in sys.argv[1:3])
INSIDE = "KILNTAINERS_LEFTOVERS_INSIDE"
GROUPS = pathlib.Path("/sys/fs/cgroup")
FAR = "--older-than=1h"
NEAR = "--older-than=0s"
# Hangs only; nothing here takes a second.
PATIENCE_S = 60

tests = []


class Skip(Exception):
    pass


def test(function):
    tests.append(function)
    return function


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(part) for part in what))


class Place:
    """A state and cache directory of its own, and a folder for things to leave."""

    def __init__(self, folder, user=None):
        self.folder = pathlib.Path(folder)
        self.user = user
        self.parent = self.folder / "parent"
        self.parent.mkdir()
        self.owners = self.folder / "state/kilntainers/owners"
        self.images = self.folder / "cache/kilntainers/images"
        if user:
            for path in (self.folder, self.parent):
                os.chown(path, user, user)

    def environment(self):
        return {"XDG_STATE_HOME": str(self.folder / "state"), "PATH": os.environ["PATH"],
                "XDG_CACHE_HOME": str(self.folder / "cache"), "HOME": str(self.folder)}

    def options(self):
        become = (lambda: as_user.become("single", "")) if self.user else None
        return {"env": self.environment(), "preexec_fn": become, "cwd": "/"}

    def run(self, *words):
        done = subprocess.run([PROGRAM, *words], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=PATIENCE_S, check=False,
                              **self.options())
        for line in (done.stdout + done.stderr).splitlines():
            print("#   " + line)
        return done

    def cleanup(self, *words):
        return self.run("cleanup", *words)

    def lock(self, server):
        return self.owners / (server.name.split("-")[1] + ".lock")


class Server:
    """Somebody who made things; alive until it is killed."""

    def __init__(self, place, kind, *parents, wrapper=()):
        self.process = subprocess.Popen(
            [*wrapper, LEAVER, kind, *map(str, parents)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, **place.options())
        self.name = self.process.stdout.readline().strip()
        check(self.name, "the leaver did not start")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)
        return self

    def end(self):
        self.process.stdin.close()
        check(self.process.wait(PATIENCE_S) == 0, "the leaver failed")


def line_of(done, path):
    lines = [line for line in done.stdout.splitlines() if " %s: " % path in line]
    check(len(lines) == 1, "one line for", path, "in", lines)
    return lines[0]


def hierarchies():
    if os.geteuid() != 0:
        raise Skip("only root may make control groups here")
    return [path for path in GROUPS.iterdir()]


def killed(place):
    tops = hierarchies()
    return Server(place, "cgroup", *tops).kill(), tops


def paths(server, tops):
    return [top / server.name for top in tops]


def resident(path):
    """A process that moved in."""
    process = subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL)
    (path / "cgroup.procs").write_text(str(process.pid))
    return process


# --- control groups -------------------------------------------------------------------


@test
def the_next_server_removes_what_a_killed_one_left(place):
    server, tops = killed(place)
    (tops[0] / server.name / "s1").mkdir()
    check(all(path.exists() for path in paths(server, tops)), "made")
    done = place.run("exec", "--backend=native", "--log-level=info", "--", "/bin/true")
    check(not any(path.exists() for path in paths(server, tops)), "removed")
    check(not place.lock(server).exists(), "with its lock")
    check(done.stderr.count("leftover_removed") == len(tops), "logged")


@test
def cleanup_removes_it_at_once_and_says_so(place):
    server, tops = killed(place)
    done = place.cleanup("--dry-run")
    for path in paths(server, tops):
        check(line_of(done, path).startswith("would go"), "told")
        check(path.exists(), "dry")
    done = place.cleanup()
    check(done.returncode == 0, "exit code")
    for path in paths(server, tops):
        check(line_of(done, path).startswith("removed"), "told")
        check(not path.exists(), "removed")
    check(not place.lock(server).exists(), "with its lock")
    check(place.cleanup().stdout == "nothing was left behind\n", "nothing is left")


@test
def what_a_living_server_holds_is_never_touched(place):
    tops = hierarchies()
    server = Server(place, "cgroup", *tops)
    inside = resident(tops[0] / server.name)
    copy = tops[0] / "elsewhere"
    copy.mkdir()
    (copy / server.name).mkdir()
    for words in ((), (FAR,), (NEAR,)):
        done = place.cleanup(*words)
        check(done.returncode == 0, "exit code")
        for path in [*paths(server, tops), copy / server.name]:
            check(line_of(done, path).startswith("kept"), "told")
            check(path.exists(), "there")
    check(inside.poll() is None, "alive")
    inside.kill()
    inside.wait()
    server.kill()
    check(place.cleanup().returncode == 0, "exit code")
    check(not (copy / server.name).exists(), "the label was copied, and the group is empty")
    copy.rmdir()


@test
def a_server_in_another_pid_namespace_lives(place):
    tops = hierarchies()
    server = Server(place, "cgroup", *tops,
                    wrapper=("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"))
    done = place.cleanup(NEAR)
    check(all(path.exists() for path in paths(server, tops)), "there")
    check(line_of(done, paths(server, tops)[0]).endswith("its server lives"), "told")
    server.end()
    # What is recorded is still there: the lock file stays, and says that its owner is dead.
    check(place.lock(server).exists(), "its lock")
    place.cleanup()
    check(not any(path.exists() for path in paths(server, tops)), "removed")
    check(not place.lock(server).exists(), "with its lock")


@test
def a_group_with_processes_in_it_needs_older_than(place):
    server, tops = killed(place)
    for top in tops:
        (top / server.name / "s1").mkdir()
    inside = [resident(path / "s1") for path in paths(server, tops)]
    for words in ((), (FAR,)):
        done = place.cleanup(*words)
        check(done.returncode == 1, "exit code")
        check(all(path.exists() for path in paths(server, tops)), "there")
        check("older-than" in line_of(done, paths(server, tops)[0]) or words, "told")
    check(all(process.poll() is None for process in inside), "alive")
    done = place.cleanup(NEAR)
    check(done.returncode == 0, "exit code")
    check(not any(path.exists() for path in paths(server, tops)), "removed")
    for process in inside:
        check(process.wait(PATIENCE_S) == -signal.SIGKILL, "killed")


@test
def a_label_by_another_key_needs_older_than(place):
    tops = hierarchies()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Place(folder), "cgroup", *tops).kill()
    for words in ((), (FAR,)):
        done = place.cleanup(*words)
        check(done.returncode == 0, "exit code")
        for path in paths(server, tops):
            check(line_of(done, path).startswith("kept"), "told")
            check(path.exists(), "there")
    check(place.cleanup(NEAR).returncode == 0, "exit code")
    check(not any(path.exists() for path in paths(server, tops)), "removed")


@test
def without_its_lock_file_a_server_is_not_known_to_be_dead(place):
    server, tops = killed(place)
    lock = place.lock(server)
    target = place.folder / "target"
    lock.rename(target)
    makers = (lambda: None, lambda: lock.symlink_to(target), lambda: os.mkfifo(lock),
              lambda: os.link(target, lock), lock.mkdir)
    for make in makers:
        make()
        done = place.cleanup()
        check(done.returncode == 0, "exit code")
        check(all(path.exists() for path in paths(server, tops)), "there")
        check("lock file" in line_of(done, paths(server, tops)[0]), "told")
        place.run("exec", "--backend=native", "--", "/bin/true")
        check(all(path.exists() for path in paths(server, tops)), "there")
        if lock.is_dir() and not lock.is_symlink():
            lock.rmdir()
        else:
            lock.unlink(missing_ok=True)
    target.rename(lock)
    check(place.cleanup().returncode == 0, "exit code")
    check(not any(path.exists() for path in paths(server, tops)), "removed")


@test
def only_a_directory_of_control_groups_is_one(place):
    server = Server(place, "cgroup", place.parent).kill()
    (place.parent / server.name / "file").touch()
    check(place.cleanup().returncode == 1, "exit code")
    check((place.parent / server.name / "file").exists(), "there")


# --- a real server ---------------------------------------------------------------------


def groups():
    return [path for top in hierarchies() for path in top.glob("kilntainers-*")]


def wait(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        check(time.monotonic() < deadline, "never happened:", what)
        time.sleep(0.02)


def busy_server(place):
    client = Client([PROGRAM, "--backend=native", "--pool=1", "--log-level=error"],
                    **place.options())
    client.initialize()
    client.call(command="sleep 1000 >/dev/null 2>&1 & setsid sleep 1000 >/dev/null 2>&1 &")
    if not groups():
        client.finish()
        raise Skip("the server may divide no control group here")
    return client


def processes_of(client):
    """By name; their order is that of their birth."""
    found = {}
    for pid in sorted(traces.descendants(client.server.pid)):
        found.setdefault(traces.read("/proc/%d/comm" % pid).strip(), []).append(pid)
    return found


def nothing_but_locks(place):
    wait(lambda: not groups(), "no groups: %s" % groups())
    check(place.cleanup().returncode == 0, "exit code")
    check(not list(place.owners.iterdir()), "lock files", list(place.owners.iterdir()))


@test
def what_a_killed_server_made_goes_by_itself(place):
    client = busy_server(place)
    check("kiln-janitor" in processes_of(client), "a janitor")
    client.kill()
    wait(lambda: not groups() and not list(place.owners.iterdir()), "nothing is left")


@test
def groups_of_a_server_killed_with_all_its_helpers_go_with_the_next(place):
    client = busy_server(place)
    found = processes_of(client)
    # Stopped, so that nobody cleans up after the first who is killed.
    doomed = [client.server.pid, *found["kiln-janitor"], *found["kiln-zygote"]]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in doomed:
            os.kill(pid, number)
    client.kill()
    every = [pid for pids in found.values() for pid in pids]
    wait(lambda: not any(traces.parent_and_state(pid)[1] not in ("", "Z") for pid in every),
         "the death of all: %s" % found)
    check(groups(), "groups are left")
    place.run("exec", "--backend=native", "--", "/bin/true")
    nothing_but_locks(place)


@test
def a_server_that_ends_leaves_nothing(place):
    client = busy_server(place)
    check(client.finish() == 0, "exit code")
    check(not groups(), "by the time it has ended:", groups())
    check(not list(place.owners.iterdir()), "lock files", list(place.owners.iterdir()))


@test
def cradles_that_wait_die_with_their_server(place):
    client = Client([PROGRAM, "--backend=native", "--pool=0", "--log-level=error"],
                    **place.options())
    client.initialize()
    client.call(command="true")
    wait(lambda: len(processes_of(client).get("kiln-cradle", [])) >= 2, "waiting cradles")
    cradles = processes_of(client)["kiln-cradle"]
    client.kill()
    wait(lambda: not any(traces.parent_and_state(pid)[1] not in ("", "Z") for pid in cradles),
         "their death")
    nothing_but_locks(place)


# --- directories --------------------------------------------------------------------------


@test
def a_directory_goes_with_all_that_is_in_it(place):
    living = Server(place, "directory", place.parent)
    dead = Server(place, "directory", place.parent).kill()
    for server in (living, dead):
        (place.parent / server.name / "below").mkdir()
        (place.parent / server.name / "below/file").touch()
        if place.user:
            os.chown(place.parent / server.name / "below", place.user, place.user)
    done = place.cleanup()
    check(done.returncode == 0, "exit code")
    check(line_of(done, place.parent / dead.name).startswith("removed"), "told")
    check(not (place.parent / dead.name).exists(), "removed")
    check((place.parent / living.name / "below/file").exists(), "there")
    living.kill()
    check(place.cleanup().returncode == 0, "exit code")
    check(not (place.parent / living.name).exists(), "removed")


@test
def nothing_is_reached_through_a_link(place):
    dead = Server(place, "directory", place.parent).kill()
    moved = place.folder / "moved"
    place.parent.rename(moved)
    place.parent.symlink_to(moved)
    check(place.cleanup().returncode == 1, "exit code")
    check((moved / dead.name).exists(), "there")
    place.parent.unlink()
    moved.rename(place.parent)
    (place.parent / dead.name).rmdir()
    (place.parent / dead.name).symlink_to(place.folder)
    check(place.cleanup().returncode == 1, "exit code")
    check(place.owners.exists(), "there")


@test
def a_record_of_something_else_removes_nothing(place):
    dead = Server(place, "directory", place.parent).kill()
    victim = place.folder / "victim"
    victim.mkdir()
    for record in ("directory %s\n" % victim, "directory %s/../victim\n" % place.parent,
                   "directory %s/%s/..\n" % (place.parent, dead.name), "directory victim\n"):
        place.lock(dead).write_text(record)
        check(place.cleanup().returncode == 1, "exit code")
        check(victim.exists() and (place.parent / dead.name).exists(), "there")


@test
def half_an_image_goes_when_nobody_unpacks_it(place):
    digest = "ab" * 32
    partial = place.images / (digest + ".partial")
    whole = place.images / ("cd" * 32)
    for path in (partial, whole):
        (path / "usr/bin").mkdir(parents=True)
    os.chmod(place.images, 0o700)
    if place.user:
        for path in [place.folder / "cache", *(place.folder / "cache").rglob("*")]:
            os.chown(path, place.user, place.user)
    with open(place.images / (digest + ".lock"), "w") as lock:
        os.chmod(lock.name, 0o666)
        fcntl.flock(lock, fcntl.LOCK_EX)
        check(line_of(place.cleanup(), partial).startswith("kept"), "told")
        check(partial.exists(), "there")
    check(line_of(place.cleanup("--dry-run"), partial).startswith("would go"), "told")
    check(partial.exists(), "dry")
    check(place.cleanup().returncode == 0, "exit code")
    check(not partial.exists(), "removed")
    check(whole.exists(), "there")


# --- where --------------------------------------------------------------------------------


def go_inside():
    """In a group of our own: sees no other, from a namespace in which its mounts are new."""
    group = "kilntainers-test-%d" % os.getpid()
    mounts = [line.split() for line in open("/proc/self/mounts")]
    found = {"pids": None, "unified": None}
    for _, point, kind, options, *_ in mounts:
        if kind == "cgroup" and "pids" in options.split(","):
            found["pids"] = pathlib.Path(point) / group
        if kind == "cgroup2":
            found["unified"] = pathlib.Path(point) / group
    made = [path for path in found.values() if path]
    kinds = [kind for kind, path in found.items() if path]
    if not made:
        raise Skip("no control groups are mounted")

    def enter():
        for path in made:
            (path / "cgroup.procs").write_text("0")

    for path in made:
        path.mkdir()
    try:
        return subprocess.run(
            ["unshare", "--mount", "--cgroup", sys.executable, *sys.argv], check=False,
            env={**os.environ, INSIDE: ",".join(kinds)}, preexec_fn=enter).returncode
    finally:
        for path in made:
            for below, _, _ in os.walk(path, topdown=False):
                os.rmdir(below)


def mount_own():
    subprocess.run(["umount", "-R", "-l", GROUPS], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", GROUPS], check=True)
    for kind in os.environ.pop(INSIDE).split(","):
        (GROUPS / kind).mkdir()
        how = ["cgroup", "-o", "pids"] if kind == "pids" else ["cgroup2"]
        subprocess.run(["mount", "-t", *how, "none", GROUPS / kind], check=True)


def run_one(number, function, user, suffix):
    name = function.__name__.replace("_", " ") + suffix
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        try:
            function(Place(folder, user))
        except Skip as reason:
            print("ok %d - %s # SKIP %s" % (number, name, reason), flush=True)
            return True
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            print("#   %r" % error)
            print("not ok %d - %s" % (number, name), flush=True)
            return False
    print("ok %d - %s" % (number, name), flush=True)
    return True


def main():
    global LEAVER, PROGRAM
    is_root = os.geteuid() == 0
    if is_root and INSIDE not in os.environ:
        try:
            return go_inside()
        except Skip as reason:
            print("1..0 # SKIP %s" % reason)
            return 0
    runs = [(function, None, "") for function in tests]
    if is_root:
        mount_own()
        at = tests.index(a_directory_goes_with_all_that_is_in_it)
        runs += [(function, as_user.USER, ", as an ordinary user") for function in tests[at:]]
    print("1..%d" % len(runs), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        # The build may be where only its owner can go.
        os.chmod(folder, 0o755)
        LEAVER, PROGRAM = (shutil.copy(path, folder) for path in (LEAVER, PROGRAM))
        results = [run_one(number, *run) for number, run in enumerate(runs, 1)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
