#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kills the server with SIGKILL at random moments, and looks for what it left; prints TAP.

usage: tests/chaos/run.py PROGRAM RUNS [--seed N] [--ordinary] [OPTION...]
(other options go to the server; --ordinary: root runs the server as an ordinary user)

Each run is a fresh server that is killed while it does one of the things below. Within
two seconds there must be no process, namespace, mount, control group or file of it.
Processes are found by descent: this program adopts what the server leaves behind.
"""

import argparse
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))

import traces
from mcp_client import Client, Wrong

GONE_WITHIN_S = 2.0
POLL_S = 0.005
# An account that is nobody's: no files, no subordinate ids.
ORDINARY_USER = 65534
OWN_MOUNTS = "CHAOS_HAS_OWN_MOUNTS"

# A tree that does not want to die: another session, signals ignored, a stopped one.
STUBBORN = ("trap '' TERM HUP; (setsid sh -c 'trap \"\" TERM; sleep 1000 & wait' &) ; "
            "sleep 1000 & kill -STOP $!; sleep 1000")


# --- what the server does when it is killed ----------------------------------


def creating(client):
    client.start_call(command="true")


def executing(client):
    client.call(command="true")
    for _ in range(3):
        client.start_call(command=STUBBORN)
    client.start_call(command="for i in 1 2 3 4 5 6 7 8 9; do seq 10000; done")


def killing(client):
    client.call(command="true")
    call = client.start_call(command=STUBBORN)
    time.sleep(0.02)  # so that the tree stands; when it does not, that is a moment too
    client.notify("notifications/cancelled", requestId=call, reason="chaos")


def destroying(client):
    client.call(command="sleep 1000 > /dev/null 2>&1 &")
    client.server.send_signal(signal.SIGTERM)


def resting(client):
    client.call(command="mkdir -p deep/er; (setsid sleep 1000 &); sleep 1000 &")


def filling(_):
    """The handshake alone has the pool filled."""


def handing_out(client):
    time.sleep(0.02)  # so that there is something; when there is not, that is a moment too
    client.start_call(command=STUBBORN)
    client.start_call(command="true")


PHASES = {
    # name: (what it does, the longest delay before the kill in seconds, further options)
    "create": (creating, 0.030, []),
    "exec": (executing, 0.030, []),
    "kill": (killing, 0.040, []),
    "destroy": (destroying, 0.030, []),
    "rest": (resting, 0.010, []),
    "filling a pool": (filling, 0.030, ["--pool=3"]),
    "use of a pool": (handing_out, 0.090, ["--pool=3"]),
    "the end of a pool": (destroying, 0.030, ["--pool=3"]),
}


# --- one run ------------------------------------------------------------------


class Machine:
    """What must be the same before and after a run."""

    def __init__(self, folder, user):
        self.folder = folder
        self.user = user
        self.mounts = set(traces.read("/proc/self/mounts").splitlines())
        # Of every server of ours so far: others may run on this machine.
        self.owners = set()
        self.named = self.find_named()

    def find_named(self):
        """Not the fake backend's directories: ours would be in our TMPDIR."""
        self.owners |= {os.path.basename(path)[: -len(".lock")] for path in self.locks()}
        return traces.our_control_groups(self.owners) | {
            file for file in traces.our_files(self.user) if "kilntainers-fake-" not in file}

    def locks(self):
        """The lock files by which a later server knows the dead; it removes them."""
        return [os.path.join(self.folder, "kilntainers/owners", name)
                for name in traces.names_in(os.path.join(self.folder, "kilntainers/owners"))
                if name.endswith(".lock")]

    def files(self):
        return {os.path.join(at, name) for at, folders, files in os.walk(self.folder)
                for name in folders + files} - set(self.locks())

    def remains(self, files):
        """Sentences about what is left of a server; cheapest first."""
        left = sorted(traces.our_processes())
        if left:
            return left
        left += sorted(set(traces.read("/proc/self/mounts").splitlines()) - self.mounts)
        left += sorted(self.find_named() - self.named)
        left += sorted(self.files() - files)
        return left

    def wait_until_clean(self, files):
        """(seconds that it took, what is left after GONE_WITHIN_S)"""
        started = time.monotonic()
        while True:
            left = self.remains(files)
            seconds = time.monotonic() - started
            if not left or seconds > GONE_WITHIN_S:
                return seconds, left
            time.sleep(POLL_S)


