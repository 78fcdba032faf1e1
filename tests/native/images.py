#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What sandboxes find in each kind of image, and what stays out of their reach.

usage: images.py KILNTAINERS KILNTAINERS_FULL

As root, and as an ordinary user where root can become one. Prints TAP.
"""

import os
import shutil
import subprocess
import sys

from place import (FULL, HANG_S, IS_ROOT, PROGRAM, Skip, equal, fails, in_mounted_usr_local, main,
                   succeeds, test)


@test
def a_directory_is_an_image(place):
    place.make_root()
    equal(succeeds(place.shell("cat /mark; id -u; ls /etc", "--image", "./root")),
          "made by us\n0\nhostname\nhosts\nmtab\nresolv.conf\n")


@test
def what_a_sandbox_writes_stays_in_the_sandbox(place):
    root = place.make_root()
    succeeds(place.shell("touch /new /etc/new; rm /mark; echo x > /bin/id; ls /", "--image",
                         str(root)))
    equal(sorted(os.listdir(root)), ["bin", "etc", "mark"])
    equal(os.listdir(root / "etc"), [])
    equal((root / "bin" / "id").is_symlink(), True)
    equal(succeeds(place.shell("cat /mark", "--image", str(root))), "made by us\n")


@test
def a_tar_is_an_image(place):
    compressions = ["-z", "--no-auto-compress"] + ["--zstd"] * bool(shutil.which("zstd"))
    for compress in compressions:
        name = place.make_tar("image" + compress, compress,
                              place.top / "root" if (place.top / "root").exists() else None)
        equal(succeeds(place.shell("cat /mark", "--image", "./" + name)), "made by us\n")
    cached = os.listdir(place.top / "cache" / "kilntainers" / "images")
    equal(len([name for name in cached if len(name) == 64]), len(compressions))
    equal([name for name in cached if name.endswith(".partial")], [])


@test
def owners_of_a_tar_are_the_sandboxes_and_setuid_is_gone(place):
    if place.become or not IS_ROOT:
        raise Skip("only root unpacks with owners")
    root = place.make_root()
    os.chown(root / "mark", 33, 33)
    os.chmod(root / "bin" / "busybox", 0o4755)
    name = place.make_tar(root=root)
    equal(succeeds(place.shell("stat -c '%u %g' /mark; stat -c '%a' /bin/busybox", "--image",
                               "./" + name)), "33 33\n755\n")


@test
def an_installed_program_finds_the_full_one(place):
    name = place.make_tar()
    for folder in ("bin", "libexec"):
        (place.top / "prefix" / folder).mkdir(parents=True)
    small = shutil.copy(PROGRAM, place.top / "prefix" / "bin" / "kilntainers")
    shutil.copy(FULL, place.top / "prefix" / "libexec" / "kilntainers-full")
    equal(succeeds(place.shell("cat /mark", "--image", "./" + name, program=small)),
          "made by us\n")


@test
def without_the_full_one_a_tar_is_refused_with_a_hint(place):
    name = place.make_tar()
    small = shutil.copy(PROGRAM, place.top / "kilntainers")
    fails(place.shell("cat /mark", "--image", "./" + name, program=small), "kilntainers-full",
          "unpack the archive")
    # Everything else needs only the small one.
    equal(succeeds(place.shell("cat /mark", "--image", "./root", program=small)),
          "made by us\n")


@test
def what_is_no_image_is_refused_with_its_name(place):
    (place.top / "text").write_text("not a tar\n")
    (place.top / "empty").mkdir()
    fails(place.shell("true", "--image", "./text"), "./text", "tar")
    fails(place.shell("true", "--image", "./empty"), "./empty", "not a root file system")
    fails(place.shell("true", "--image", "./missing"), "./missing", "No such file")
    fails(place.shell("true", "--image", "/"), "--image host")


@test
def the_host_image_has_programs_and_an_empty_machine_around_them(place):
    found = succeeds(place.shell(
        "ls -A /home /root /opt /srv /mnt /media /var/lib /tmp /workspace | grep -v ':$' | grep .;"
        "ls /usr/src /usr/local/src /usr/local/etc 2>/dev/null | grep -v ':$' | grep .;"
        "ls /etc/ssh /etc/sudoers /etc/ssl/private 2>/dev/null; cut -d: -f1 /etc/passwd | head -1;"
        "echo x > /usr/x && cat /usr/x; hostname; ls -d /etc/alternatives"))
    equal(found, "root\n%ssandbox\n/etc/alternatives\n"
          % ("" if place.is_usr_read_only else "x\n"))


@test
def every_link_in_usr_bin_leads_somewhere_if_it_does_on_the_host(place):
    def dangling(lines):
        return set(lines.split("\n"))

    script = "for f in /usr/bin/*; do [ -L $f ] && [ ! -e $f ] && echo $f; done; true"
    inside = dangling(succeeds(place.shell(script)))
    outside = dangling(subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True,
                                      check=True).stdout)
    # Into these the sandbox may not look, so what leads there ends.
    beyond = ("/opt/", "/home/", "/root/", "/var/", "/snap/", "/nix/", "/srv/", "/mnt/",
              "/media/", "/run/")
    lost = [name for name in inside - outside
            if not os.path.realpath(name).startswith(beyond)]
    equal(lost, [])


@test
def what_only_its_owner_may_read_in_usr_stays_unread(place):
    done = in_mounted_usr_local(
        place,
        "mkdir lib; echo open > lib/open; echo CANARY > lib/closed; chmod 600 lib/closed;"
        "mkdir shut; echo CANARY > shut/x; chmod 700 shut; mkdir src; echo CANARY > src/x",
        "cat /usr/local/lib/open; cat /usr/local/lib/closed /usr/local/shut/x /usr/local/src/x;"
        "ls /usr/local/shut; cp /usr/local/lib/closed /tmp/x; chmod 644 /usr/local/lib/closed;"
        "cat /usr/local/lib/closed /tmp/x; ls -A /usr/local/src")
    equal("CANARY" in done.stdout + done.stderr, False)
    equal(done.stdout.split("\n")[0], "open")


@test
def a_local_file_system_in_usr_is_part_of_the_image(place):
    done = in_mounted_usr_local(
        place, "mkdir bin; printf '#!/bin/sh\\necho from the mount\\n' > bin/tool; chmod 755 bin/tool",
        "tool; touch /usr/local/new; ls /usr/local; git --version >/dev/null; ls -d /usr/bin")
    equal(succeeds(done),
          "from the mount\nbin\n%s/usr/bin\n" % ("" if place.is_usr_read_only else "new\n"))


# Listens at $1, and prints the id of the process that does.
LISTENER = """python3 -c '
import os, signal, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
server.listen()
child = os.fork()
if child:
    print(child)
    sys.exit()
