#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plays exchanges (*.json beside this file) against a real server over stdio; prints TAP.

usage: run.py [--backend NAME] KILNTAINERS TRANSCRIPT.json...

A transcript is an object: "about" (a sentence), "arguments" (of the server) and "steps":

  {"send": MESSAGE}            one line of JSON; strings may hold ${NAME} of a capture
  {"send_text": TEXT}          a line that is sent as it is; "send_hex": bytes instead
  {"expect": PATTERN}          the next message that the server sends
  {"expect_all": [PATTERN..]}  the next messages, in any order
  {"silence_ms": N}            nothing comes for that long
  {"close": true}              end-of-file on the server's stdin
  {"signal": "TERM"}
  {"end": CODE}                the server exits with this code, having said nothing more

A pattern is JSON that must be equal, with these exceptions: "<string>", "<integer>",
"<number>" and "<any>" stand for any such value; an object with "...": true may have
further members; {"$json": P}: a string holding JSON that matches P; {"$holds": T}: a
string that contains T; {"$lacks": T}: one that does not; {"$is": NAME}: equal to the
capture; {"$capture": NAME, "as": P}: matches P, and is remembered; {"$keys": [..]}: an
object with exactly these members in this order; {"$over": N}: a number greater than N.
In what is sent, {"$repeat": TEXT, "times": N} is a long string.

Whatever the transcript: each line of stdout must be one JSON object or array of at most
8 MiB, never a request, and progress must increase and end before its answer.
"""

import argparse
import collections
import json
import os
import pathlib
import queue
import re
import signal
import subprocess
import sys
import threading
import time

# Far more than anything here takes on a busy machine: what is over it hangs.
HANG_S = 120
REPLY_BYTES = 8 * 1024 * 1024
TYPES = {
    "<string>": lambda value: isinstance(value, str),
    "<integer>": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "<number>": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "<any>": lambda value: True,
}
ENDED = object()


class Mismatch(Exception):
    pass


def parse(text):
    """JSON with every object as an ordered one, its key order comparable."""
    return json.loads(text, object_pairs_hook=collections.OrderedDict)


def shown(value):
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) < 2000 else text[:2000] + "... (%d characters)" % len(text)


# --- matching ------------------------------------------------------------------


def need(holds, where, pattern, value):
    if not holds:
        raise Mismatch("%s: wanted %s, got %s" % (where, shown(pattern), shown(value)))


def match_special(pattern, value, where, captures):
    """True if the pattern was a special one (and matched)."""
    if "$json" in pattern:
        need(isinstance(value, str), where, pattern, value)
        match(pattern["$json"], parse(value), where + " as JSON", captures)
    elif "$holds" in pattern:
        need(isinstance(value, str) and pattern["$holds"] in value, where, pattern, value)
    elif "$lacks" in pattern:
        need(isinstance(value, str) and pattern["$lacks"] not in value, where, pattern, value)
    elif "$is" in pattern:
        need(value == captures[pattern["$is"]], where, captures[pattern["$is"]], value)
    elif "$over" in pattern:
        need(TYPES["<number>"](value) and value > pattern["$over"], where, pattern, value)
    elif "$keys" in pattern:
        need(isinstance(value, dict) and list(value) == pattern["$keys"], where, pattern, value)
    elif "$capture" in pattern:
        match(pattern.get("as", "<any>"), value, where, captures)
        captures[pattern["$capture"]] = value
    else:
        return False
    return True


def match(pattern, value, where, captures):
    if isinstance(pattern, str) and pattern in TYPES:
        need(TYPES[pattern](value), where, pattern, value)
    elif isinstance(pattern, dict):
        if match_special(pattern, value, where, captures):
            return
        need(isinstance(value, dict), where, pattern, value)
        names = [name for name in pattern if name != "..."]
        missing = [name for name in names if name not in value]
        need(not missing, where + " lacks " + ", ".join(missing), pattern, value)
        more = [name for name in value if name not in pattern]
        need("..." in pattern or not more, where + " has " + ", ".join(more), pattern, value)
        for name in names:
            match(pattern[name], value[name], "%s.%s" % (where, name), captures)
    elif isinstance(pattern, list):
        need(isinstance(value, list) and len(value) == len(pattern), where, pattern, value)
        for i, item in enumerate(pattern):
            match(item, value[i], "%s[%d]" % (where, i), captures)
    else:
        # 1, 1.0 and true are different answers.
        need(type(value) is type(pattern) and value == pattern, where, pattern, value)


def filled(value, captures):
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda found: str(captures[found.group(1)]), value)
    if isinstance(value, list):
        return [filled(item, captures) for item in value]
    if isinstance(value, dict):
        if "$repeat" in value:
            return value["$repeat"] * value["times"]
        return {name: filled(item, captures) for name, item in value.items()}
    return value


# --- the server ------------------------------------------------------------------


class Server:
    def __init__(self, program, arguments):
        self.process = subprocess.Popen([program] + arguments, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines = queue.Queue()
        self.log = b""
        self.progress = {}
        self.threads = [threading.Thread(target=self.read_lines, daemon=True),
                        threading.Thread(target=self.read_log, daemon=True)]
        for thread in self.threads:
            thread.start()

    def read_lines(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(ENDED)

    def read_log(self):
        for line in self.process.stderr:
            self.log = (self.log + line)[-4000:]

    def send(self, data):
        self.process.stdin.write(data + b"\n")
        self.process.stdin.flush()

    def next_message(self, seconds=HANG_S):
        """None if nothing came in time, ENDED at the end."""
        try:
            line = self.lines.get(timeout=seconds)
        except queue.Empty:
            return None
        return line if line is ENDED else self.check(line)

    def check(self, line):
        if not line.endswith(b"\n") or len(line) > REPLY_BYTES + 1:
            raise Mismatch("a line of %d bytes: %s" % (len(line), shown(repr(line[-80:]))))
        try:
            message = parse(line.decode("utf-8"))
        except ValueError as error:
            raise Mismatch("not JSON (%s): %s" % (error, shown(repr(line)))) from error
        for part in message if isinstance(message, list) else [message]:
            self.check_part(part)
        return message

    def check_part(self, part):
        if not isinstance(part, dict) or part.get("jsonrpc") != "2.0":
            raise Mismatch("not JSON-RPC: %s" % shown(part))
        if "method" in part and "id" in part:
            raise Mismatch("the server may not ask: %s" % shown(part))
        if part.get("method") == "notifications/progress":
            token = json.dumps(part["params"]["progressToken"])
            if part["params"]["progress"] <= self.progress.get(token, -1):
                raise Mismatch("progress does not increase: %s" % shown(part))
            self.progress[token] = part["params"]["progress"]

    def stop(self):
        """Whatever happened: nothing of it stays."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except (BrokenPipeError, ValueError):
                pass


