#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The AppArmor profile is one to the parser of this machine.

usage: tests/native/apparmor.py PROFILE

Prints TAP. Parsers before version 4 do not know user namespaces: there the rest of
the profile is parsed. Nothing is loaded.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "isolation"))

from harness import Skip, Tap, check, equal  # noqa: E402

PROFILE = pathlib.Path(sys.argv[1]).resolve()
PARSER = shutil.which("apparmor_parser", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
HANG_S = 60


def run(*words):
    if not PARSER:
        raise Skip("there is no apparmor_parser here")
    done = subprocess.run([PARSER, *words], capture_output=True, text=True, timeout=HANG_S)
    return done.returncode, done.stdout + done.stderr


def version():
    found = re.search(r"version (\d+)", run("--version")[1])
    check(found, "the parser does not tell its version")
    return int(found.group(1))


def parse(path):
    # Neither the kernel nor the cache is touched.
    code, text = run("--skip-kernel-load", "--skip-cache", "--skip-read-cache", path)
    equal(code, 0, text)


def as_it_stands():
    if version() < 4:
        raise Skip("this parser is older than rules for user namespaces")
    parse(PROFILE)


def without_user_namespaces():
    text = PROFILE.read_text()
    older = text.replace("abi <abi/4.0>,", "abi <abi/3.0>,").replace("  userns,\n", "")
    check(older.count("\n") == text.count("\n") - 1, "the rule is not where this test thinks")
    with tempfile.NamedTemporaryFile("w", prefix="kilntainers-apparmor-") as file:
        file.write(older)
        file.flush()
        parse(file.name)


def both_programs():
    text = PROFILE.read_text()
    line = re.search(r"^profile kilntainers /\{(.*)\} flags=\(unconfined\) \{$", text, re.M)
    check(line, "there is no such line")
    names = [path.rsplit("/", 1)[1] for path in line.group(1).split(",")]
    equal(names, ["kilntainers", "kilntainers-full"], "programs")
    check("@" not in text and "//" not in text, "a path was not filled in")


def main():
    tap = Tap()
    tap.run("it is attached to both programs", both_programs)
    tap.run("it parses", as_it_stands)
    tap.run("it parses without the rule for user namespaces", without_user_namespaces)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
