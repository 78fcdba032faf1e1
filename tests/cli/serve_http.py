#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A server over HTTP as whoever runs it sees it: start, pages, files, signals.

usage: tests/cli/serve_http.py PROGRAM

Prints TAP. Sandboxes are the fake backend's; without it all is skipped. What
clients may do and what they are told is tested elsewhere.
"""

import contextlib
import errno
import http.client
import json
import os
import pathlib
import re
import resource
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from harness import (HANG_S, PROGRAM, Skip, TEMPORARY, clean_environment, contains, equal, main,
                     need_fake, run, start, test, wait_until)

ALICE, BOB, BOSS = "alice-0123456789ab", "bob-0123456789abcd", "boss-0123456789abc"
TOKENS = "alice %s\n# a comment\nbob %s\nboss %s operator\n" % (ALICE, BOB, BOSS)
TOP = pathlib.Path(__file__).resolve().parent.parent.parent
JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
MODERN = "2026-07-28"


def folder():
    return pathlib.Path(tempfile.mkdtemp(dir=TEMPORARY.name))


def write_tokens(path, text=TOKENS):
    """By putting another file in its place, as editors and deployments do."""
    new = path.with_name(path.name + ".new")
    new.touch(mode=0o600)
    new.write_text(text)
    new.rename(path)
    return path


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=HANG_S)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(HANG_S)
        self.sock.connect(self.path)


class Server:
    """A server that listens; its log is read as it comes."""

    def __init__(self, *words, backend="fake", token=None, **more):
        if backend == "fake":
            need_fake()
        self.token = token
        self.log = []
        self.process = start("--backend=" + backend, "--transport=http", "--log-format=json",
                             *words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, **more)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.wait_for("listening")

    def read(self):
        for line in self.process.stderr:
            self.log.append(json.loads(line))

    def events(self, name):
        return [line for line in list(self.log) if line["event"] == name]

    def wait_for(self, name, count=1):
        wait_until(lambda: len(self.events(name)) >= count or self.process.poll() is not None, name)
        if len(self.events(name)) < count:
            raise AssertionError("no %s in %r" % (name, self.log))
        return self.events(name)[count - 1]

    @property
    def port(self):
        return next(line["port"] for line in self.events("listening") if "port" in line)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG_S)

    def ask(self, path, method="GET", body=None, token=None, connection=None, **headers):
        """(status, headers, body)"""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        token = token or self.token
        if token:
            headers["Authorization"] = "Bearer " + token
        with contextlib.closing(connection or self.connect()) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def post(self, method, number=1, headers=None, token=None, connection=None, **params):
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        return self.ask("/mcp", "POST", json.dumps(message), token, connection,
                        **JSON, **(headers or {}))

    def open_session(self, **more):
        status, headers, _ = self.post("initialize", protocolVersion="2025-06-18",
                                       capabilities={},
                                       clientInfo={"name": "cli", "version": "0"}, **more)
        equal(status, 200)
        return {"Mcp-Session-Id": headers["Mcp-Session-Id"]}

    def call(self, session, command, **more):
        """The tool's result, however it was sent."""
        status, headers, body = self.post("tools/call", 2, session, name="sandbox_exec",
                                          arguments={"command": command}, **more)
        equal(status, 200)
        if headers["Content-Type"] == "text/event-stream":
            body = re.findall(rb"^data: (.*)$", body, re.M)[-1]
        return json.loads(body)["result"]

    def run(self, session, command, **more):
        """What a command printed that must work."""
        result = self.call(session, command, **more)
        equal(result["isError"], False)
        equal(result["structuredContent"]["exit_code"], 0)
        return result["structuredContent"]["stdout"]

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        code = self.process.wait(HANG_S)
        self.reader.join(HANG_S)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            code = self.wait()
            if not problem[0]:
                equal(code, 0)
        self.process.stdout.close()
        self.process.stderr.close()


# --- serving ----------------------------------------------------------------------------


