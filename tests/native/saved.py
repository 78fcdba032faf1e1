#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Saved output in native sandboxes that would rather it were not saved; prints TAP.

usage: saved.py PROGRAM

What a command can plant or take away is tried on every backend (tests/conformance/save.c).
Here are the walls of a real sandbox: a disk that is full, in bytes and in files, a place
that is gone, and processes that hunt whoever saves.
"""

import os
import pathlib
import re
import subprocess
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "isolation"),
                str(pathlib.Path(__file__).resolve().parents[2] / "tools")]

from harness import Skip, Tap, check, equal  # noqa: E402
from mcp_client import Client  # noqa: E402

PROGRAM = os.path.abspath(sys.argv[1])
TIMED_OUT = "[kilntainers: command timed out after 1s]"
TOO_LARGE = re.compile(r"\[kilntainers: output too large to send \(\d+ bytes encoded, limit "
                       r"8388608\)\. No output returned\. Re-run with head, tail, or grep to "
                       r"manage output size\.\]")
SAVED = re.compile(r"\[kilntainers: (?:output so far|complete output): (/tmp/\.kilntainers/\d+"
                   r"\.stdout) \((\d+) bytes\), (/tmp/\.kilntainers/\d+\.stderr) "
                   r"\((\d+) bytes\)\]")
NOT_SAVED = re.compile(r"\[kilntainers: output not saved: (.*)\]")
# Encoded it is over 8 MiB.
LARGE = "head -c 2000000 /dev/zero"

# Sends a signal to every saving process, or to every process of the guest but PID 1 and the
# hunter's own supervisor, until /tmp/stop is there. A process below a supervisor is a command
# that has not begun yet while its parent sleeps (D), and else it saves.
HUNTER = """
import os, sys, time
end = time.monotonic() + 20
def stat(pid):
    with open("/proc/%d/stat" % pid) as file:
        name, _, rest = file.read().rpartition(")")
    state, parent = rest.split()[:2]
    return name.partition("(")[2], state, int(parent)
spared = {1}
pid = os.getpid()
while pid > 1:
    spared.add(pid)
    pid = stat(pid)[2]
while not os.path.exists("/tmp/stop") and time.monotonic() < end:
    for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
        try:
            name, _, parent = stat(pid)
            saves = parent > 1 and stat(parent)[1] != "D"
            if name == "kiln-guest" and pid not in spared and (saves or sys.argv[2] == "all"):
                os.kill(pid, int(sys.argv[1]))
                if sys.argv[2] == "look":
                    with open("/proc/%d/status" % pid) as file, open("/tmp/seen", "w") as seen:
                        seen.write(file.read())
                    os.rename("/tmp/seen", "/tmp/stop")
        except (OSError, ValueError):
            pass
open("/tmp/ended", "w").close()
"""


class Sandbox:
    def __init__(self, *options):
        self.client = Client([PROGRAM, "--backend=native", "--log-level=error", "--pool=0",
                              *options], cwd="/")
        self.client.initialize()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.kill()

    def run(self, command, **more):
        return self.client.call(command=command, **more)

    def ok(self, command, **more):
        done = self.run(command, **more)
        equal(done["exit_code"], 0, f"{command}: {done}")
        return done["stdout"]

    def why_not(self, command="echo lost; exec sleep 60"):
        """Why the output of a command that times out is not saved."""
        lines = self.run(command, timeout=1)["stderr"].splitlines()
        equal(lines[0], TIMED_OUT, "the first line")
        found = NOT_SAVED.fullmatch(lines[1] if len(lines) > 1 else "")
        check(found, lines)
        return found.group(1)


def full_disk():
    with Sandbox("--disk=4m") as sandbox:
        sandbox.run("head -c 8m /dev/zero > /workspace/fill")
        check("twice as much must be free" in sandbox.why_not(), "another reason")
        sandbox.ok("rm /workspace/fill")
        # As much again must stay free.
        sandbox.ok("head -c 2m /dev/zero > /workspace/fill")
        check("twice as much must be free" in
              sandbox.why_not("head -c 1500000 /dev/zero; exec sleep 60"), "another reason")
        sandbox.ok("rm /workspace/fill")
        lines = sandbox.run("head -c 1500000 /dev/zero; exec sleep 60", timeout=1)["stderr"]
        check(SAVED.search(lines), lines)


def no_files_left():
    with Sandbox("--disk=4m") as sandbox:
        sandbox.run("mkdir /workspace/many; cd /workspace/many; "
                    "for i in $(seq 100000); do : > $i || break; done 2>/dev/null", timeout=60)
        check("No space left on device" in sandbox.why_not(), "another reason")
        equal(sandbox.ok("ls -A /tmp | wc -l").strip(), "0", "files made on the way")
        sandbox.ok("rm -r /workspace/many")
        check(SAVED.search(sandbox.run("echo; exec sleep 60", timeout=1)["stderr"]), "not saved")


def no_place():
    with Sandbox() as sandbox:
        sandbox.ok("mv /tmp /gone")
        check("No such file or directory" in sandbox.why_not(), "another reason")
        sandbox.ok("ln -s gone /tmp")
        check("Not a directory" in sandbox.why_not(), "another reason")
        equal(sandbox.ok("ls -A /gone | wc -l").strip(), "0", "files behind the link")
        sandbox.ok("rm /tmp; mkfifo /tmp")
        check("Not a directory" in sandbox.why_not(), "another reason")
        sandbox.ok("rm /tmp; mv /gone /tmp")
        check(SAVED.search(sandbox.run("echo; exec sleep 60", timeout=1)["stderr"]), "not saved")


def nothing_of_the_host():
    """Rights are a command's: what root of the sandbox cannot write, saving cannot either."""
    with Sandbox() as sandbox:
        sandbox.ok("rm -rf /tmp/.kilntainers; ln -s /proc/sys/kernel /tmp/.kilntainers")
        check("Not a directory" in sandbox.why_not(), "another reason")
        sandbox.ok("rmdir /tmp 2>/dev/null; mv /tmp /gone; ln -s /proc/1/root /tmp")
        check("Not a directory" in sandbox.why_not(), "another reason")


