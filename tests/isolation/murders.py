#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kills one process of a native backend at a random moment, again and again; prints TAP.

usage: murders.py DRIVER ROUNDS [SEED]

The victim is PID 1 of a sandbox, its spare and supervisors, a command, or the zygote, while
a sandbox is made or runs commands; some are stopped instead. Every call must end in time
with a sentence that is true of what was done, and the next sandbox must work.
"""

import os
import random
import signal
import sys
import time

from harness import Server, Tap, check, is_sandbox, processes

DRIVER, ROUNDS = sys.argv[1], int(sys.argv[2])
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(1 << 32)
COMMANDS = ("true", "echo hi", "seq 1000", "sleep 0.02; echo x", "(sleep 5 &); echo y", "exit 3")
# Longer than any command; a call that was not told of a death ends by it, and that is too late.
TIMEOUT_MS = 60000
ENDS_WITHIN_S = 20
# A call that finds its sandbox dead, or dying under it.
DEAD = "the sandbox has died"
# Making one whose PID 1 or whose zygote is killed meanwhile.
UNMADE = ("the sandbox's guest ended as it started", "a sandbox could not be made",
          "the process that starts sandboxes (kiln-zygote) is gone")
VICTIMS = {
    # name: (levels below the zygote, signals, whether the sandbox dies of it)
    "zygote": (0, (signal.SIGKILL,), True),
    "PID 1": (1, (signal.SIGKILL,), True),
    "a spare or supervisor": (2, (signal.SIGKILL, signal.SIGSTOP), False),
    "a command": (3, (signal.SIGKILL,), False),
}


def below(pids, levels):
    parents = processes()
    for _ in range(levels):
        pids = [pid for pid, parent in parents.items() if parent in pids]
    return pids


def strike(server, levels, number):
    """Only what is below our own driver."""
    for pid in below([server.process.pid], levels + 1):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def ended(server, request, started):
    answer = server.wait(request)
    seconds = time.monotonic() - started
    check(seconds < ENDS_WITHIN_S, f"it took {seconds:.1f} s: {answer}")
    return answer


def check_exec(answer, victim, dies):
    if "error" in answer:
        check(dies and answer["error"] == DEAD, f"{victim} was hit: {answer}")
        return
    was_hit = answer["end"] == "signal" and answer["code"] == signal.SIGKILL
    by_itself = answer["end"] == "exit" and answer["code"] in (0, 3)
    check(by_itself or (was_hit and not dies), f"{victim} was hit: {answer}")
    check(not answer["reset"], f"{victim} was hit and the sandbox was reset: {answer}")


def one_round(server, dice, victim):
    levels, signals, dies = VICTIMS[victim]
    number = dice.choice(signals)
    while_making = dice.random() < 0.3
    started = time.monotonic()
    request = server.send("create", 0)
    if while_making:
        time.sleep(dice.uniform(0, 0.004))
        strike(server, levels, number)
    made = ended(server, request, started)
    if "error" in made:
        check(while_making and dies and made["error"].startswith(UNMADE), f"{victim}: {made}")
        return
    started = time.monotonic()
    requests = [server.send("exec", 0, command=dice.choice(COMMANDS), timeout_ms=TIMEOUT_MS)
                for _ in range(dice.choice((1, 3)))]
    if not while_making:
        time.sleep(dice.uniform(0, 0.02))
        strike(server, levels, number)
    for request in requests:
        check_exec(ended(server, request, started), victim, dies)
    ended(server, server.send("destroy", 0), time.monotonic())


def all_rounds(user, victim):
    dice = random.Random(f"{SEED} {user} {victim}")
    server = Server(DRIVER, user)
    try:
        for _ in range(ROUNDS):
            one_round(server, dice, victim)
            if victim == "zygote":
                server.close()
                server = Server(DRIVER, user)
            check(server.wait(server.send("create", 1)).get("error") is None, "the next is refused")
            last = server.wait(server.send("exec", 1, command="echo fine"))
            check(last.get("stdout") == b"fine\n".hex(), f"the next does not work: {last}")
            server.wait(server.send("destroy", 1))
        left = [pid for pid in below([server.process.pid], 2) if is_sandbox(pid)]
        check(not left, "sandboxes are left")
    finally:
        server.close()


def main():
    tap = Tap()
    print(f"# seed {SEED}", flush=True)
    users = {False: "root", True: "a user"} if os.geteuid() == 0 else {True: "a user"}
    for user, who in users.items():
        for victim in VICTIMS:
            tap.run(f"{ROUNDS} times {victim} of {who}'s sandbox was hit, and every call ended",
                    all_rounds, user, victim)
    return tap.finish()


sys.exit(main())
