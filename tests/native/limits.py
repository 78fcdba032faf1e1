#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What native sandboxes may use, through the real program; prints TAP.

usage: limits.py PROGRAM

With control groups, as root; and without, as an ordinary user with one id and as one with
subordinate ids. Which of them this machine has is read from the server's log, as a user
would. Nothing here asserts a time.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / name)
                for name in ("chaos", "isolation", "native")]
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))

import as_user  # noqa: E402
import traces  # noqa: E402
from harness import Skip, Tap, check, equal  # noqa: E402
from mcp_client import Client, Wrong  # noqa: E402

PROGRAM = os.path.abspath(sys.argv[1])
MIB = 1 << 20
# For what takes milliseconds, or a second where the server looks once a second.
PATIENCE_S = 60
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}}
# Of a server's log, when something failed.
LOG_LINES = 20
IDLE_GROUPS = 8
READY_PLACES = 2
FOLDER = ""

HOGS = {
    "its own memory": "x = bytearray(%d)",
    "a memory file": "import os\nfile = os.memfd_create('x')\n"
                     "for _ in range(%d >> 20): os.write(file, b'x' * (1 << 20))",
    "shared memory of System V": "import ctypes\nlibc = ctypes.CDLL(None)\n"
                                 "libc.shmat.restype = ctypes.c_void_p\nsize = %d\n"
                                 "at = libc.shmat(libc.shmget(0, size, 0o1600), None, 0)\n"
                                 "ctypes.memset(at, 1, size)",
}
# Holds so much until it is killed.
HOLDER = "import sys, time\nx = bytearray(%d)\nopen('held', 'w').close()\ntime.sleep(1000)"
# Fills every place that becomes free, for ever.
BOMB = """
import os, time
while True:
    try:
        if os.fork() == 0:
            time.sleep(1000)
            os._exit(0)
    except OSError:
        open('full', 'w').close()
"""
# So many processes, then no more.
CROWD = """
import os, time
for _ in range(%d):
    if os.fork() == 0:
        time.sleep(1000)
        os._exit(0)
open('there', 'w').close()
time.sleep(1000)
"""
FORKS = "import os, time\nfor _ in range(100):\n    if os.fork() == 0: time.sleep(1000)"
# Twice as many as there could be use for, and what they used by each second that passed.
BURNERS = """
import os, time
started = time.monotonic()
children = []
for _ in range(2 * os.cpu_count()):
    pid = os.fork()
    if pid == 0:
        while time.monotonic() < started + 2: pass
        os._exit(0)
    children.append(pid)
for pid in children: os.waitpid(pid, 0)
used = os.times()
print((used.children_user + used.children_system) / (time.monotonic() - started))
"""


class Server(Client):
    """Of the modern era, so that it has many sandboxes; knows its log."""

    def __init__(self, mode, *options):
        become = None if mode == "self" else lambda: as_user.become(mode, FOLDER)
        self.log = tempfile.NamedTemporaryFile("w+", dir=FOLDER)
        super().__init__([PROGRAM, "--backend=native", "--log-format=json", "--log-level=info",
                          *options], stderr=self.log, preexec_fn=become, cwd="/",
                         env=environment(mode))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, _):
        if self.server.poll() is None:
            self.kill()
        if kind and kind is not Skip:
            for line in self.text().splitlines()[-LOG_LINES:]:
                print("# " + line)

    def run(self, handle, **arguments):
        """(handle, answer); with a new sandbox if there is no handle."""
        if handle:
            arguments["sandbox_id"] = handle
        result = self.wait(self.start("tools/call", name="sandbox_exec", arguments=arguments,
                                      _meta=META))
        answer = result.get("structuredContent")
        if not answer:
            raise Wrong(result["content"][0]["text"])
        return answer.get("sandbox_id", handle), answer

    def text(self):
        return pathlib.Path(self.log.name).read_text()

    def events(self, name):
        return [json.loads(line) for line in self.text().splitlines(True)
                if line.endswith("}\n") and '"%s"' % name in line]

    def inits(self):
        return [pid for pid in traces.descendants(self.server.pid)
                if any(line.split()[2:] and line.split()[-1] == "1"
                       for line in traces.read("/proc/%d/status" % pid).splitlines()
                       if line.startswith("NSpid:"))]


