# SPDX-License-Identifier: MIT
"""What of ours is on this machine: processes, mounts, control groups, files.

Ours is whatever carries our name, and every process below the caller, because the
caller adopts orphans (become_subreaper). A namespace lives as long as a process, a
mount or a descriptor holds it: without processes of ours (who hold the descriptors)
and without mounts there is none.
"""

import ctypes
import os
import time

NAMES = ("kilntainers",)
PR_SET_CHILD_SUBREAPER = 36
FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/run/user/%d" % os.getuid())
CGROUPS = "/sys/fs/cgroup"
POLL_S = 0.01


def become_subreaper():
    """Whatever our children leave behind becomes our child, not init's."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def names_in(folder):
    try:
        return os.listdir(folder)
    except OSError:
        return []


def link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def parent_and_state(pid):
    """(parent, state letter), or (0, "") if the process has gone."""
    text = read("/proc/%d/stat" % pid)
    fields = text[text.rfind(")") + 2 :].split()
    return (int(fields[1]), fields[0]) if len(fields) > 2 else (0, "")


def is_sandbox(pid):
    """PID 1 of one; beside sandboxes a zygote has cradles, which wait to become one."""
    return read("/proc/%d/comm" % pid).strip() == "kiln-guest"


def descendants(root):
    children = {}
    for pid in pids():
        parent, _ = parent_and_state(pid)
        children.setdefault(parent, []).append(pid)
    found, waiting = [], [root]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.append(child)
            waiting.append(child)
    return found


def is_ours(text):
    return any(name in text for name in NAMES)


def reap():
    """Takes the exit codes of the children that the caller adopted and that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def our_processes():
    reap()
    return {"process %d %s" % (pid, read("/proc/%d/cmdline" % pid).replace("\0", " "))
            for pid in descendants(os.getpid())}


def our_mounts():
    return {"mount " + line for line in read("/proc/self/mounts").splitlines() if is_ours(line)}


def our_control_groups(owners=None):
    """Of all servers on this machine, or of those whose ids are given."""
    found = set()
    for folder, names, _ in os.walk(CGROUPS):
        found.update("control group %s" % os.path.join(folder, name) for name in names
                     if is_ours(name) and (owners is None or set(name.split("-")) & owners))
    return found


def is_owned_by(path, user):
    try:
        return os.lstat(path).st_uid == user
    except OSError:
        return False


def our_files(user=None):
    """Of `user`, else of the caller: another user's server on this machine does not count."""
    owner = os.getuid() if user is None else user
    found = set()
    for folder in FOLDERS:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        found.update("file %s" % os.path.join(folder, name) for name in names
                     # The checks' own folders go when they end.
                     if is_ours(name) and not name.startswith("kilntainers-check-")
                     and is_owned_by(os.path.join(folder, name), owner))
    return found


def snapshot():
    return our_processes() | our_mounts() | our_control_groups() | our_files()


def wait_for_no_more_than(before, seconds):
    """What is there now and was not before; waits until it is nothing, at most `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        remains = snapshot() - before
        if not remains or time.monotonic() > deadline:
            return sorted(remains)
        time.sleep(POLL_S)