def hunted(number, whom):
    with Sandbox() as sandbox:
        sandbox.ok("cat > /workspace/hunter.py", stdin=HUNTER)
        sandbox.ok("setsid python3 /workspace/hunter.py %d %s >/dev/null 2>&1 & sleep 0.3"
                   % (number, whom))
        counts = {}
        for _ in range(15):
            done = sandbox.run(LARGE, timeout=2)
            text = done["stderr"]
            if done["exit_code"] != 0:
                # The hunt met the command itself, or its supervisor.
                check(done["exit_code"] in (124, 137) and "reset" not in text, done)
                outcome = "killed" if done["exit_code"] == 137 else "late"
            elif SAVED.search(text):
                outcome = "saved"
            else:
                check(TOO_LARGE.match(text), text)
                found = NOT_SAVED.search(text)
                check(found, text)
                outcome = found.group(1)
            counts[outcome] = counts.get(outcome, 0) + 1
        print("# " + ", ".join("%s: %d" % item for item in sorted(counts.items())))
        # The hunt may meet these commands, too, until it ends.
        deadline = time.monotonic() + 120
        while sandbox.run(": > /tmp/stop; [ -e /tmp/ended ]", timeout=2)["exit_code"] != 0:
            check(time.monotonic() < deadline, counts)
            time.sleep(0.1)
        text = sandbox.run(LARGE)["stderr"]
        found = SAVED.search(text)
        check(found, text)
        equal(sandbox.ok("wc -c < " + found.group(1)).strip(), "2000000", "bytes saved")


def with_a_commands_rights():
    """Whoever saves is stopped and looked at."""
    rights = ("Uid", "Gid", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs",
              "Seccomp", "Seccomp_filters")
    pick = "grep -E '^(%s):' " % "|".join(rights)
    with Sandbox() as sandbox:
        sandbox.ok("cat > /workspace/hunter.py", stdin=HUNTER)
        sandbox.ok("setsid python3 /workspace/hunter.py 19 look >/dev/null 2>&1 & sleep 0.3")
        for _ in range(50):
            sandbox.run(LARGE, timeout=2)
            if sandbox.run("test -e /tmp/stop", timeout=2)["exit_code"] == 0:
                break
        equal(sandbox.ok(pick + "/tmp/stop"), sandbox.ok(pick + "/proc/self/status"), "rights")


def no_processes_left():
    known = subprocess.run([PROGRAM, "--help"], capture_output=True, check=True).stdout
    if not re.search(rb"^ +--pids-limit", known, re.M):
        raise Skip("this version does not limit processes")
    with Sandbox("--pids-limit=16") as sandbox:
        sandbox.ok("cat > /workspace/grabber.py", stdin="import os, time\n"
                   "while not os.path.exists('/tmp/stop'):\n"
                   "    try:\n"
                   "        if os.fork() == 0:\n"
                   "            while not os.path.exists('/tmp/stop'): time.sleep(0.05)\n"
                   "            os._exit(0)\n"
                   "    except OSError:\n"
                   "        pass\n")
        sandbox.ok("setsid python3 /workspace/grabber.py >/dev/null 2>&1 & sleep 0.5")
        for _ in range(5):
            done = sandbox.run("head -c 2000000 /dev/zero")
            text = done["stderr"]
            check(done["exit_code"] in (0, 126) or "fork" in text, done)
            check("too large" not in text or SAVED.search(text) or NOT_SAVED.search(text), text)


def main():
    tap = Tap()
    for name, function, *arguments in (
            ("a full disk is a reason, and room again is room", full_disk),
            ("no file left is a reason, and nothing is left of it", no_files_left),
            ("/tmp may be gone, a link, or a FIFO", no_place),
            ("a link into /proc leads nowhere", nothing_of_the_host),
            ("who saves has a command's rights", with_a_commands_rights),
            ("who kills whatever saves is told of it", hunted, 9, "savers"),
            ("who stops whatever saves does not keep the call", hunted, 19, "savers"),
            ("who kills the guest's helpers too loses nothing but his commands",
             hunted, 9, "all"),
            ("without a process to be had every call is answered", no_processes_left)):
        tap.run(name, function, *arguments)
    sys.exit(tap.finish())


main()