class Sandbox:
    def __init__(self, server):
        self.server = server
        self.handle = None

    def run(self, command=None, **arguments):
        if command is not None:
            arguments["command"] = command
        self.handle, answer = self.server.run(self.handle, **arguments)
        return answer

    def python(self, program):
        return self.run(args=["python3", "-c", program])

    def ok(self, command):
        answer = self.run(command)
        equal(answer["exit_code"], 0, "%s: %r" % (command, answer))
        return answer["stdout"]

    def leave(self, program):
        """Leaves it running."""
        self.run(args=["sh", "-c", 'setsid python3 -c "$0" >/dev/null 2>&1 &', program])

    def stay(self, program, until):
        """Leaves it running, and waits for the file that it makes."""
        self.ok("rm -f %s" % until)
        self.leave(program)
        wait(lambda: self.run(args=["test", "-e", until])["exit_code"] == 0, until)


def wait(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        check(time.monotonic() < deadline, "never happened: %s" % what)
        time.sleep(0.02)


# How sanitizers report; and what they ask of a run as root, which is refused to users.
PASSED_ON = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS")
FOR_ROOT = ("KILNTAINERS_RUN_AS",)


def environment(mode):
    names = PASSED_ON + (FOR_ROOT if mode == "self" else ())
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {**kept, "PATH": os.environ["PATH"], "HOME": os.path.join(FOLDER, mode)}


def run_program(mode, *words):
    become = None if mode == "self" else lambda: as_user.become(mode, FOLDER)
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, cwd="/",
                          stdin=subprocess.DEVNULL, timeout=10 * PATIENCE_S, check=False,
                          preexec_fn=become, env=environment(mode))


def holds(answer, *texts):
    for text in texts:
        check(text in answer["stderr"], "%r in %r" % (text, answer))


def groups_of(pid):
    """Directories by controller: {"memory": ..., "pids": ...}; of version 2 for all."""
    mounts = [line.split() for line in traces.read("/proc/self/mounts").splitlines()]
    found = {}
    for line in traces.read("/proc/%d/cgroup" % pid).splitlines():
        _, controllers, path = line.split(":", 2)
        for _, point, kind, options, *_ in mounts:
            names = controllers.split(",") if controllers else ["memory", "pids", "cpu"]
            if kind == ("cgroup" if controllers else "cgroup2") and (
                    not controllers or set(names) <= set(options.split(","))):
                for name in names:
                    found.setdefault(name, pathlib.Path(point + path))
    return found


def number_in(path):
    return int(path.read_text().split()[0])


# --- with control groups ------------------------------------------------------------------


def memory(name):
    with Server("self", "--memory=64m", "--pool=0") as server:
        box = Sandbox(server)
        box.ok("echo mine > file")
        answer = box.python(HOGS[name] % (200 * MIB))
        equal((answer["exit_code"], answer["ended_by"]), (137, "memory"), "its end")
        holds(answer, "killed by the memory limit of 64 MiB", "(--memory)")
        equal(box.ok("cat file"), "mine\n", "its files")


def memory_in_legacy_and_on_the_command_line():
    client = Client([PROGRAM, "--backend=native", "--memory=64m", "--log-level=error"])
    try:
        client.initialize()
        answer = client.call(args=["python3", "-c", HOGS["its own memory"] % (200 * MIB)])
    finally:
        client.kill()
    equal(answer["exit_code"], 137, "legacy")
    holds(answer, "the memory limit of 64 MiB")
    done = run_program("self", "exec", "--backend=native", "--memory=64m", "--", "python3", "-c",
                       HOGS["its own memory"] % (200 * MIB))
    equal(done.returncode, 137, "exec")
    check("the memory limit of 64 MiB" in done.stderr, done.stderr)


def disk(options, limit, path):
    with Server("self", *options, "--pool=0") as server:
        box = Sandbox(server)
        answer = box.run("head -c 200M /dev/zero > %s" % path)
        equal((answer["exit_code"], answer["ended_by"]), (1, "exit"), "its end")
        holds(answer, "No space left on device", "the disk limit of %s" % limit, "(--disk)")
        check("memory" not in answer["stderr"], answer)
        box.ok("rm %s && echo a > file && ls | wc -l" % path)


def processes():
    with Server("self", "--pids-limit=24", "--pool=0") as server:
        box = Sandbox(server)
        answer = box.python(FORKS)
        equal((answer["exit_code"], answer["ended_by"]), (1, "exit"), "its end")
        holds(answer, "BlockingIOError", "the limit of 24 processes", "(--pids-limit)")
        box.run("kill -9 -1")
        equal(box.ok("echo a | cat | cat"), "a\n", "afterwards")


