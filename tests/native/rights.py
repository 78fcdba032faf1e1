#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A server that root started gives up root's rights, and works without them.

usage: tests/native/rights.py PROGRAM

Prints TAP. Only root has rights to give up: skipped for others but for what is
refused to them.
"""

import contextlib
import ctypes
import grp
import json
import os
import pathlib
import pwd
import resource
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "isolation"))

from harness import Skip, Tap, check, descendants, equal, memory_holds, wait_until  # noqa: E402

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
IS_ROOT = os.geteuid() == 0
# Somebody without an account, and what the kernel calls the one capability.
SOMEBODY, GROUP = 54321, 54322
KILL_ALONE = f"{1 << 5:016x}"
HANG_S = 60
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def clean_environment(**more):
    left_out = ("KILNTAINERS_", "SUDO_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
    # A sanitizer's leak check would trace the process, which is what nobody can.
    sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    return {**kept, "ASAN_OPTIONS": sanitizer, **more}


def needs_root():
    if not IS_ROOT:
        raise Skip("only root has rights to give up")


class Server:
    """One MCP session on the stdin and stdout of a process."""

    def __init__(self, *flags, environment=None, before=None):
        needs_root()
        self.log = []
        self.process = subprocess.Popen(
            [PROGRAM, "--backend", "native", *flags], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=clean_environment(**(environment or {})), preexec_fn=before)
        self.count = 0
        self.ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {},
                                "clientInfo": {"name": "rights", "version": "1"}})
        self.tell({"method": "notifications/initialized"})

    def tell(self, message):
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, method, params):
        self.count += 1
        self.tell({"id": self.count, "method": method, "params": params})
        ready, _, _ = select.select([self.process.stdout], [], [], HANG_S)
        line = self.process.stdout.readline() if ready else b""
        check(line, f"no answer to {method}")
        return json.loads(line)["result"]

    def run(self, command, **more):
        """Never more than one at a time, so answers come in order."""
        return self.ask("tools/call", {"name": "sandbox_exec",
                                       "arguments": {"command": command, **more}})

    def shell(self, command, **more):
        answer = self.run(command, **more)
        check(not answer["isError"], answer)
        return answer["structuredContent"]

    def end(self):
        """The exit code."""
        self.process.stdin.close()
        code = self.process.wait(HANG_S)
        self.log = self.process.stderr.read().decode().splitlines()
        return code


@contextlib.contextmanager
def serve(*flags, **more):
    server = Server(*flags, **more)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()
        for stream in (server.process.stdin, server.process.stdout, server.process.stderr):
            with contextlib.suppress(OSError):
                stream.close()


def status_of(pid, field, task=None):
    path = f"/proc/{pid}/task/{task}/status" if task else f"/proc/{pid}/status"
    for line in pathlib.Path(path).read_text().splitlines():
        if line.startswith(field + ":"):
            return line.split(":", 1)[1].split()
    raise AssertionError(f"no {field} in {path}")


def name_of(pid):
    """Empty for one that has gone meanwhile."""
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def named(pids, name):
    found = [pid for pid in pids if name_of(pid) == name]
    check(found, f"no process {name}")
    return found


def nobody():
    try:
        entry = pwd.getpwnam("nobody")
        return entry.pw_uid, entry.pw_gid
    except KeyError:
        return 65534, 65534


def runs_as(server, uid, gid):
    equal(status_of(server.process.pid, "Uid"), [str(uid)] * 4, "user")
    equal(status_of(server.process.pid, "Gid"), [str(gid)] * 4, "group")


@test
def every_thread_of_the_server_is_nobody_with_the_right_to_kill_alone():
    with serve() as server:
        server.shell("true")
        pid = server.process.pid
        runs_as(server, *nobody())
        tasks = os.listdir(f"/proc/{pid}/task")
        check(len(tasks) >= 4, f"too few threads: {tasks}")
        for task in tasks:
            equal(status_of(pid, "Uid", task), [str(nobody()[0])] * 4, "user of a thread")
            equal(status_of(pid, "Groups", task), [], "groups")
            equal(status_of(pid, "CapPrm", task), [KILL_ALONE], "permitted")
            equal(status_of(pid, "CapEff", task), [KILL_ALONE], "effective")
            for empty in ("CapInh", "CapBnd", "CapAmb"):
                equal(status_of(pid, empty, task), ["0" * 16], empty)
            equal(status_of(pid, "NoNewPrivs", task), ["1"], "no_new_privs")
        equal(os.stat(f"/proc/{pid}/mem").st_uid, 0, "the owner of what is not dumpable")
        equal(os.readlink(f"/proc/{pid}/cwd"), "/", "directory")


@test
def what_makes_sandboxes_keeps_its_rights_and_commands_have_theirs():
    with serve() as server:
        found = server.shell("id -u; grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status")
        equal(found["stdout"].split(), ["0", "NoNewPrivs:", "1", "Seccomp:", "2"], "in a sandbox")
        zygote = named(descendants(server.process.pid), "kiln-zygote")[0]
        equal(status_of(zygote, "Uid"), ["0"] * 4, "user of the zygote")


@test
def a_session_goes_its_way_without_the_rights():
    with serve() as server:
        guests = []
        for _ in range(3):
            equal(server.shell("echo $((6 * 7))")["stdout"], "42\n", "a command")
        equal(server.shell("sleep 300", timeout=1)["exit_code"], 124, "a timeout")
        guests = named(descendants(server.process.pid), "kiln-guest")
        os.kill(guests[0], signal.SIGKILL)
        wait_until(lambda: not pathlib.Path(f"/proc/{guests[0]}").exists(), HANG_S)
        check(server.run("true")["isError"], "nobody was told that the sandbox died")
        server.shell("sleep 300 & sleep 0.1")
        pids = descendants(server.process.pid)
        equal(server.end(), 0, "exit code")
        left = [pid for pid in pids if pathlib.Path(f"/proc/{pid}").exists()]
        check(wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), HANG_S),
              f"left behind: {left}")
        check(any(" rights_dropped " in line for line in server.log), server.log)


@test
def a_low_limit_of_processes_does_not_stop_its_threads():
    _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    if hard != resource.RLIM_INFINITY and hard < 1000:
        raise Skip("the hard limit of processes is low here already")
    # Root is not counted; whom it becomes would be.
    with serve(before=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (1, hard))) as server:
        server.shell("true")


@test
def a_signal_ends_it():
    with serve() as server:
        server.shell("sleep 300 & sleep 0.1")
        server.process.send_signal(signal.SIGTERM)
        equal(server.process.wait(HANG_S), 0, "exit code")


@test
def no_memory_of_others_holds_the_environment_of_the_server():
    secret = "canary" + secrets.token_hex(16)
    with serve(environment={"RIGHTS_SECRET": secret}) as server:
        server.shell("true")
        pids = descendants(server.process.pid)
        named(pids, "kiln-zygote")
        named(pids, "kiln-guest")
        check(memory_holds(server.process.pid, secret.encode()), "this test finds nothing at all")
        for pid in pids[1:]:
            check(not memory_holds(pid, secret.encode()), f"process {pid} holds it")


@test
def somebody_of_the_same_id_cannot_look_into_it():
    with serve("--run-as", f"{SOMEBODY}:{GROUP}") as server:
        runs_as(server, SOMEBODY, GROUP)
        for name in ("environ", "mem", "maps", "fd/0"):
            looked = subprocess.run(
                ["setpriv", f"--reuid={SOMEBODY}", f"--regid={GROUP}", "--clear-groups", "head",
                 "-c", "1", f"/proc/{server.process.pid}/{name}"], capture_output=True)
            check(looked.returncode != 0, f"{name} can be read: {looked.stdout}")


@test
def whoever_ran_sudo_is_the_default():
    sudo = {"SUDO_UID": str(SOMEBODY), "SUDO_GID": str(GROUP)}
    with serve(environment=sudo) as server:
        runs_as(server, SOMEBODY, GROUP)
    with serve(environment={"SUDO_UID": "0", "SUDO_GID": "0"}) as server:
        runs_as(server, *nobody())
    with serve("--run-as", f"{SOMEBODY + 1}", environment=sudo) as server:
        runs_as(server, SOMEBODY + 1, SOMEBODY + 1)


@test
def run_as_takes_names():
    entry = next((e for e in pwd.getpwall() if e.pw_uid not in (0, nobody()[0])), None)
    group = next((g for g in grp.getgrall() if g.gr_gid != 0 and g.gr_gid != entry.pw_gid), None)
    if not entry or not group:
        raise Skip("there is no other user or group here")
    with serve("--run-as", entry.pw_name) as server:
        server.shell("true")
        runs_as(server, entry.pw_uid, entry.pw_gid)
    with serve("--run-as", f"{entry.pw_name}:{group.gr_name}") as server:
        runs_as(server, entry.pw_uid, group.gr_gid)


def hide_control_groups():
    """In the child: a mount namespace where none are mounted."""
    libc = ctypes.CDLL(None, use_errno=True)
    new_namespace, detach, private = 0x00020000, 2, 1 << 18 | 1 << 14
    check(libc.unshare(new_namespace) == 0 and libc.mount(None, b"/", None, private, None) == 0,
          "no mount namespace")
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    for line in reversed([line for line in lines if " - cgroup" in line]):
        check(libc.umount2(line.split()[4].encode(), detach) == 0, line)


@test
def sums_that_no_control_group_holds_are_held_all_the_same():
    with serve("--total-pids", "16", "--sandbox-scope", "handle",
               before=hide_control_groups) as server:
        server.shell("for i in $(seq 40); do sleep 1000 >/dev/null 2>&1 & done")
        runs_as(server, *nobody())
        deadline = time.monotonic() + HANG_S
        answer = server.run("true")
        # They are counted once a second; until then each call makes a sandbox more.
        while not answer["isError"]:
            check(time.monotonic() < deadline, "nobody counts them")
            time.sleep(2)
            answer = server.run("true")
        check("--total-pids" in answer["content"][0]["text"], answer)


def comm_of(pid):
    """Of cradles come and gone there is nothing to read."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


