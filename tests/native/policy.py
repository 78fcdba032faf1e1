#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `kilntainers doctor --show-policy` prints is what a command finds.

usage: tests/native/policy.py PROGRAM EXPECTED

EXPECTED is what the isolation probe must find (tests/isolation/expected.tsv).
Prints TAP.
"""

import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "isolation"))

from harness import Tap, check, equal  # noqa: E402

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
HANG_S = 60
# Set by names that the limits have in `ulimit`; with its unit in bytes.
ULIMITS = {"core size": ("c", 512), "locked memory": ("l", 1024)}
# man 7 capabilities has the numbers.
CAPABILITIES = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "FSETID": 4, "KILL": 5, "SETGID": 6,
                "SETUID": 7, "SETPCAP": 8, "NET_BIND_SERVICE": 10, "SYS_CHROOT": 18, "SETFCAP": 31}
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def environment():
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KILNTAINERS_")}
    # Who gave up root's rights cannot look through its own memory for leaks.
    kept["ASAN_OPTIONS"] = kept.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    return kept


def output(*words):
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=HANG_S,
                          env=environment())
    equal((done.returncode, done.stderr), (0, ""), " ".join(map(str, words)))
    return done.stdout


def inside(script):
    # What holds no limits here is warned of.
    return output("exec", "--log-level=error", "--", "sh", "-c", script)


POLICY = output("doctor", "--show-policy")


def below(heading):
    """The lines that are indented below the one that holds `heading`."""
    lines = POLICY.splitlines()
    start = next(i for i, line in enumerate(lines) if heading in line) + 1
    end = start
    while end < len(lines) and lines[end].startswith("    "):
        end += 1
    check(end > start, f"nothing below {heading}")
    return [line.strip() for line in lines[start:end]]


def words(heading):
    return " ".join(below(heading)).split()


@test
def it_is_the_same_with_and_without_doctor():
    equal(output("--show-policy"), POLICY, "the text")


@test
def masked_files_read_as_empty_and_directories_too():
    names = words("files that read as empty")
    found = inside("for f in %s; do head -c 1 /proc/$f; done 2>/dev/null; true" % " ".join(names))
    equal(found, "", "what they hold")
    found = inside("for d in %s; do ls -A /proc/$d; done 2>/dev/null; true" %
                   " ".join(words("directories that look empty")))
    equal(found, "", "what is in them")
    equal(inside("ls -A /sys"), "", "what is in /sys")


@test
def read_only_directories_are_mounted_so():
    mounts = inside("cat /proc/self/mounts").splitlines()
    for name in words("  read-only:"):
        mount = [line.split() for line in mounts if line.split()[1] == f"/proc/{name}"]
        if os.path.isdir(f"/proc/{name}"):
            check(mount and "ro" in mount[0][3].split(","), f"/proc/{name}: {mount}")


@test
def the_device_nodes_are_all_there_are():
    found = inside("for n in /dev/*; do [ -c $n ] && [ ! -L $n ] && echo ${n#/dev/}; done; true")
    equal(sorted(found.split()), sorted(words("of the sandbox's own:")), "device nodes")


@test
def the_capabilities_are_all_that_a_command_can_have():
    mask = sum(1 << CAPABILITIES[name] for name in words("Capabilities of root"))
    status = inside("grep -E '^Cap(Bnd|Eff)' /proc/self/status").split()
    equal([int(value, 16) for value in status[1::2]], [mask] * 2, "bounding and effective")


@test
def the_settings_are_in_force():
    for line in below("Kernel settings"):
        path, value = line.split(" = ")
        if os.path.exists(f"/proc/sys/{path}"):
            equal(inside(f"cat /proc/sys/{path}").strip(), value, path)


@test
def no_limit_is_above_what_is_printed():
    limits = dict(line.rsplit(" ", 1) for line in below("Limits of each process")
                  if not line.startswith("open files"))
    for name, (letter, unit) in ULIMITS.items():
        found = inside(f"ulimit -H{letter}").strip()
        check(int(found) * unit <= int(limits[name]), f"{name}: {found}")


@test
def hidden_folders_of_this_machine_look_empty():
    for path in below("These look empty:"):
        if path.startswith("/"):
            equal(inside(f"ls -A {path} 2>/dev/null; true"), "", path)


@test
def refused_system_calls_are_those_that_the_probe_expects():
    expected = dict(line.split("\t")[:2]
                    for line in pathlib.Path(sys.argv[2]).read_text().splitlines()
                    if line and not line.startswith("#"))
    compared = 0
    for heading, answer in (("refused with EPERM:", "EPERM"), ("refused with ENOSYS", "ENOSYS"),
                            ("answered as done", "ok")):
        for name in words(heading):
            if name in expected:
                compared += 1
                equal(expected[name], answer, name)
    check(compared > 50, f"only {compared} names are known to both")


@test
def every_call_with_rules_says_what_happens_otherwise():
    lines = POLICY[POLICY.index("  by their arguments"):POLICY.index("\n/proc,")].splitlines()[1:]
    calls = {}
    for line in lines:
        if re.match(r"    \w", line):
            rules = calls.setdefault(line.strip(), [])
        else:
            rules.append(line.strip())
    for call in ("socket", "clone", "ioctl", "prlimit64", "personality", "setsockopt"):
        check(call in calls, f"no {call}")
    for call, rules in calls.items():
        check(len(rules) > 1 and rules[-1].endswith(" otherwise"), f"{call}: {rules}")
        check(not any(rule.endswith("otherwise") for rule in rules[:-1]), f"{call}: {rules}")


def main():
    tap = Tap()
    for function in TESTS:
        tap.run(function.__name__.replace("_", " "), function)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