@test
def any_number_of_clients_have_sandboxes_of_their_own():
    with Server("--port=0") as server:
        sessions = [server.open_session() for _ in range(3)]
        for number, session in enumerate(sessions):
            server.run(session, "echo %d > mine" % number)
        for number, session in enumerate(sessions):
            equal(server.run(session, "cat mine"), "%d\n" % number)
        line = server.events("listening")[0]
        equal(line["url"], "http://127.0.0.1:%d/mcp" % server.port)
        equal(line["serves"], "our user and root")


@test
def both_eras_are_served_unless_one_is_asked_for():
    meta = {"io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {}}
    modern = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "server/discover"}
    for protocol, legacy_status, modern_status in (
            ("both", 200, 200), ("legacy", 200, 400), ("modern", 400, 200)):
        with Server("--port=0", "--protocol=" + protocol) as server:
            status, _, _ = server.post("initialize", protocolVersion="2025-06-18",
                                       capabilities={}, clientInfo={"name": "x", "version": "0"})
            equal((protocol, status), (protocol, legacy_status))
            status, _, _ = server.post("server/discover", headers=modern, _meta=meta)
            equal((protocol, status), (protocol, modern_status))


@test
def an_idle_sandbox_ends_and_its_client_is_told():
    with Server("--port=0", "--session-timeout=1") as server:
        session = server.open_session()
        server.run(session, "touch mine")
        server.wait_for("sandbox_removed")
        result = server.call(session, "ls")
        equal(result["isError"], True)
        contains(result["content"][0]["text"], "idle")
        equal(server.run(session, "ls"), "")


@test
def a_port_that_is_taken_is_an_error():
    with Server("--port=0") as server:
        done = run("--backend=fake", "--transport=http", "--port=%d" % server.port)
        equal(done.returncode, 1)
        contains(done.stderr, b"kilntainers: error: ")
        contains(done.stderr, b"Address already in use")


@test
def a_unix_socket_is_for_its_owner_and_goes_with_the_server():
    path = folder() / "socket"
    with Server("--unix-socket=%s" % path) as server:
        equal(path.stat().st_mode & 0o777, 0o600)
        equal("port" in server.events("listening")[0], False)
        equal(server.ask("/healthz", connection=UnixConnection(path))[0], 200)
    equal(path.exists(), False)
    with Server("--unix-socket=%s" % path, "--port=0") as server:
        server.wait_for("listening", 2)
        equal(server.ask("/healthz", connection=UnixConnection(path))[0], 200)
        equal(server.ask("/healthz")[0], 200)


# --- tokens -----------------------------------------------------------------------------


@test
def with_tokens_everybody_needs_one_and_sees_their_own():
    tokens = write_tokens(folder() / "tokens")
    with Server("--port=0", "--auth-token-file=%s" % tokens, "--status-page") as server:
        equal(server.post("ping")[0], 401)
        equal(server.post("ping", token="no-such-token-123456")[0], 401)
        session = server.open_session(token=ALICE)
        server.run(session, "true", token=ALICE)
        equal(server.post("ping", headers=session, token=BOB)[0], 404)
        for token, sessions in ((ALICE, 1), (BOB, 0), (BOSS, 1)):
            status = json.loads(server.ask("/status.json", token=token)[2])
            equal(len(status["sessions"]), sessions)
            equal(len(status["sandboxes"]), sessions)
            # Whose is whose.
            equal(sorted(each["session"] for each in status["sandboxes"]),
                  sorted(each["id"] for each in status["sessions"]))
        equal([server.ask("/metrics", token=token)[0] for token in (None, ALICE, BOSS)],
              [401, 403, 200])
        equal(server.ask("/healthz")[0], 200)
        equal(server.ask("/")[0], 200)
    for token in (ALICE, BOB, BOSS):
        equal(token in json.dumps(server.log), False)


