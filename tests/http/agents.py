# SPDX-License-Identifier: MIT
"""MCP clients of both eras over the connections of wire.py."""

import itertools
import json

import wire

MODERN = "2026-07-28"
LEGACY_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
LEGACY = LEGACY_VERSIONS[-1]
META = "io.modelcontextprotocol/"
numbers = itertools.count(1)


def message(method, params=None, **more):
    """A request, or with id=None a notification."""
    found = {"jsonrpc": "2.0", "method": method, "id": next(numbers), **more}
    if found["id"] is None:
        del found["id"]
    if params is not None:
        found["params"] = params
    return found


def modern(method, params=None, version=MODERN, **more):
    meta = {META + "protocolVersion": version, META + "clientCapabilities": {}}
    params = dict(params or {})
    params["_meta"] = {**meta, **params.get("_meta", {})}
    return message(method, params, **more)


def call(command=None, **arguments):
    """The parameters of a call of the tool; `meta` goes beside the arguments."""
    meta = arguments.pop("meta", None)
    if command is not None:
        arguments["command"] = command
    found = {"name": "sandbox_exec", "arguments": arguments}
    return {**found, "_meta": meta} if meta else found


def modern_fields(body, **more):
    """The headers that repeat what the body says."""
    fields = {"MCP-Protocol-Version": MODERN, "Mcp-Method": body.get("method")}
    if body.get("method") == "tools/call":
        fields["Mcp-Name"] = body["params"].get("name")
    return {**fields, **{name.replace("_", "-"): value for name, value in more.items()}}


class Agent:
    """Whoever calls: where the server is, and what goes with each request."""

    def __init__(self, address, tls=None, token=None, **fields):
        self.address, self.tls = address, tls
        self.fields = {"Accept": wire.ACCEPT, "Content-Type": "application/json", **fields}
        if token:
            self.fields["Authorization"] = "Bearer " + token
        self.kept = None

    def connect(self):
        return wire.Connection(self.address, self.tls)

    def connection(self):
        """One that is used again, as long as the server keeps it."""
        if self.kept is None:
            self.kept = self.connect()
        return self.kept

    def close(self):
        if self.kept:
            self.kept.close()
        self.kept = None

    def send(self, connection, body, **fields):
        """Only the request. `body` may be bytes."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        more = {name.replace("_", "-"): value for name, value in fields.items()}
        connection.write(connection.head("POST", "/mcp", {
            **self.fields, "Content-Length": len(data), **more}) + data)

    def post(self, body, **fields):
        """The answer, with a stream's messages in `messages`."""
        connection = self.connection()
        self.send(connection, body, **fields)
        return self.finish(connection)

    def finish(self, connection):
        response = connection.read()
        response.messages = []
        if response.is_stream:
            response.messages = wire.Stream(connection).all()
        elif (response["content-type"] or "").startswith("application/json"):
            parsed = response.json
            response.messages = parsed if isinstance(parsed, list) else [parsed]
        if response["connection"] == "close" and connection is self.kept:
            self.close()
        return response

    def answer(self, response):
        """The one answer among the messages."""
        found = [item for item in response.messages if "method" not in item]
        assert len(found) == 1, "%d answers: %r" % (len(found), response)
        return found[0]


class Modern(Agent):
    def ask(self, method, params=None, **more):
        body = modern(method, params)
        return self.answer(self.post(body, **modern_fields(body, **more)))

    def call(self, command=None, **arguments):
        """The tool's answer; what it refuses raises."""
        return tool_answer(self.ask("tools/call", call(command, **arguments)))

    def refusal(self, command=None, **arguments):
        return tool_refusal(self.ask("tools/call", call(command, **arguments)))


class Legacy(Agent):
    def __init__(self, address, version=LEGACY, **more):
        super().__init__(address, **more)
        self.version = version
        body = message("initialize", {"protocolVersion": version, "capabilities": {},
                                      "clientInfo": {"name": "tests", "version": "1"}})
        response = self.post(body)
        assert response.status == 200, response
        self.session = response["mcp-session-id"]
        self.initialized = self.answer(response)["result"]
        self.fields["Mcp-Session-Id"] = self.session
        self.fields["MCP-Protocol-Version"] = version
        assert self.post(message("notifications/initialized", id=None)).status == 202

    def ask(self, method, params=None, **more):
        return self.answer(self.post(message(method, params), **more))

    def call(self, command=None, **arguments):
        return tool_answer(self.ask("tools/call", call(command, **arguments)))

    def refusal(self, command=None, **arguments):
        return tool_refusal(self.ask("tools/call", call(command, **arguments)))

    def delete(self):
        return self.connection().request("DELETE", "/mcp", None, self.fields)


def tool_answer(answer):
    assert "error" not in answer, answer
    result = answer["result"]
    text = result["content"][0]["text"]
    assert not result.get("isError"), text
    found = json.loads(text)
    if "structuredContent" in result:
        assert result["structuredContent"] == found, answer
    return found


def tool_refusal(answer):
    assert answer.get("result", {}).get("isError"), answer
    return answer["result"]["content"][0]["text"]
