#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the kernel rations by user or for the whole machine, used up in two sandboxes; prints TAP.

usage: quotas.py root|user DRIVER HOG [NAME...]

Then a third sandbox and the server's own user on the host must still get some of it,
commands must run everywhere, and another sandbox can be made. With names, only those quotas
are tried.
"""

import os
import pathlib
import subprocess
import sys

from harness import ORDINARY_USER, Server, Tap, check, equal

MODE, DRIVER, HOG = sys.argv[1:4]
WANTED = sys.argv[4:]
IS_USER = MODE == "user"
HANG_S = 60
HELD = "/tmp/held"
EXHAUST = ("/tmp/hog exhaust {0} > {1} 2>&1 & i=0; while [ $i -lt 600 ] && ! [ -s {1} ]; do"
           " sleep 0.05; i=$((i+1)); done; cat {1}")
# name: the most that one sandbox may get, and what then stands in the way
QUOTAS = {
    "in-flight": (17, "ETOOMANYREFS"),
    "pipes": (1800, "enough"),
    "inotify": (8, "EMFILE"),
    "watches": (8192, "ENOSPC"),
    "epoll": (4000, "enough"),
    "keys": (0, "EPERM"),
    "terminals": (32, "ENOSPC"),
    "processes": (256, "EAGAIN"),
    "segments": (4096, "ENOSPC"),
    "messages": (32000, "ENOSPC"),
    "semaphores": (32000, "ENOSPC"),
    "queues": (2, "EMFILE"),
    "locked-memory": (128, "ENOMEM"),
    "timers": (1024, "EAGAIN"),
    "signals": (1024, "EAGAIN"),
    "requests": (0, "ENOSYS"),
    "locks": (1, "enough"),
}
# What no sandbox gets anyway.
REFUSED = {"keys": "EPERM", "requests": "ENOSYS"}
# Counted by user of the host, and as a user all sandboxes are one: between commands there,
# descriptors cannot be passed meanwhile. The server can, with its higher limit.
SHARED_BY_USER = ("in-flight",)


def as_server(*command):
    """On the host, as the user that the server is."""
    become = []
    if IS_USER and os.geteuid() == 0:
        ids = str(ORDINARY_USER)
        become = ["setpriv", "--reuid", ids, "--regid", ids, "--clear-groups"]
    return subprocess.run([*become, *command], capture_output=True, text=True, timeout=HANG_S,
                          check=True, cwd="/").stdout.strip()


def check_commands(sandbox, where):
    """The small part of what every backend's commands can do that pipes and descriptors carry."""
    data = sandbox.server.scratch(bytes(range(256)) * 1200)
    through = sandbox.run("cat; echo told >&2; exit 3", stdin_path=data)
    equal((through.end, through.code, through.err), ("exit", 3, "told\n"), f"{where}: {through}")
    equal(through.raw, bytes(range(256)) * 1200, f"{where}: what went through a command")
    equal(sandbox.shell("seq 5 | tail -n 1"), "5\n", f"{where}: a pipe inside")
    flood = sandbox.run("yes", limit=300000)
    equal(flood.end, "limit", f"{where}: too much output")
    if flood.reset:
        return  # a machine too busy for a kill in time
    slow = sandbox.run("sleep 50", timeout_ms=200)
    equal(slow.end, "timeout", f"{where}: a command too slow")


def use_up(sandbox, name):
    most, obstacle = QUOTAS[name]
    count, error = sandbox.shell(EXHAUST.format(name, HELD), timeout_ms=HANG_S * 1000).split()
    equal(error, obstacle, f"what stops {name} after {count}")
    check(int(count) <= most, f"a sandbox got {count}")
    return int(count)


def with_hog(server):
    sandbox = server.create()
    sandbox.put("/tmp/hog", pathlib.Path(HOG).read_bytes(), "755")
    return sandbox


def one_quota(server, name):
    program = pathlib.Path(server.directory) / "hog"
    if not program.exists():
        program.write_bytes(pathlib.Path(HOG).read_bytes())
        program.chmod(0o755)
    greedy = [with_hog(server), with_hog(server)]
    modest = with_hog(server)
    got = [use_up(sandbox, name) for sandbox in greedy]
    check(got[0] > 0 or name in REFUSED, "this test takes nothing at all")
    expected = REFUSED.get(name, "ok")
    if not (IS_USER and name in SHARED_BY_USER):
        equal(modest.shell(f"/tmp/hog try {name}").strip(), expected, "another sandbox")
    equal(as_server(str(program), "try", name), "ok", "the server's user on the host")
    check_commands(modest, "another sandbox")
    if name == "processes":
        # It is full, and says so.
        refused = greedy[0].run("true")
        check(refused.end in ("exit", "not-started"), f"{refused}")
    else:
        check_commands(greedy[0], "the sandbox itself")
    latest = server.create()
    equal(latest.shell("echo fine"), "fine\n", "a new sandbox")
    for sandbox in [*greedy, modest, latest]:
        sandbox.destroy()


def main():
    tap = Tap()
    if MODE == "root" and os.geteuid() != 0:
        tap.skip("root's sandboxes", "this is not root")
        return tap.finish()
    with Server(DRIVER, IS_USER) as server:
        for name in WANTED or QUOTAS:
            tap.run(f"used up in two sandboxes, left to others: {name}", one_quota, server, name)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