CGROUPS = pathlib.Path("/sys/fs/cgroup")


def groups_of(pid):
    """The directories of control groups that a process is in, in what is mounted here."""
    found = []
    try:
        lines = pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return []
    for line in lines:
        name = line.split(":", 2)[2].lstrip("/")
        # Not by a walk: groups of others come and go under it.
        found += [path / name for path in (CGROUPS, *CGROUPS.iterdir())
                  if "kilntainers-" in name and (path / name).is_dir()]
    return found


@test
def groups_go_although_everybody_was_told_to_stop():
    """As whoever stops a service does. With a key of its own: others start here and clean up."""
    with tempfile.TemporaryDirectory() as state, \
            serve(environment={"XDG_STATE_HOME": state}) as server:
        server.shell("true")
        below = descendants(server.process.pid)
        comms = {pid: comm_of(pid) for pid in below}
        groups = [group for pid in below if comms[pid] == "kiln-guest"
                  for group in groups_of(pid)]
        janitors = [pid for pid in below if comms[pid] == "kiln-janitor"]
        if not groups or not janitors:
            raise Skip("there are no control groups here")
        os.kill(janitors[0], signal.SIGTERM)
        os.kill(janitors[0], signal.SIGHUP)
        server.end()
        check(wait_until(lambda: not any(group.parent.exists() for group in groups), HANG_S),
              f"still there: {groups}")


