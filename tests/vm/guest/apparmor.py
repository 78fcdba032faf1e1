#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""AppArmor: the profile that comes with kilntainers, as far as this kernel and parser know it."""

import pathlib
import re

from harness import HOME, PROGRAM, TESTER, Skip, check, equal, main, run, sandbox, succeeds, test

PROFILE = HOME / "build" / "apparmor" / "kilntainers"
SETTING = pathlib.Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
LOADED = pathlib.Path("/sys/kernel/security/apparmor/profiles")
# What a parser before version 4 takes for errors.
NEW_IN_4 = r"^abi .*$|^include .*$|^\s*userns,\s*$|^\s*include .*$"


def parser_version():
    return tuple(int(word) for word in re.search(
        r"(\d+)\.(\d+)", succeeds(run("apparmor_parser", "--version"))).groups())


def for_this_place(is_old_parser):
    """The profile with the program's place in this machine instead of the installed one."""
    text = re.sub(r"/\{[^}]*\}", PROGRAM, PROFILE.read_text(), count=1)
    check(PROGRAM in text, text)
    if is_old_parser:
        text, changes = re.subn(NEW_IN_4, "", text, flags=re.MULTILINE)
        check(changes > 0, "the profile has nothing of version 4")
    return text


def load(is_old_parser):
    succeeds(run("apparmor_parser", "--replace", "--skip-cache", stdin=for_this_place(is_old_parser)))


def label_of_a_server():
    """Under what a server of a user runs, said by the kernel: the file of its own sandbox's parent."""
    script = "import subprocess, sys; " \
             "p = subprocess.Popen([%r, 'exec', '--', 'sleep', '4714']); " \
             "import time; time.sleep(1); " \
             "print(open('/proc/%%d/attr/current' %% p.pid).read()); p.terminate()" % PROGRAM
    return succeeds(run("python3", "-c", script, uid=TESTER))


@test
def apparmor_is_on():
    equal(pathlib.Path("/sys/module/apparmor/parameters/enabled").read_text(), "Y\n", "enabled")


@test
def the_profile_loads_and_takes_nothing_away():
    is_old = parser_version() < (4, 0)
    before = LOADED.read_text()
    check("kilntainers" not in before, before)
    load(is_old)
    check("kilntainers (unconfined)" in LOADED.read_text(), LOADED.read_text())
    label = label_of_a_server()
    check(label.startswith("kilntainers (unconfined)"), label)
    for uid in (0, TESTER):
        equal(succeeds(sandbox("id -u", uid=uid)), "0\n", "output")


@test
def the_rule_for_user_namespaces_is_understood():
    if parser_version() < (4, 0):
        raise Skip("this release's AppArmor parser (%d.%d) does not know the rule" %
                   parser_version())
    load(False)


@test
def a_user_without_the_profile_is_told_of_it_and_works_with_it():
    if not SETTING.exists():
        raise Skip("this kernel has no kernel.apparmor_restrict_unprivileged_userns (Ubuntu's own)")
    run("apparmor_parser", "--remove", stdin=for_this_place(parser_version() < (4, 0)))
    SETTING.write_text("1\n")
    try:
        said = run(PROGRAM, "doctor", "--backend", "native", uid=TESTER)
        check(said.returncode != 0 and "AppArmor" in said.stdout, str(said))
        load(False)
        equal(succeeds(sandbox("id -u", uid=TESTER)), "0\n", "output")
    finally:
        SETTING.write_text("0\n")


main()