def emptied(mode, with_groups):
    options = ["--allow-unlimited-memory"]
    with Server(mode, "--pids-limit=24", "--pool=0", *options) as server:
        box = Sandbox(server)
        box.leave(BOMB)
        init, = server.inits()
        directory = groups_of(init).get("pids")
        # Looked at from outside: whoever looks from inside takes a place.
        wait(lambda: len(traces.descendants(init)) + 1 >= 24, "a full sandbox")
        if with_groups:
            wait(lambda: number_in(directory / "pids.current") >= 24, "a full group")
            answer = box.run("echo a")
            equal((answer["exit_code"], answer["ended_by"]), (126, "pids"), "its end")
            holds(answer, "cannot start", "There is room now", "the limit of 24 processes")
        # What it can do: the shell's own, and one program.
        for _ in range(3):
            equal(box.ok("echo a"), "a\n", "a command of the shell's own")
        check("python3" in box.ok("exec ps ax"), "a single program")
        check(len(traces.descendants(init)) + 1 <= 24 + 8, "the limit holds")
        box.run("kill -9 -1")
        wait(lambda: box.run("echo a | cat | cat")["stdout"] == "a\n", "a usable sandbox")
        if with_groups:
            wait(lambda: box.ok("true") == "" and number_in(directory / "pids.max") == 24,
                 "the limit as it was")
            answer = box.python(FORKS)
            holds(answer, "the limit of 24 processes")


def processor():
    with Server("self", "--cpu=0.5", "--pool=0") as server:
        box = Sandbox(server)
        used = float(box.python(BURNERS)["stdout"])
        check(0 < used < 0.8, "%.2f processors were used" % used)
        directory = groups_of(server.inits()[0])["cpu"]
        if (directory / "cpu.max").exists():
            equal((directory / "cpu.max").read_text(), "50000 100000\n", "cpu.max")
        else:
            equal(number_in(directory / "cpu.cfs_quota_us"), 50000, "quota")
            equal(number_in(directory / "cpu.cfs_period_us"), 100000, "period")


def sum_of_memory():
    with Server("self", "--memory=128m", "--total-memory=160m", "--pool=0") as server:
        first, second = Sandbox(server), Sandbox(server)
        first.stay(HOLDER % (70 * MIB), "held")
        # The kernel kills the largest, and this is.
        answer = second.python(HOGS["its own memory"] % (110 * MIB))
        equal((answer["exit_code"], answer["ended_by"]), (137, "memory"), "its end")
        holds(answer, "the memory limit of all sandboxes together")
        check("128 MiB" not in answer["stderr"], answer)
        first.ok("true")


def sum_of_processes():
    with Server("self", "--pids-limit=60", "--total-pids=80", "--pool=0") as server:
        first, second = Sandbox(server), Sandbox(server)
        second.ok("true")
        first.stay(CROWD % 45, "there")
        answer = second.python(FORKS)
        equal(answer["exit_code"], 1, "its end")
        holds(answer, "the limit of processes and threads of all sandboxes together")
        check("limit of 60" not in answer["stderr"], answer)
        second.run("kill -9 -1")
        first.run("kill -9 -1")
        answer = second.python(CROWD % 70)
        holds(answer, "the limit of 60 processes")


def death():
    """Files leave no room for anybody: the kernel kills commands, at last the guest."""
    with Server("self", "--memory=32m", "--disk=31m", "--pool=0") as server:
        box = Sandbox(server)
        box.ok("true")
        cause = "killed by the memory limit of 32 MiB; its files are gone"
        died = ""
        for _ in range(100):
            try:
                box.run("head -c 31M /dev/zero > big")
            except Wrong as why:
                died = str(why)
                break
        check(cause in died, "told in the call: %s" % died)
        for _ in range(2):
            try:
                box.run("true")
                died = "it lives"
            except Wrong as why:
                died = str(why)
            check(cause in died, "told by the next: %s" % died)