@test
def run_as_root_keeps_the_rights_and_warns():
    with serve("--run-as", "root") as server:
        server.shell("true")
        runs_as(server, 0, 0)
        server.end()
        check(any(' warning rights_kept reason="--run-as"' in line for line in server.log),
              server.log)


def refused(*words, environment=None, wrapper=()):
    done = subprocess.run([*wrapper, PROGRAM, *words], input=b"", capture_output=True,
                          timeout=HANG_S, env=clean_environment(**(environment or {})))
    return done.returncode, done.stderr.decode()


@test
def an_unknown_user_or_group_is_refused_by_name():
    needs_root()
    takes = "It takes USER[:GROUP], each a name or a number.\n"
    code, text = refused("--run-as", "no-such-user")
    equal((code, text), (2, "kilntainers: error: --run-as: there is no user no-such-user here. "
                         + takes + "Try 'kilntainers --help'.\n"), "an unknown user")
    code, text = refused(environment={"KILNTAINERS_RUN_AS": "nobody:no-such-group"})
    equal((code, text), (1, "kilntainers: error: --run-as: there is no group no-such-group here. "
                         + takes), "an unknown group")


@test
def an_ordinary_user_is_refused_the_flag():
    wrapper = ("setpriv", f"--reuid={SOMEBODY}", f"--regid={GROUP}", "--clear-groups")
    code, text = refused("--run-as", "nobody", wrapper=wrapper if IS_ROOT else ())
    if code in (126, 127):
        raise Skip("nobody else can reach the program where it stands")
    equal((code, text), (2, "kilntainers: error: --run-as is only valid as root: an ordinary user "
                         "cannot become somebody else.\nTry 'kilntainers --help'.\n"), "the flag")


@test
def exec_gives_them_up_as_well():
    needs_root()
    done = subprocess.run([PROGRAM, "exec", "--log-level", "info", "--", "sh", "-c", "exit 7"],
                          capture_output=True, timeout=HANG_S, env=clean_environment())
    equal(done.returncode, 7, "exit code")
    check(b" rights_dropped " in done.stderr, done.stderr)


@test
def an_image_that_cannot_be_used_is_told_by_the_calls_of_nobody():
    with serve("--image", "/no/such/image") as server:
        runs_as(server, *nobody())
        answer = server.run("true")
        check(answer["isError"] and "/no/such/image" in answer["content"][0]["text"], answer)


def main():
    tap = Tap()
    for function in TESTS:
        tap.run(function.__name__.replace("_", " "), function)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
