#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whoever is killed, nothing of a native sandbox is left behind.

usage: deaths.py DRIVER

Makes sandboxes with processes that do their best to stay (daemons, stopped ones),
kills the server, the zygote or a sandbox with SIGKILL, and looks for what is left: as
root, as an ordinary user with one id, and as one with subordinate ids.

Whatever a server leaves behind becomes a child of this program, so other sandboxes on
this machine do not count. A namespace that outlived its server would be held by such a
child or by a mount, and both are looked for.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "chaos"))

import as_user
import traces

DRIVER = os.path.abspath(sys.argv[1])
# The promise is two seconds; a busy machine gets ten times as long before this is a hang.
PATIENCE_S = 20
STAYERS = (
    "(setsid sleep 1000 </dev/null >/dev/null 2>&1 &);"
    "(trap '' TERM INT HUP; setsid sleep 1000 </dev/null >/dev/null 2>&1 &);"
    "sleep 1000 </dev/null >/dev/null 2>&1 & kill -STOP $!; exit 0"
)
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
    for line in detail.splitlines():
        print("# " + line)
    print("%s %d - %s" % ("ok" if is_ok else "not ok", number, name), flush=True)


def children(pid):
    return [child for child in traces.pids() if traces.parent_and_state(child)[0] == pid]


def our_mounts():
    """In this mount namespace: the zygote's and the sandboxes' have names of their own."""
    with open("/proc/self/mounts") as file:
        return [line for line in file if line.split()[0] in ("zygote", "sandbox", "image")]


class Server:
    """A driver that holds sandboxes, and what of it there is to be seen."""

    def __init__(self, mode, *work):
        become = None if mode == "self" else lambda: as_user.become(mode, FOLDER)
        self.process = subprocess.Popen(
            [DRIVER, *work, "/bin/sh", "-c", STAYERS], preexec_fn=become,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")
        if self.process.stdout.readline() != "ready\n":
            raise SystemExit("Bail out! the driver did not get ready")
        self.zygote = children(self.process.pid)[0]
        self.inits = [pid for pid in children(self.zygote) if traces.is_sandbox(pid)]
        self.seen = traces.descendants(self.process.pid)
        self.sandboxes = [pid for init in self.inits for pid in (init, *traces.descendants(init))]

    def left(self):
        """Only once the driver was waited for: it is a child of ours like what it leaves."""
        traces.reap()
        return sorted(traces.our_processes()) + our_mounts()

    def wait_until_clean(self):
        deadline = time.monotonic() + PATIENCE_S
        while self.left() and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.left()


def kill_server(mode, who):
    server = Server(mode, "hold", "3")
    enough = len(server.inits) == 3 and len(server.seen) >= 1 + 3 * 4
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    left = server.wait_until_clean()
    result(enough and not left, "nothing outlives a server that was killed, %s" % who,
           "\n".join(left))


def kill_server_of_stopped_zygote(mode, who):
    server = Server(mode, "hold", "2")
    os.kill(server.zygote, signal.SIGSTOP)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    left = server.wait_until_clean()
    result(not left, "a zygote that was stopped does not outlive its server, %s" % who,
           "\n".join(left))
    for pid in traces.descendants(os.getpid()):
        os.kill(pid, signal.SIGKILL)


def kill_zygote(mode, who):
    server = Server(mode, "watch")
    os.kill(server.zygote, signal.SIGKILL)
    said = server.process.stdout.read()
    server.process.wait()
    left = server.wait_until_clean()
    result(not left, "nothing outlives a zygote that was killed, %s" % who, "\n".join(left))
    result("died: the process that starts sandboxes was killed from outside" in said
           and "create: the process that starts sandboxes (kiln-zygote) is gone" in said,
           "the server says that its zygote was killed and makes no more, %s" % who, said)


def kill_sandbox(mode, who):
    server = Server(mode, "watch")
    os.kill(server.inits[0], signal.SIGKILL)
    said = server.process.stdout.read()
    server.process.wait()
    result("died: killed from outside" in said and "create: works" in said,
           "a sandbox that was killed is told as such and another can be made, %s" % who, said)
    left = server.wait_until_clean()
    result(not left, "nothing outlives a sandbox that was killed, %s" % who, "\n".join(left))


def end_of_input(mode, who):
    server = Server(mode, "hold", "3")
    server.process.communicate("")
    left = ["process %d" % pid for pid in [server.zygote, *server.sandboxes]
            if traces.parent_and_state(pid)[1] not in ("", "Z")]
    # A cradle that waited dies with the zygote, and was nobody's sandbox: nobody waits for it.
    left += server.wait_until_clean()
    result(server.process.returncode == 0 and not left,
           "destroying leaves nothing by the time it returns, %s" % who, "\n".join(left))


def main():
    global DRIVER, FOLDER, number
    # The source tree may be where only its owner can go.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        FOLDER = folder
        DRIVER = shutil.copy(DRIVER, folder)
        traces.become_subreaper()
        print("TAP version 13")
        for mode, who in USERS.items():
            reason = "" if mode == "self" else as_user.why_not(mode)
            if reason:
                number += 1
                print("ok %d - the same %s # SKIP %s" % (number, who, reason))
                continue
            for case in (kill_server, kill_server_of_stopped_zygote, kill_zygote, kill_sandbox,
                         end_of_input):
                case(mode, who)
    print("1..%d" % number)


main()
