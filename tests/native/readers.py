#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whose files below /usr a sandbox of the host image can read; prints TAP.

usage: readers.py DRIVER

Puts files there that only the server's user, only its group, or only its user by way of a
closed directory may read, and one for everybody; then looks from inside.
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile

import as_user

PLACE = "/usr/local/share"
# name below the place: (mode of the file, owner, group, mode of a directory around it)
CANARIES = {
    "everybody's file": (0o644, 0, 0, 0o755),
    "a file of the server's user": (0o600, as_user.USER, as_user.USER, 0o755),
    "a file of the server's group": (0o640, 0, as_user.USER, 0o755),
    "a file in a closed directory of the server's user": (0o644, as_user.USER, as_user.USER, 0o700),
}
# Where a sandbox's root is the server's own user to the kernel, this cannot be had: SECURITY.md.
OPEN_TO = {
    "root": {"everybody's file"},
    "range": {"everybody's file"},
    "single": set(CANARIES),
}
WHO = {
    "root": "root's sandboxes",
    "range": "sandboxes of a user with subordinate ids",
    "single": "sandboxes of a user with one id",
}


def plant(top):
    paths = {}
    for number, (name, (mode, user, group, around)) in enumerate(CANARIES.items()):
        folder = os.path.join(top, str(number))
        os.mkdir(folder)
        paths[name] = os.path.join(folder, "canary")
        with open(paths[name], "w") as file:
            file.write("canary %d\n" % number)
        os.chmod(paths[name], mode)
        os.chown(paths[name], user, group)
        os.chown(folder, user, group)
        os.chmod(folder, around)
    return paths


def read_inside(driver, mode, folder, path):
    """What is printed by a sandbox that tries everything its root may do."""
    script = 'chmod -R a+rwx "${0%/*}"; chown -R 0:0 "${0%/*}"; cat "$0"; exit 0'
    become = None if mode == "root" else lambda: as_user.become(mode, folder)
    done = subprocess.run([driver, "run", "/bin/sh", "-c", script, path], preexec_fn=become,
                          capture_output=True, text=True, check=False, cwd="/")
    if done.returncode != 0:
        raise SystemExit("Bail out! the driver failed: " + done.stderr)
    return done.stdout


def look(driver, folder, paths):
    number = 0
    for mode, readable in OPEN_TO.items():
        reason = as_user.why_not(mode)
        for name, path in paths.items():
            number += 1
            expected = "is shown to" if name in readable else "is closed to"
            line = "%d - %s %s %s" % (number, name, expected, WHO[mode])
            if reason:
                print("ok %s # SKIP %s" % (line, reason))
                continue
            found = read_inside(driver, mode, folder, path)
            is_ok = found.startswith("canary ") == (name in readable)
            print("%s %s" % ("ok" if is_ok else "not ok", line), flush=True)
    print("1..%d" % number)


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP only root can put files below /usr")
        return
    top = os.path.join(PLACE, "readers-" + secrets.token_hex(6))
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        driver = shutil.copy(sys.argv[1], folder)
        os.mkdir(top)
        try:
            os.chmod(top, 0o755)
            look(driver, folder, plant(top))
        finally:
            shutil.rmtree(top)


main()
