# SPDX-License-Identifier: MIT
"""Servers under test over HTTP, what they log, and tests that print TAP."""

import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
import urllib.parse

import agents
import wire

TESTS = []


class Skip(Exception):
    """This cannot run here; the text says why."""


def test(function):
    """The name is the sentence."""
    TESTS.append(function)
    return function


def equal(found, expected, what=""):
    if found != expected:
        raise AssertionError("%sfound %r, expected %r" % (what and what + ": ", found, expected))


def check(condition, text="it does not hold"):
    if not condition:
        raise AssertionError(text)


class Server:
    """A server of this machine on a free port; `with` ends it. Its clients speak `tls` to it."""

    def __init__(self, program, *options, environment=None, listen=("--port=0",), tls=None,
                 **more):
        self.tls = tls
        self.log_file = tempfile.NamedTemporaryFile("w+", prefix="kilntainers-http-log-")
        kept = {key: value for key, value in os.environ.items()
                if not key.startswith("KILNTAINERS_")}
        self.process = subprocess.Popen(
            [program, "--transport=http", "--log-format=json", *listen, *options], cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log_file,
            env={**kept, **(environment or {})}, **more)
        self.pid = self.process.pid
        self.wait_for_event("listening")
        self.listening = self.events("listening")[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def address(self):
        """Of the first listener."""
        if "socket" in self.listening:
            return self.listening["socket"]
        where = urllib.parse.urlsplit(self.listening["url"])
        return where.hostname, where.port

    def log(self):
        return pathlib.Path(self.log_file.name).read_text(errors="replace")

    def events(self, name, **fields):
        """The lines of the log about this, so far; the last line may be half written."""
        lines = [json.loads(line) for line in self.log().splitlines(True) if line.endswith("}\n")]
        return [line for line in lines if line["event"] == name
                and all(line[field] == value for field, value in fields.items())]

    def wait_for_event(self, name, **fields):
        def look():
            return self.events(name, **fields) or self.process.poll() is not None

        wire.wait_until(look)
        found = self.events(name, **fields)
        if not found:
            code = self.process.poll()
            self.process.kill()
            raise AssertionError("no %s (exit code %s):\n%s" % (name, code, self.log()))
        return found[-1]

    def modern(self, **more):
        return agents.Modern(self.address, **{"tls": self.tls, **more})

    def legacy(self, **more):
        return agents.Legacy(self.address, **{"tls": self.tls, **more})

    def connect(self, **more):
        return wire.Connection(self.address, **{"tls": self.tls, **more})

    def metrics(self, token=None):
        """Gauges and counters by name (with labels), and what the system says."""
        fields = {"Authorization": "Bearer " + token} if token else {}
        with self.connect() as found:
            response = found.request("GET", "/metrics", None, fields)
            equal(response.status, 200, repr(response))
            # Counted while the question is here, so that it counts each time.
            outside = {"descriptors": self.descriptors(), "threads": self.threads()}
        lines = [line.rsplit(" ", 1) for line in response.body.decode().splitlines()
                 if line and not line.startswith("#")]
        return {**outside, **{name: float(value) for name, value in lines}}

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def threads(self):
        return len(os.listdir("/proc/%d/task" % self.pid))

    def memory_bytes(self):
        """Resident, of the server alone."""
        pages = pathlib.Path("/proc/%d/statm" % self.pid).read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def stop(self, number=signal.SIGTERM):
        """Its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self):
        """Its exit code, once it has been told to end: a second signal would end it at once."""
        try:
            code = self.process.wait(wire.HANG_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        self.process.stdout.close()
        return code


def has_sanitizer(program):
    content = pathlib.Path(program).read_bytes()
    return b"__asan_init" in content or b"__tsan_init" in content


def parallel(count, function):
    """function(number) for each, all at once, and what each found; the first failure raises."""
    found, failures = [None] * count, []

    def run(number):
        try:
            found[number] = function(number)
        except Exception as failure:  # to be raised in the caller's thread
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return found


def in_threads(count, items, function):
    """function(item) for all, by that many threads; the first failure raises."""
    left = queue.SimpleQueue()
    has_failed = threading.Event()
    for item in items:
        left.put(item)

    def work(_):
        while not has_failed.is_set():
            try:
                item = left.get_nowait()
            except queue.Empty:
                return
            try:
                function(item)
            except Exception:
                has_failed.set()
                raise

    parallel(count, work)


def tokens_file(folder, text, mode=0o600, name="tokens"):
    path = pathlib.Path(folder) / name
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def main():
    """Runs every test of the module that calls this; the exit code is whether all passed."""
    failed = 0
    for number, function in enumerate(TESTS, 1):
        name = function.__name__.replace("_", " ")
        try:
            function()
            print("ok %d - %s" % (number, name), flush=True)
        except Skip as reason:
            print("ok %d - %s # SKIP %s" % (number, name, reason), flush=True)
        except Exception:  # every other test still runs
            failed += 1
            for line in traceback.format_exc().splitlines():
                print("# " + line)
            print("not ok %d - %s" % (number, name), flush=True)
    print("1..%d" % len(TESTS), flush=True)
    sys.exit(1 if failed else 0)
