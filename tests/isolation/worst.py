#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sandboxes that do their worst, and what goes on beside them; prints TAP.

usage: worst.py root|user DRIVER HOG TINY [WORD...]

While one storms, another's commands run, the host can fork, and the end is in time. With
words, only the tests that have one of them in their name run. Times are hang guards; how long
a neighbour takes is measured by bench/run.py --only worst.
"""

import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "native"))

import as_user
from harness import Server, Skip, Tap, check, descendants, equal, is_sandbox, processes

MODE, DRIVER, HOG, TINY = sys.argv[1:5]
WANTED = sys.argv[5:]
IS_USER = MODE == "user"
# A neighbour's command takes milliseconds.
NEIGHBOUR_LIMIT_S = 10
STORM_MS = 800
STORMS = ("fork", "memory", "memory-file", "shared", "files", "inotify", "in-flight", "keys",
          "terminals", "signals", "spin", "stop", "kill")
# With the processes of its uid goes the one that it runs below. Files in memory are nobody's, so
# the kernel may take whoever starts the eaters for the largest.
MAY_BE_KILLED = ("kill", "memory-file", "shared")
BOMBS = 20
# What control groups hold it to, where there are any.
LIMITS = {"memory": 128 << 20}
MEMORY, PIDS, DISK = 1, 2, 4
CROWD = 300
CAP_SYS_RESOURCE = 24
# Nobody's, and with little: six bombs could use it up.
CROWDED_USER = 64321
USER_PROCESSES = 300
# LIMIT_RESERVED_PIDS: what a full control group has more for the command that clears it.
RESERVED_IN_GROUP = 8
# What the kernel never gives out again: src/zygote/setting.c.
RESERVED_PIDS = 300
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def with_hog(server):
    sandbox = server.create()
    sandbox.put("/tmp/hog", pathlib.Path(HOG).read_bytes(), "755")
    return sandbox


def may_lower_scores():
    """Only then is what we set the least that a sandbox can go back to."""
    effective = pathlib.Path("/proc/self/status").read_text().split("CapEff:")[1].split()[0]
    return bool(int(effective, 16) & 1 << CAP_SYS_RESOURCE)


def pid_max_is_of_the_namespace():
    release = [int(part) for part in os.uname().release.split("-")[0].split(".")[:2]]
    return release >= [6, 14]


def beside(neighbour, what):
    """One round of what must go on; the seconds that the neighbour took."""
    started = time.monotonic()
    result = neighbour.run("true")
    took = time.monotonic() - started
    check(result.end == "exit" and result.code == 0, f"the neighbour of {what}: {result}")
    check(took < NEIGHBOUR_LIMIT_S, f"the neighbour of {what} took {took:.1f} s")
    equal(subprocess.run(["true"], check=False, timeout=NEIGHBOUR_LIMIT_S).returncode, 0,
          f"the host's fork beside {what}")


def weather(server, neighbour, what, command, ends=("timeout",)):
    """A sandbox that does it, and then is used again."""
    sandbox = with_hog(server)
    started = time.monotonic()
    running = sandbox.start(command, timeout_ms=STORM_MS, limit=2 << 20)
    while time.monotonic() - started < STORM_MS / 1000:
        beside(neighbour, what)
        time.sleep(0.05)
    answer = server.wait(running)
    check("error" not in answer and answer["end"] in ends, f"{what}: {answer}")
    check(answer["end"] != "signal" or what == "kill" or answer["limits"] & MEMORY,
          f"{what}: {answer}")
    after = sandbox.run("echo alive", timeout_ms=20000)
    # What could not be killed in time is told as a reset: the truth, on a busy machine.
    check(after.out == "alive\n" or answer["reset"], f"after {what}: {answer} {after}")
    sandbox.destroy()


@test
def a_neighbour_and_the_host_go_on_beside_every_storm():
    with Server(DRIVER, IS_USER, limits=LIMITS) as server:
        neighbour = server.create()
        for storm in STORMS:
            ends = ("timeout", "signal") if storm in MAY_BE_KILLED else ("timeout",)
            weather(server, neighbour, storm, f"/tmp/hog storm {storm}", ends)


@test
def a_neighbour_and_the_host_go_on_beside_a_flood_of_output():
    with Server(DRIVER, IS_USER, limits=LIMITS) as server:
        neighbour = server.create()
        weather(server, neighbour, "output", "/tmp/hog storm output", ends=("limit",))
        weather(server, neighbour, "lost output", "/tmp/hog storm output > /dev/null")


@test
def twenty_fork_bombs_leave_processes_to_the_host():
    with Server(DRIVER, IS_USER, limits={**LIMITS, "pids": 64}) as server:
        neighbour = server.create()
        bombs = [with_hog(server) for _ in range(BOMBS)]
        calls = [bomb.start("/tmp/hog storm fork", timeout_ms=2000) for bomb in bombs]
        started = time.monotonic()
        while time.monotonic() - started < 2:
            beside(neighbour, "the bombs")
            time.sleep(0.1)
        ends = [server.wait(call) for call in calls]
        for answer in ends:
            # One that was refused its first process, by the sum of all, ends by itself.
            check(answer.get("end") in ("timeout", "not-started", "exit"), f"a bomb: {answer}")
        check(any(answer["end"] == "timeout" for answer in ends), "no bomb went off")
        beside(neighbour, "what is left of the bombs")
        equal(server.create().run("echo fine").out, "fine\n", "a new sandbox")


@test
def what_the_servers_user_may_have_is_not_all_for_sandboxes():
    """The kernel counts a user's processes with those of its sandboxes."""
    if not IS_USER or os.geteuid() != 0:
        raise Skip("root makes a user for it, and the sandboxes of root are users of their own")
    ids = str(CROWDED_USER)
    become = ["setpriv", "--reuid", ids, "--regid", ids, "--clear-groups",
              "prlimit", f"--nproc={USER_PROCESSES}:{USER_PROCESSES}"]
    with Server(DRIVER, False, wrapper=become, limits={"pids": 64}) as server:
        program = server.directory / "hog"
        program.write_bytes(pathlib.Path(HOG).read_bytes())
        program.chmod(0o755)
        bombs = [with_hog(server) for _ in range(6)]
        calls = [bomb.start("/tmp/hog storm fork", timeout_ms=1500) for bomb in bombs]
        for _ in range(10):
            time.sleep(0.1)
            forked = subprocess.run([*become, str(program), "try", "processes"],
                                    capture_output=True, text=True, timeout=NEIGHBOUR_LIMIT_S,
                                    check=True)
            equal(forked.stdout, "ok\n", "the user's fork")
        for call in calls:
            server.wait(call)
        equal(bombs[0].run("echo alive", timeout_ms=20000).error, None, "afterwards")


