#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests on kernels that this machine does not run, in virtual machines; prints TAP.

usage: run.py [--build DIR] [--only WORD]...          (all, or the groups with a word in their name)
       run.py [--build DIR] --shell KERNEL COMMAND    (run one command there, as root)
       run.py --list

KERNEL is 6.1 or 6.12, with "+systemd" behind it where systemd shall be process 1. The tree is
in /opt/kilntainers, the build in /opt/kilntainers/build and in PATH.
"""

import argparse
import collections
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import machine

SHELL_LIMIT_S = 600
# Hang guard of one boot with all its groups.
BOOT_LIMIT_S = 1200
CONSOLE_LINES = 30

Boot = collections.namedtuple("Boot", "kernel with_systemd groups")
TESTS = "python3 tests/vm/guest/"
# As root and as a user; on the disk, whose owners can be mapped on every kernel.
IMAGES = "TMPDIR=/var/tmp python3 tests/native/%s.py build/kilntainers build/kilntainers-full"
ISOLATION = ("python3 tests/isolation/isolation.py %s build/tests/isolation/isolation-driver "
             "build/tests/isolation/isolation-probe tests/isolation/expected.tsv "
             "src/zygote/seccomp.policy the_probe")
# One row a boot: its groups run in this order, each in a process of its own.
BOOTS = (
    Boot("6.1", False, {
        "smoke-root": TESTS + "smoke.py 0",
        "smoke-user": TESTS + "smoke.py 1000",
        "smoke-single": TESTS + "smoke.py 1001",
        "layering": IMAGES % "layering",
        "images": IMAGES % "images",
        "host-image": IMAGES % "host_image",
        "limits-root": TESTS + "limits.py root",
        "limits-user": TESTS + "limits.py user",
        "probe-root": ISOLATION % "root",
        "probe-user": ISOLATION % "user",
        "userns-closed": TESTS + "userns.py",
        "cores": TESTS + "cores.py",
    }),
    Boot("6.12", False, {
        "smoke-root": TESTS + "smoke.py 0",
        "smoke-user": TESTS + "smoke.py 1000",
        "probe-user": ISOLATION % "user",
        "userns-closed": TESTS + "userns.py",
        "apparmor": TESTS + "apparmor.py",
    }),
    Boot("6.1", True, {
        "limits-" + place: TESTS + "limits.py " + place
        for place in ("system", "session", "user-service", "user-scope")
    }),
)


def place():
    """The folder with kernels and root file system, or None and why there is none."""
    done = subprocess.run([machine.TOP / "tools/setup-vm"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    if done.returncode == 77:
        return None, done.stderr.strip().splitlines()[-1]
    if done.returncode != 0:
        sys.exit(done.stderr)
    return done.stdout.split()[-1], ""


def shell(options):
    folder, reason = place()
    if not folder:
        sys.exit("run.py: " + reason)
    kernel, command = options.shell
    name, _, init = kernel.partition("+")
    code = machine.run(folder, name, options.build, command, lambda line: print(line, flush=True),
                       SHELL_LIMIT_S, with_systemd=init == "systemd", console=options.console)
    return 125 if code is None else code


class Tap:
    """The lines of many groups as one stream, numbered anew."""

    def __init__(self):
        self.count = 0
        self.failed = 0
        self.prefix = ""
        self.open_group = None
        self.in_group = []

    def result(self, is_ok, name):
        self.count += 1
        self.failed += not is_ok
        self.in_group.append(is_ok)
        print("%s %d - %s: %s" % ("ok" if is_ok else "not ok", self.count, self.prefix, name),
              flush=True)

    def line(self, text):
        match = re.match(r"(not )?ok\b\s*\d*\s*-?\s*(.*)$", text)
        if text.startswith("@begin "):
            self.open_group, self.in_group = text.split()[1], []
            self.prefix = self.kernel + " " + self.open_group
            self.started = time.monotonic()
        elif text.startswith("@done "):
            self.end_group(int(text.split()[2]))
        elif match:
            self.result(not match.group(1), match.group(2))
        elif re.match(r"1\.\.0 # skip", text, re.IGNORECASE):
            self.result(True, "all # SKIP" + text.split("SKIP", 1)[-1])
        elif not re.match(r"1\.\.\d+$|TAP version", text):
            print("# %s: %s" % (self.prefix, text.lstrip("# ")), flush=True)

    def end_group(self, code):
        # Ending badly without a failed test is a failure too, and so is testing nothing.
        if not self.in_group or (code != 0 and all(self.in_group)):
            self.result(False, "the group ends well (exit code %d)" % code)
        print("# %s: %d in %.0f s" % (self.prefix, len(self.in_group),
                                      time.monotonic() - self.started), flush=True)
        self.open_group = None

    def boot(self, folder, boot, groups, options):
        self.kernel = "linux " + boot.kernel + (" with systemd" if boot.with_systemd else "")
        self.prefix = self.kernel
        command = "".join("echo @begin %s; %s; echo @done %s $?\n" % (name, words, name)
                          for name, words in groups.items())
        started = time.monotonic()
        with tempfile.NamedTemporaryFile(prefix="kilntainers-vm-console-") as console:
            code = machine.run(folder, boot.kernel, options.build, command, self.line,
                               BOOT_LIMIT_S, boot.with_systemd, options.console or console.name)
            said = pathlib.Path(options.console or console.name).read_text(errors="replace")
        if code is None:
            print("\n".join("# " + line for line in said.splitlines()[-CONSOLE_LINES:]))
            self.result(False, "the machine ends by itself, not in %s" % self.open_group)
        print("# %s: %.0f s in all" % (self.kernel, time.monotonic() - started), flush=True)


def chosen(boot, words):
    def name_of(group):
        return "%s%s %s" % (boot.kernel, "+systemd" if boot.with_systemd else "", group)

    return {group: command for group, command in boot.groups.items()
            if not words or any(word in name_of(group) for word in words)}


def run_all(options):
    folder, reason = place()
    if not folder:
        print("1..0 # SKIP " + reason)
        return 0
    tap = Tap()
    for boot in BOOTS:
        groups = chosen(boot, options.only)
        if groups and not (pathlib.Path(folder) / ("kernel-" + boot.kernel)).exists():
            tap.prefix = "linux " + boot.kernel
            tap.result(True, "all # SKIP this Debian release has no such kernel")
        elif groups:
            tap.boot(folder, boot, groups, options)
    print("1..%d" % tap.count)
    return 1 if tap.failed else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=machine.TOP / "build", help="folder of the build")
    parser.add_argument("--console", help="a file for the kernel's messages")
    parser.add_argument("--only", action="append", default=[], help="a part of a group's name")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--shell", nargs=2, metavar=("KERNEL", "COMMAND"))
    options = parser.parse_args()
    if options.list:
        for boot in BOOTS:
            print("\n".join("%s%s %s" % (boot.kernel, "+systemd" if boot.with_systemd else "", name)
                            for name in boot.groups))
        return 0
    return shell(options) if options.shell else run_all(options)


if __name__ == "__main__":
    sys.exit(main())
