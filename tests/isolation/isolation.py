#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Attacks on native sandboxes, from inside and from beside; prints TAP.

usage: isolation.py root|user DRIVER PROBE EXPECTED POLICY [WORD...]

With words, only the probe and the tests that have one of them in their name run.

`root`: the server runs as root and sandboxes have a range of ids. `user`: it runs as an
ordinary user, and a sandbox has one id. What of it needs root is skipped elsewhere.
"""

import errno
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from harness import (
    GONE_LIMIT_S,
    Server,
    Skip,
    Tap,
    check,
    descendants,
    digest,
    equal,
    is_sandbox,
    memory_holds,
    namespaces,
    processes,
    start_time,
    wait_until,
)

MODE, DRIVER, PROBE, EXPECTED, POLICY = sys.argv[1:6]
IS_USER = MODE == "user"
IS_HOST_ROOT = os.geteuid() == 0
WANTED = sys.argv[6:]
TESTS = []


def test(function):
    """The name is the sentence; the argument, if any, is a fresh sandbox."""
    TESTS.append(function)
    return function


def serve(**more):
    return Server(DRIVER, IS_USER, **more)


def needs_host_root():
    if not IS_HOST_ROOT:
        raise Skip("only root of the host can look")


def guest_of(sandbox_server):
    """Host pids of PID 1 of each sandbox: children of the zygote, which is the driver's child."""
    parents = processes()
    zygotes = [pid for pid, parent in parents.items() if parent == sandbox_server.process.pid]
    return [pid for pid, parent in parents.items() if parent in zygotes and is_sandbox(pid)]


# --- the probe ----------------------------------------------------------------


def result_name(text):
    number = int(text)
    special = {0: "ok", 200: "broken", 201: "empty"}
    if number < 0:
        return signal.Signals(-number).name
    return special.get(number) or errno.errorcode[number]


def read_expected():
    table = {}
    for line in pathlib.Path(EXPECTED).read_text().splitlines():
        if line and not line.startswith("#"):
            name, in_range, single = line.split()[:3]
            table[name] = single if IS_USER else in_range
    return table


def run_probe(tap, server):
    sandbox = server.create()
    sandbox.put("/tmp/probe", pathlib.Path(PROBE).read_bytes(), "755")
    result = sandbox.run("/tmp/probe --inside-a-sandbox", timeout_ms=110000)
    found = dict(line.split() for line in result.out.splitlines())
    expected = read_expected()
    tap.line(found.pop("end", None) == "0", "the probe ran to its end", result)
    tap.line(
        set(found) == set(expected),
        "the probe and the table of expectations have the same checks",
        sorted(set(found) ^ set(expected)),
    )
    for name, wanted in expected.items():
        got = result_name(found.get(name, "200"))
        tap.line(got in wanted.split("|"), f"probe: {name} {wanted}", f"found {got}")
    answered = sandbox.run("echo alive")
    tap.line(answered.out == "alive\n", "the guest answers after the probe", answered)


@test
def every_answer_of_the_policy_is_a_real_call_of_the_probe():
    rows = read_expected()
    for line in pathlib.Path(POLICY).read_text().splitlines():
        words = line.split("#")[0].split()
        calls = []
        if words and words[0] == "answer":
            calls = [word.split("=")[0] for word in words[2:]]
        elif "answer" in words:
            calls = [words[words.index("on") + 1]]
        for call in calls:
            check(
                any(row == call or row.startswith(call + "-") for row in rows),
                f"no check calls {call}",
            )


@test
def the_probe_refuses_to_run_on_the_host():
    done = subprocess.run([PROBE, "--inside-a-sandbox"], capture_output=True, check=False)
    equal(done.returncode, 3, "exit code")
    equal(done.stdout, b"", "output")


# --- the image, and what of the host shows ------------------------------------


@test
def nothing_of_the_hosts_own_directories_is_there(sandbox):
    places = "/home /root /var /run /opt /srv /mnt /media /boot /workspace /tmp /lost+found"
    found = sandbox.shell(f"find {places} ! -type d ! -type l 2>/dev/null || true").split()
    equal(found, [], "files")
    links = sandbox.shell(f"find {places} -type l 2>/dev/null || true").split()
    check(set(links) <= {"/var/run", "/var/lock"}, f"links: {links}")


@test
def accounts_keys_and_identity_are_not_the_hosts(sandbox):
    for path in ("/etc/shadow", "/etc/gshadow", "/etc/machine-id", "/etc/fstab", "/etc/hostname"):
        theirs = sandbox.run(f"cat {path}")
        try:
            ours = pathlib.Path(path).read_text()
        except OSError:
            continue
        check(theirs.code != 0 or theirs.out != ours or not ours.strip(), f"{path} is the host's")
    for line in sandbox.shell("cat /etc/shadow").splitlines():
        check(line.split(":")[1] in ("*", "!", "!!", "x"), f"a password: {line}")
    secret = "/etc/ssh /etc/ssl/private /etc/sudoers /etc/sudoers.d /etc/kubernetes /etc/docker"
    equal(sandbox.shell(f"ls -d {secret} 2>/dev/null || true"), "", "keys and rules")
    equal(sandbox.shell("uname -n").strip(), "sandbox", "host name")


