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


def skip(reason):
    print("1..0 # SKIP " + reason)
    sys.exit(0)


def call(libc, name, *arguments):
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), name)


def give_ids(folder):
    """In the child, before it becomes the user."""
    libc = ctypes.CDLL(None, use_errno=True)
    path = os.path.join(folder, "subids")
    with open(path, "w") as file:
        file.write(RANGE)
    call(libc, "unshare", CLONE_NEWNS)
    call(libc, "mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
    for target in FILES:
        call(libc, "mount", path.encode(), target.encode(), None, MS_BIND, None)


def main():
    mode, program, arguments = sys.argv[1], sys.argv[2], sys.argv[3:]
    if os.geteuid() != 0:
        skip("only root can become another user")
    if mode == "range" and not (shutil.which("newuidmap") and shutil.which("newgidmap")):
        skip("newuidmap and newgidmap are not installed (package uidmap)")
    if mode == "range" and not all(os.path.exists(path) for path in FILES):
        skip("this machine has no /etc/subuid and /etc/subgid")
    # The source tree may be where only its owner can go.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        copy = shutil.copy(program, folder)

        def become_user():
            if mode == "range":
                give_ids(folder)
            os.setgroups([])
            os.setresgid(USER, USER, USER)
            os.setresuid(USER, USER, USER)

        return subprocess.run([copy, *arguments], preexec_fn=become_user, check=False,
                              cwd="/").returncode


sys.exit(main())