os.close(1)
os.close(2)
signal.alarm(%d)
while True:
    server.accept()
' """ % HANG_S
CONNECT = "python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"/usr/local/%s\")'"


@test
def a_socket_in_usr_cannot_be_connected_to(place):
    done = in_mounted_usr_local(
        place, "mkdir lib\nlistener=$(%s open)\n%s\necho reached" % (LISTENER, CONNECT % "open"),
        CONNECT % "open")
    equal(done.stdout, "reached\n")
    fails(done, "ConnectionRefusedError")


@test
def nor_can_one_beside_a_mount_where_usr_is_made_of_parts(place):
    done = in_mounted_usr_local(
        place, "mkdir parts parts/lib\nmount -t tmpfs none parts/lib\nlistener=$(%s parts/open)\n"
        "%s\necho reached" % (LISTENER, CONNECT % "parts/open"), CONNECT % "parts/open")
    equal(done.stdout, "reached\n")
    # As an ordinary user it is not even there.
    fails(done, "FileNotFoundError" if place.become else "ConnectionRefusedError")


@test
def devices_in_usr_cannot_be_opened_and_no_mount_of_it_gives_privileges(place):
    done = in_mounted_usr_local(
        place, "mknod zero c 1 5; chmod 666 zero; head -c1 zero | wc -c",
        "grep -c ' /usr' /proc/self/mountinfo >&2;"
        "grep ' /usr' /proc/self/mountinfo | grep -v 'nosuid,nodev'; head -c1 /usr/local/zero")
    equal(done.stdout, "1\n")
    fails(done, "zero", "Permission denied")
    # A mount at least for /usr and one for what is mounted in it.
    counted = [int(line) for line in done.stderr.splitlines() if line.isdigit()]
    equal(len(counted) == 1 and counted[0] >= 2, True)