@test
def files_that_only_root_of_the_host_may_read_stay_unreadable():
    needs_host_root()
    name = "isolation-" + secrets.token_hex(6)
    secret = secrets.token_hex(16)
    tops = ["/usr/local/share", "/home", "/root", "/var/tmp", "/opt", "/srv", "/etc"]
    made = [pathlib.Path(top) / name for top in tops if os.path.isdir(top)]
    hidden = pathlib.Path("/usr/local/lib") / name
    try:
        for path in made:
            path.write_text(secret)
        made[0].chmod(0o600)
        hidden.mkdir(mode=0o700)
        (hidden / "inner").write_text(secret)
        with serve() as server:
            sandbox = server.create()
            equal(sandbox.run(f"cat {made[0]}").code, 1, "reading a 0600 file under /usr")
            check(sandbox.run(f"ls {hidden}").code != 0, "a 0700 directory under /usr is open")
            check(sandbox.run(f"cat {hidden}/inner").code != 0, "a file below a 0700 directory")
            sandbox.run(f"chmod 777 {hidden} {made[0]}; chown 0:0 {made[0]}; cp {made[0]} /tmp/x")
            check(sandbox.run(f"cat {made[0]} /tmp/x").out == "", "chmod opened it")
            found = sandbox.run(f"find / -xdev -name {name} ! -path '/usr/*'").out.split()
            equal(found, [], "copies outside of /usr")
    finally:
        for path in made:
            path.unlink(missing_ok=True)
        shutil.rmtree(hidden, ignore_errors=True)


@test
def something_mounted_below_usr_breaks_neither_sandbox_nor_secrecy():
    needs_host_root()
    name = "/usr/local/share/isolation-" + secrets.token_hex(6)
    script = (
        'mount -t tmpfs none "$0" && echo secret > "$0/kept" && chmod 600 "$0/kept" && '
        'echo shown > "$0/shown" && exec "$@"'
    )
    os.mkdir(name)
    try:
        wrapper = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, name]
        with serve(wrapper=wrapper) as server:
            sandbox = server.create()
            equal(sandbox.shell("/usr/bin/env echo fine"), "fine\n", "programs")
            check("secret" not in sandbox.run(f"cat {name}/kept").out, "the 0600 file was read")
            check(len(sandbox.shell("ls /usr/bin").split()) > 100, "/usr/bin is empty")
    finally:
        os.rmdir(name)


@test
def mountinfo_names_no_path_of_the_host(sandbox):
    theirs = sandbox.shell("cat /proc/self/mountinfo /proc/mounts /proc/self/mountstats")
    tops = ["/home", "/var", "/tmp/", str(sandbox.server.directory), "ext4"]
    for top in tops:
        check(top not in theirs, f"{top} shows in mountinfo")
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        device = line.split(" - ")[1].split()[1]
        if device.startswith("/"):
            check(device not in theirs, f"{device} shows in mountinfo")


@test
def mounts_do_not_travel_and_cgroups_show_no_path(sandbox):
    mounts = sandbox.shell("cat /proc/self/mountinfo")
    for word in ("shared:", "master:", "propagate_from:"):
        check(word not in mounts, f"{word} in mountinfo")
    for line in sandbox.shell("cat /proc/self/cgroup /proc/1/cgroup").split():
        check(line.endswith(":/"), f"cgroup {line}")


@test
def the_guest_and_the_zygote_hold_no_file_and_no_directory():
    needs_host_root()
    with serve() as server:
        sandbox = server.create()
        sandbox.start("sleep 60", timeout_ms=3000)
        time.sleep(0.3)
        guest = guest_of(server)[0]
        names = []
        for pid in [processes()[guest], guest, *descendants(guest)[1:]]:
            if os.readlink(f"/proc/{pid}/exe").startswith("/usr"):
                continue  # the command itself
            own_proc = os.stat(f"/proc/{pid}/root/proc").st_dev
            for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
                is_own = pid != processes()[guest] and entry.stat().st_dev == own_proc
                names.append("own /proc" if is_own else os.readlink(entry))
        check(len(names) >= 4, f"this test finds nothing at all: {names}")
        allowed = ("socket:", "pipe:", "anon_inode:", "/dev/null", "own /proc")
        wrong = [name for name in names if not name.startswith(allowed)]
        equal(wrong, [], "descriptors")


@test
def a_sandbox_knows_nothing_of_the_ones_before_it():
    needs_host_root()
    secret = "canary" + secrets.token_hex(16)
    with serve() as server:
        first = server.create()
        first.shell(f"cat > /dev/null # {secret}", stdin_path=server.scratch(secret * 100))
        first.destroy()
        server.create().shell("true")
        for pid in descendants(server.process.pid)[1:]:
            check(not memory_holds(pid, secret.encode()), f"process {pid} holds it")


