# SPDX-License-Identifier: MIT
"""A small MCP client over stdio, for the demo, the benchmarks and the chaos test.

It has no thread: it reads when somebody waits for an answer. So it costs a
measurement little, and a test can kill its server at any moment.
"""

import json
import os
import select
import subprocess
import time

ANSWER_LIMIT_S = 60
REVISION = "2025-11-25"
READ_BYTES = 1 << 20


class Wrong(Exception):
    """The server did something that it must not do."""


class Client:
    def __init__(self, argv, **more):
        """`more` goes to subprocess.Popen: env, stderr, cwd."""
        self.server = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, **more)
        self.output = self.server.stdout.fileno()
        self.unread = bytearray()
        self.answers = {}
        self.last_id = 0

    def send(self, message):
        data = memoryview(json.dumps(message).encode() + b"\n")
        while data:
            data = data[os.write(self.server.stdin.fileno(), data):]

    def notify(self, method, **params):
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def start(self, method, **params):
        """Sends a request; returns its id, for wait()."""
        self.last_id += 1
        self.send({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params})
        return self.last_id

    def start_call(self, **arguments):
        return self.start("tools/call", name="sandbox_exec", arguments=arguments)

    def read_messages(self, limit_s):
        """Reads once, and keeps every answer that is complete."""
        if not select.select([self.output], [], [], limit_s)[0]:
            raise Wrong("no answer in %d s" % ANSWER_LIMIT_S)
        chunk = os.read(self.output, READ_BYTES)
        if not chunk:
            raise Wrong("the server ended before it answered")
        self.unread += chunk
        if b"\n" not in chunk:
            return
        *lines, rest = self.unread.split(b"\n")
        self.unread = bytearray(rest)
        for line in lines:
            message = json.loads(line)
            if "id" in message and "method" not in message:
                self.answers[message["id"]] = message

    def wait(self, request_id):
        deadline = time.monotonic() + ANSWER_LIMIT_S
        while request_id not in self.answers:
            self.read_messages(max(0, deadline - time.monotonic()))
        message = self.answers.pop(request_id)
        if "error" in message:
            raise Wrong(message["error"]["message"])
        return message["result"]

    def request(self, method, **params):
        return self.wait(self.start(method, **params))

    def call(self, **arguments):
        """The tool's answer: stdout, stderr, exit_code, exec_duration_ms."""
        return self.answer_of(self.start_call(**arguments))

    def answer_of(self, request_id):
        result = self.wait(request_id)
        text = result["content"][0]["text"]
        if result.get("isError"):
            raise Wrong("the tool refused: %s" % text)
        answer = json.loads(text)
        if result.get("structuredContent") != answer:
            raise Wrong("structuredContent differs from the text")
        return answer

    def initialize(self):
        result = self.request(
            "initialize", protocolVersion=REVISION, capabilities={},
            clientInfo={"name": "kilntainers-client", "version": "1"})
        if result["protocolVersion"] != REVISION:
            raise Wrong("another revision was expected: %s" % result["protocolVersion"])
        self.notify("notifications/initialized")
        return result

    def finish(self):
        """Ends the input, as a client does that goes; returns the server's exit code."""
        self.server.stdin.close()
        self.server.stdout.close()
        return self.server.wait(timeout=ANSWER_LIMIT_S)

    def kill(self):
        self.server.kill()
        self.server.wait()
        for stream in (self.server.stdin, self.server.stdout):
            stream.close()
