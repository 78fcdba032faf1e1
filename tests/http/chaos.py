#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clients of every kind at once, each doing whatever comes to its mind; prints TAP.

usage: chaos.py PROGRAM [--backend fake|native] [--scope auto|handle|principal] [--seconds N]
                [--seed N] [--tls] [--log FILE]

Three names share one server with small limits. Whatever happens, answers are whole and mean
something, nobody sees what another name has written into its sandboxes, and once all have left,
the server holds what it held after a first, short shake. The seed decides what each client does
next; when it gets to it the machine does.
"""

import argparse
import collections
import os
import pathlib
import random
import signal
import sys
import tempfile
import threading
import time
import traceback

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "chaos"))

import deeds
import serving
import traces
import wire
from serving import check, equal, test
from under_test import PLACE, PROGRAM, TLS, TLS_OPTIONS, is_running

CLIENTS = 24
SEED_BITS = 32
WARM_UP_S = 1.5
RELOAD_S = 0.5
# A sandbox that nobody calls is gone after this: what clients leave without a word goes so, too.
IDLE_S = 2
NOBODY = 65534
LIMITS = ("--max-sessions=20", "--max-sandboxes=24", "--max-sandboxes-per-client=10",
          "--max-running=12", "--max-parallel=4", "--max-creating=4", "--max-connections=72",
          "--max-buffered=32m", "--session-timeout=%d" % IDLE_S, "--pool=2",
          "--status-page", "--log-level=debug")
# Ours may wait for more to do once they have run something (base/thread.c).
WAITING_THREADS = 2
# For the whole of what clients leave to be gone: ten times the longest wait of a call.
SETTLING_S = 300
BUSY_BYTES = 64 << 10
# A native server keeps some control groups for the next sandboxes, as many as it had at once, up
# to a limit: that may grow once, what is lost grows with every shake.
SHAKES = {"fake": 1, "native": 3}
GROWN_S = 20

GAUGES = tuple("kilntainers_" + name for name in (
    "sandboxes", "sandboxes_creating", "sandboxes_removing", "calls_running", "calls_waiting",
    "connections", "requests", "streams", "buffered_bytes"))
HELD = GAUGES + ("descriptors", "threads", "guests", "groups")


def options_given():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--backend", choices=("fake", "native"), default="fake")
    parser.add_argument("--scope", choices=("auto", "handle", "principal"), default="auto")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--seed", type=int, default=random.getrandbits(SEED_BITS))
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--log", help="where the log of the last server goes")
    return parser.parse_args()


OPTIONS = options_given()


class Tokens:
    """The file of tokens: three names stay, a fourth comes and goes, and sometimes it is broken."""

    def __init__(self, chance):
        self.chance = chance
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=PLACE))
        self.path = self.folder / "tokens"
        self.of = {name: "%s-%032x" % (name, chance.getrandbits(128)) for name in deeds.NAMES}
        self.visitor = None
        if os.geteuid() == 0:
            # A server of root becomes somebody else, who is to read the file again.
            PLACE.chmod(0o711)
            os.chown(self.folder, NOBODY, NOBODY)
        self.write()

    def write(self, is_broken=False):
        lines = ["%s %s%s\n" % (name, token, " operator" * (name == deeds.OPERATOR))
                 for name, token in self.of.items()]
        if self.visitor:
            lines.append("visitor %s\n" % self.visitor)
        lines.append("nonsense\n" if is_broken else "# of this machine\n")
        self.chance.shuffle(lines)
        fresh = pathlib.Path(serving.tokens_file(self.folder, "".join(lines), name="fresh"))
        if os.geteuid() == 0:
            os.chown(fresh, NOBODY, NOBODY)
        fresh.rename(self.path)

    def change(self):
        if self.chance.random() < 0.5:
            fresh = "visitor-%032x" % self.chance.getrandbits(128)
            self.visitor = self.chance.choice((None, fresh))
        self.write(is_broken=self.chance.random() < 0.2)


class World:
    """One server and its clients."""

    def __init__(self):
        chance = random.Random("%d tokens" % OPTIONS.seed)
        self.tokens = Tokens(chance)
        self.secrets = {name: ("secret-%032x" % chance.getrandbits(128)) for name in deeds.NAMES}
        self.mark = "kiln-shaken-%d" % os.getpid()
        self.scope, self.tls = OPTIONS.scope, TLS
        self.seen = collections.Counter()
        self.failures, self.is_over, self.is_ending = [], threading.Event(), False
        self.rounds, self.slowest = 0, (0, "")
        # Of each name what others may try to steal.
        self.loot = {name: collections.deque(maxlen=8) for name in deeds.NAMES}
        self.state = pathlib.Path(tempfile.mkdtemp(dir=PLACE))
        self.server = serving.Server(
            PROGRAM, "--backend=" + OPTIONS.backend, "--sandbox-scope=" + OPTIONS.scope,
            "--auth-token-file=%s" % self.tokens.path, *LIMITS, *TLS_OPTIONS,
            *self.native_options(), tls=TLS,
            environment={"XDG_STATE_HOME": str(self.state)})

    @staticmethod
    def native_options():
        if OPTIONS.backend != "native":
            return ()
        # The leak check of a sanitizer has to read what is in /proc of the server.
        user = "root" if serving.has_sanitizer(PROGRAM) else "%d:%d" % (NOBODY, NOBODY)
        return ("--memory=256m", "--allow-unlimited-memory",
                *(("--run-as=" + user,) if os.geteuid() == 0 else ()))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()
        if OPTIONS.log:
            pathlib.Path(OPTIONS.log).write_text(self.server.log())

    # --- clients

    def live(self, number):
        client = deeds.Client(self, number, "%d %d %d" % (OPTIONS.seed, self.rounds, number))
        try:
            while not (self.is_over.is_set() or self.is_ending or self.failures):
                client.do_something()
            client.leave()
        except Exception as failure:  # to be raised in the test's thread
            # A server that ends leaves answers undone.
            if not self.is_ending or isinstance(failure, deeds.Leak):
                lines = traceback.format_exc().splitlines()[-12:]
                self.failures.append("\n".join(["seed %d, client %d:" % (OPTIONS.seed, number),
                                                *lines]))
        finally:
            client.vanish()

    def reload(self):
        while not self.is_over.wait(RELOAD_S):
            self.tokens.change()
            self.server.process.send_signal(signal.SIGHUP)

    def begin(self):
        self.rounds += 1
        self.is_over.clear()
        self.threads = [threading.Thread(target=self.live, args=(number,))
                        for number in range(CLIENTS)]
        self.threads.append(threading.Thread(target=self.reload))
        for thread in self.threads:
            thread.start()

    def finish(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        check(not self.failures, "\n".join(self.failures))

    def shake(self, seconds):
        self.begin()
        # A failure ends it early.
        wire.wait_until(lambda: self.failures or self.server.process.poll() is not None,
                        limit_s=seconds)
        check(self.server.process.poll() is None,
              "the server has died: " + self.server.log()[-3000:])
        self.finish()

    # --- what is held

    def owner(self):
        """What its control groups are called after."""
        return {name.removesuffix(".lock")
                for name in traces.names_in(self.state / "kilntainers/owners")}

    def holdings(self):
        found = self.server.metrics(self.tokens.of[deeds.OPERATOR])
        below = traces.descendants(self.server.pid)
        found["guests"] = sum(traces.is_sandbox(pid) for pid in below)
        found["groups"] = (len(traces.our_control_groups(self.owner()))
                           if OPTIONS.backend == "native" else 0)
        found["processes"] = below
        return found

    def settled(self, is_settled, limit_s=SETTLING_S):
        """What is held once that holds, or after so long."""
        found = {}

        def look():
            found.update(self.holdings())
            return is_settled(found)

        wire.wait_until(look, limit_s, pause_s=0.1)
        return found


def is_quiet(found):
    """Nobody is there but who asks, and the pool is full again."""
    return (found["kilntainers_sandboxes"] == found["kilntainers_sandboxes_pooled"] == 2
            and not any(found["kilntainers_" + name] for name in (
                "sandboxes_creating", "sandboxes_removing", "calls_running", "calls_waiting",
                "streams"))
            and found["kilntainers_connections"] == 1
            and found["kilntainers_buffered_bytes"] < BUSY_BYTES)


def more_than(found, before):
    """What is held that was not, in words."""
    slack = {"threads": WAITING_THREADS, "kilntainers_buffered_bytes": BUSY_BYTES}
    return ["%s: %d, before %d" % (name, found[name], before[name]) for name in HELD
            if found[name] > before[name] + slack.get(name, 0)]


def fill_up(world):
    """What comes with the first use of everything, and stays: parsers, the drainer, places."""
    client = deeds.Client(world, 0, "first")
    client.try_large_message()
    for name in deeds.NAMES:
        deeds.use_many(world, name, 6)
    client.vanish()


def steady(world):
    """What a server holds that has seen it all and is left alone."""
    quiet = world.settled(is_quiet)
    check(is_quiet(quiet), "it does not come to rest: %s" % {name: quiet[name] for name in HELD})
    return quiet


@test
def a_server_that_was_shaken_holds_what_it_held_before():
    with World() as world:
        fill_up(world)
        world.shake(WARM_UP_S)
        before = steady(world)
        world.seen.clear()
        for shakes_left in reversed(range(SHAKES[OPTIONS.backend])):
            world.shake(OPTIONS.seconds)
            after = world.settled(lambda found: is_quiet(found) and not more_than(found, before),
                                  GROWN_S if shakes_left else SETTLING_S)
            if not more_than(after, before) or not shakes_left:
                break
            print("# once more: %s" % more_than(after, before))
            before = after
        print("# the slowest, after %.1f s: %s" % world.slowest)
        print("# %s" % ", ".join("%s %d" % pair for pair in sorted(world.seen.items())))
        equal(more_than(after, before), [])
        check(is_quiet(after), {name: after[name] for name in HELD})
        check(not is_running(world.mark), "a command has outlived its client")
        equal(world.server.events("internal_error"), [])
        owner = world.owner()
        # A sanitizer speaks up at the end.
        equal(world.server.stop(), 0, world.server.log()[-3000:])
        check_all_is_gone(owner, after["processes"])


@test
def a_server_that_is_told_to_end_while_it_is_shaken_does():
    with World() as world:
        world.begin()
        time.sleep(world.tokens.chance.uniform(0.5, WARM_UP_S))
        owner, processes = world.owner(), traces.descendants(world.server.pid)
        world.is_ending = True
        code = world.server.stop()
        world.finish()
        # 1: the machine was so busy that its time to remove everything has passed.
        check(code in (0, 1), "exit code %d: %s" % (code, world.server.log()[-3000:]))
        check(not is_running(world.mark), "a command has outlived its server")
        check_all_is_gone(owner, processes)


def check_all_is_gone(owner, processes):
    def remains():
        return sorted(traces.our_control_groups(owner)) + [
            pid for pid in processes if traces.parent_and_state(pid)[1] not in ("", "Z")]

    check(wire.wait_until(lambda: not remains()), "left: %r" % remains())


print("# seed %d" % OPTIONS.seed, flush=True)
serving.main()
