# SPDX-License-Identifier: MIT
"""A server that speaks for kilntainers: it sends the page as the real one does, and
answers /status.json with what the test puts into it, in the shape of docs/status-page.md.
"""

import http.server
import json
import pathlib
import subprocess
import threading

TOP = pathlib.Path(__file__).resolve().parents[2]
PAGE = TOP / "src/app/status_page.html"

OPERATOR, ALICE, BOB = "operator-token-0123456789", "alice-token-0123456789", "bob-token-0123456789"
TOKENS = {OPERATOR: ("ops", True), ALICE: ("alice", False), BOB: ("bob", False)}


def session(tag, principal="alice", **more):
    return {"id": tag, "principal": principal, "age_s": 61, "idle_s": 1, "protocol": "2025-11-25", **more}


def sandbox(public_id, principal="alice", **more):
    return {"id": public_id, "principal": principal, "session": None, "state": "ready", "age_s": 60, "idle_s": 2,
            "running": 0, "waiting": 0, "is_handle": False, **more}


def running(command, principal="alice", **more):
    return {"state": "running", "principal": principal, "sandbox": "a" * 12, "command": command,
            "age_s": 3, "exit_code": None, "ended_by": None, "duration_ms": None,
            "stdout_bytes": None, "stderr_bytes": None, "error": None, **more}


def ended(command, principal="alice", **more):
    return {**running(command, principal), "state": "ended", "exit_code": 0, "ended_by": "exit",
            "duration_ms": 12.5, "stdout_bytes": 10, "stderr_bytes": 0, **more}


class StandIn:
    """`sessions`, `sandboxes` and `calls` are everybody's; each asker is sent what it may see."""

    def __init__(self, tokens=None):
        self.tokens = tokens or {}
        self.sessions, self.sandboxes, self.calls = [], [], []
        self.hidden = 0  # sandboxes that are counted and not sent
        self.broken = None  # (status, body) instead of the status
        self.end_answer = None  # status instead of an end
        self.asked = []  # (method, path, headers)
        self.policy = subprocess.run([TOP / "src/app/make-status-page", "--policy", PAGE], check=True,
                                     capture_output=True, text=True).stdout.strip()
        self.server = None
        self.start(0)
        self.port = self.server.server_address[1]
        self.address = "http://127.0.0.1:%d" % self.port

    def start(self, port=None):
        handler = type("Handler", (Handler,), {"stand_in": self})
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", self.port if port is None else port), handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def stop(self):
        """As a server that ends: nobody listens any more."""
        if self.server:
            self.server.shutdown()
            self.thread.join()
            self.server.server_close()
        self.server = None

    def asker(self, headers):
        """(name, is operator) of who asks; None: nobody that we know."""
        if not self.tokens:
            return None, True
        return self.tokens.get(headers.get("Authorization", "").removeprefix("Bearer "))

    def status(self, name, is_operator):
        def of(items):
            return [item for item in items if is_operator or item["principal"] == name]
        calls = of(self.calls)
        return {
            "is_operator": is_operator, "principal": name,
            "server": {"version": "0.1.0", "backend": "native", "uptime_s": 273600},
            "counts": {
                "sessions": len(of(self.sessions)), "sandboxes": len(of(self.sandboxes)) + self.hidden,
                **{state: sum(call["state"] == state for call in calls)
                   for state in ("running", "waiting")},
            },
            "sessions": of(self.sessions), "sandboxes": of(self.sandboxes), "calls": calls,
        }

    def end(self, public_id):
        before = len(self.sandboxes)
        self.sandboxes = [one for one in self.sandboxes if one["id"] != public_id]
        return 204 if len(self.sandboxes) < before else 404


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stand_in = None

    def log_message(self, *_):
        pass

    def answer(self, status, kind="text/plain", body=b""):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", self.stand_in.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        # A server that has stopped must not go on answering on connections that it had.
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def judged(self):
        """Who asks, once that is known; nobody else gets further."""
        self.stand_in.asked.append((self.command, self.path, dict(self.headers)))
        asker = self.stand_in.asker(self.headers)
        if asker is None:
            self.answer(401)
        return asker

    def do_GET(self):
        if self.path == "/":
            self.stand_in.asked.append((self.command, self.path, dict(self.headers)))
            self.answer(200, "text/html; charset=utf-8", PAGE.read_bytes())
            return
        if self.path != "/status.json":
            self.answer(404)
            return
        asker = self.judged()
        if asker and self.stand_in.broken:
            self.answer(self.stand_in.broken[0], "application/json", self.stand_in.broken[1])
        elif asker:
            self.answer(200, "application/json", json.dumps(self.stand_in.status(*asker)).encode())

    def do_POST(self):
        asker = self.judged()
        if not asker:
            return
        _, folder, public_id, verb = self.path.split("/")
        assert (folder, verb) == ("sandboxes", "end")
        if not asker[1]:
            self.answer(403)
        else:
            self.answer(self.stand_in.end_answer or self.stand_in.end(public_id))
