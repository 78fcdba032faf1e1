#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whoever is killed, nothing of a native sandbox is left behind.

usage: deaths.py DRIVER

Makes sandboxes with processes that do their best to stay (daemons, stopped ones),
kills the server, the zygote or a sandbox with SIGKILL, and looks for every process
and namespace that was seen before. As root, and as an ordinary user.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

DRIVER = os.path.abspath(sys.argv[1])
# The promise is two seconds; a busy machine gets ten times as long before this is a hang.
PATIENCE_S = 20
STAYERS = (
    "(setsid sleep 1000 </dev/null >/dev/null 2>&1 &);"
    "(trap '' TERM INT HUP; setsid sleep 1000 </dev/null >/dev/null 2>&1 &);"
    "sleep 1000 </dev/null >/dev/null 2>&1 & kill -STOP $!; exit 0"
)
NAMESPACES = ("mnt", "net", "pid", "ipc", "uts", "cgroup", "user")
number = 0


def result(is_ok, name, detail=""):
    global number
    number += 1
    for line in detail.splitlines():
        print("# " + line)
    print("%s %d - %s" % ("ok" if is_ok else "not ok", number, name), flush=True)


def children(pid):
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name) as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(name))
    return found


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child] + descendants(child)
    return found


def start_time(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            fields = file.read().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except OSError:
        return None


def namespaces_of(pids):
    found = set()
    for pid in pids:
        for kind in NAMESPACES:
            try:
                found.add(os.readlink("/proc/%d/ns/%s" % (pid, kind)))
            except OSError:
                pass
    return found


def held_namespaces(until=None):
    """Of all processes, or of those that started no later than `until`: the kernel gives a
    namespace's number to the next one, and this machine has other things to do."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    if until is not None:
        pids = [pid for pid in pids if int(start_time(pid) or until + 1) <= until]
    return namespaces_of(pids)


def our_mounts():
    """In this mount namespace: the zygote's and the sandboxes' have names of their own."""
    with open("/proc/self/mounts") as file:
        return [line for line in file if line.split()[0] in ("zygote", "sandbox", "image")]


class Server:
    """A driver that holds sandboxes, and what of it there is to be seen."""

    def __init__(self, user, *work):
        before = held_namespaces()
        command = [DRIVER, *work, "/bin/sh", "-c", STAYERS]
        if user:
            command = ["setpriv", "--reuid=%d" % user, "--regid=%d" % user,
                       "--clear-groups", "--"] + command
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise SystemExit("Bail out! the driver did not get ready")
        self.zygote = children(self.process.pid)[0]
        self.inits = children(self.zygote)
        self.seen = {pid: start_time(pid) for pid in descendants(self.process.pid)}
        self.namespaces = namespaces_of(self.seen) - before
        self.until = max(int(start or 0) for start in self.seen.values())

    def left(self):
        alive = ["process %d" % pid for pid, start in self.seen.items()
                 if start and start_time(pid) == start]
        return alive + sorted(self.namespaces & held_namespaces(self.until)) + our_mounts()

    def wait_until_clean(self):
        deadline = time.monotonic() + PATIENCE_S
        while self.left() and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.left()


def kill_server(user, who):
    server = Server(user, "hold", "3")
    enough = len(server.inits) == 3 and len(server.seen) >= 1 + 3 * 4 and server.namespaces
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    left = server.wait_until_clean()
    result(enough and not left, "nothing outlives a server that was killed, %s" % who,
           "\n".join(left))


def kill_server_of_stopped_zygote(user, who):
    server = Server(user, "hold", "2")
    os.kill(server.zygote, signal.SIGSTOP)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    left = server.wait_until_clean()
    result(not left, "a zygote that was stopped does not outlive its server, %s" % who,
           "\n".join(left))
    if start_time(server.zygote) == server.seen[server.zygote]:
        os.kill(server.zygote, signal.SIGKILL)


def kill_zygote(user, who):
    server = Server(user, "watch")
    os.kill(server.zygote, signal.SIGKILL)
    said = server.process.stdout.read()
    server.process.wait()
    left = server.wait_until_clean()
    result(not left, "nothing outlives a zygote that was killed, %s" % who, "\n".join(left))
    result("died: the process that starts sandboxes was killed from outside" in said
           and "create: the process that starts sandboxes (kiln-zygote) is gone" in said,
           "the server says that its zygote was killed and makes no more, %s" % who, said)


def kill_sandbox(user, who):
    server = Server(user, "watch")
    os.kill(server.inits[0], signal.SIGKILL)
    said = server.process.stdout.read()
    server.process.wait()
    result("died: killed from outside" in said and "create: works" in said,
           "a sandbox that was killed is told as such and another can be made, %s" % who, said)
    left = server.wait_until_clean()
    result(not left, "nothing outlives a sandbox that was killed, %s" % who, "\n".join(left))


def end_of_input(user, who):
    server = Server(user, "hold", "3")
    server.process.communicate("")
    left = server.left()
    result(server.process.returncode == 0 and not left,
           "destroying leaves nothing by the time it returns, %s" % who, "\n".join(left))


def main():
    global DRIVER
    # The source tree may be where only its owner can go.
    folder = tempfile.TemporaryDirectory()
    os.chmod(folder.name, 0o755)
    DRIVER = shutil.copy(DRIVER, folder.name)
    users = [(None, "as root"), (65534, "as a user")] if os.geteuid() == 0 else [
        (None, "as a user")]
    print("TAP version 13")
    for user, who in users:
        for case in (kill_server, kill_server_of_stopped_zygote, kill_zygote, kill_sandbox,
                     end_of_input):
            case(user, who)
    if os.geteuid() != 0:
        global number
        number += 1
        print("ok %d - the same as root # SKIP the tests do not run as root" % number)
    print("1..%d" % number)


main()
