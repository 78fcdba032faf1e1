#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Versions, shapes of messages, headers that repeat them; prints TAP.

usage: messages.py PROGRAM [--tls]      (as under_test.py says)
"""

import base64
import json

import agents
import serving
from agents import LEGACY, META, MODERN, call, message, modern, modern_fields
from serving import check, equal, test
from under_test import TLS, agent, error_of, serve, session


@test
def initialize_agrees_on_a_version():
    wanted = {version: version for version in agents.LEGACY_VERSIONS}
    wanted.update({"1999-01-01": LEGACY, MODERN: LEGACY, "": LEGACY})
    with serve() as server:
        raw = agents.Agent(server.address, TLS)
        for version, expected in wanted.items():
            answer = raw.answer(raw.post(message("initialize", {"protocolVersion": version})))
            equal(answer["result"]["protocolVersion"], expected)
        for params in ({}, {"protocolVersion": 7}, {"protocolVersion": None}):
            response = raw.post(message("initialize", params))
            equal(raw.answer(response)["error"]["code"], -32602)
            equal(response["mcp-session-id"], None, "a failed handshake makes no session")


@test
def capabilities_are_tools_alone():
    with serve() as server:
        legacy, one = session(server), agent(server)
        equal(legacy.initialized["capabilities"], {"tools": {}})
        equal(one.ask("server/discover")["result"]["capabilities"], {"tools": {}})
        for method in ("prompts/list", "resources/list", "completion/complete", "logging/setLevel"):
            response = legacy.post(message(method, {}))
            equal((response.status, legacy.answer(response)["error"]["code"]), (200, -32601))
            body = modern(method)
            response = one.post(body, **modern_fields(body))
            error_of(response, 404, -32601)


@test
def discover_says_versions_and_how_long_they_hold():
    with serve() as server:
        result = agent(server).ask("server/discover")["result"]
        equal(result["supportedVersions"], [MODERN])
        equal((result["resultType"], result["cacheScope"]), ("complete", "public"))
        check(isinstance(result["ttlMs"], int) and result["ttlMs"] >= 0, str(result))
        equal(result["_meta"][META + "serverInfo"]["name"], "Kilntainers")


@test
def a_modern_request_needs_its_meta_fields():
    with serve() as server:
        one = agent(server)
        for key in ("protocolVersion", "clientCapabilities"):
            body = modern("tools/list")
            del body["params"]["_meta"][META + key]
            response = one.post(body, **modern_fields(body))
            found = error_of(response, 400, -32602)
            equal(found["id"], body["id"])
            check(key in found["error"]["message"], str(found))
        # A header alone claims the era as well.
        body = message("tools/list", {})
        found = error_of(one.post(body, **modern_fields(body)), 400, -32602)
        equal(found["id"], body["id"])
        body = message("initialize", {"protocolVersion": MODERN})
        error_of(one.post(body, **modern_fields(body)), 400, -32020)


@test
def an_unsupported_modern_version_is_told_what_is():
    with serve() as server:
        one = agent(server)
        for version in ("2099-01-01", "v999.0.0", LEGACY):
            body = modern("tools/list", version=version)
            fields = {**modern_fields(body), "MCP-Protocol-Version": version}
            found = error_of(one.post(body, **fields), 400, -32022)
            equal(found["error"]["data"], {"supported": [MODERN], "requested": version})
            equal(found["id"], body["id"])


@test
def modern_headers_must_repeat_the_body():
    with serve() as server:
        one = agent(server)
        name = base64.b64encode(b"sandbox_exec").decode()
        other = base64.b64encode("sandböx".encode()).decode()

        def post(**fields):
            body = modern("tools/call", call("true"))
            return one.post(body, **{**modern_fields(body), **fields})

        def refused(**fields):
            found = error_of(post(**fields), 400, -32020)
            check(isinstance(found["id"], int), str(found))

        refused(**{"MCP-Protocol-Version": None})
        refused(**{"MCP-Protocol-Version": "2025-11-25"})
        refused(**{"Mcp-Method": None})
        refused(**{"Mcp-Method": "tools/list"})
        refused(**{"Mcp-Method": "TOOLS/CALL"})
        refused(**{"Mcp-Name": None})
        refused(**{"Mcp-Name": "Sandbox_exec"})
        refused(**{"Mcp-Name": "=?base64?%s?=" % other})
        refused(**{"Mcp-Name": "=?base64?!!!?="})
        refused(**{"Mcp-Name": "=?base64?%s" % name})
        equal(post(**{"Mcp-Name": "=?base64?%s?=" % name}).status, 200)
        equal(post(**{"Mcp-Name": " \t sandbox_exec \t"}).status, 200)
        body = modern("tools/call", call("true"))
        fields = {key.upper(): value for key, value in modern_fields(body).items()}
        equal(one.post(body, **fields).status, 200)
        body = modern("tools/call", call("true"))
        lines = one.connection().head("POST", "/mcp", {
            **one.fields, **modern_fields(body), "Content-Length": len(json.dumps(body))})
        one.connection().write(lines[:-2] + b"Mcp-Method: tools/call\r\n\r\n"
                               + json.dumps(body).encode())
        equal(one.finish(one.connection()).status, 400, "a repeated routing header")


@test
def methods_of_the_other_era_are_not_found():
    with serve() as server:
        one = agent(server)
        for method in ("initialize", "ping", "logging/setLevel", "resources/subscribe",
                       "notifications/no"):
            body = modern(method)
            found = error_of(one.post(body, **modern_fields(body)), 404, -32601)
            equal(found["id"], body["id"])


@test
def every_modern_result_is_complete_and_names_the_server():
    with serve() as server:
        one = agent(server)
        answers = [one.ask("server/discover"), one.ask("tools/list"),
                   one.ask("tools/call", call("true")), one.ask("tools/call", call())]
        for answer in answers:
            equal(answer["result"]["resultType"], "complete")
            equal(answer["result"]["_meta"][META + "serverInfo"]["name"], "Kilntainers")


@test
def both_eras_live_on_one_connection():
    with serve() as server:
        one, legacy = agent(server), session(server)
        kept = legacy.connection()
        one.kept = kept
        for _ in range(3):
            equal(one.ask("server/discover")["result"]["resultType"], "complete")
            equal(legacy.ask("ping")["result"], {})
            equal(one.call("echo new")["stdout"], "new\n")
            equal(legacy.call("echo old")["stdout"], "old\n")
        check(legacy.kept is kept, "the connection was not kept")


@test
def ids_come_back_as_they_went():
    with serve() as server:
        one, legacy = agent(server), session(server)
        for good in (0, "0", "", -5, 2 ** 53, 2 ** 62, "ö\"\\\n", "x" * 900):
            body = modern("tools/list", id=good)
            found = one.answer(one.post(body, **modern_fields(body)))
            check(found["id"] == good and type(found["id"]) is type(good), repr(found["id"]))
            found = legacy.answer(legacy.post(message("ping", id=good)))
            check(found["id"] == good and type(found["id"]) is type(good), repr(found["id"]))
        for bad in (b"1.5", b"{}", b"[1]", b"true", b"1e3"):
            raw = b'{"jsonrpc":"2.0","id":%s,"method":"ping"}' % bad
            error_of(legacy.post(raw), 400, -32600)


@test
def garbage_is_answered_and_the_connection_serves_on():
    with serve() as server:
        legacy = session(server)
        kept = legacy.connection()
        for raw in (b"{", b"", b"nonsense", b'{"a":"\xff"}', b'{"a":"\0"}', b"\xef\xbb\xbf{}"):
            found = error_of(legacy.post(raw), 400, -32700)
            check("id" not in found or found["id"] is None, str(found))
        for raw in (b"{}", b"7", b"null", b'"x"', b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
                    b"[" * 100 + b"]" * 100, b"[" + b"{}," * 30000 + b"{}]"):
            error_of(legacy.post(raw), 400, -32600)
        equal(legacy.ask("ping")["result"], {})
        check(legacy.kept is kept, "the connection was not kept")


@test
def batches_belong_to_one_revision():
    with serve() as server:
        old = session(server, version="2025-03-26")
        mixed = [message("ping"), message("tools/list"), message("notifications/x", id=None),
                 message("tools/call", call("echo batch"))]
        response = old.post(mixed)
        equal(response.status, 200)
        equal(sorted(item["id"] for item in response.messages),
              sorted(item["id"] for item in mixed if "id" in item))
        response = old.post([message("notifications/x", id=None)] * 3)
        equal((response.status, response.body), (202, b""))
        error_of(old.post([]), 400, -32600)
        for version in ("2024-11-05", "2025-06-18", LEGACY):
            error_of(session(server, version=version).post([message("ping")]), 400, -32600)
        body = [modern("tools/list")]
        error_of(agent(server).post(body, **modern_fields(body[0])), 400, -32600)


@test
def notifications_are_accepted_and_never_answered():
    with serve() as server:
        one, legacy = agent(server), session(server)
        for body in (message("notifications/none", id=None),
                     message("notifications/roots/list_changed", id=None),
                     {"jsonrpc": "2.0", "id": 5, "result": {}}):
            response = legacy.post(body)
            equal((response.status, response.body), (202, b""))
        body = modern("notifications/none", id=None)
        response = one.post(body, **modern_fields(body))
        equal((response.status, response.body), (202, b""))


serving.main()