@test
def a_token_in_the_environment_is_an_operators_and_leaves_it():
    with Server("--port=0", token=BOSS, environment={"KILNTAINERS_AUTH_TOKEN": BOSS}) as server:
        equal(server.post("ping", token=ALICE)[0], 401)
        equal(server.ask("/metrics")[0], 200)
        equal(server.run(server.open_session(), "echo $KILNTAINERS_AUTH_TOKEN"), "\n")
        environment = pathlib.Path("/proc/%d/environ" % server.process.pid).read_bytes()
        equal(BOSS.encode() in environment, False)


@test
def a_token_file_that_others_can_read_ends_the_start():
    need_fake()
    tokens = write_tokens(folder() / "tokens")
    tokens.chmod(0o644)
    done = run("--backend=fake", "--transport=http", "--port=0", "--auth-token-file=%s" % tokens)
    equal(done.returncode, 1)
    contains(done.stderr, b"chmod 600")
    equal(ALICE.encode() in done.stderr, False)


@test
def principals_may_share_one_sandbox_across_sessions():
    tokens = write_tokens(folder() / "tokens")
    with Server("--port=0", "--auth-token-file=%s" % tokens, "--sandbox-scope=principal") as server:
        server.run(server.open_session(token=ALICE), "echo a > mine", token=ALICE)
        equal(server.run(server.open_session(token=ALICE), "cat mine", token=ALICE), "a\n")
        equal(server.run(server.open_session(token=BOB), "ls", token=BOB), "")


@test
def one_client_may_not_have_all_sandboxes():
    tokens = write_tokens(folder() / "tokens")
    with Server("--port=0", "--auth-token-file=%s" % tokens,
                "--max-sandboxes-per-client=1") as server:
        server.run(server.open_session(token=ALICE), "true", token=ALICE)
        equal(server.call(server.open_session(token=ALICE), "true", token=ALICE)["isError"], True)
        server.run(server.open_session(token=BOB), "true", token=BOB)


# --- pages ------------------------------------------------------------------------------


SAMPLE = re.compile(r'([a-z_]+)(\{[a-z]+="(?:[^"\\\n]|\\[\\"n])*"\})? ([0-9.]+)')