# Something to exclude and to include, also below a mount, and where only its owner may look.
CHOICE = """
mkdir bin lib src src/keys clone clone/.git shut shut/.git disk
mount -t tmpfs none disk
mkdir disk/data disk/data/.git
for f in bin/deploy lib/x src/open src/keys/x clone/.git/config shut/.git/x shut/y disk/data/x
do echo CANARY > $f; chmod 755 $f; done
ln -s ../bin/deploy lib/link
chmod 700 shut
"""
READ_ALL = "cd /usr/local; cat $(find . -type f) /usr/local/shut/y"


@test
def what_is_excluded_looks_empty_and_can_be_written_over(place):
    done = in_mounted_usr_local(
        place, CHOICE, READ_ALL + ";ls lib disk/data src; cat lib/link; cat bin/deploy;"
        "echo new > lib/made; cat lib/*; echo new > bin/deploy && cat bin/deploy;"
        "ls -A clone/.git disk/data/.git;"
        "ls shut; cat shut/y shut/.git/x",
        "--host-exclude", "/usr/local/lib/link", "--host-exclude", "/usr/local/lib/",
        "--host-exclude", "/usr/local/disk/data", "--host-exclude", "/usr/local/shut/y")
    equal("CANARY" in done.stdout + done.stderr, False)
    if not place.is_usr_read_only:
        equal([line for line in done.stdout.splitlines() if line == "new"], ["new", "new"])


@test
def what_is_included_is_shown_and_what_is_excluded_below_it_is_not(place):
    done = in_mounted_usr_local(
        place, CHOICE, "cd /usr/local; find src clone shut disk -type f | sort",
        "--host-include", "/usr/local/src", "--host-include", "/usr/local/clone/.git",
        "--host-include", "/usr/local/shut/.git", "--host-exclude", "/usr/local/src/keys")
    equal(done.stdout.split(), ["clone/.git/config", "disk/data/x", "src/open"])


@test
def a_list_in_the_environment_has_a_path_in_each_line(place):
    done = place.shell(
        "ls -A /usr/share/doc; cat /usr/bin/env",
        before=["env", "KILNTAINERS_HOST_EXCLUDE=/usr/share/doc\n/usr/bin/env"])
    equal(succeeds(done), "")


@test
def what_cannot_be_included_is_refused_with_the_reason(place):
    fails(place.shell("true", "--host-include", "/usr/bin"), "not left out by default")
    fails(in_mounted_usr_local(place, "ln -s /etc src", "true", "--host-include",
                               "/usr/local/src"), "leads to /etc", "not below /usr")
    fails(in_mounted_usr_local(place, "ln -s /opt x", "true", "--host-exclude", "/usr/local/x"),
          "leads to /opt", "not below /usr")


@test
def doctor_counts_the_scripts_that_every_sandbox_can_read(place):
    prepare = """
mkdir bin sbin
echo token > bin/open; echo token > bin/other; chmod 755 bin/open
echo token > bin/closed; chmod 750 bin/closed
cp /bin/true bin/program; ln -s open bin/link; mkdir bin/folder; : > bin/empty
echo token > sbin/open
"""
    done = in_mounted_usr_local(place, prepare, None, "doctor")
    lines = done.stdout.splitlines()
    equal([line.strip() for line in lines if "scripts in" in line],
          ["warning  scripts in /usr/local/bin: 2, which every sandbox can read",
           "warning  scripts in /usr/local/sbin: 1, which every sandbox can read"])
    equal("--host-exclude /usr/local/sbin/NAME" in done.stdout, True)
    done = in_mounted_usr_local(place, prepare, None, "doctor", "--host-exclude", "/usr/local/bin",
                                "--host-exclude", "/usr/local/sbin/open")
    equal("scripts in" in done.stdout, False)


if __name__ == "__main__":
    sys.exit(main())