def values():
    with Server("self", "--memory=64m", "--pids-limit=24", "--cpu=0.5", "--total-memory=256m",
                "--total-pids=100", "--pool=1") as server:
        box = Sandbox(server)
        equal({line.split(":", 2)[2] for line in box.ok("cat /proc/self/cgroup").splitlines()},
              {"/"}, "groups as seen from inside")
        init = server.inits()[0]
        groups = groups_of(init)
        is_v2 = (groups["pids"] / "cgroup.controllers").exists()
        expected = [
            ("memory", "memory.max", "memory.limit_in_bytes", 64 * MIB, 256 * MIB),
            ("memory", "memory.swap.max", "memory.memsw.limit_in_bytes", 64 * MIB * (not is_v2),
             256 * MIB * (not is_v2)),
            ("pids", "pids.max", "pids.max", 24, 100),
        ]
        for controller, v2, v1, each, total in expected:
            name = v2 if is_v2 else v1
            if "sw" in name and not (groups[controller] / name).exists():
                continue
            equal(number_in(groups[controller] / name), each, name)
            equal(number_in(groups[controller].parent / name), total, name + " of all")
        equal(number_in(groups["cpu"].parent / ("cpu.weight" if is_v2 else "cpu.shares")),
              50 if is_v2 else 512, "weight")
        box.ok("sleep 1000 >/dev/null 2>&1 &")
        below = traces.descendants(init)
        check(len(below) >= 2, "a spare and a command")
        for pid in below:
            # Who is about to end is in none any more.
            wait(lambda pid=pid: groups_of(pid) == groups
                 or traces.parent_and_state(pid)[1] in ("", "Z", "X"),
                 "process %d in its groups: %s" % (pid, groups_of(pid)))
        alive = [pid for pid in traces.descendants(init) if groups_of(pid) == groups]
        check(len(alive) >= 2, "the spare and the command")
        zygotes = [pid for pid in traces.descendants(server.server.pid)
                   if traces.parent_and_state(pid)[0] == server.server.pid]
        for pid in [server.server.pid, *zygotes]:
            for controller in ("memory", "pids", "cpu"):
                directory = groups_of(pid)[controller]
                check(groups[controller].parent not in directory.parents,
                      "process %d is limited: %s" % (pid, directory))


def tops_of(server):
    return {path.parent for path in groups_of(server.inits()[0]).values()
            if path.parent.name.startswith("kilntainers-")}


def count_in(top):
    return len([path for path in top.iterdir() if path.is_dir()])


def recycling():
    with Server("self", "--pool=0") as server:
        tops = set()
        for _ in range(50):
            box = Sandbox(server)
            box.ok("true")
            tops |= tops_of(server)
            for pid in server.inits():
                os.kill(pid, signal.SIGKILL)
            wait(lambda: not server.inits(), "a dead sandbox")
        wait(lambda: all(count_in(top) <= IDLE_GROUPS + READY_PLACES + 1 for top in tops),
             "few groups: %s" % [count_in(top) for top in tops])
        equal(server.finish(), 0, "exit code")
        wait(lambda: not any(top.exists() for top in tops), "no groups")


def readable_and_large():
    """A file of the host image that nobody has read lately."""
    for folder, _, names in os.walk("/usr/lib"):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.islink(path) or not 16 * MIB < os.path.getsize(path) < 48 * MIB:
                continue
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            yield path


def residue():
    with Server("self", "--pool=0") as server:
        box = Sandbox(server)
        for path in readable_and_large():
            if box.run("cat '%s' >/dev/null" % path)["exit_code"] != 0:
                continue
            used = groups_of(server.inits()[0])["memory"]
            usage = next(used / name for name in ("memory.current", "memory.usage_in_bytes")
                         if (used / name).exists())
            if number_in(usage) > 8 * MIB:
                break
        else:
            raise Skip("no file of this machine stays in the cache of who reads it")
        os.kill(server.inits()[0], signal.SIGKILL)
        wait(lambda: not server.inits(), "a dead sandbox")
        time.sleep(0.2)
        if not usage.exists() or number_in(usage) <= 4 * MIB:
            raise Skip("the cache went with the sandbox")
        for _ in range(3):
            Sandbox(server).ok("true")
        check(all(groups_of(pid)["memory"] != used for pid in server.inits()),
              "a group was used again that holds %d bytes" % number_in(usage))


def many():
    with Server("self", "--pool=60") as server:
        Sandbox(server).ok("true")
        wait(lambda: len(server.events("sandbox_created")) > 60, "a full pool")
        tops = tops_of(server)
        check(all(count_in(top) > 60 for top in tops), "a group for each")
        equal(server.finish(), 0, "exit code")
        wait(lambda: not any(top.exists() for top in tops), "no groups")


# --- without ------------------------------------------------------------------------------


def refused(mode, option):
    done = run_program(mode, "exec", "--backend=native", option, "--", "true")
    check(done.returncode != 0 and option.split("=")[0] in done.stderr
          and "--allow-unlimited-memory" in done.stderr and "loginctl enable-linger" in done.stderr,
          "%d %s" % (done.returncode, done.stderr))
    done = run_program(mode, "exec", "--backend=native", option, "--allow-unlimited-memory", "--",
                       "echo", "a")
    equal((done.returncode, done.stdout, done.stderr), (0, "a\n", ""), "accepted")


def each_process(mode):
    with Server(mode, "--memory=64m", "--allow-unlimited-memory", "--pool=0") as server:
        box = Sandbox(server)
        answer = box.python(HOGS["its own memory"] % (200 * MIB))
        equal(answer["exit_code"], 1, "its end")
        holds(answer, "MemoryError")
        equal(box.ok("ulimit -d"), "%d\n" % (64 << 10), "its resource limit")
        check(box.python(HOGS["shared memory of System V"] % (200 * MIB))["exit_code"] != 0,
              "shared memory")


