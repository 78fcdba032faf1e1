#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a test program as an ordinary user: usage: as_user.py single|range PROGRAM [ARGUMENT]...

single: a user that may map nobody but itself. range: one that /etc/subuid and
/etc/subgid give ids to, in a mount namespace where these two files say so; the
machine's own files stay as they are.
"""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile

USER = 65534
RANGE = "%d:700000:65536\n" % USER
CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
FILES = ("/etc/subuid", "/etc/subgid")


def why_not(mode):
    """Why this machine has no such user; "" if it has."""
    if os.geteuid() != 0:
        return "only root can become another user"
    if mode == "range" and not (shutil.which("newuidmap") and shutil.which("newgidmap")):
        return "newuidmap and newgidmap are not installed (package uidmap)"
    if mode == "range" and not all(os.path.exists(path) for path in FILES):
        return "this machine has no /etc/subuid and /etc/subgid"
    return ""


def call(libc, name, *arguments):
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), name)


def give_ids(folder):
    libc = ctypes.CDLL(None, use_errno=True)
    path = os.path.join(folder, "subids")
    with open(path, "w") as file:
        file.write(RANGE)
    call(libc, "unshare", CLONE_NEWNS)
    call(libc, "mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
    for target in FILES:
        call(libc, "mount", path.encode(), target.encode(), None, MS_BIND, None)


def become(mode, folder):
    """In a child of root, before it becomes the program; `folder` is a place of the caller's."""
    if mode == "range":
        give_ids(folder)
    # What a run of root's asks for is refused to a user.
    os.environ.pop("KILNTAINERS_RUN_AS", None)
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)


def main():
    mode, program, arguments = sys.argv[1], sys.argv[2], sys.argv[3:]
    reason = why_not(mode)
    if reason:
        print("1..0 # SKIP " + reason)
        return 0
    # The source tree may be where only its owner can go.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        copy = shutil.copy(program, folder)
        return subprocess.run([copy, *arguments], preexec_fn=lambda: become(mode, folder),
                              check=False, cwd="/").returncode


if __name__ == "__main__":
    sys.exit(main())