# --- the steps -------------------------------------------------------------------


def expect(server, pattern, captures):
    message = server.next_message()
    if message is None or message is ENDED:
        raise Mismatch("wanted %s, but %s" % (
            shown(pattern), "the server ended" if message is ENDED else "nothing came"))
    match(pattern, message, "message", captures)


def expect_all(server, patterns, captures):
    left = list(patterns)
    while left:
        message = server.next_message()
        if message is None or message is ENDED:
            raise Mismatch("still wanted: %s" % shown(left))
        reasons = []
        for pattern in left:
            try:
                match(pattern, message, "message", captures)
            except Mismatch as mismatch:
                reasons.append(str(mismatch))
                continue
            left.remove(pattern)
            break
        else:
            raise Mismatch("; ".join(reasons))


def silence(server, milliseconds, _captures):
    message = server.next_message(milliseconds / 1000)
    if message is not None:
        raise Mismatch("wanted silence, got %s" % (
            "the end" if message is ENDED else shown(message)))


def end(server, code, _captures):
    message = server.next_message()
    if message is not ENDED:
        raise Mismatch("wanted the end, got %s" % shown(message))
    found = server.process.wait(HANG_S)
    if found != code:
        raise Mismatch("wanted exit code %d, got %d" % (code, found))


STEPS = {
    "send": lambda server, value, captures: server.send(
        json.dumps(filled(value, captures)).encode()),
    "send_text": lambda server, value, captures: server.send(filled(value, captures).encode()),
    "send_hex": lambda server, value, captures: server.send(bytes.fromhex(value)),
    "expect": expect,
    "expect_all": expect_all,
    "silence_ms": silence,
    "close": lambda server, value, captures: server.process.stdin.close(),
    "signal": lambda server, value, captures: server.process.send_signal(
        getattr(signal, "SIG" + value)),
    "end": end,
}


def play(program, backend, transcript):
    server = Server(program, ["--backend", backend] + transcript.get("arguments", []))
    captures = {}
    number = 0
    try:
        for number, step in enumerate(transcript["steps"], 1):
            (name, value), = step.items()
            STEPS[name](server, value, captures)
        if server.process.poll() is None and not server.process.stdin.closed:
            server.process.stdin.close()
            end(server, 0, captures)
        return None
    except (Mismatch, BrokenPipeError, ValueError, KeyError) as error:
        time.sleep(0.1)
        return "step %d of %d: %s: %s\nstderr: %s" % (
            number, len(transcript["steps"]), type(error).__name__, error,
            server.log.decode(errors="replace"))
    finally:
        server.stop()


def missing(program, backend):
    """Why this backend cannot run here, or None."""
    done = subprocess.run([program, "exec", "--backend", backend, "--", "true"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, timeout=HANG_S, check=False)
    if done.returncode == 0:
        return None
    text = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
    return "%s does not work here: %s" % (backend, text[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="fake")
    parser.add_argument("program")
    parser.add_argument("transcripts", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    reason = missing(options.program, options.backend)
    failures = 0
    print("1..%d" % len(options.transcripts))
    for number, path in enumerate(options.transcripts, 1):
        transcript = json.loads(path.read_text())
        name = "%s: %s" % (path.stem, transcript["about"])
        if reason:
            print("ok %d - %s # SKIP %s" % (number, name, reason))
            continue
        problem = play(os.path.abspath(options.program), options.backend, transcript)
        print("%s %d - %s" % ("not ok" if problem else "ok", number, name), flush=True)
        if problem:
            failures += 1
            print("\n".join("# " + line for line in problem.splitlines()), flush=True)
    return 1 if failures else 0


sys.exit(main())
