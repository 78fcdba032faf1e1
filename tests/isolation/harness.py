# SPDX-License-Identifier: MIT
"""What the isolation tests stand on: TAP, the driver's protocol, a look from the host."""

import hashlib
import json
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "chaos"))

from traces import is_sandbox

# An account that is nobody's: no files, no subordinate ids.
ORDINARY_USER = 65534
KEPT_ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "KILN_TEST_OLD_KERNEL")
                    if name in os.environ}
# Hang guards, far above what anything takes.
ANSWER_LIMIT_S = 120
GONE_LIMIT_S = 2.0
# A sanitizer reserves terabytes that hold no data of the program.
MAX_MAPPING_BYTES = 1 << 28


class Skip(Exception):
    """This cannot run here; the text says why."""


class Tap:
    """One line a check; the process's exit code is whether all passed."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def line(self, passed, name, detail=""):
        self.count += 1
        if passed:
            print(f"ok {self.count} - {name}", flush=True)
            return
        self.failed += 1
        print(f"not ok {self.count} - {name}", flush=True)
        for text in str(detail).splitlines():
            print(f"# {text}", flush=True)

    def skip(self, name, reason):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {reason}", flush=True)

    def run(self, name, function, *arguments):
        try:
            function(*arguments)
        except Skip as reason:
            self.skip(name, reason)
        except Exception as error:  # every other test still runs
            self.line(False, name, f"{type(error).__name__}: {error}")
        else:
            self.line(True, name)

    def finish(self):
        print(f"1..{self.count}")
        return 1 if self.failed else 0


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def equal(found, expected, what):
    check(found == expected, f"{what}: found {found!r}, expected {expected!r}")


class Result:
    """How one command ended."""

    def __init__(self, answer):
        self.error = answer.get("error")
        self.end = answer.get("end")
        self.code = answer.get("code")
        self.reset = answer.get("reset")
        self.limits = answer.get("limits", 0)
        self.milliseconds = answer.get("us", 0) / 1000
        self.raw = bytes.fromhex(answer.get("stdout", ""))
        self.out = self.raw.decode("utf-8", "replace")
        self.err = bytes.fromhex(answer.get("stderr", "")).decode("utf-8", "replace")

    def __str__(self):
        return (
            f"error={self.error} end={self.end} code={self.code} reset={self.reset} "
            f"limits={self.limits} "
            f"stdout={self.out[:400]!r} stderr={self.err[:400]!r}"
        )


class Sandbox:
    def __init__(self, server, index):
        self.server = server
        self.index = index

    def start(self, command=None, **more):
        if isinstance(command, list):
            more["args"] = command
        elif command is not None:
            more["command"] = command
        return self.server.send("exec", self.index, **more)

    def run(self, command=None, **more):
        """Whatever becomes of it."""
        return Result(self.server.wait(self.start(command, **more)))

    def shell(self, command, **more):
        """Must succeed; returns what it printed."""
        result = self.run(command, **more)
        check(result.end == "exit" and result.code == 0, f"{command}: {result}")
        return result.out

    def put(self, path, data, mode="644"):
        name = self.server.scratch(data)
        self.shell(f"cat > {path} && chmod {mode} {path}", stdin_path=name)

    def destroy(self):
        return self.server.wait(self.server.send("destroy", self.index))


class Server:
    """One driver process. `user`: run it as the ordinary user. `limits`: numbers by name."""

    def __init__(self, driver, user, image="", environment=None, wrapper=(), limits=None):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="isolation-"))
        self.directory.chmod(0o755)
        program = self.directory / "driver"
        shutil.copy(driver, program)
        program.chmod(0o755)
        home = self.directory / "home"
        home.mkdir()
        command = list(wrapper)
        if user and os.geteuid() == 0:
            os.chown(home, ORDINARY_USER, ORDINARY_USER)
            ids = f"{ORDINARY_USER}"
            command += ["setpriv", "--reuid", ids, "--regid", ids, "--clear-groups"]
        command += [str(program), "native", image]
        command += [f"{name}={number}" for name, number in (limits or {}).items()]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**KEPT_ENVIRONMENT, "HOME": str(home), **(environment or {})},
            cwd="/",
            text=True,
        )
        self.answers = {}
        self.changed = threading.Condition()
        self.ended = False
        self.next_id = 0
        self.next_sandbox = 0
        self.files = 0
        self.ready = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()
        if not self.ready.get(timeout=ANSWER_LIMIT_S):
            self.close()
            raise AssertionError("the driver did not start")

    def read(self):
        for line in self.process.stdout:
            answer = json.loads(line)
            if "ready" in answer:
                self.ready.put(True)
                continue
            with self.changed:
                self.answers[answer["id"]] = answer
                self.changed.notify_all()
        self.ready.put(False)
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def send(self, operation, sandbox, **more):
        self.next_id += 1
        request = {"id": self.next_id, "op": operation, "sandbox": sandbox, **more}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.next_id

    def wait(self, identifier):
        with self.changed:
            done = self.changed.wait_for(
                lambda: identifier in self.answers or self.ended, ANSWER_LIMIT_S
            )
            check(done, "no answer in time")
            check(identifier in self.answers, "the driver ended without an answer")
            return self.answers.pop(identifier)

    def create(self):
        index = self.next_sandbox
        self.next_sandbox += 1
        answer = self.wait(self.send("create", index))
        check("error" not in answer, f"creating a sandbox: {answer.get('error')}")
        return Sandbox(self, index)

    def scratch(self, data):
        """A file that the driver can read as a command's stdin."""
        self.files += 1
        path = self.directory / f"input-{self.files}"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        path.chmod(0o644)
        return str(path)

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(ANSWER_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# --- from the host ------------------------------------------------------------


def processes():
    """{pid: parent} of everything on this machine."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
            except OSError:
                continue
            found[int(entry.name)] = int(text[text.rindex(")") + 2 :].split()[1])
    return found


def descendants(root):
    parents = processes()
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def start_time(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] == "Z" else fields[19]


def namespaces(pids):
    """Every namespace that one of these processes is in."""
    found = set()
    for pid in pids:
        for kind in ("mnt", "pid", "net", "user", "uts", "ipc", "cgroup"):
            try:
                found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
            except OSError:
                pass
    return found


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def memory_holds(pid, needle):
    """Is `needle` anywhere in the memory of a process? Only root may look."""
    try:
        maps = pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            for line in maps:
                span, mode = line.split()[:2]
                if "r" not in mode or "[v" in line:
                    continue
                start, end = (int(part, 16) for part in span.split("-"))
                if end - start > MAX_MAPPING_BYTES:
                    continue
                memory.seek(start)
                if needle in memory.read(end - start):
                    return True
    except OSError:
        pass
    return False


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