def read_metrics(text):
    """{family: (kind, [(name, labels, value)])}, by the rules of the text format."""
    families, family = {}, None
    equal(text[-1], "\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            family = line.split(" ")[2]
            equal(family in families, False)
            families[family] = [None, []]
        elif line.startswith("# TYPE "):
            _, _, name, families[family][0] = line.split(" ")
            equal(name, family)
        else:
            match = SAMPLE.fullmatch(line)
            if not match:
                raise AssertionError("no sample: %r" % line)
            name, labels, value = match.groups()
            ending = name[len(family):]
            kinds = ("_bucket", "_sum", "_count") if families[family][0] == "histogram" else ("",)
            equal((name[:len(family)], ending in kinds), (family, True))
            families[family][1].append((ending, labels, float(value)))
    return families


def check_histogram(samples):
    buckets = [value for ending, _, value in samples if ending == "_bucket"]
    equal(buckets, sorted(buckets))
    equal(samples[len(buckets) - 1][1], '{le="+Inf"}')
    equal(buckets[-1], next(value for ending, _, value in samples if ending == "_count"))


@test
def metrics_are_prometheus_text_and_as_documented():
    with Server("--port=0") as server:
        session = server.open_session()
        server.run(session, "echo hello")
        server.call(session, "kill -9 $$")
        status, headers, body = server.ask("/metrics")
        equal((status, headers["Content-Type"]),
              (200, "text/plain; version=0.0.4; charset=utf-8"))
        families = read_metrics(body.decode())
    for kind, samples in families.values():
        if kind == "histogram":
            check_histogram(samples)
    outcomes = dict((labels, value) for _, labels, value in families["kilntainers_calls_total"][1])
    equal(outcomes['{outcome="exit"}'], 1)
    equal(outcomes['{outcome="signal"}'], 1)
    equal(families["kilntainers_sessions"][1], [("", None, 1.0)])
    equal(families["kilntainers_sandboxes"][1], [("", None, 1.0)])
    equal(families["kilntainers_loop_stall_seconds"][1][-1][2] > 0, True)
    documented = set(re.findall(r"`(kilntainers_[a-z_]+)`",
                                (TOP / "docs" / "operations.md").read_text()))
    # Kernels before 6.2 do not tell.
    equal(documented - {"kilntainers_process_open_fds"},
          set(families) - {"kilntainers_process_open_fds"})


@test
def health_is_whether_a_sandbox_can_be_made():
    place = folder()
    with Server("--port=0", environment={"TMPDIR": str(place)}) as server:
        place.chmod(0o500)
        place.rmdir()
        status, headers, body = server.ask("/healthz")
        equal((status, body, headers["Cache-Control"]), (503, b"not ok\n", "no-store"))
        server.wait_for("health_probe_failed")
        # A call that works is better news than a try that did not.
        place.mkdir()
        server.run(server.open_session(), "true")
        equal(server.ask("/healthz")[::2], (200, b"ok\n"))
        equal(server.ask("/healthz", "HEAD")[::2], (200, b""))
    equal(list(place.iterdir()), [])


@test
def the_status_page_is_there_if_it_was_asked_for():
    with Server("--port=0") as server:
        equal(server.ask("/")[0], 404)
        equal(server.ask("/status.json")[0], 404)
    with Server("--port=0", "--status-page") as server:
        status, headers, body = server.ask("/")
        equal((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        equal(body, (TOP / "src" / "app" / "status_page.html").read_bytes())
        contains(headers["Content-Security-Policy"], "default-src 'none'")
        equal(headers["X-Content-Type-Options"], "nosniff")
        session = server.open_session()
        server.run(session, "true")
        sandbox = json.loads(server.ask("/status.json")[2])["sandboxes"][0]["id"]
        equal(server.ask("/sandboxes/%s/end" % sandbox)[0], 405)
        equal(server.ask("/sandboxes/000000000000/end", "POST")[0], 404)
        equal(server.ask("/sandboxes/%s0/end" % sandbox, "POST")[0], 404)
        equal(server.ask("/sandboxes/%s/end" % sandbox, "POST")[0], 204)
        server.wait_for("sandbox_removed")
        contains(server.call(session, "true")["content"][0]["text"], "ended by an operator")


def unread_answers(server, path, most, more=""):
    """Sockets whose answers lie there, until one is not made; and the head of the last one."""
    sockets, head = [], ""
    while len(sockets) < most and not head.startswith("HTTP/1.1 503"):
        sockets.append(socket.socket())
        sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sockets[-1].settimeout(HANG_S)
        sockets[-1].connect(("127.0.0.1", server.port))
        text = "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % (path, more)
        sockets[-1].sendall(text.encode())
        head = sockets[-1].recv(1024).decode()
    return sockets, head


@test
def answers_that_nobody_reads_take_no_more_memory_than_there_is():
    with Server("--port=0", "--status-page", "--max-buffered=32m") as server:
        session = server.open_session()
        # Each of these characters is six bytes of the answer.
        for _ in range(200):
            server.call(session, "true " + "\x01" * 250)
        sockets, head = unread_answers(server, "/status.json", 2000)
        contains(head, "HTTP/1.1 503 ")
        contains(head, "Retry-After: 1")
        for each in sockets:
            each.close()
        wait_until(lambda: server.ask("/status.json")[0] == 200, "an answer again")


@test
def answers_that_one_client_does_not_read_take_half_of_the_memory():
    tokens = write_tokens(folder() / "tokens")
    with Server("--port=0", "--auth-token-file=%s" % tokens, "--status-page",
                "--max-buffered=64m") as server:
        session = server.open_session(token=ALICE)
        for _ in range(200):
            server.call(session, "true " + "\x01" * 250, token=ALICE)
        sockets, head = unread_answers(server, "/status.json", 2000,
                                       "Authorization: Bearer %s\r\n" % ALICE)
        contains(head, "HTTP/1.1 503 ")
        page = server.ask("/metrics", token=BOSS)[2].decode()
        held = int(re.search("^kilntainers_buffered_bytes ([0-9]+)$", page, re.M)[1])
        equal(16 << 20 < held < 48 << 20, True)
        equal(server.ask("/status.json", token=BOB)[0], 200)
        equal(server.post("ping", headers=server.open_session(token=BOB), token=BOB)[0], 200)
        for each in sockets:
            each.close()


# --- the audit log ------------------------------------------------------------------------


def audit_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@test
def each_call_is_a_line_of_the_audit_log():
    place = folder()
    tokens = write_tokens(place / "tokens")
    with Server("--port=0", "--auth-token-file=%s" % tokens, "--audit-log=%s" % (place / "audit"),
                token=ALICE) as server:
        session = server.open_session()
        server.run(session, "cat <<< secret-input")
        server.call({"Mcp-Session-Id": session["Mcp-Session-Id"]}, "exit 3")
    equal((place / "audit").stat().st_mode & 0o777, 0o600)
    first, second = audit_lines(place / "audit")
    equal((first["event"], first["principal"], first["program"], first["exit_code"]),
          ("call", "alice", "cat", 0))
    equal(first["stdout_bytes"], len("secret-input\n"))
    equal((second["program"], second["exit_code"], second["ended_by"]), ("exit", 3, "exit"))
    equal(first["sandbox"], second["sandbox"])
    equal("secret" in (place / "audit").read_text(), False)
    equal(session["Mcp-Session-Id"] in (place / "audit").read_text(), False)


@contextlib.contextmanager
def small_disk():
    """A file system with room for about three lines."""
    place = folder()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", place],
                          capture_output=True)
    if done.returncode != 0:
        raise Skip("a small file system takes the right to mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def fill(path):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    with contextlib.suppress(OSError):
        while os.write(fd, b" " * 512):
            pass
    os.close(fd)


@test
def without_room_for_its_line_no_command_runs_if_that_is_required():
    mark = folder() / "mark"
    with small_disk() as place:
        with Server("--port=0", "--audit-log=%s" % (place / "audit"), "--audit-required") as server:
            session = server.open_session()
            server.run(session, "true")
            equal([line["event"] for line in audit_lines(place / "audit")],
                  ["call_begins", "call"])
            fill(place / "audit")
            result = server.call(session, "touch %s" % mark)
            equal(result["isError"], True)
            contains(result["content"][0]["text"], "The audit log cannot be written")
            equal(mark.exists(), False)
            server.wait_for("audit_failed")
            os.truncate(place / "audit", 0)
            server.run(session, "touch %s" % mark)
            equal(mark.exists(), True)


@test
def what_cannot_be_written_is_counted_if_it_is_not_required():
    with small_disk() as place:
        with Server("--port=0", "--audit-log=%s" % (place / "audit")) as server:
            session = server.open_session()
            fill(place / "audit")
            server.run(session, "true")
            contains(server.ask("/metrics")[2], b"\nkilntainers_audit_lost_total 1\n")
            os.truncate(place / "audit", 0)
            server.run(session, "true")
            equal([line["event"] for line in audit_lines(place / "audit")], ["lost", "call"])


@test
def an_audit_log_that_may_not_grow_ends_no_server():
    limit = 16 << 20
    audit = folder() / "audit"
    audit.touch(mode=0o600)
    os.truncate(audit, limit)

    def limit_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with Server("--port=0", "--audit-log=%s" % audit, preexec_fn=limit_files) as server:
        session = server.open_session()
        server.run(session, "true")
        equal(server.wait_for("audit_failed")["error"], os.strerror(errno.EFBIG))
        # And what it starts has the signal as ever.
        contains(server.run(session, "grep SigIgn /proc/self/status"), "0" * 16)
    equal(audit.stat().st_size, limit)


# --- SIGHUP ---------------------------------------------------------------------------------


@test
def a_hangup_reads_tokens_again_and_keeps_the_old_ones_if_it_cannot():
    tokens = write_tokens(folder() / "tokens")
    with Server("--port=0", "--auth-token-file=%s" % tokens) as server:
        session = server.open_session(token=ALICE)
        write_tokens(tokens, "alice another-token-0123\n")
        server.signal(signal.SIGHUP)
        server.wait_for("reloaded")
        equal(server.post("ping", headers=session, token=ALICE)[0], 401)
        equal(server.post("ping", headers=session, token="another-token-0123")[0], 200)
        write_tokens(tokens, "alice short\n")
        server.signal(signal.SIGHUP)
        equal(server.wait_for("reload_failed")["what"], "tokens")
        tokens.unlink()
        server.signal(signal.SIGHUP)
        server.wait_for("reload_failed", 2)
        equal(server.post("ping", headers=session, token="another-token-0123")[0], 200)
        equal(len(server.events("reloaded")), 1)


@test
def a_hangup_follows_a_renamed_audit_log():
    audit = folder() / "audit"
    with Server("--port=0", "--audit-log=%s" % audit) as server:
        session = server.open_session()
        server.run(session, "true")
        audit.rename(audit.with_suffix(".1"))
        server.run(session, "true")
        server.signal(signal.SIGHUP)
        server.wait_for("reloaded")
        server.run(session, "true")
    equal((len(audit_lines(audit.with_suffix(".1"))), len(audit_lines(audit))), (2, 1))


@test
def a_hangup_at_the_end_does_not_cut_it_short():
    with Server("--port=0") as server:
        session = server.open_session()
        server.run(session, "true")
        server.signal(signal.SIGTERM)
        while server.process.poll() is None:
            server.signal(signal.SIGHUP)
        equal(server.wait(), 0)


# --- TLS ------------------------------------------------------------------------------------


def make_certificate(place, name):
    """By openssl's program; both files are replaced."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-days", "2", "-subj", "/CN=" + name, "-addext",
               "subjectAltName=DNS:" + name, "-keyout", place / "key", "-out", place / "cert"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=HANG_S)
    except FileNotFoundError:
        raise Skip("openssl is not installed") from None
    (place / "key").chmod(0o600)


def served_name(server):
    with socket.create_connection(("127.0.0.1", server.port), HANG_S) as plain:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with context.wrap_socket(plain) as wrapped:
            der = wrapped.getpeercert(binary_form=True)
            wrapped.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            contains(wrapped.recv(64), b"HTTP/1.1 200")
    return re.search(rb"kiln-[a-z]+", der).group().decode()


@test
def a_certificate_is_read_again_and_kept_if_it_cannot_be():
    if not PROGRAM.with_name("kilntainers-full").exists():
        raise Skip("kilntainers-full is not beside this program")
    place = folder()
    make_certificate(place, "kiln-first")
    with Server("--port=0", "--tls-cert=%s" % (place / "cert"),
                "--tls-key=%s" % (place / "key")) as server:
        contains(server.events("listening")[0]["url"], "https://127.0.0.1:")
        equal(served_name(server), "kiln-first")
        make_certificate(place, "kiln-second")
        server.signal(signal.SIGHUP)
        server.wait_for("reloaded")
        equal(served_name(server), "kiln-second")
        (place / "key").write_text("no key")
        server.signal(signal.SIGHUP)
        equal(server.wait_for("reload_failed")["what"], "tls")
        equal(served_name(server), "kiln-second")
    (place / "key").chmod(0o644)
    done = run("--backend=fake", "--transport=http", "--port=0",
               "--tls-cert=%s" % (place / "cert"), "--tls-key=%s" % (place / "key"))
    equal(done.returncode, 1)
    contains(done.stderr, b"chmod o-rwx")


# --- the end ----------------------------------------------------------------------------------


def call_in_background(server, session, command):
    """(thread, list that gets the answer or the problem)"""
    answers = []

    def work():
        try:
            answers.append(server.call(session, command))
        except (OSError, http.client.HTTPException) as problem:
            answers.append(problem)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, answers


@test
def at_the_end_a_running_call_may_finish():
    mark = folder() / "mark"
    with Server("--port=0") as server:
        session = server.open_session()
        thread, answers = call_in_background(
            server, session, "touch %s; while [ -e %s ]; do :; done; echo done" % (mark, mark))
        wait_until(mark.exists, "the command")
        server.signal(signal.SIGTERM)
        server.wait_for("stopping")
        mark.unlink()
        thread.join(HANG_S)
        equal(server.wait(), 0)
    equal(answers[0]["structuredContent"]["stdout"], "done\n")


@test
def at_the_end_a_command_that_does_not_finish_is_killed():
    mark = folder() / "mark"
    with Server("--port=0") as server:
        session = server.open_session()
        thread, answers = call_in_background(
            server, session, "echo $$ > %s.new; mv %s.new %s; sleep 1000; true" % (mark, mark, mark))
        wait_until(mark.exists, "the command")
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        equal(server.wait(), 0)
        equal(time.monotonic() - began >= 0.9, True)
        thread.join(HANG_S)
    equal(isinstance(answers[0], dict) and not answers[0].get("isError"), False)
    wait_until(lambda: not pathlib.Path("/proc", mark.read_text().strip()).exists(), "its end")


@test
def at_the_end_open_streams_do_not_hold_it_up():
    with Server("--port=0") as server:
        session = server.open_session()
        stream = server.connect()
        stream.request("GET", "/mcp", headers={"Accept": "text/event-stream", **session})
        equal(stream.getresponse().status, 200)
        idle = socket.create_connection(("127.0.0.1", server.port))
        server.signal(signal.SIGTERM)
        equal(server.wait(), 0)
        idle.close()
        stream.close()


@test
def a_second_signal_ends_the_server_at_once():
    mark = folder() / "mark"
    with Server("--port=0") as server:
        call_in_background(server, server.open_session(), "touch %s; sleep 1000; true" % mark)
        wait_until(mark.exists, "the command")
        server.signal(signal.SIGTERM)
        server.wait_for("stopping")
        server.signal(signal.SIGINT)
        equal(server.wait(), 128 + signal.SIGINT)


# --- as root -------------------------------------------------------------------------------------


SOMEBODY = 54321  # nobody's id here


@contextlib.contextmanager
def open_folder():
    """A folder that everybody may search."""
    with tempfile.TemporaryDirectory(prefix="kilntainers-http-") as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


@test
def a_server_of_root_reads_its_files_again_as_somebody_else():
    if os.geteuid() != 0:
        raise Skip("only root has rights to give up")
    if b"native (chosen by --backend), which works" not in run("doctor", "--backend=native").stdout:
        raise Skip("the native backend does not work here")
    # A sanitizer's leak check would trace the process, which is what nobody can.
    untraced = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
    words = ("--run-as=%d" % SOMEBODY, "--allow-unlimited-memory", "--port=0")
    with open_folder() as place:
        tokens = write_tokens(place / "tokens")
        words += ("--auth-token-file=%s" % tokens, "--unix-socket=%s" % (place / "socket"),
                  "--audit-log=%s" % (place / "audit"))
        done = run("--backend=native", "--transport=http", *words, environment=untraced)
        equal(done.returncode, 1)
        contains(done.stderr, b"chown %d %s" % (SOMEBODY, str(tokens).encode()))
        os.chown(tokens, SOMEBODY, SOMEBODY)
        with Server(*words, backend="native", token=BOSS, environment=untraced) as server:
            status = pathlib.Path("/proc/%d/status" % server.process.pid).read_text()
            contains(status, "\nUid:\t%d\t" % SOMEBODY)
            socket_status = (place / "socket").stat()
            equal((socket_status.st_uid, socket_status.st_mode & 0o777), (SOMEBODY, 0o600))
            server.run(server.open_session(), "true")
            memory = re.search(rb"^kilntainers_process_resident_memory_bytes (\d+)$",
                               server.ask("/metrics")[2], re.M)
            equal(int(memory.group(1)) > 1 << 20, True)
            write_tokens(tokens, "boss another-token-0123 operator\n")
            os.chown(tokens, SOMEBODY, SOMEBODY)
            server.signal(signal.SIGHUP)
            server.wait_for("reloaded")
            equal(server.ask("/metrics")[0], 401)
            equal(server.ask("/metrics", token="another-token-0123")[0], 200)
        equal((place / "audit").stat().st_uid, 0)
        equal(len(audit_lines(place / "audit")), 1)


# --- a service manager --------------------------------------------------------------------------


@test
def a_service_manager_hears_of_every_state():
    path = folder() / "notify"
    tokens = write_tokens(path.with_name("tokens"))
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.settimeout(HANG_S)
        manager.bind(str(path))
        with Server("--port=0", "--auth-token-file=%s" % tokens,
                    environment={"NOTIFY_SOCKET": str(path)}) as server:
            equal(manager.recv(256), b"READY=1")
            server.signal(signal.SIGHUP)
            contains(manager.recv(256), b"RELOADING=1\nMONOTONIC_USEC=")
            equal(manager.recv(256), b"READY=1")
            server.signal(signal.SIGTERM)
            equal(manager.recv(256), b"STOPPING=1")
            equal(server.wait(), 0)


def hand_over(listener, *words):
    """Starts a server as systemd does, with the socket as descriptor 3."""
    need_fake()
    script = 'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$0" "$@"'
    argv = ["sh", "-c", script, PROGRAM, "--backend=fake", "--transport=http", *words]

    def move():
        os.dup2(listener.fileno(), 3)
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=clean_environment(), pass_fds=[3],
                            preexec_fn=move)


def listen_at(host):
    listener = socket.create_server((host, 0))
    return contextlib.closing(listener)


@test
def a_socket_that_is_handed_over_is_listened_on():
    with listen_at("127.0.0.1") as listener:
        server = hand_over(listener, "--log-level=error")
        connection = http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1],
                                                timeout=HANG_S)
        connection.request("GET", "/healthz")
        equal(connection.getresponse().status, 200)
        connection.close()
        server.terminate()
        _, log = server.communicate(timeout=HANG_S)
        equal((server.returncode, log), (0, b""))


@test
def a_socket_that_others_can_reach_is_refused_without_tokens():
    with listen_at("0.0.0.0") as listener:
        server = hand_over(listener)
        _, log = server.communicate(timeout=HANG_S)
        equal(server.returncode, 1)
        contains(log, b"A socket of the service manager can be reached from other machines")
        server = hand_over(listener, "--insecure-no-auth")
        connection = http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1],
                                                timeout=HANG_S)
        connection.request("GET", "/healthz")
        equal(connection.getresponse().status, 200)
        server.terminate()
        server.communicate(timeout=HANG_S)
        equal(server.returncode, 0)


@test
def the_units_are_what_systemd_takes():
    units = sorted((pathlib.Path(PROGRAM).parent / "systemd").glob("kilntainers.*"))
    if not units:
        raise Skip("the units are not beside this program")
    try:
        done = subprocess.run(["systemd-analyze", "verify", *units,
                               TOP / "systemd" / "kilntainers.socket"],
                              capture_output=True, text=True, timeout=HANG_S)
    except FileNotFoundError:
        raise Skip("systemd-analyze is not installed") from None
    complaints = [line for line in done.stderr.splitlines()
                  if "kilntainers" in line and "man kilntainers(1)" not in line
                  and "is not executable" not in line]
    equal(complaints, [])


if __name__ == "__main__":
    sys.exit(main())
