#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The status page in a real, headless Chromium; prints TAP.

usage: tests/status/run.py [--program PROGRAM] [--only WORDS]...
       tests/status/run.py --screenshot FILE       (the picture of docs/status-page.md, and no test)

The page is tried against a server of the tests' own and, with --program, against the real one
(with the fake backend in it). --only takes the tests with these words in their name.

The browser is the one that tools/setup-browser finds; where there is none, all is skipped.
"""

import argparse
import functools
import pathlib
import subprocess
import sys
import traceback

import embedding
import page
import picture
import real
from browser import Browser, Wrong

TOP = pathlib.Path(__file__).resolve().parents[2]


def place():
    """The browser's program, or None and why there is none."""
    done = subprocess.run([TOP / "tools/setup-browser"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    if done.returncode == 77:
        return None, done.stderr.strip().splitlines()[-1]
    if done.returncode != 0:
        sys.exit(done.stderr)
    return done.stdout.split()[-1], ""


def named(test):
    return test.func if isinstance(test, functools.partial) else test


def chosen(options):
    tests = embedding.TESTS + page.TESTS
    if options.program:
        program = str(pathlib.Path(options.program).resolve())
        tests = tests + [functools.partial(test, program=program) for test in real.TESTS]
    return [test for test in tests if not options.only
            or any(words.replace(" ", "_") in named(test).__name__ for words in options.only)]


def run(test, number, browser):
    name = named(test).__name__.replace("_", " ")
    try:
        test(browser)
    except Exception as why:  # whatever it is, the next test is another one
        print("not ok %d - %s" % (number, name))
        lines = str(why) if isinstance(why, Wrong) else traceback.format_exc()
        print("\n".join("# " + line for line in lines.splitlines()), flush=True)
        if isinstance(why, Wrong):
            last = traceback.extract_tb(why.__traceback__)
            print("# " + "; ".join("%s:%d" % (frame.name, frame.lineno) for frame in last), flush=True)
        return False
    print("ok %d - %s" % (number, name), flush=True)
    return True


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--program")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--screenshot")
    options = parser.parse_args()
    program, reason = place()
    if not program and options.screenshot:
        sys.exit("run.py: " + reason)
    if not program:
        print("1..0 # SKIP " + reason)
        return 0
    browser = Browser(program)
    try:
        if options.screenshot:
            picture.take(browser, options.screenshot)
            return 0
        tests = chosen(options)
        print("1..%d" % len(tests))
        good = [run(test, number, browser) for number, test in enumerate(tests, 1)]
        return 0 if tests and all(good) else 1
    finally:
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
