# SPDX-License-Identifier: MIT
"""What the tests of the program's command line share: running it, and TAP."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
# Nothing here takes a second; this only ends what hangs.
HANG_S = 60

# A server that ends at once leaves what its sandboxes had; here it goes with the tests.
TEMPORARY = tempfile.TemporaryDirectory(prefix="kilntainers-cli-")
TESTS = []


class Skip(Exception):
    pass


def test(function):
    TESTS.append(function)
    return function


def clean_environment(**more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KILNTAINERS_")}
    return {**kept, "TMPDIR": TEMPORARY.name, **more}


def run(*words, stdin=b"", environment=None, **more):
    """A finished process with bytes in stdout and stderr."""
    return subprocess.run(
        [PROGRAM, *words], input=stdin, capture_output=True, timeout=HANG_S,
        env=clean_environment(**(environment or {})), **more)


def start(*words, environment=None, **more):
    return subprocess.Popen([PROGRAM, *words], env=clean_environment(**(environment or {})), **more)


def equal(found, expected):
    if found != expected:
        raise AssertionError("expected %r\n#    found %r" % (expected, found))


def contains(text, part):
    if part not in text:
        raise AssertionError("no %r in %r" % (part, text))


def wait_until(is_true, what):
    end = time.monotonic() + HANG_S
    while not is_true():
        if time.monotonic() > end:
            raise AssertionError("%s never came" % what)
        time.sleep(0.01)


HAS_FAKE = b"fake:" in run("doctor").stdout


def need_fake():
    if not HAS_FAKE:
        raise Skip("this build has no fake backend (-Dtest_backend=true)")


def main():
    print("1..%d" % len(TESTS))
    failed = 0
    for number, function in enumerate(TESTS, 1):
        name = function.__name__.replace("_", " ")
        try:
            function()
            print("ok %d - %s" % (number, name))
        except Skip as reason:
            print("ok %d - %s # SKIP %s" % (number, name, reason))
        except (AssertionError, OSError, ValueError, subprocess.TimeoutExpired) as problem:
            failed += 1
            print("not ok %d - %s\n#    %s" % (number, name, str(problem).replace("\n", "\n#    ")))
        sys.stdout.flush()
    return 1 if failed else 0