@test
def groups_of_the_server_open_nothing():
    needs_host_root()
    if IS_USER:
        raise Skip("the kernel lets an ordinary user without subordinate ids drop no group")
    path = pathlib.Path("/usr/local/share/isolation-" + secrets.token_hex(6))
    try:
        path.write_text("secret")
        os.chown(path, 0, 4)
        path.chmod(0o640)
        with serve(wrapper=["setpriv", "--groups", "4"]) as server:
            sandbox = server.create()
            check(sandbox.run(f"cat {path}").code != 0, "a file of a group of the user is open")
    finally:
        path.unlink()


@test
def neither_commands_nor_guest_nor_zygote_hold_the_servers_environment():
    secret = "canary" + secrets.token_hex(16)
    with serve(environment={"ISOLATION_SECRET": secret}) as server:
        sandbox = server.create()
        sandbox.start("sleep 30", timeout_ms=5000)
        shown = sandbox.shell("env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' || true")
        check(secret not in shown, "the environment shows")
        needs_host_root()
        pids = descendants(server.process.pid)
        check(len(pids) >= 5, f"too few processes: {pids}")
        check(memory_holds(server.process.pid, secret.encode()), "this test finds nothing at all")
        for pid in pids[1:]:
            check(not memory_holds(pid, secret.encode()), f"process {pid} holds it")


@test
def namespaces_are_used_up_and_inotify_is_rationed(sandbox):
    for kind in ("user", "mnt", "pid", "net", "ipc", "cgroup"):
        equal(sandbox.shell(f"cat /proc/sys/user/max_{kind}_namespaces").strip(), "0", kind)
    check(int(sandbox.shell("cat /proc/sys/user/max_inotify_instances")) <= 128, "inotify")


@test
def a_sandbox_goes_before_others_when_memory_runs_out(sandbox):
    check(int(sandbox.shell("cat /proc/self/oom_score_adj")) >= 500, "oom_score_adj")


@test
def ids_show_nothing_of_the_host(sandbox):
    equal(sandbox.shell("id -u; id -g; id -G").split(), ["0", "0", "0"], "ids")
    base = int(sandbox.shell("cat /proc/self/uid_map").split()[1])
    check(IS_USER or base >= 65536, f"host ids from {base} on are mapped")


# --- descriptors and the guest's program --------------------------------------


@test
def a_command_has_three_descriptors_and_reaches_no_other(sandbox):
    listed = sandbox.shell("ls -l /proc/self/fd | grep -o ' -> .*'").splitlines()
    equal(len(listed), 4, f"descriptors, with the one that ls has open: {listed}")
    check(not any(word in "".join(listed) for word in ("socket", "memfd", "anon_inode")), listed)


@test
def the_guests_program_survives_every_attempt_to_replace_it():
    needs_host_root()
    with serve() as server:
        sandbox = server.create()
        guest = guest_of(server)[0]
        before = digest(f"/proc/{guest}/exe")
        sandbox.run(
            "for i in $(seq 200); do echo x > /proc/1/exe; cp /bin/true /proc/1/exe; "
            "ln -f /proc/1/exe /tmp/guest; cat /proc/1/exe > /tmp/copy; exec 9<>/proc/1/exe; done",
            timeout_ms=60000,
        )
        equal(digest(f"/proc/{guest}/exe"), before, "sha256 of the guest")
        check(sandbox.run("test -s /tmp/copy").code != 0, "the guest was read")
        equal(sandbox.shell("echo alive"), "alive\n", "next command")


# --- paths --------------------------------------------------------------------


@test
def working_directories_are_opened_inside_and_hang_nobody(sandbox):
    sandbox.shell("ln -s /usr/bin /tmp/link; mkfifo /tmp/fifo; ln -s /proc/1/root /tmp/magic")
    fine = {"/tmp/link": "/usr/bin", "/../../..": "/", "/proc/self/root": "/"}
    for path, shown in fine.items():
        result = sandbox.run(["pwd", "-P"], cwd=path)
        check(result.error is None and result.out in (shown + "\n", ""), f"{path}: {result}")
    refused = [
        "/missing",
        "/tmp/fifo",
        "/etc/passwd",
        "/proc/self/fd/0",
        "/proc/self/fd/3",
        "/proc/1/root",
        "/proc/1/cwd",
        "/tmp/magic",
        "/" + "x" * 300,
    ]
    for path in refused:
        result = sandbox.run("echo ran", cwd=path, timeout_ms=10000)
        check(result.end == "not-started" or result.error, f"{path}: {result}")
        check("ran" not in result.out, f"{path}: it ran")
    equal(sandbox.shell("echo alive"), "alive\n", "next command")