def sums_without(mode, options, program, until, name):
    with Server(mode, *options, "--pool=0") as server:
        first = Sandbox(server)
        first.stay(program, until)

        def try_another():
            # Each that is made is two processes more; and the server looks once a second.
            time.sleep(0.5)
            try:
                Sandbox(server).ok("true")
            except Wrong as why:
                check(name in str(why), why)
                return False
            return True

        wait(lambda: not try_another(), "a refusal")
        first.run("kill -9 -1")
        first.ok("true")
        wait(try_another, "another sandbox")


def told(mode):
    done = run_program(mode, "exec", "--backend=native", "--", "true")
    lines = done.stderr.splitlines()
    check(len(lines) == 1 and "memory_not_limited" in lines[0] and len(lines[0]) < 240,
          done.stderr)
    with Server(mode, "--pool=0") as server:
        Sandbox(server).ok("true")
        line, = server.events("limits")
        equal((line["memory_by"], line["level"]), ("NOT limited", "info"), "the log")
        equal(len(server.events("memory_not_limited")), 1, "the warning")
    done = run_program(mode, "doctor", "--backend=native")
    lines = [line for line in done.stdout.splitlines() if "limit of memory" in line]
    check(lines and "NOT limited" in lines[0], done.stdout)


# --- all ------------------------------------------------------------------------------------


def has_groups(mode):
    with Server(mode, "--pool=0") as server:
        Sandbox(server).ok("true")
        line, = server.events("limits")
    return all("cgroup" in line[name] for name in ("memory_by", "pids_by", "cpu_by"))


def with_groups(tap):
    for name in HOGS:
        tap.run("what takes too much of %s is killed and told" % name, memory, name)
    tap.run("the same in legacy and on the command line", memory_in_legacy_and_on_the_command_line)
    for path in ("big", "/tmp/big", "/dev/shm/big"):
        tap.run("%s beyond half of a small memory is refused" % path, disk, ["--memory=64m"],
                "32 MiB", path)
    tap.run("a file beyond --disk is refused", disk, ["--disk=16m"], "16 MiB", "big")
    tap.run("processes beyond the limit are refused", processes)
    tap.run("a full sandbox can be emptied", emptied, "self", True)
    tap.run("processor time is held back", processor)
    tap.run("memory of all sandboxes together is told as theirs", sum_of_memory)
    tap.run("processes of all sandboxes together are told as theirs", sum_of_processes)
    tap.run("the death of a whole sandbox is explained", death)
    tap.run("groups have the values that were asked for", values)
    tap.run("groups are used again, and gone at the end", recycling)
    tap.run("a group that is still charged is not used again", residue)
    tap.run("groups of many sandboxes at once are gone at the end", many)


def without_groups(tap, mode, who):
    for option in ("--memory=64m", "--cpu=0.5"):
        tap.run("%s that cannot be held is refused, %s" % (option, who), refused, mode, option)
    tap.run("each process is limited, %s" % who, each_process, mode)
    tap.run("a full sandbox can be emptied, %s" % who, emptied, mode, False)
    tap.run("no sandbox is made while there are too many processes, %s" % who, sums_without, mode,
            ["--total-pids=100"], CROWD % 150, "there", "--total-pids")
    tap.run("no sandbox is made while they use too much memory, %s" % who, sums_without, mode,
            ["--total-memory=128m"], HOLDER % (200 * MIB), "held", "--total-memory")
    tap.run("what is not limited is said, %s" % who, told, mode)


def main():
    global PROGRAM, FOLDER
    tap = Tap()
    # The source tree may be where only its owner can go.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        FOLDER = folder
        PROGRAM = shutil.copy(PROGRAM, folder)
        modes = {"self": "as root" if os.geteuid() == 0 else "as a user",
                 "single": "as a user with one id", "range": "as a user with subordinate ids"}
        for mode, who in modes.items():
            reason = "" if mode == "self" else as_user.why_not(mode)
            if reason:
                tap.skip("limits %s" % who, reason)
                continue
            os.mkdir(environment(mode)["HOME"])
            if mode != "self":
                os.chown(environment(mode)["HOME"], as_user.USER, as_user.USER)
            groups = has_groups(mode)
            if groups:
                with_groups(tap) if mode == "self" else tap.skip(
                    "limits %s" % who, "this user has control groups, like the first")
            else:
                without_groups(tap, mode, who)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
