#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The host image of machines that are not like this one, and what of a machine stays out of it.

usage: host_image.py KILNTAINERS KILNTAINERS_FULL

Such a machine is a root file system in memory that a mount namespace pivots into. As root, and as
an ordinary user where root can become one. Prints TAP.
"""

import os
import re
import shutil
import subprocess
import sys

from place import (BUSYBOX, HANG_S, IS_ROOT, PROGRAM, USER, Skip, equal, fails,
                   in_mounted_usr_local, main, succeeds, test)

APPLETS = ("sh", "cat", "ls", "id", "readlink", "umount", "chroot", "pivot_root")
ENTER = """set -e
mount --bind "$1" "$1"
cd "$1"
shift
mount --rbind /proc proc
mount --rbind /dev dev
case $1 in
chroot) shift; exec chroot . "$@";;
esac
shift
pivot_root . old
cd /
/busybox umount -l /old
exec "$@"
"""


class Machine:
    """A root file system of our own making, with kilntainers in it."""

    def __init__(self, place):
        if not IS_ROOT:
            raise Skip("only root can mount")
        if not BUSYBOX:
            raise Skip("no busybox here (package busybox-static)")
        self.place = place
        self.root = place.top / "machine"
        for name in ("proc", "dev", "old", "tmp", "root", "etc"):
            (self.root / name).mkdir(parents=True)
        os.chmod(self.root, 0o755)
        os.chmod(self.root / "tmp", 0o1777)
        shutil.copy(BUSYBOX, self.root / "busybox")
        shutil.copy(PROGRAM, self.root / "kilntainers")
        shutil.copy(shutil.which("setpriv"), self.root / "setpriv")
        listed = subprocess.run(["ldd", PROGRAM, shutil.which("setpriv")], check=False, text=True,
                                capture_output=True).stdout
        libraries = sorted(set(re.findall(r"(/\S+) \(0x", listed)))
        for path in libraries:
            self.copy(path, path)
        # There is no cache of the linker's in the machine.
        self.library_path = ":".join(sorted({os.path.dirname(path) for path in libraries}))

    def copy(self, source, path):
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)

    def put(self, path, text, mode=0o644):
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def link(self, path, target):
        name = self.root / path.lstrip("/")
        name.parent.mkdir(parents=True, exist_ok=True)
        name.symlink_to(target)

    def programs(self, directory):
        self.copy(BUSYBOX, directory + "/busybox")
        for name in APPLETS:
            self.link("%s/%s" % (directory, name), "busybox")

    def run(self, *words, how="pivot"):
        become = ["/setpriv", *USER[1:]] if self.place.become else []
        script = self.place.top / "enter"
        script.write_text(ENTER)
        return subprocess.run(
            ["unshare", "-m", "/bin/sh", script, self.root, how, *become, "/kilntainers", *words],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=HANG_S, check=False, text=True,
            env={"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": self.library_path,
                 "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"})

    def shell(self, script, *options):
        return self.run("exec", *options, "--", "sh", "-c", script)


@test
def directories_beside_usr_are_trees_of_their_own_where_they_are_not_merged(place):
    machine = Machine(place)
    machine.programs("/bin")
    machine.copy(BUSYBOX, "/usr/bin/busybox")
    machine.put("/lib/modules/canary", "CANARY\n")
    machine.put("/lib/open", "open\n")
    machine.put("/sbin/closed", "CANARY\n", 0o600)
    machine.put("/opt/x", "CANARY\n")
    done = machine.shell("ls /bin/sh /lib/modules; cat /lib/open /sbin/closed; ls /opt;"
                         "cat /lib/modules/canary; readlink /bin || echo directory")
    equal("CANARY" in done.stdout + done.stderr, False)
    equal(done.stdout, "/bin/sh\n\n/lib/modules:\nopen\ndirectory\n")


@test
def links_beside_usr_are_links_inside(place):
    machine = Machine(place)
    machine.programs("/usr/bin")
    for name in ("bin", "sbin"):
        machine.link("/" + name, "usr/bin")
    equal(succeeds(machine.shell("readlink /bin; readlink /sbin")), "usr/bin\nusr/bin\n")


@test
def a_machine_without_usr_is_told_so(place):
    machine = Machine(place)
    machine.programs("/bin")
    fails(machine.shell("true"), "no /usr/bin", "--image DIRECTORY")
    doctor = machine.run("doctor", "--backend", "native")
    equal("no /usr/bin" in doctor.stdout and "does not work here" in doctor.stdout, True)


@test
def a_machine_that_keeps_its_programs_in_a_store_is_told_so(place):
    """NixOS: /bin/sh and /usr/bin/env are there, as links into /nix/store."""
    machine = Machine(place)
    machine.programs("/nix/store/x/bin")
    machine.link("/bin/sh", "/nix/store/x/bin/sh")
    machine.link("/usr/bin/env", "/nix/store/x/bin/busybox")
    fails(machine.shell("true"), "programs elsewhere", "/nix/store", "--image DIRECTORY")
    doctor = machine.run("doctor", "--backend", "native")
    equal("programs elsewhere" in doctor.stdout and "does not work here" in doctor.stdout, True)


@test
def in_a_plain_chroot_doctor_says_what_is_refused(place):
    machine = Machine(place)
    machine.programs("/usr/bin")
    machine.link("/bin", "usr/bin")
    doctor = machine.run("doctor", "--backend", "native", how="chroot")
    equal("namespaces are refused, as inside of a container or chroot" in doctor.stdout, True)
    equal("does not work here" in doctor.stdout, True)
    done = machine.run("exec", "--backend", "native", "--", "sh", "-c", "true", how="chroot")
    fails(done, "namespaces are refused")


@test
def everything_on_the_list_looks_empty_and_everything_near_it_does_not(place):
    machine = Machine(place)
    machine.programs("/usr/bin")
    machine.link("/bin", "usr/bin")
    hidden = ["usr/etc", "usr/lib/debug", "usr/lib/modules", "usr/lib/wsl", "usr/local/etc",
              "usr/local/share/ca-certificates", "usr/local/src", "usr/local/var",
              "usr/share/phpmyadmin", "usr/share/polkit-1", "usr/share/webapps", "usr/src",
              "usr/.git", "usr/share/x/.git", "usr/local/a/.git", "usr/local/a/b/.git"]
    for name in hidden:
        machine.put("/%s/x" % name, "CANARY\n")
        machine.put("/%s-not/x" % name, "seen\n")
    done = machine.shell("".join("cat /%s/x; ls /%s; cat /%s-not/x;" % (name, name, name)
                                 for name in hidden))
    equal("CANARY" in done.stdout + done.stderr, False)
    equal(done.stdout, "seen\n" * len(hidden))


@test
def links_into_etc_lead_where_they_lead_on_the_host_but_not_to_keys(place):
    machine = Machine(place)
    machine.programs("/usr/bin")
    machine.link("/bin", "usr/bin")
    machine.put("/usr/bin/real", "#!/bin/sh\necho real\n", 0o755)
    machine.link("/usr/bin/tool", "/etc/alternatives/tool")
    machine.link("/etc/alternatives/tool", "/usr/bin/real")
    for i in range(40):
        machine.link("/etc/alternatives/t%d" % i, "/usr/bin/real")
    machine.put("/etc/ssl/private/key.pem", "CANARY\n", 0o644)
    machine.put("/etc/ssl/certs/ca.pem", "ca\n")
    machine.put("/etc/ssl/certs/own.key", "CANARY\n")
    machine.put("/etc/java-17-openjdk/conf", "conf\n")
    machine.put("/etc/java-17-openjdk/closed", "CANARY\n", 0o600)
    machine.put("/etc/shadow", "CANARY\n", 0o644)
    machine.put("/etc/npmrc", "CANARY\n", 0o644)
    machine.link("/usr/lib/jvm/conf", "/etc/java-17-openjdk/conf")
    machine.link("/usr/lib/ssl/private", "/etc/ssl/private")
    machine.link("/usr/lib/ssl/certs", "/etc/ssl/certs")
    done = machine.shell("tool; cat /usr/lib/jvm/conf /usr/lib/ssl/certs/ca.pem; ls /etc/ssl/certs;"
                         "cat /usr/lib/ssl/private/* /etc/ssl/certs/* /etc/java*/* /etc/shadow "
                         "/etc/npmrc")
    equal("CANARY" in done.stdout + done.stderr, False)
    equal(done.stdout.startswith("real\nconf\nca\nca.pem\n"), True)


# Mounts a file system at $1 whose server never answers, and prints the id of who keeps it.
MUTE = r"""python3 -c '
import ctypes, os, signal, sys
fd = os.open("/dev/fuse", os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
options = "fd=%%d,rootmode=40000,user_id=0,group_id=0,allow_other" %% fd
if libc.mount(b"mute", sys.argv[1].encode(), b"fuse", 0, options.encode()) != 0:
    sys.exit("mounting it: %%s" %% os.strerror(ctypes.get_errno()))
child = os.fork()
if child:
    print(child)
    sys.exit()
os.close(1)
os.close(2)
signal.alarm(%d)
while True:
    signal.pause()
' """ % HANG_S


def beside_mute_file_systems(place, names, script, *options):
    if not os.path.exists("/dev/fuse"):
        raise Skip("this kernel has no FUSE")
    prepare = "echo below > lower; " + "".join(
        "mkdir -p %s; echo CANARY > %s/x;" % (name, name) for name in names)
    prepare += "listener="
    for name in names:
        prepare += '\nlistener="$listener $(%s %s)"' % (MUTE.strip(), name)
    return in_mounted_usr_local(place, prepare, script, *options)


@test
def file_systems_from_elsewhere_are_not_even_looked_at(place):
    """These never answer: whoever opens, lists or only looks at one hangs for good."""
    names = ("bin", "src", "share/x", "clone")
    script = ("cat /usr/local/lower; ls -A /usr/local /usr/local/bin /usr/local/share/x "
              "/usr/local/src /usr/local/clone")
    done = beside_mute_file_systems(place, names, script)
    equal("CANARY" in done.stdout, False)
    equal(succeeds(done).startswith("below\n"), True)
    said = beside_mute_file_systems(place, names, None, "doctor").stdout
    line = next(line for line in said.splitlines() if "Left out" in line)
    # One is on the list of what looks empty anyway.
    equal([name for name in names if "/usr/local/" + name not in line], ["src"])


if __name__ == "__main__":
    sys.exit(main())
