#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ready sandboxes of a native server over stdio; prints TAP.

usage: pool.py PROGRAM

Looks at the log for who was served from the pool, kills a sandbox that waits in it, and
looks for what a server with a full pool leaves behind: as root, as an ordinary user with
one id, and as one with subordinate ids.
"""

import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "chaos"),
                str(pathlib.Path(__file__).resolve().parents[2] / "tools")]

import as_user
import traces
from mcp_client import Client

PROGRAM = os.path.abspath(sys.argv[1])
# For what takes milliseconds, but for the pause after a death: one second.
PATIENCE_S = 30
USERS = {
    "self": "as root" if os.geteuid() == 0 else "as a user",
    "single": "as a user with one id",
    "range": "as a user with subordinate ids",
}
FOLDER = ""
number = 0


def result(is_ok, name, detail=""):
    global number
    number += 1
    if not is_ok:
        for line in detail.splitlines():
            print("# " + line)
    print("%s %d - %s" % ("ok" if is_ok else "not ok", number, name), flush=True)


class Server:
    """A server with an initialized client, and what it logs."""

    def __init__(self, mode, *options):
        become = None if mode == "self" else lambda: as_user.become(mode, FOLDER)
        self.log = tempfile.NamedTemporaryFile("w+", dir=FOLDER)
        self.client = Client([PROGRAM, "--backend=native", "--log-format=json", *options],
                             stderr=self.log, preexec_fn=become, cwd="/")
        self.client.initialize()

    def events(self, name, **fields):
        """The lines of the log about this, so far; the last line may be half written."""
        with open(self.log.name) as file:
            lines = [json.loads(line) for line in file.readlines() if line.endswith("}\n")]
        return [line for line in lines if line["event"] == name
                and all(line[field] == value for field, value in fields.items())]

    def wait_for(self, count, name, **fields):
        deadline = time.monotonic() + PATIENCE_S
        while len(self.events(name, **fields)) < count:
            if time.monotonic() > deadline:
                raise SystemExit("Bail out! no %s in the log:\n%s" % (name, self.text()))
            time.sleep(0.01)
        return self.events(name, **fields)

    def inits(self):
        """The first processes of sandboxes."""
        found = []
        for pid in traces.descendants(self.client.server.pid):
            for line in traces.read("/proc/%d/status" % pid).splitlines():
                if line.startswith("NSpid:") and line.split()[2:] and line.split()[-1] == "1":
                    found.append(pid)
        return found

    def text(self):
        return pathlib.Path(self.log.name).read_text()

    def call(self):
        """In which sandbox it ran."""
        self.client.call(command="true")
        return self.wait_for(1, "call_ended")[-1]["sandbox"]


def left():
    return sorted(traces.our_processes() | traces.our_mounts())


def wait_until_clean():
    deadline = time.monotonic() + PATIENCE_S
    while left() and time.monotonic() < deadline:
        time.sleep(0.01)
    return left()


def first_call(mode, who):
    server = Server(mode, "--pool=1")
    waiting = server.wait_for(1, "sandbox_created", **{"for": "pool"})[0]["sandbox"]
    used = server.call()
    result(used == waiting and server.events("sandbox_taken", sandbox=waiting)
           and not server.events("sandbox_created", **{"for": "call"}),
           "the first call is served from the pool, %s" % who, server.text())
    server.wait_for(2, "sandbox_created", **{"for": "pool"})
    result(len(server.inits()) == 2, "and another is made for the next, %s" % who, server.text())
    code = server.client.finish()
    result(code == 0 and not left(), "both are gone when the server has ended, %s" % who,
           "exit code %d\n%s" % (code, "\n".join(left())))


def default_pool(mode, who):
    server = Server(mode)
    used = server.call()
    made = server.wait_for(2, "sandbox_created")
    result([line["for"] for line in made] == ["call", "pool"] and made[0]["sandbox"] == used,
           "one stands ready by default, but not before the first call, %s" % who, server.text())
    server.client.finish()


def no_pool(mode, who):
    server = Server(mode, "--pool=0")
    for _ in range(3):
        server.call()
    server.client.finish()
    result(len(server.events("sandbox_created")) == 1, "without a pool none does, %s" % who,
           server.text())


def death_in_the_pool(mode, who):
    server = Server(mode, "--pool=1")
    first = server.wait_for(1, "sandbox_created")[0]["sandbox"]
    inits = server.inits()
    for pid in inits:
        os.kill(pid, signal.SIGKILL)
    second = server.wait_for(2, "sandbox_created")[1]["sandbox"]
    died = server.wait_for(1, "sandbox_died", sandbox=first)
    used = server.call()
    result(len(inits) == 1 and used == second and "killed from outside" in died[0]["cause"],
           "one that is killed in the pool is replaced and told in the log, %s" % who,
           server.text())
    server.client.finish()
    result(not left(), "and nothing of it is left, %s" % who, "\n".join(left()))


def killed_server(mode, who):
    server = Server(mode, "--pool=3")
    server.wait_for(3, "sandbox_created")
    count = len(server.inits())
    server.client.kill()
    remains = wait_until_clean()
    result(count == 3 and not remains, "a full pool dies with its server, %s" % who,
           "%d sandboxes\n%s" % (count, "\n".join(remains)))


def main():
    global PROGRAM, FOLDER, number
    # The source tree may be where only its owner can go.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        FOLDER = folder
        PROGRAM = shutil.copy(PROGRAM, folder)
        traces.become_subreaper()
        print("TAP version 13")
        for mode, who in USERS.items():
            reason = "" if mode == "self" else as_user.why_not(mode)
            if reason:
                number += 1
                print("ok %d - the same %s # SKIP %s" % (number, who, reason))
                continue
            for case in (first_call, default_pool, no_pool, death_in_the_pool, killed_server):
                case(mode, who)
    print("1..%d" % number)


main()