def make_image(directory, links):
    """A root file system of busybox alone, with `links` in place of directories."""
    (directory / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", directory / "bin" / "busybox")
    for applet in ("sh", "cat", "ls", "echo", "id", "touch", "mount"):
        (directory / "bin" / applet).symlink_to("busybox")
    for name, target in links.items():
        (directory / name).symlink_to(target)
    for path in [directory, *directory.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755)


@test
def an_image_with_links_for_system_directories_cannot_aim_a_mount():
    if not os.path.exists("/bin/busybox"):
        raise Skip("busybox-static is not installed")
    with tempfile.TemporaryDirectory(prefix="isolation-") as top:
        os.chmod(top, 0o755)
        victim = pathlib.Path(top) / "victim"
        victim.mkdir()
        victim.chmod(0o777)
        for name in ("proc", "dev", "sys", "etc", "tmp", "root"):
            image = pathlib.Path(top) / f"image-{name}"
            make_image(image, {name: f"../../../../../..{victim}"})
            try:
                with serve(image=str(image)) as server:
                    result = server.create().run(["/bin/echo", "fine"])
                    equal(result.out, "fine\n", f"a command with /{name} as link")
            except AssertionError as error:
                refused = ("creating a sandbox", "the driver did not start")
                check(str(error).startswith(refused), f"{name}: {error}")
            equal(list(victim.iterdir()), [], f"files that appeared through /{name}")
        mounts = pathlib.Path("/proc/self/mountinfo").read_text()
        check(top not in mounts, "something is mounted in the image")


@test
def no_time_of_a_device_of_the_host_can_be_set(sandbox):
    """Neither by its name nor by the descriptor that a command without input is given."""
    script = (
        "import os\n"
        "nodes = ['null', 'zero', 'full', 'random', 'urandom', 'tty']\n"
        "for node in [0] + ['/dev/' + name for name in nodes] + ['/proc/keys']:\n"
        "  try: os.utime(node); print(node)\n"
        "  except OSError as error: assert error.errno == 30, error\n"
    )
    equal(sandbox.shell(f'python3 -c "{script}"'), "", "those whose time was set")


@test
def a_command_without_input_has_the_null_device_of_its_sandbox(sandbox):
    same = sandbox.shell('[ /dev/stdin -ef /dev/null ] && echo same; cat; cat /dev/stdin')
    equal(same, "same\n", "standard input")
    if not IS_USER:
        host, theirs = os.stat("/dev/null"), sandbox.shell("stat -L -c %d:%i /dev/stdin")
        check(theirs.strip() != f"{host.st_dev}:{host.st_ino}", "it is the host's null device")


@test
def devices_of_an_image_are_dead():
    needs_host_root()
    if not os.path.exists("/bin/busybox"):
        raise Skip("busybox-static is not installed")
    with tempfile.TemporaryDirectory(prefix="isolation-") as top:
        os.chmod(top, 0o755)
        image = pathlib.Path(top) / "image"
        make_image(image, {})
        os.mknod(image / "zero", 0o020666, os.makedev(1, 5))
        os.mknod(image / "disk", 0o060666, os.stat("/").st_dev)
        for name in ("zero", "disk"):
            (image / name).chmod(0o666)
        with serve(image=str(image)) as server:
            sandbox = server.create()
            for name in ("zero", "disk"):
                result = sandbox.run(["/bin/busybox", "head", "-c", "1", f"/{name}"])
                check("Permission denied" in result.err and not result.raw, f"/{name}: {result}")


FINGERPRINT = "ls -lR --time-style=full-iso /usr/bin /usr/lib/python3 /usr/share/doc | sha256sum"


@test
def nothing_that_is_done_to_usr_reaches_the_host(sandbox):
    before = subprocess.run(FINGERPRINT, shell=True, capture_output=True, check=True).stdout
    content = digest("/usr/bin/env")
    for command in (
        "echo x >> /usr/bin/env",
        "mv /usr/bin/wc /usr/bin/wc2",
        "touch /usr/bin/new /usr/bin/wc",
        "chmod 777 /usr/bin /usr/bin/env; chown 0:0 /usr/bin",
        "ln /usr/bin/cat /usr/bin/cat2; setfattr -n user.x -v y /usr/bin/cat",
        "truncate -s 0 /usr/bin/*",
        "rm -rf --no-preserve-root /usr/share/doc /usr/lib/python3 /usr/bin /etc /usr/local",
    ):
        sandbox.run(command, timeout_ms=60000)
    equal(digest("/usr/bin/env"), content, "the host's /usr/bin/env")
    after = subprocess.run(FINGERPRINT, shell=True, capture_output=True, check=True).stdout
    equal(after, before, "the host's /usr")


@test
def a_full_disk_and_no_inodes_leave_a_sandbox_that_answers(sandbox):
    sandbox.run("cat /dev/zero > /dev/shm/full; cat /dev/zero > /tmp/full", timeout_ms=110000)
    check("No space" in sandbox.run("echo more > /workspace/more").err, "there is room left")
    equal(sandbox.run("echo alive").out, "alive\n", "with a full disk")
    sandbox.shell("rm /dev/shm/full /tmp/full")
    sandbox.run(
        "cd /tmp; python3 -c \"\nfor i in range(10**6): open('f%d' % i, 'w')\"", timeout_ms=110000
    )
    check("No space" in sandbox.run("touch /workspace/another").err, "there are inodes left")
    equal(sandbox.run("echo alive").out, "alive\n", "without inodes")
    sandbox.shell("rm -rf /tmp/f*[0-4]; find /tmp -delete 2>/dev/null; echo x > /workspace/y || true")


# --- killing ------------------------------------------------------------------


STUBBORN = {
    "setsid and a background child": "setsid -w sh -c '(sleep 987 &) ; sleep 987'; sleep 987",
    "a double fork": "(setsid sh -c 'setsid sleep 987 & exit' &) ; sleep 987",
    "signals ignored": "trap '' TERM INT HUP QUIT; (trap '' TERM; sleep 987) & sleep 987; sleep 987",
    "a stopped process": "sleep 987 & kill -STOP $!; kill -STOP $$",
    "a process stuck in a write": "(yes 987 | (sleep 987)) & sleep 987",
    "its supervisor stopped": "kill -STOP $PPID; sleep 987",
    "its supervisor stopped again and again": "while :; do kill -STOP $PPID; sleep 987 & done",
    "a new child for each that dies": "bash -c 'while :; do sleep 987 & wait; done'",
}


def survivors(sandbox):
    shown = sandbox.run("ps -eo pid,stat,args | grep -E '987|isolation-canary' | grep -v grep || true")
    return [line for line in shown.out.splitlines() if " Z" not in line]


def kills_everything(sandbox, what, command):
    keeper = sandbox.shell("sleep 876 >/dev/null 2>&1 & echo $!").strip()
    result = sandbox.run(command, timeout_ms=700)
    equal((result.end, result.reset), ("timeout", False), what)
    equal(survivors(sandbox), [], f"survivors of {what}")
    equal(sandbox.shell(f"cat /proc/{keeper}/comm").strip(), "sleep", "an earlier command's process")
    sandbox.shell(f"kill {keeper}")


@test
def a_timeout_kills_the_whole_tree_and_nothing_else(sandbox):
    for what, command in STUBBORN.items():
        kills_everything(sandbox, what, command)


@test
def a_command_that_kills_its_supervisor_leaves_no_children(sandbox):
    started = time.monotonic()
    result = sandbox.run("(setsid sleep 987 &) ; sleep 987 & kill -9 $PPID; sleep 987", timeout_ms=5000)
    check(time.monotonic() - started < 30, "the call did not end")
    check(result.end != "exit" and not result.error, f"{result}")
    equal(survivors(sandbox), [], "survivors")


@test
def killing_one_of_two_parallel_commands_spares_the_other(sandbox):
    daemonised = "for i in $(seq 10); do (setsid sleep {0} &) ; done; sleep {0}"
    other = sandbox.start(daemonised.format("986"), timeout_ms=8000)
    time.sleep(0.5)
    equal(sandbox.run(daemonised.format("987"), timeout_ms=1000).end, "timeout", "the one")
    equal(survivors(sandbox), [], "survivors of the one")
    count = sandbox.shell("ps -eo args | grep -c '^sleep 986'").strip()
    equal(count, "11", "processes of the other")
    equal(sandbox.server.wait(other)["end"], "timeout", "the other")
    equal(sandbox.run("ps -eo args | grep -c '^sleep 986'").out.strip(), "0", "its survivors")


@test
def a_command_that_ends_the_guest_is_told_as_a_dead_sandbox():
    with serve() as server:
        sandbox = server.create()
        during = sandbox.run("kill -TERM 1; sleep 60", timeout_ms=20000)
        after = sandbox.run("echo alive", timeout_ms=20000)
        # The guest may heed SIGTERM or not, but the answer is the truth.
        check(during.error if after.error else after.out == "alive\n", f"{during} {after}")
        equal(server.create().shell("echo alive"), "alive\n", "a new sandbox")


def survives_a_fork_bomb(sandbox):
    """False if it had to be reset: that is told, and right where the machine is busy."""
    bomb = "ulimit -u 256; bomb() { bomb | bomb & }; bomb; while :; do bomb; done"
    started = time.monotonic()
    result = sandbox.run(bomb, timeout_ms=2000)
    equal(result.end, "timeout", f"the bomb {result}")
    check(time.monotonic() - started < 60, "killing it took for ever")
    if result.reset:
        return False
    left = int(sandbox.shell("ps -e --no-headers | wc -l"))
    check(left < 10, f"{left} processes are left")
    equal(sandbox.shell("echo alive"), "alive\n", "next command")
    return True


@test
def a_fork_bomb_ends_at_its_limit_and_at_the_timeout():
    with serve() as server:
        check(any(survives_a_fork_bomb(server.create()) for _ in range(5)),
              "five sandboxes were reset: the bomb could not be killed")


@test
def a_program_that_shows_nothing_of_itself_is_killed_too():
    needs_host_root()
    path = pathlib.Path("/usr/local/bin/isolation-canary-" + secrets.token_hex(4))
    shutil.copy("/bin/busybox" if os.path.exists("/bin/busybox") else "/bin/sleep", path)
    name = "sleep" if os.path.exists("/bin/busybox") else ""
    try:
        path.chmod(0o711)
        with serve() as server:
            sandbox = server.create()
            command = f"(setsid {path} {name} 987 &); setsid {path} {name} 987 & sleep 987"
            kills_everything(sandbox, "0711 programs", command)
    finally:
        path.unlink()


@test
def a_process_that_cannot_be_dumped_is_killed_too(sandbox):
    code = "import ctypes,os,time; ctypes.CDLL(None).prctl(4,0,0,0,0); os.fork(); time.sleep(987)"
    command = f'(setsid python3 -c "{code}" &) ; sleep 987'
    kills_everything(sandbox, "a process that is not dumpable", command)


@test
def a_command_that_kills_everything_it_can_leaves_the_guest_in_order(sandbox):
    attacks = [
        "kill -9 -1",
        "kill -9 1",
        "kill -STOP 1",
        "kill -STOP -1",
        "for i in $(seq 300); do kill -STOP -1; done",
        "for i in $(seq 300); do kill -9 -1; done",
        "for p in $(ls /proc | grep '^[0-9]'); do kill -STOP $p; kill -9 $p; done",
        "for p in $(ls /proc | grep '^[0-9]'); do renice 19 $p; done; chrt -i -p 0 1",
        "prlimit --pid 1 --nofile=0:0; prlimit --pid 1 --nproc=0:0; prlimit --pid 1 --fsize=0",
        "timeout 1 strace -f -p 1; timeout 1 gdb -p 1 -batch",
    ]
    for attack in attacks:
        result = sandbox.run(attack, timeout_ms=20000)
        check(result.error is None and not result.reset, f"{attack}: {result}")
        after = sandbox.run("echo alive", timeout_ms=20000)
        equal(after.out, "alive\n", f"the command after {attack}: {after}")


@test
def a_stopper_in_the_background_cannot_stop_later_commands_for_ever(sandbox):
    sandbox.shell(
        "setsid python3 -c \"import os,signal,time\n"
        "end=time.time()+8\n"
        "while time.time()<end:\n"
        "  for p in os.listdir('/proc'):\n"
        "    if p.isdigit() and int(p) not in (1, os.getpid()):\n"
        "      try: os.kill(int(p), signal.SIGSTOP)\n"
        "      except OSError: pass\n"
        "  time.sleep(0.001)\n"
        '" >/dev/null 2>&1 &'
    )
    started = time.monotonic()
    result = sandbox.run("echo alive", timeout_ms=3000)
    check(time.monotonic() - started < 30, f"the call did not end: {result}")
    time.sleep(max(0, 9 - (time.monotonic() - started)))
    if result.reset or result.error:
        return  # told as a reset or as busy: the truth, in time
    equal(sandbox.run("echo alive").out, "alive\n", "once the stopper is gone")


# --- between sandboxes and commands -------------------------------------------

BESIDE = """
import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind("\\0isolation"); s.listen()
t = socket.socket(); t.bind(("127.0.0.1", 4567)); t.listen()
print("up", flush=True)
import time; time.sleep(60)
"""


@test
def two_sandboxes_share_nothing():
    with serve() as server:
        one, two = server.create(), server.create()
        one.put("/tmp/beside.py", BESIDE)
        one.shell("setsid python3 /tmp/beside.py >/tmp/up 2>&1 & sleep 0.5; cat /tmp/up")
        for place in ("/tmp", "/workspace", "/dev/shm", "/usr/local/share", "/root", "/dev/mqueue"):
            one.run(f"echo mine > {place}/isolation-file")
            check(two.run(f"test -e {place}/isolation-file").code != 0, f"{place} is shared")
        one.shell("ipcmk -M 4096 >/dev/null; ipcmk -Q >/dev/null; ipcmk -S 1 >/dev/null")
        check("0x" in one.shell("ipcs"), "nothing was made to look for")
        check("0x" not in two.shell("ipcs"), "System V objects are shared")
        check("beside.py" not in two.shell("ps -ef"), "processes are shared")
        connect = (
            "import socket,sys\n"
            "def go(f,a):\n"
            "  try: socket.socket(f).connect(a); print('connected')\n"
            "  except OSError as e: print(e.errno)\n"
            "go(socket.AF_UNIX,chr(0)+'isolation'); go(socket.AF_INET,('127.0.0.1',4567))\n"
        )
        two.put("/tmp/connect.py", connect)
        one.put("/tmp/connect.py", connect)
        equal(one.shell("python3 /tmp/connect.py").split(), ["connected"] * 2, "within one")
        equal(two.shell("python3 /tmp/connect.py").split(), [str(errno.ECONNREFUSED)] * 2, "across")
        links = "readlink /proc/self/ns/*"
        shared = set(one.shell(links).split()) & set(two.shell(links).split())
        check(all(name.startswith("time:") for name in shared), f"namespaces shared: {shared}")
        two.run("kill -9 -1")
        check("beside.py" in one.shell("ps -ef"), "a signal crossed over")


@test
def no_sandbox_maps_an_id_that_somebody_has():
    if IS_USER:
        raise Skip("an ordinary user's sandboxes have that user's id, and no other")
    with serve() as server:
        maps = [server.create().shell("cat /proc/self/uid_map /proc/self/gid_map") for _ in range(3)]
    taken = [
        int(line.split(":")[2])
        for path in ("/etc/passwd", "/etc/group")
        for line in pathlib.Path(path).read_text().splitlines()
    ]
    for line in "".join(maps).splitlines():
        inside, first, count = (int(field) for field in line.split())
        equal((inside, count), (0, 65536), f"the map {line}")
        mapped = [number for number in taken if first <= number < first + count]
        equal(mapped, [], f"ids of the host in {line}")


@test
def a_command_cannot_reach_the_pipes_of_another(sandbox):
    waiting = sandbox.start("cat; echo done")
    other = sandbox.start("echo other-output; sleep 3")
    time.sleep(0.5)
    got = sandbox.run(
        "for p in /proc/[0-9]*; do [ $p = /proc/1 ] && ls $p/fd; done; ls -l /proc/[0-9]*/fd 2>&1"
    )
    sandbox.server.wait(waiting)
    result = sandbox.server.wait(other)
    check(bytes.fromhex(result["stdout"]) == b"other-output\n", "another command's output changed")
    check("socket:" not in got.out, f"a socket is visible: {got.out}")


# --- network none -------------------------------------------------------------


@test
def nothing_outside_answers_and_names_fail_at_once(sandbox):
    sandbox.put(
        "/tmp/net.py",
        "import errno,socket,time\n"
        "for f,a in ((socket.AF_INET,'192.0.2.1'),(socket.AF_INET,'169.254.169.254'),\n"
        "            (socket.AF_INET,'10.0.2.2'),(socket.AF_INET,'172.17.0.1'),\n"
        "            (socket.AF_INET6,'2001:db8::1'),(socket.AF_INET6,'fd00:ec2::254')):\n"
        "  for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):\n"
        "    try: socket.socket(f,kind).connect((a,53)); print('connected',a)\n"
        "    except OSError as e: print(errno.errorcode[e.errno])\n"
        "start=time.monotonic()\n"
        "try: socket.getaddrinfo('example.com',80); print('resolved')\n"
        "except socket.gaierror: print('NAME')\n"
        "print('SLOW' if time.monotonic()-start > 0.5 else 'FAST')\n",
    )
    shown = sandbox.shell("python3 /tmp/net.py").split()
    equal(set(shown), {"ENETUNREACH", "NAME", "FAST"}, "answers")
    interfaces = sandbox.shell("cat /proc/net/dev | tail -n +3 | cut -d: -f1").split()
    equal(interfaces, ["lo"], "interfaces")


@test
def a_listener_of_the_host_is_not_reached():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        abstract = socket.socket(socket.AF_UNIX)
        name = "isolation-" + secrets.token_hex(6)
        abstract.bind("\0" + name)
        abstract.listen()
        with serve() as server:
            sandbox = server.create()
            code = (
                "import socket,errno\n"
                "for f,a in ((socket.AF_INET,('127.0.0.1',%d)),(socket.AF_UNIX,chr(0)+'%s')):\n"
                "  try: socket.socket(f).connect(a); print('connected')\n"
                "  except OSError as e: print(errno.errorcode[e.errno])\n" % (port, name)
            )
            sandbox.put("/tmp/c.py", code)
            equal(sandbox.shell("python3 /tmp/c.py").split(), ["ECONNREFUSED"] * 2, "answers")
        abstract.close()


# --- output and stdin ---------------------------------------------------------


@test
def output_stops_exactly_at_its_limit(sandbox):
    result = sandbox.run("head -c 100000 /dev/zero", limit=100000)
    equal((result.end, len(result.raw)), ("exit", 100000), "at the limit")
    result = sandbox.run("head -c 100001 /dev/zero", limit=100000)
    equal(result.end, "limit", "one byte over")
    before = time.monotonic()
    equal(sandbox.run("yes", limit=2097152).end, "limit", "endless output")
    check(time.monotonic() - before < 30, "endless output was not stopped")
    equal(sandbox.run("yes | tee /dev/stderr", limit=2097152).end, "limit", "on both")
    equal(sandbox.shell("ps -e | grep -c yes || true").strip(), "0", "yes still runs")


@test
def stdin_arrives_whole_or_is_thrown_away(sandbox):
    ten = sandbox.server.scratch(os.urandom(10_000_000))
    digest_of = sandbox.shell("sha256sum", stdin_path=ten).split()[0]
    equal(digest_of, digest(ten), "ten megabytes")
    for command in ("true", "exec <&-; sleep 0.2", "head -c 1 >/dev/null", "exec 0</dev/null; true"):
        result = sandbox.run(command, stdin_path=ten)
        equal((result.end, result.code), ("exit", 0), command)


@test
def output_that_is_closed_binary_or_reopened_is_taken_as_it_is(sandbox):
    equal(sandbox.run("exec >&- 2>&-; sleep 0.2; exit 3").code, 3, "closed output")
    every = bytes(range(256))
    name = sandbox.server.scratch(every * 1000)
    equal(sandbox.run("cat", stdin_path=name).raw, every * 1000, "every byte")
    result = sandbox.run("echo out > /dev/stdout; echo err > /dev/stderr; cat /dev/stdin", stdin_path=name)
    equal((result.raw, result.err), (b"out\n" + every * 1000, "err\n"), "stdio by name")
    equal(sandbox.run("tee /dev/stderr", stdin_path=sandbox.server.scratch("x")).err, "x", "tee")


# --- debugging inside ---------------------------------------------------------


@test
def strace_works_on_ones_own_child(sandbox):
    if not os.path.exists("/usr/bin/strace"):
        raise Skip("strace is not installed")
    result = sandbox.run("strace -f -e trace=execve,openat /bin/true")
    check(result.code == 0 and "execve(" in result.err, str(result))


@test
def gdb_works_on_ones_own_child(sandbox):
    if not os.path.exists("/usr/bin/gdb"):
        raise Skip("gdb is not installed")
    result = sandbox.run(
        "gdb -q -batch -ex 'break main' -ex run -ex 'info proc' --args /bin/true 2>&1 </dev/null"
        " || true; gdb -q -batch -ex starti -ex 'info registers' -ex kill --args /bin/true 2>&1",
        timeout_ms=60000,
    )
    check("Program stopped" in result.out, str(result))
    check("randomization" not in result.out, "gdb could not turn off address randomisation")


# --- the end of the server ----------------------------------------------------


@test
def nothing_is_left_two_seconds_after_the_server_is_killed():
    if not IS_HOST_ROOT:
        raise Skip("only root of the host can see all namespaces")
    mounts = pathlib.Path("/proc/self/mountinfo").read_text()
    server = serve()
    try:
        for _ in range(3):
            server.create().start("setsid sleep 60 & sleep 60")
        time.sleep(0.5)
        tree = {pid: start_time(pid) for pid in descendants(server.process.pid)}
        check(len(tree) >= 10, f"too few processes: {tree}")
        others = {pid: start_time(pid) for pid in processes() if pid not in tree}
        made = namespaces(tree) - namespaces([os.getpid()])
        check(len(made) >= 12, f"too few namespaces: {made}")
        server.process.kill()
        server.process.wait()
        gone = wait_until(
            lambda: not any(start_time(pid) == born for pid, born in tree.items()), GONE_LIMIT_S
        )
        check(gone, f"still there: {[pid for pid in tree if start_time(pid) == tree[pid]]}")
        # Numbers of namespaces are used again: only who was there before may count.
        old = [pid for pid, born in others.items() if start_time(pid) == born]
        equal(namespaces(old) & made, set(), "namespaces that are still in use")
        equal(pathlib.Path("/proc/self/mountinfo").read_text(), mounts, "mounts")
    finally:
        server.process.kill()
        server.process.wait()
        shutil.rmtree(server.directory, ignore_errors=True)


@test
def every_sandbox_ends_with_the_zygote_and_calls_fail_cleanly():
    needs_host_root()
    with serve() as server:
        sandbox = server.create()
        running = sandbox.start("sleep 60")
        time.sleep(0.3)
        guests = {pid: start_time(pid) for pid in guest_of(server)}
        check(guests, "no guest found")
        zygote = processes()[next(iter(guests))]
        os.kill(zygote, signal.SIGKILL)
        answer = server.wait(running)
        check(answer.get("error"), f"the running command ended as if all were well: {answer}")
        gone = wait_until(lambda: all(start_time(p) != t for p, t in guests.items()), GONE_LIMIT_S)
        check(gone, "a sandbox outlived the zygote")
        check(sandbox.run("true").error, "a dead sandbox ran a command")
        again = server.wait(server.send("create", 60))
        check("id" in again, "creating another: no answer")


def main():
    tap = Tap()
    if MODE == "root" and not IS_HOST_ROOT:
        tap.skip("root's sandboxes", "this is not root")
        return tap.finish()
    with serve() as server:
        run_probe(tap, server)
        for function in TESTS:
            name = function.__name__.replace("_", " ")
            if WANTED and not any(word in name for word in WANTED):
                continue
            if function.__code__.co_argcount == 0:
                tap.run(name, function)
                continue
            try:
                sandbox = server.create()
            except AssertionError as error:
                tap.line(False, name, error)
                continue
            tap.run(name, function, sandbox)
            sandbox.destroy()
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