def environment_of(folder):
    return {"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder,
            "XDG_RUNTIME_DIR": folder, "XDG_STATE_HOME": folder, "XDG_CACHE_HOME": folder}


def cleanup_of(argv):
    """The command line that cleans up, of one that serves: the same but for the options."""
    program = argv.index("--") + 1 if "--" in argv else 0
    return [*argv[: program + 1], "cleanup"]


def start(argv, folder):
    client = Client(argv, env=environment_of(folder), stderr=subprocess.DEVNULL)
    client.initialize()
    return client


def one_run(argv, machine, phase, delay_s, files):
    act, _, options = PHASES[phase]
    client = start(argv + options, machine.folder)
    try:
        act(client)
        time.sleep(delay_s)
    finally:
        client.kill()
    return machine.wait_until_clean(files)


def swept(argv, machine, number):
    """What the dead are known by goes too, with the first who looks."""
    done = subprocess.run(cleanup_of(argv), env=environment_of(machine.folder), check=False,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    left = machine.locks() + sorted(traces.our_control_groups(machine.owners))
    report(number, "all of that, and a cleanup,", len(machine.owners), 0, left or (
        (done.stdout + done.stderr).splitlines() if done.returncode else []))
    return bool(left or done.returncode)


def finish_leftovers():
    """So that one bad run does not spoil the next."""
    for pid in traces.descendants(os.getpid()):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    traces.reap()


def report(number, phase, runs, slowest_s, complaints):
    print("%s %d - %d kills during %s leave nothing (slowest: %d ms)" % (
        "not ok" if complaints else "ok", number, runs, phase, slowest_s * 1000))
    for complaint in complaints[:20]:
        print("# " + complaint)
    sys.stdout.flush()


def chaos(argv, runs, dice, folder, user):
    machine = Machine(folder, user)
    # What one server keeps on purpose between two lives (a key, a cache) is no trace.
    client = start(argv, folder)
    client.call(command="true")
    if client.finish() != 0:
        raise Wrong("the server does not end well when nobody kills it")
    files = machine.files()
    bad = 0
    for number, (phase, (_, longest_s, _)) in enumerate(PHASES.items(), 1):
        complaints, slowest_s = [], 0.0
        share = [run for run in range(runs) if run % len(PHASES) == number - 1]
        for run in share:
            delay_s = dice.uniform(0, longest_s)
            seconds, left = one_run(argv, machine, phase, delay_s, files)
            slowest_s = max(slowest_s, seconds)
            complaints += ["run %d, killed after %.1f ms: %s" % (run, delay_s * 1000, what)
                           for what in left]
            if left:
                finish_leftovers()
        report(number, phase, len(share), slowest_s, complaints)
        bad += bool(complaints)
    bad += swept(argv, machine, len(PHASES) + 1)
    print("1..%d" % (len(PHASES) + 1))
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("program")
    parser.add_argument("runs", type=int)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--ordinary", action="store_true")
    arguments, options = parser.parse_known_args()
    # In a mount namespace of its own, root sees only the mounts of its own server.
    if os.getuid() == 0 and OWN_MOUNTS not in os.environ:
        os.environ[OWN_MOUNTS] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private",
                              sys.executable] + sys.argv)
    traces.become_subreaper()
    print("# seed %d" % arguments.seed, flush=True)
    folder = tempfile.mkdtemp(prefix="chaos-")
    argv, user = [os.path.abspath(arguments.program)] + options, None
    if arguments.ordinary and os.getuid() == 0:
        user = ORDINARY_USER
        # The program may be where only its owner can go. By its own name it would stand where the
        # state directory must be.
        argv[0] = shutil.copy(argv[0], os.path.join(folder, "program"))
        os.chmod(folder, 0o755)
        os.chown(folder, user, user)
        argv = ["setpriv", "--reuid=%d" % user, "--regid=%d" % user, "--clear-groups", "--"] + argv
    try:
        return chaos(argv, arguments.runs, random.Random(arguments.seed), folder, user)
    except Wrong as why:
        print("not ok 1 - the session can be held: %s" % why)
        return 1
    finally:
        finish_leftovers()
        shutil.rmtree(folder, ignore_errors=True)


sys.exit(main())
