# SPDX-License-Identifier: MIT
"""The page of the real server, with the fake backend: clients with tokens of their own run
commands over HTTP while the browser looks.
"""

import contextlib
import http.client
import json
import os
import re
import subprocess
import tempfile
import threading

from browser import Wrong
from page import END_OF, HOSTILE, SHOWN, holds, opened, same, sign_in

TESTS = []
ALICE, BOB, OPERATOR = "alice-token-0123456789", "bob-token-0123456789", "operator-token-0123456789"
TOKENS = "alice %s\nbob %s\nops %s operator\n" % (ALICE, BOB, OPERATOR)
# A hang guard.
ANSWER_LIMIT_S = 60
REVISION = "2025-11-25"
LONG = "while :; do sleep 0.1; done # "


def test(function):
    TESTS.append(function)
    return function


class Server:
    """PROGRAM on a port of its own; what it logs is read until it has told which."""

    def __init__(self, program, folder, *options):
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder}
        self.process = subprocess.Popen(
            [program, "--transport", "http", "--port", "0", "--backend", "fake", "--status-page",
             "--log-format", "json", *options],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        self.log = []
        self.port = None
        self.is_ready = threading.Event()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        if not self.is_ready.wait(ANSWER_LIMIT_S) or not self.port:
            self.stop()
            raise Wrong("the server tells no port: " + "".join(self.log))
        self.address = "http://127.0.0.1:%d" % self.port

    def read(self):
        for line in self.process.stderr:
            self.log.append(line)
            found = re.search(r"http://127\.0\.0\.1:(\d+)/mcp", line)
            if found:
                self.port = int(found.group(1))
                self.is_ready.set()
        self.is_ready.set()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(ANSWER_LIMIT_S)
        finally:
            self.process.kill()
            self.process.wait()
            self.reader.join()
            self.process.stderr.close()


class Client:
    """A legacy session of MCP, on a connection for each request."""

    def __init__(self, server, token):
        self.server, self.token, self.session = server, token, None
        self.ask("initialize", protocolVersion=REVISION, capabilities={},
                 clientInfo={"name": "test", "version": "1"})

    def ask(self, method, **params):
        headers = {"Content-Type": "application/json",
                   "Accept": "application/json, text/event-stream"}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        if self.session:
            headers["Mcp-Session-Id"] = self.session
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=ANSWER_LIMIT_S)
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            connection.request("POST", "/mcp", json.dumps(body).encode(), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        self.session = answer.headers.get("Mcp-Session-Id", self.session)
        if answer.headers.get_content_type() == "text/event-stream":
            text = [line[5:] for line in text.splitlines() if line.startswith("data:")][-1]
        return json.loads(text)

    def call(self, **arguments):
        return self.ask("tools/call", name="sandbox_exec", arguments=arguments)["result"]

    def start(self, **arguments):
        """A call whose answer is waited for later, by join()."""
        started = Started(self, arguments)
        started.start()
        return started


class Started(threading.Thread):
    def __init__(self, client, arguments):
        super().__init__()
        self.client, self.arguments, self.answer = client, arguments, None

    def run(self):
        self.answer = self.client.call(**self.arguments)

    def text(self):
        self.join(ANSWER_LIMIT_S)
        holds(self.answer, "the call has no answer")
        return self.answer["content"][0]["text"]


@contextlib.contextmanager
def server(program, tokens=None):
    with tempfile.TemporaryDirectory(prefix="kilntainers-status-") as folder:
        options = []
        if tokens:
            path = os.path.join(folder, "tokens")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                file.write(tokens)
            options = ["--auth-token-file", path]
        one = Server(program, folder, *options)
        try:
            yield one
        finally:
            one.stop()


def asked(server_, method, path, token=None):
    """As a script would: (status, headers, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", server_.port, timeout=ANSWER_LIMIT_S)
    try:
        connection.request(method, path, headers={"Authorization": "Bearer " + token} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@test
def the_real_server_sends_what_its_page_needs(browser, program):
    with server(program) as one:
        client = Client(one, None)
        client.call(command="exit 3")
        code, headers, body = asked(one, "GET", "/status.json")
        same([code, headers["Content-Type"], headers["Cache-Control"], headers["X-Content-Type-Options"]],
             [200, "application/json", "no-store", "nosniff"])
        found = json.loads(body)
        same([found["is_operator"], found["principal"], found["server"]["backend"]], [True, None, "fake"])
        same([found["calls"][0][name] for name in ("state", "command", "exit_code", "ended_by", "error")],
             ["ended", "exit 3", 3, "exit", None])
        with opened(browser, one) as page:
            page.wait_for(SHOWN)
            same(page.text("#server")[:-2].rsplit(" ", 1)[0].split(" · ")[1:], ["fake", "up"])
            same([row[:2] for row in page.rows("ended")], [["3", "exit 3"]])
            same([row[1] for row in page.rows("sandboxes")], ["ready"])
            same(len(page.rows("sessions")), 1)


@test
def the_real_server_shows_each_tenant_its_own(browser, program):
    with server(program, TOKENS) as one:
        alice, bob = Client(one, ALICE), Client(one, BOB)
        # As a comment, so that what is hostile here is the page's affair alone.
        commands = ["true # " + command for command, _ in HOSTILE
                    if not set(command) & set("\0\n\r\ud800") and len(command) < 200]
        for command in commands:
            alice.call(command=command)
        alice.call(args=["printf", "%s", "it's <b>bold</b> \u202e"])
        running = bob.start(command=LONG + "<script>window.broken=1</script>")
        same([asked(one, "GET", "/status.json", token)[0] for token in (None, "nobody-0123456789")], [401, 401])
        holds(OPERATOR not in "".join(one.log), "a token is in the log")
        with opened(browser, one, but=("network",)) as page:
            sign_in(page, ALICE)
            page.wait_for(SHOWN)
            shown = dict(HOSTILE)
            same([row[1] for row in page.rows("ended")],
                 ["printf %s 'it'\\''s <b>bold</b> \\u202e'"]
                 + ["true # " + shown[command[len("true # "):]] for command in reversed(commands)])
            same([page.rows("running"), len(page.rows("sandboxes")), len(page.rows("sessions"))], [[], 1, 1])
            holds(page.evaluate("window.broken === undefined"), "a command ran in the page")
            page.click("#forget")
            sign_in(page, BOB)
            page.wait_for(SHOWN)
            page.wait_for("document.querySelectorAll('#running tr').length === 1")
            same(page.rows("ended"), [])
            same([row[0] for row in page.rows("running")], ["running"])
            holds(page.evaluate("document.querySelector('#running td.wide').textContent")
                  == LONG + "<script>window.broken=1</script>", "the command is another one")
            same(page.evaluate("document.querySelectorAll('#sandboxes button').length"
                               " && document.querySelector('#sandboxes button').checkVisibility()"), False)
        sandbox = json.loads(asked(one, "GET", "/status.json", BOB)[2])["sandboxes"][0]["id"]
        path = "/sandboxes/%s/end" % sandbox
        same([asked(one, *what)[0] for what in (
            ("POST", path), ("POST", path, ALICE), ("POST", path, BOB), ("GET", path, OPERATOR),
            ("POST", "/sandboxes/0123456789ab/end", OPERATOR))], [401, 403, 403, 405, 404])
        holds(running.is_alive(), "a tenant ended a sandbox")
        same(asked(one, "POST", path, OPERATOR)[0], 204)
        holds("ended by an operator" in running.text(), "the call says: " + running.text())


@test
def an_operator_ends_a_sandbox_of_the_real_server(browser, program):
    with server(program, TOKENS) as one:
        alice, bob = Client(one, ALICE), Client(one, BOB)
        alice.call(command="echo precious > kept")
        running = bob.start(command=LONG)
        with opened(browser, one, but=("network",)) as page:
            sign_in(page, OPERATOR)
            page.wait_for("document.querySelectorAll('#sandboxes tr').length === 2"
                          " && document.querySelectorAll('#running tr').length === 1")
            sandbox = {row[2]: row[0] for row in page.rows("sandboxes")}["bob"]
            page.click(END_OF % sandbox)
            page.click("#end-yes")
            page.wait_for("!document.getElementById('news').hidden")
            same(page.text("#news"), "Sandbox %s is ended." % sandbox)
            holds("ended by an operator" in running.text(), "the call says: " + running.text())
            page.wait_for("document.querySelectorAll('#sandboxes tr').length === 1"
                          " && document.querySelectorAll('#running tr').length === 0")
            same([row[2] for row in page.rows("sandboxes")], ["alice"])
            # The other tenant has noticed nothing.
            same(json.loads(alice.call(command="cat kept")["content"][0]["text"])["stdout"], "precious\n")
            alice_sandbox = page.rows("sandboxes")[0][0]
            page.click(END_OF % alice_sandbox)
            page.click("#end-yes")
            page.wait_for("document.querySelectorAll('#sandboxes tr').length === 0")
            told = alice.call(command="cat kept")
            holds(told["isError"] and "ended by an operator" in told["content"][0]["text"],
                  "the next call says: %r" % told)
            same(alice.call(command="true").get("isError", False), False)
            page.wait_for("document.querySelectorAll('#sandboxes tr').length === 1")
