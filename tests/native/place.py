# SPDX-License-Identifier: MIT
"""What the tests of images stand on: a place for each, as root and as an ordinary user.

A test gets a Place. Where the option of the build named test_backend is on, the whole file runs
once more on what the server takes for an old kernel (KILN_TEST_OLD_KERNEL).
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
# By its path: a test may cover folders where a shell would look for it.
USER = [shutil.which("setpriv") or "setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"]
BUSYBOX = next((path for path in ("/bin/busybox", "/usr/bin/busybox") if os.path.exists(path)),
               None)
TESTS = []


def has_old_kernel():
    """Is this one on which files in memory have no user attributes, or taken for such a one?"""
    if "KILN_TEST_OLD_KERNEL" in os.environ:
        return True
    fd = os.memfd_create("probe")
    try:
        os.setxattr(fd, "user.probe", b"y")
        return False
    except OSError:
        return True
    finally:
        os.close(fd)


HAS_OLD_KERNEL = has_old_kernel()


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
        self.program = PROGRAM
        # Of the host image, that is.
        self.is_usr_read_only = HAS_OLD_KERNEL and (bool(become) or not IS_ROOT)
        (self.top / "cache").mkdir()
        if become:
            os.chown(self.top / "cache", 1000, 1000)
        os.chmod(self.top, 0o755)

    def give(self, directory):
        """To the user of this place, with all in it."""
        if self.become:
            subprocess.run(["chown", "-R", "-h", "1000:1000", directory], check=True)

    def environment(self):
        kept = {key: value for key, value in os.environ.items()
                if not key.startswith("KILNTAINERS_")}
        # A sanitizer's leak check would trace a process that gave up root's rights: it cannot.
        kept["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        return {**kept, "XDG_CACHE_HOME": str(self.top / "cache")}

    def run(self, *words, program=PROGRAM, before=(), cwd=None, text_in=""):
        return subprocess.run(
            [*before, *self.become, program, *words], input=text_in,
            capture_output=True, timeout=HANG_S, cwd=cwd or self.top, check=False, text=True,
            env=self.environment())

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