# --- memory ----------------------------------------------------------------------------------

HOGS = {
    "a mapping": "python3 -c \"x = b'x' * (300 << 20)\"",
    "a memory file": "/tmp/hog exhaust memory-files",
    "a file": "head -c 300M /dev/zero > /dev/shm/full",
    "unread bytes of sockets": "/tmp/hog exhaust buffers",
    "a shared segment": "python3 -c \"import mmap; m = mmap.mmap(-1, 300 << 20); "
                        "[m.seek(i << 12) or m.write(b'x') for i in range(300 << 8)]\"",
}


@test
def every_way_to_take_memory_ends_at_the_limit_and_the_sandbox_lives():
    if IS_USER:
        raise Skip("without control groups nothing limits the memory of a sandbox, as doctor says")
    with Server(DRIVER, IS_USER, limits=LIMITS) as server:
        for what, command in HOGS.items():
            sandbox = with_hog(server)
            result = sandbox.run(command, timeout_ms=30000)
            check(result.error is None, f"{what}: {result}")
            check(result.end == "signal" or result.code != 0, f"{what}: {result}")
            check(result.limits & (MEMORY | DISK), f"{what} was not told: {result}")
            equal(sandbox.run("rm -f /dev/shm/full; echo alive").out, "alive\n", f"after {what}")
            sandbox.destroy()


