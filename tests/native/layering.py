#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How sandboxes' files are laid out, where a kernel allows overlays less than today's do.

usage: layering.py KILNTAINERS KILNTAINERS_FULL

As root, and as an ordinary user where root can become one. Prints TAP.
"""

import json
import subprocess
import sys

from place import (HAS_OLD_KERNEL, HANG_S, Skip, equal, fails, in_mounted_usr_local, main, succeeds,
                   test)


def needs_old_kernel():
    if not HAS_OLD_KERNEL:
        raise Skip("this kernel needs no other layout")


@test
def the_layout_is_the_one_that_this_kernel_allows(place):
    mounts = succeeds(place.shell("cat /proc/self/mountinfo"))
    root = next(line for line in mounts.splitlines() if line.split()[4] == "/")
    if not HAS_OLD_KERNEL:
        equal(("userxattr" in root, "upperdir=" in root), (True, True))
    elif place.is_usr_read_only:
        equal(" tmpfs " in root, True)
    else:
        equal(("userxattr" in root, "upperdir=" in root), (False, True))


@test
def no_path_of_the_host_is_in_the_mount_table(place):
    place.make_root()
    for options in ((), ("--image", "./root")):
        mounts = succeeds(place.shell("cat /proc/self/mountinfo", *options))
        equal([word for word in (str(place.top), "/proc/self/fd", "/var/") if word in mounts], [])
        # A source of the host would be named in "root", and a layer of it among the options.
        for line in mounts.splitlines():
            options = line.split()[-1].split(",")
            layers = [layer for option in options if option.startswith("lowerdir=")
                      for layer in option[len("lowerdir="):].split(":")]
            equal([layer for layer in layers if not layer.startswith(("/images/", "/sources/"))],
                  [])


@test
def removed_directories_of_the_image_can_be_made_anew(place):
    script = ("cd /; rm -rf /srv /opt /workspace /var/cache && mkdir /srv /opt /workspace "
              "/var/cache && touch /workspace/x /var/cache/x && ls /workspace /srv; "
              "mkdir /opt/a && mv /opt/a /opt/b && rmdir /opt/b && mkdir /opt/b && ls /opt")
    equal(succeeds(place.shell(script)), "/srv:\n\n/workspace:\nx\nb\n")


@test
def removed_directories_of_ones_own_image_can_be_made_anew(place):
    if HAS_OLD_KERNEL and place.is_usr_read_only:
        raise Skip("an ordinary user's cannot, on this kernel")
    root = place.make_root()
    (root / "data").mkdir()
    (root / "data" / "old").write_text("old\n")
    place.give(root)
    script = "b=/bin/busybox; $b rm -r /data && $b mkdir /data && $b ls /data && $b touch /data/new"
    equal(succeeds(place.shell(script + " && $b ls /data", "--image", "./root")), "new\n")
    equal((root / "data" / "old").read_text(), "old\n")


@test
def where_usr_is_read_only_the_rest_is_not_and_the_agent_is_told(place):
    needs_old_kernel()
    done = place.shell("touch /etc/x /root/x /home/x /var/lib/x /tmp/x /x && touch /usr/x")
    caveat = "/usr is read-only."
    requests = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"}}},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]
    told = place.run("--backend", "native",
                     text_in="".join(json.dumps(request) + "\n" for request in requests)).stdout
    doctor = place.run("doctor", "--backend", "native").stdout
    if place.is_usr_read_only:
        fails(done, "Read-only file system")
    else:
        succeeds(done)
    equal(caveat in told, place.is_usr_read_only)
    equal("read-only in an ordinary user's sandboxes" in doctor, place.is_usr_read_only)


@test
def what_the_image_makes_takes_nothing_of_the_disk_and_the_limit_holds(place):
    done = place.shell("df -k /tmp | tail -1; head -c 900000 /dev/zero > /tmp/fits && echo fits;"
                       "head -c 9000000 /dev/zero > /var/tmp/x; ls -s --block-size=1 /var/tmp/x",
                       "--disk", "1m")
    if "No space left" not in done.stderr:
        raise AssertionError("no limit: %s%s" % (done.stdout, done.stderr))
    equal("fits" in done.stdout, True)
    equal(int(done.stdout.split("\n")[2].split()[0]) <= 1 << 20, True)


@test
def owners_and_modes_are_those_of_the_sandbox(place):
    found = succeeds(place.shell(
        "stat -c '%u %g %a' / /etc /etc/shadow /root /tmp /workspace;"
        "touch /workspace/x; stat -c '%u %g' /workspace/x"))
    equal(found, "0 0 755\n0 0 755\n0 0 640\n0 0 700\n0 0 1777\n0 0 755\n0 0\n")


@test
def another_user_of_the_sandbox_works_with_its_own_files(place):
    if place.shell("touch /tmp/x && chown 33:33 /tmp/x").returncode != 0:
        raise Skip("only root exists inside")
    found = succeeds(place.shell(
        "setpriv --reuid 33 --regid 33 --clear-groups sh -c 'mkdir -m 700 /tmp/d && cd /tmp/d && "
        "echo a > f && mv f g && ln g h && rm g && stat -c \"%u %g\" h && cd / && rm -r /tmp/d';"
        "setpriv --reuid 33 --regid 33 --clear-groups sh -c 'touch /root/x; cat /etc/shadow; "
        "echo x > /etc/passwd'; ls /tmp"))
    equal(found, "33 33\n")


@test
def a_closed_directory_of_usr_stays_closed_where_something_in_it_is_excluded(place):
    done = in_mounted_usr_local(
        place,
        "mkdir shut shut/in; for f in shut/open shut/in/open shut/out shut/in/out; do "
        "echo CANARY > $f; chmod 644 $f; done; chmod 700 shut; mkdir open; echo seen > open/x;"
        "mkdir disk; mount -t tmpfs -o mode=0700 none disk; echo CANARY > disk/x; chmod 644 disk/x",
        "cd /usr/local; ls -R; cat open/x shut/* shut/in/* disk/*; find . -type f | xargs cat;"
        "cat shut/open shut/in/open disk/x; cp -r shut /tmp/a; cp -r disk /tmp/b;"
        "mv shut/in /tmp/c; cat /tmp/*/* /tmp/*/*/*",
        "--host-exclude", "/usr/local/shut/out", "--host-exclude", "/usr/local/shut/in/out")
    equal("CANARY" in done.stdout + done.stderr, False)
    equal("seen" in done.stdout, True)


@test
def what_only_root_of_the_machine_may_read_cannot_be_copied_up(place):
    """Every way of an overlay to make a file of its own of one below it."""
    done = in_mounted_usr_local(
        place,
        "mkdir lib; echo CANARY > lib/x; chmod 600 lib/x; mkdir lib/d; echo CANARY > lib/d/x;"
        "chmod 700 lib/d; echo CANARY > x; chmod 600 x; mkdir d; echo CANARY > d/x; chmod 700 d;"
        "mkdir src",
        "cd /usr/local; for f in lib/x lib/d/x x d/x; do touch $f; echo >> $f; chmod 644 $f;"
        "chown 0:0 $f; ln $f /tmp/l; mv $f /tmp/m; truncate -s 100 $f; cat $f /tmp/l /tmp/m;"
        "python3 -c 'import os,sys; os.setxattr(sys.argv[1], \"user.a\", b\"b\")' $f; done;"
        "chmod 755 d lib/d; mv d e; mv x y; cat d/x e/x y x; cat y; find /usr/local /tmp -type f |"
        "xargs cat; chmod -R a+rX /usr/local; find /usr/local -type f | xargs cat")
    equal("CANARY" in done.stdout + done.stderr, False)


@test
def an_overlays_own_notes_cannot_be_written_from_inside(place):
    """Those of a user can on newer kernels, where the overlay keeps them apart from its own."""
    found = succeeds(place.shell(
        "mkdir /tmp/d; for name in trusted.overlay.opaque user.overlay.opaque "
        "trusted.overlay.redirect user.overlay.redirect trusted.x; do for path in /tmp/d /usr /etc; do "
        "python3 -c 'import os,sys; os.setxattr(sys.argv[1], sys.argv[2], b\"y\")' $path $name "
        "2>/dev/null && echo $name; done; done;"
        "ls /etc/passwd /etc/alternatives /usr/bin/env >/dev/null && mv /tmp/d /tmp/e && ls /tmp"))
    equal([line for line in found.splitlines() if not line.startswith("user.overlay")], ["e"])


@test
def two_sandboxes_at_once_see_nothing_of_each_other(place):
    held = subprocess.Popen(
        [*place.become, place.program, "exec", "--", "/bin/sh", "-c",
         "echo A > /workspace/a; rm -r /opt; mkdir /opt; touch /opt/a; echo made; cat"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=place.environment())
    try:
        equal(held.stdout.readline(), "made\n")
        equal(succeeds(place.shell("ls /workspace /opt")), "/opt:\n\n/workspace:\n")
    finally:
        held.communicate(timeout=HANG_S)


if __name__ == "__main__":
    sys.exit(main())
