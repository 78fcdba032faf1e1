#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures the server over stdio beside a plain vfork and exec of the same programs.

usage: bench/run.py PROGRAM SPAWN_HELPER [--csv FILE] [--svg FILE] [--docs]
                    [--only PART[,PART...]] [--cancels N] [--crowd N] [OPTION...]

Prints a table (percentiles, extremes, ratio of the medians to the plain exec taken in the
same run, or of a first call to a warm one of its server) and how it stands to the targets.
Rounds of both alternate, so that a busy neighbour hits both. --docs also writes the figures
into docs/. --only: some parts alone (see PARTS).
--cancels: how often a tree of each size is killed. --crowd: how many sandboxes live at once.
OPTIONs go to the server.
"""

import argparse
import base64
import contextlib
import gzip
import os
import pathlib
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / folder) for folder in ("tools", "tests/chaos", "tests/native")]

import as_user
import memory
import plot
import table
import traces
from mcp_client import Client, Wrong

ROUNDS = 5
CALLS_PER_ROUND = 60
STARTS = 40
SANDBOXES = 50
# What a client does between its handshake and its first call: tools/list, and a model's answer.
PAUSE_S = 0.05
# For the memory of one: as many as make the machine's other doings small beside them.
SERVERS = 6
HANG_GUARD_S = 20
# Each is killed so often unless --cancels says otherwise; a thousand times tells the tail.
TREES = (1, 20, 200)
CANCELS = 20
# Sandboxes at once unless --crowd says otherwise; a thousand is what a server may have.
CROWD = 100
SETTLE_S = 5
# What a neighbour does meanwhile (tests/isolation/hog_storms.c), and for how long.
STORMS = {
    "fork": "a fork bomb",
    "memory": "one that eats memory",
    "memory-file": "one that fills memory files",
    "shared": "one that fills /dev/shm",
    "files": "one that uses up inodes",
    "inotify": "one that uses up inotify",
    "in-flight": "one that passes descriptors",
    "keys": "one that adds keys",
    "terminals": "one that opens terminals",
    "signals": "one that queues signals",
    "spin": "one that burns every core",
    "output": "one that prints without end",
    "stop": "one that stops everyone",
    "kill": "one that kills everyone",
}
STORM_S = 2
OUTPUT_BYTES = 2 * 1024 * 1024
MODERN = "2026-07-28"
TRUE = "/usr/bin/true"
STATIC = ["/usr/bin/busybox", "true"]

def timed(action):
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


class Bench:
    def __init__(self, argv, spawn, cancels=CANCELS, crowd=CROWD):
        self.argv = argv
        self.spawn = spawn
        self.cancels = cancels
        self.crowd = crowd
        self.rows = []
        self.is_user = False
        # The program may be where only its owner can go.
        self.folder = tempfile.TemporaryDirectory()
        os.chmod(self.folder.name, 0o755)
        self.user_program = shutil.copy(argv[0], self.folder.name)

    def add(self, name, samples, unit="ms", baseline=None):
        row = table.Row(name, unit, samples, baseline)
        self.rows.append(row)
        table.print_row(row)

    def server(self, *options, stderr=subprocess.DEVNULL):
        argv = self.argv + list(options)
        if self.is_user:
            # One exec more, which a start as a user has in its figure.
            become = ["setpriv", "--reuid=%d" % as_user.USER, "--regid=%d" % as_user.USER,
                      "--clear-groups"]
            client = Client(become + [self.user_program] + argv[1:], stderr=stderr, cwd="/",
                            env={"HOME": self.folder.name, "PATH": os.environ["PATH"]})
        else:
            client = Client(argv, stderr=stderr)
        client.initialize()
        return client

    def whoever(self):
        """Once as we are; as root also as a user, who has no control groups without systemd."""
        yield ""
        if os.geteuid() == 0:
            self.is_user = True
            yield ", as a user"
            self.is_user = False

    def plain(self, argv, count):
        """Milliseconds of vfork, exec and wait, measured by the helper."""
        done = subprocess.run([self.spawn, str(count)] + argv, check=True, capture_output=True,
                              text=True)
        return [float(line) / 1000 for line in done.stdout.split()]

    # --- rows ---

    def start_to_initialize(self):
        for who in self.whoever():
            samples = []
            for _ in range(STARTS):
                started = time.perf_counter()
                client = self.server()
                samples.append((time.perf_counter() - started) * 1000)
                client.finish()
            self.add("process start to initialize answered" + who, samples,
                     baseline=self.plain([TRUE], STARTS))

    def warm_calls(self):
        for who in self.whoever():
            self.warm_calls_of(who)

    def warm_calls_of(self, who):
        programs = {"exec of true (dynamic)": [TRUE]}
        if os.access(STATIC[0], os.X_OK):
            programs["exec of busybox true (static)"] = STATIC
        client = self.server()
        for title, argv in programs.items():
            client.call(args=argv)
            plain, warm = [], []
            for _ in range(ROUNDS):
                plain += self.plain(argv, CALLS_PER_ROUND)
                warm += [timed(lambda: client.call(args=argv)) for _ in range(CALLS_PER_ROUND)]
            self.add("plain " + title + who, plain)
            self.add("warm " + title + who, warm, baseline=plain)
        client.finish()

    def first_call(self):
        for who in self.whoever():
            self.first_call_of(who)

    def first_call_of(self, who):
        for when, start in (
                ("at once", lambda: self.server("--pool=0")),
                ("50 ms later", lambda: self.rested_server("--pool=0")),
                ("from the pool", self.server_with_full_pool)):
            first, warm = [], []
            for _ in range(STARTS):
                client = start()
                first.append(timed(lambda: client.call(args=[TRUE])))
                warm.append(statistics.median(timed(lambda: client.call(args=[TRUE]))
                                              for _ in range(5)))
                client.finish()
            self.add("first call, %s%s" % (when, who), first, baseline=warm)
            self.add("first call, %s, over a warm one%s" % (when, who),
                     [cold - usual for cold, usual in zip(first, warm)])

    def rested_server(self, *options):
        client = self.server(*options)
        time.sleep(PAUSE_S)
        return client

    def server_with_full_pool(self):
        client = self.server("--pool=1", "--log-level=info", stderr=subprocess.PIPE)
        log = client.server.stderr
        while True:
            line = log.readline()
            if not line or b" sandbox_not_created " in line:
                raise SystemExit("bench: the pool was not filled: %s" % line.decode())
            if b" sandbox_created " in line:
                break
        # What made it may be at the end of its work.
        time.sleep(PAUSE_S)
        return client

    def big_output(self):
        client = self.server()
        argv = ["head", "-c", str(OUTPUT_BYTES), "/dev/zero"]
        text = "head -c %d /dev/zero | tr '\\0' x" % OUTPUT_BYTES
        client.call(args=argv)
        self.add("2 MiB of text", [timed(lambda: client.call(command=text))
                                   for _ in range(CALLS_PER_ROUND // 3)])
        client.finish()

    def ping_while_running(self):
        client = self.server()
        client.call(args=[TRUE])
        for _ in range(4):
            client.start_call(command="sleep 1000")
        self.add("ping while four commands run", [
            timed(lambda: client.request("ping")) for _ in range(ROUNDS * CALLS_PER_ROUND)])
        client.kill()

    def cancel(self):
        """From the client's cancel until every process of the command has gone."""
        client = self.server()
        client.call(args=[TRUE])
        at_rest = set(traces.descendants(client.server.pid))
        samples = []
        for _ in range(STARTS):
            call = client.start_call(command="sleep 1000 & setsid sleep 1000 & wait")
            tree = wait_for_tree(client.server.pid, at_rest, programs=2)
            started = time.perf_counter()
            client.notify("notifications/cancelled", requestId=call, reason="bench")
            while any(traces.parent_and_state(pid)[1] not in ("", "Z") for pid in tree):
                if time.perf_counter() - started > HANG_GUARD_S:
                    raise SystemExit("bench: the cancelled command goes on")
            samples.append((time.perf_counter() - started) * 1000)
        self.add("cancel until the tree is dead", samples)
        client.finish()

    def cancel_trees(self):
        """How a tree's size tells; watched by descriptors, which costs little while it dies."""
        client = self.server("--pool=0")
        resets = 0
        for size in TREES:
            samples = []
            for _ in range(self.cancels):
                resets += prepare_again(client)
                at_rest = set(traces.descendants(client.server.pid))
                call = client.start_call(command=tree_command(size))
                tree = wait_for_tree(client.server.pid, at_rest, size)
                with watched(tree) as processes:
                    started = time.perf_counter()
                    client.notify("notifications/cancelled", requestId=call, reason="bench")
                    wait_until_dead(processes)
                    samples.append((time.perf_counter() - started) * 1000)
            self.add("cancel until a tree of %d is dead" % size, samples)
        resets += prepare_again(client)
        if resets:
            print("(%d times the tree outlived the time for a kill, and its sandbox was killed)"
                  % resets)
        client.finish()

    def crowds(self):
        """Many sandboxes of one process, by the helper: no client, no server around them."""
        helper = os.path.join(os.path.dirname(self.spawn), "bench-crowd")
        if not os.access(helper, os.X_OK):
            print("(%s is not built: no row)" % helper)
            return
        with tempfile.TemporaryDirectory() as folder:
            # The helper may be where only its owner can go.
            os.chmod(folder, 0o755)
            helper = shutil.copy(helper, folder)
            self.one_crowd(helper, "root" if os.geteuid() == 0 else "a user", None)
            if os.geteuid() == 0:
                self.one_crowd(helper, "a user", lambda: as_user.become("single", folder))

    def one_crowd(self, helper, who, become):
        # The kernel frees the namespaces of those before some seconds after their end.
        time.sleep(SETTLE_S)
        process = subprocess.Popen([helper, str(self.crowd), TRUE], preexec_fn=become, cwd="/",
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        used = [memory.used_mb()]
        for work in ("made", "one command in each", "destroyed"):
            line = process.stdout.readline().split()
            used.append(memory.used_mb())
            process.stdin.write("\n")
            process.stdin.flush()
            if not line:
                process.wait()
                print("(%d sandboxes of %s: not %s)" % (self.crowd, who, work))
                return
            whole, *each = [int(word) / 1000 for word in line]
            title = "%d sandboxes of %s, %s" % (self.crowd, who, work)
            self.add(title + ": each", each)
            self.add(title + ": all", [whole])
        process.communicate()
        self.add("memory of one of %d sandboxes of %s, all in" % (self.crowd, who),
                 [(used[2] - used[0]) / self.crowd], unit="MB")

    def memory(self):
        client = self.server("--pool=0")
        self.add("memory of the server, idle (RSS)", [memory.rss_mb(client.server.pid)], unit="MB")
        self.add("memory of server and zygote, idle (PSS)", [memory.tree_pss_mb(client.server.pid)],
                 unit="MB")
        before = memory.tree_pss_mb(client.server.pid)
        started = [timed(lambda: modern_call(client, args=[TRUE])) for _ in range(SANDBOXES)]
        self.add("%d sandboxes made in a row, each with a call" % SANDBOXES, started)
        each = (memory.tree_pss_mb(client.server.pid) - before) / SANDBOXES
        self.add("memory of one sandbox's processes (PSS)", [each], unit="MB")
        client.finish()

    def memory_all_in(self):
        """What the machine has in use, the kernel's own included."""
        clients = [self.server("--pool=0") for _ in range(SERVERS)]
        for client in clients:
            modern_call(client, args=[TRUE])
        before = memory.used_mb()
        each = []
        for client in clients:
            for _ in range(SANDBOXES):
                modern_call(client, args=[TRUE])
            each.append((memory.used_mb() - before) / SANDBOXES / (len(each) + 1))
        self.add("memory of one of %d sandboxes, all in" % (SERVERS * SANDBOXES), each[-1:],
                 unit="MB")
        for client in clients:
            client.finish()

    def worst(self):
        """A neighbour's warm call while another sandbox of the same server does its worst."""
        hog = os.path.join(os.path.dirname(self.spawn), os.pardir, "tests/isolation/isolation-hog")
        if not os.access(hog, os.X_OK):
            print("(%s is not built: no row)" % hog)
            return
        with open(hog, "rb") as file:
            program = base64.b64encode(gzip.compress(file.read())).decode()
        client = self.server("--pool=0", "--memory=256m", "--allow-unlimited-memory")
        neighbour = modern_call(client, args=[TRUE])["sandbox_id"]
        for storm in ("nothing", *STORMS):
            attacker = modern_call(client, stdin=program,
                                   command="base64 -d | gzip -d > /tmp/hog; chmod +x /tmp/hog")["sandbox_id"]
            storming = start_modern(client, sandbox_id=attacker, command=storm_command(storm),
                                    timeout=STORM_S)
            time.sleep(PAUSE_S)
            samples = []
            ends = time.monotonic() + STORM_S / 2
            while time.monotonic() < ends and len(samples) < ROUNDS * CALLS_PER_ROUND:
                samples.append(timed(
                    lambda: modern_call(client, sandbox_id=neighbour, args=[TRUE])))
            self.add("warm call beside " + STORMS.get(storm, storm), samples)
            with contextlib.suppress(Wrong):
                client.answer_of(storming)
        client.finish()

    def peers(self):
        if not shutil.which("bwrap"):
            print("(bwrap is not installed: no row)")
            return
        bwrap = [shutil.which("bwrap"), "--unshare-all", "--die-with-parent", "--ro-bind", "/usr",
                 "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",
                 "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev",
                 "--tmpfs", "/tmp", TRUE]
        self.add("bwrap: a fresh sandbox and true", self.plain(bwrap, STARTS),
                 baseline=self.plain([TRUE], STARTS))


# What --only chooses from.
PARTS = {
    "start": Bench.start_to_initialize,
    "warm": Bench.warm_calls,
    "first": Bench.first_call,
    "output": Bench.big_output,
    "ping": Bench.ping_while_running,
    "cancel": Bench.cancel,
    "cancel-trees": Bench.cancel_trees,
    "memory": Bench.memory,
    "memory-all-in": Bench.memory_all_in,
    "crowds": Bench.crowds,
    "worst": Bench.worst,
    "peers": Bench.peers,
}


def start_modern(client, **arguments):
    """A call of the era without sessions: without a handle it gets a sandbox of its own."""
    return client.start("tools/call", name="sandbox_exec", arguments=arguments, _meta={
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {}})


def modern_call(client, **arguments):
    return client.answer_of(start_modern(client, **arguments))


def storm_command(storm):
    """By the hog of the isolation tests; see there what each does."""
    if storm == "nothing":
        return "sleep %d" % STORM_S
    return "/tmp/hog storm output > /dev/null" if storm == "output" else "/tmp/hog storm " + storm


def prepare_again(client):
    """Whether the sandbox had to be replaced; one that runs commands is there now."""
    try:
        client.call(args=[TRUE])
        return False
    except Wrong:
        client.call(args=[TRUE])
        return True


def tree_command(size):
    """So many processes, each sleeping."""
    return "i=1; while [ $i -lt %d ]; do sleep 1000 & i=$((i + 1)); done; exec sleep 1000" % size


def wait_for_tree(server, at_rest, programs):
    """The processes of a command, once all its programs run."""
    deadline = time.monotonic() + HANG_GUARD_S
    while time.monotonic() < deadline:
        new = set(traces.descendants(server)) - at_rest
        sleeping = [pid for pid in new if traces.read("/proc/%d/comm" % pid).strip() == "sleep"]
        if len(sleeping) >= programs:
            return sleeping
    raise SystemExit("bench: the command to cancel did not start")


@contextlib.contextmanager
def watched(pids):
    """Their descriptors, which are readable once they are dead."""
    descriptors = [os.pidfd_open(pid) for pid in pids]
    try:
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def wait_until_dead(processes):
    for process in processes:
        if not select.select([process], [], [], HANG_GUARD_S)[0]:
            raise SystemExit("bench: the cancelled command goes on")


# Name of the row, and what it should be at most; a function of the plain exec of the same program.
TARGETS = (
    *((name + who, limit) for who in ("", ", as a user") for name, limit in (
        ("process start to initialize answered", lambda plain: 5),
        ("warm exec of true (dynamic)", lambda plain: 1.3 * plain + 0.3),
        ("warm exec of busybox true (static)", lambda plain: 1.3 * plain + 0.3),
        ("first call, at once, over a warm one", lambda plain: 4),
        ("first call, 50 ms later, over a warm one", lambda plain: 4),
        ("first call, from the pool, over a warm one", lambda plain: 1.5))),
    ("cancel until the tree is dead", lambda plain: 50),
    *(("warm call beside " + storm, lambda plain: 50) for storm in STORMS.values()),
    *(("cancel until a tree of %d is dead" % size, lambda plain: 50) for size in TREES),
    ("2 MiB of text", lambda plain: 100),
    ("memory of the server, idle (RSS)", lambda plain: 6),
    ("memory of one of %d sandboxes, all in" % (SERVERS * SANDBOXES), lambda plain: 0.8),
    # With --crowd 1000.
    ("1000 sandboxes of root, made: all", lambda plain: 3000),
    ("memory of one of 1000 sandboxes of root, all in", lambda plain: 0.8),
    ("1000 sandboxes of a user, made: all", lambda plain: 3000),
    ("memory of one of 1000 sandboxes of a user, all in", lambda plain: 0.8),
)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("program")
    parser.add_argument("spawn")
    parser.add_argument("--csv")
    parser.add_argument("--svg")
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("--cancels", type=int, default=CANCELS)
    parser.add_argument("--crowd", type=int, default=CROWD)
    parser.add_argument("--only", type=lambda names: names.split(","), default=list(PARTS))
    arguments, options = parser.parse_known_args()
    place = TOP / "docs" / "benchmarks" if arguments.docs else TOP / "build" / "bench"
    csv_path = arguments.csv or "%s.csv" % place
    svg_path = arguments.svg or "%s.svg" % place

    bench = Bench([os.path.abspath(arguments.program)] + options, os.path.abspath(arguments.spawn),
                  arguments.cancels, arguments.crowd)
    print(table.machine())
    table.print_heading()
    for part in arguments.only:
        PARTS[part](bench)
    table.print_verdicts(bench.rows, TARGETS)
    table.write_csv(bench.rows, csv_path)
    plot.write(svg_path, [
        (row.name, table.percentile(row.samples, 0.1), statistics.median(row.samples),
         table.percentile(row.samples, 0.9), max(row.samples)) for row in bench.rows if row.unit == "ms"])
    if arguments.docs:
        table.write_page(bench.rows, TARGETS, TOP / "docs" / "benchmarks.md",
                         "figures: make bench")
    print("written: %s and %s" % (os.path.relpath(csv_path), os.path.relpath(svg_path)))


main()