UNREAD = """
import socket
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(200)
kept, unread = [], 0
for _ in range(100):
    sender = socket.socket()
    sender.connect(listener.getsockname())
    kept += [sender, listener.accept()[0]]
    sender.setblocking(False)
    try:
        while True:
            unread += sender.send(bytes(65536))
    except BlockingIOError:
        pass
print(unread)
"""


@test
def bytes_that_wait_in_the_network_are_limited_as_well():
    if IS_USER:
        raise Skip("without control groups nothing limits the memory of a sandbox, as doctor says")
    with Server(DRIVER, IS_USER, limits=LIMITS) as server:
        sandbox = server.create()
        sandbox.put("/tmp/unread.py", UNREAD)
        result = sandbox.run("exec python3 /tmp/unread.py", timeout_ms=60000)
        # Killed, where the kernel counts it with all else, or refused.
        was_killed = result.end == "signal" and result.limits == MEMORY
        check(was_killed or int(result.out) < LIMITS["memory"], f"{result}")
        equal(sandbox.run("echo alive").out, "alive\n", "the next command")


@test
def pid_1_outlives_what_is_small_and_holds_much():
    """Its memory is in files that are nobody's, and PID 1 is larger than itself."""
    if IS_USER:
        raise Skip("without control groups nothing limits the memory of a sandbox, as doctor says")
    with Server(DRIVER, IS_USER, limits=LIMITS) as server:
        sandbox = server.create()
        sandbox.put("/tmp/tiny", pathlib.Path(TINY).read_bytes(), "755")
        for _ in range(5):
            result = sandbox.run(["/tmp/tiny"], timeout_ms=60000)
            check(result.error is None, f"{result}")
            equal((result.end, result.limits), ("signal", MEMORY), f"{result}")
            equal(sandbox.run("echo alive").out, "alive\n", "the next command")


@test
def a_command_goes_before_its_guest_when_memory_runs_out():
    own = "/proc/self/oom_score_adj"
    with Server(DRIVER, IS_USER, limits=LIMITS) as server:
        sandbox = server.create()
        guest = int(sandbox.shell("cat /proc/1/oom_score_adj"))
        command = int(sandbox.shell(f"sleep 0.1; cat {own}"))
        ours = int(pathlib.Path(own).read_text())
        check(command > guest > ours or guest >= 900, f"server {ours}, guest {guest}, {command}")
        sandbox.run(f"echo {ours} > {own}; echo {ours} > /proc/1/oom_score_adj")
        equal(int(sandbox.shell("cat /proc/1/oom_score_adj")), guest, "the guest's")
        if not IS_USER and may_lower_scores():
            lowest = sandbox.run(f"echo {guest - 1} > {own}; cat {own}").out.strip()
            equal(int(lowest), command, "what a command may lower its own to")


@test
def one_process_of_a_user_without_control_groups_is_limited():
    if not IS_USER:
        raise Skip("control groups hold it")
    with Server(DRIVER, IS_USER, limits=LIMITS) as server:
        sandbox = with_hog(server)
        for what in ("a mapping", "a file"):
            result = sandbox.run(HOGS[what], timeout_ms=30000)
            check(result.end == "signal" or result.code != 0, f"{what}: {result}")
        equal(sandbox.run("rm -f /dev/shm/full; echo alive").out, "alive\n", "afterwards")
        many = sandbox.shell("cat /proc/sys/kernel/shmall").strip()
        equal(int(many) * os.sysconf("SC_PAGESIZE"), LIMITS["memory"], "System V memory")


# --- a guest that does not answer ------------------------------------------------------------


def guests(server):
    """Host pids of PID 1 of each sandbox."""
    parents = processes()
    zygotes = [pid for pid, parent in parents.items() if parent == server.process.pid]
    return {pid for pid, parent in parents.items() if parent in zygotes and is_sandbox(pid)}


