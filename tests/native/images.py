#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What sandboxes find in each kind of image, and what stays out of their reach.

usage: images.py KILNTAINERS KILNTAINERS_FULL

As root, and as an ordinary user where root can become one. Prints TAP.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

# Both as one folder that an ordinary user may enter, wherever they were built.
PROGRAMS = tempfile.TemporaryDirectory(prefix="kilntainers-programs-")
os.chmod(PROGRAMS.name, 0o755)
PROGRAM, FULL = (pathlib.Path(shutil.copy(word, PROGRAMS.name)) for word in sys.argv[1:3])
# Nothing here takes a second; this only ends what hangs.
HANG_S = 120
IS_ROOT = os.geteuid() == 0
USER = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"]
BUSYBOX = next((path for path in ("/bin/busybox", "/usr/bin/busybox") if os.path.exists(path)),
               None)
TESTS = []


class Skip(Exception):
    pass


def test(function):
    TESTS.append(function)
    return function


class Place:
    """A directory for one test, and a user to run as."""

    def __init__(self, top, become):
        self.top = pathlib.Path(top)
        self.become = become
        (self.top / "cache").mkdir()
        if become:
            os.chown(self.top / "cache", 1000, 1000)
        os.chmod(self.top, 0o755)

    def run(self, *words, program=PROGRAM, before=(), cwd=None):
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith("KILNTAINERS_")}
        # A sanitizer's leak check would trace a process that gave up root's rights: it cannot.
        environment["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        return subprocess.run(
            [*before, *self.become, program, *words], stdin=subprocess.DEVNULL,
            capture_output=True, timeout=HANG_S, cwd=cwd or self.top, check=False, text=True,
            env={**environment, "XDG_CACHE_HOME": str(self.top / "cache")})

    def shell(self, script, *options, **more):
        return self.run("exec", *options, "--", "/bin/sh", "-c", script, **more)

    def make_root(self, name="root"):
        # One that needs a loader is of no use in an image of its own.
        if not BUSYBOX or "INTERP" in subprocess.run(["readelf", "-l", BUSYBOX], text=True,
                                                     capture_output=True, check=True).stdout:
            raise Skip("no static busybox here (package busybox-static)")
        root = self.top / name
        (root / "bin").mkdir(parents=True)
        (root / "etc").mkdir()
        shutil.copy(BUSYBOX, root / "bin" / "busybox")
        for applet in ("sh", "cat", "ls", "id", "rm", "stat", "touch"):
            (root / "bin" / applet).symlink_to("busybox")
        (root / "mark").write_text("made by us\n")
        return root

    def make_tar(self, name="image.tar.gz", compress="-z", root=None):
        root = root or self.make_root()
        subprocess.run(["tar", "-C", root, compress, "-cf", self.top / name, "."], check=True)
        return name


def equal(found, expected):
    if found != expected:
        raise AssertionError("expected %r, found %r" % (expected, found))


def succeeds(done):
    if done.returncode != 0:
        raise AssertionError("exit %d: %s%s" % (done.returncode, done.stdout, done.stderr))
    return done.stdout


def fails(done, *parts):
    if done.returncode == 0:
        raise AssertionError("exit 0: " + done.stdout)
    for part in parts:
        if part not in done.stderr:
            raise AssertionError("no %r in %r" % (part, done.stderr))


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
        "echo x > /usr/x && cat /usr/x; hostname; ls -d /etc/ssl /etc/alternatives"))
    equal(found, "root\nx\nsandbox\n/etc/alternatives\n/etc/ssl\n")


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


def in_mounted_usr_local(place, prepare, script, *options):
    """Runs in a mount namespace where /usr/local is a tmpfs that `prepare` filled; a process whose
    id it leaves in $listener is ended afterwards."""
    if not IS_ROOT:
        raise Skip("only root can mount")
    mounted = place.top / "mounted"
    mounted.write_text("set -e\nmount -t tmpfs none /usr/local\nlistener=\n"
                       "trap '[ -z \"$listener\" ] || kill $listener' EXIT\ncd /usr/local\n%s\n"
                       "cd /\n\"$@\"\n" % prepare)
    before = ["unshare", "-m", "/bin/sh", mounted]
    if options[:1] == ("doctor",):
        return place.run(*options, before=before)
    return place.shell(script, *options, before=before)


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
        "tool; touch /usr/local/new && ls /usr/local; git --version >/dev/null; ls -d /usr/bin")
    equal(succeeds(done), "from the mount\nbin\nnew\n/usr/bin\n")


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
    equal(int(done.stderr.split()[0]) >= 2, True)


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
        place, CHOICE, READ_ALL + ";ls lib disk/data src; cat lib/link; echo new > bin/deploy;"
        "echo new > lib/made; cat lib/* bin/deploy; ls -A clone/.git disk/data/.git;"
        "ls shut; cat shut/y shut/.git/x",
        "--host-exclude", "/usr/local/lib/link", "--host-exclude", "/usr/local/lib/",
        "--host-exclude", "/usr/local/disk/data", "--host-exclude", "/usr/local/shut/y")
    equal("CANARY" in done.stdout + done.stderr, False)
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


def main():
    number = failed = 0
    users = [("as root", []), ("as an ordinary user", USER)] if IS_ROOT else [("", [])]
    for user, become in users:
        for function in TESTS:
            number += 1
            name = "%s %s" % (function.__name__.replace("_", " "), user)
            with tempfile.TemporaryDirectory(prefix="kilntainers-images-") as top:
                try:
                    function(Place(top, become))
                    print("ok %d - %s" % (number, name), flush=True)
                except Skip as why:
                    print("ok %d - %s # SKIP %s" % (number, name, why), flush=True)
                except (AssertionError, subprocess.SubprocessError) as why:
                    failed += 1
                    print("not ok %d - %s" % (number, name), flush=True)
                    print("\n".join("# " + line for line in str(why).splitlines()))
    print("1..%d" % number)
    return 1 if failed else 0


sys.exit(main())