@test
def calls_end_in_time_although_their_guest_is_stopped_for_good():
    """Nobody inside can do it; the server must not need its guest to end a call."""
    if os.geteuid() != 0:
        raise Skip("only root of the host can stop PID 1 of a sandbox")
    with Server(DRIVER, IS_USER) as server:
        neighbour = server.create()
        others = guests(server)
        mute = server.create()
        for pid in guests(server) - others:
            os.kill(pid, signal.SIGSTOP)
        # The spare takes the first; of the second nobody takes note.
        for request in [mute.start("sleep 50", timeout_ms=500) for _ in range(2)]:
            started = time.monotonic()
            answer = server.wait(request)
            check(time.monotonic() - started < NEIGHBOUR_LIMIT_S, f"it took long: {answer}")
            check(answer.get("reset") or answer.get("error") == "the sandbox has died", f"{answer}")
        equal(neighbour.run("echo alive").out, "alive\n", "the neighbour")
        check(mute.run("true").error, "a sandbox that was reset runs commands")


# --- many ------------------------------------------------------------------------------------


@test
def three_hundred_sandboxes_use_up_nothing():
    """Keys of their user above all: a session keyring each would end it at two hundred."""
    with Server(DRIVER, IS_USER, limits=LIMITS) as server:
        made = []
        for _ in range(CROWD):
            made.append(server.create())
        for sandbox in (made[0], made[CROWD // 2], made[-1]):
            equal(sandbox.run("echo fine").out, "fine\n", "one of them")
        pending = [server.send("destroy", sandbox.index) for sandbox in made]
        for request in pending:
            server.wait(request)


@test
def a_long_command_line_needs_no_large_buffer():
    """Half a kernel's usual buffer of a socket, and all that an argument list may be."""
    usual = int(pathlib.Path("/proc/sys/net/core/wmem_default").read_text())
    if usual > 250000:
        raise Skip(f"net.core.wmem_default is {usual} here: a long packet would fit")
    with Server(DRIVER, IS_USER) as server:
        sandbox = server.create()
        for count in (3, 8):
            words = ["x" * 100000] * count
            result = sandbox.run(["sh", "-c", "echo $# ${#1} ${#3}", "sh", *words])
            equal(result.out, f"{count} 100000 100000\n", f"{count} arguments of 100 KB: {result}")


AS_USER = str(pathlib.Path(__file__).resolve().parents[1] / "native" / "as_user.py")
BECOME = "setpriv --reuid {0} --regid {0} --clear-groups"


def is_hog(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text() == "hog\n"
    except OSError:
        return False


def many_users(server, most):
    """Three users in a sandbox who each take all the processes that they can have."""
    sandbox = with_hog(server)
    for uid in (1000, 1001, 1002):
        sandbox.run(f"{BECOME.format(uid)} setsid /tmp/hog exhaust processes > /dev/null 2>&1 &",
                    timeout_ms=20000)
        time.sleep(0.3)
    count = sum(is_hog(pid) for pid in descendants(server.process.pid))
    check(20 < count <= most, f"{count} processes")
    # It may be full, and then says so.
    after = sandbox.run("echo alive", timeout_ms=20000)
    check(after.out == "alive\n" or (after.end == "not-started" and after.error is None), f"{after}")


@test
def other_users_of_a_sandbox_are_limited_with_it():
    """RLIMIT_NPROC is counted by user of the sandbox; a control group and pid_max are not."""
    if os.geteuid() != 0:
        raise Skip("only root can become a user with subordinate ids")
    if not IS_USER:
        with Server(DRIVER, False, limits={**LIMITS, "pids": 64}) as server:
            many_users(server, 64 + RESERVED_IN_GROUP)
        return
    reason = as_user.why_not("range")
    if reason:
        raise Skip(reason)
    if not pid_max_is_of_the_namespace():
        raise Skip("kernel.pid_max is the whole machine's before Linux 6.14")
    with Server(DRIVER, False, wrapper=[AS_USER, "range"], limits={"pids": 64}) as server:
        many_users(server, 64 + RESERVED_PIDS)


def main():
    tap = Tap()
    if MODE == "root" and os.geteuid() != 0:
        tap.skip("root's sandboxes", "this is not root")
        return tap.finish()
    for function in TESTS:
        name = function.__name__.replace("_", " ")
        if not WANTED or any(word in name for word in WANTED):
            started = time.monotonic()
            tap.run(name, function)
            if "WORST_TIMES" in os.environ:
                print(f"# {time.monotonic() - started:.1f} s", flush=True)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
