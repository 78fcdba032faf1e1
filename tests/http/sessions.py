#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sessions, handles, and how long they live; prints TAP.

usage: sessions.py PROGRAM [--tls]      (as under_test.py says)
"""

import serving
import wire
from agents import LEGACY, MODERN, call, message, modern, modern_fields
from serving import check, equal, test
from under_test import agent, error_of, serve, session


@test
def sessions_are_unguessable_and_end():
    with serve() as server:
        legacies = [session(server) for _ in range(20)]
        ids = {legacy.session for legacy in legacies}
        equal(len(ids), 20)
        for name in ids:
            check(len(name) >= 32 and all(0x21 <= ord(letter) <= 0x7e for letter in name), name)
        legacy = legacies[0]
        check(legacy.delete().status in (200, 204))
        error_of(legacy.post(message("ping")), 404, -32600)
        equal(legacy.delete().status, 404)
        for wrong in ("x", "0" * 32, legacies[1].session[:-1], legacies[1].session.upper() + "X"):
            error_of(legacies[1].post(message("ping"), Mcp_Session_Id=wrong), 404, -32600)
        error_of(legacies[1].post(message("ping"), Mcp_Session_Id=None), 400, -32600)
        raw = legacies[1].connection().request(
            "DELETE", "/mcp", None, {**legacies[1].fields, "Mcp-Session-Id": None})
        equal(raw.status, 405 if raw["allow"] else 400)
        # A handshake always makes a new one.
        again = legacies[1].post(message("initialize", {"protocolVersion": LEGACY}))
        check(again["mcp-session-id"] not in ids, "a session was used again")


@test
def sessions_have_sandboxes_of_their_own():
    with serve() as server:
        first, second = session(server), session(server)
        one, two = first.call("pwd")["stdout"], second.call("pwd")["stdout"]
        check(one != two, "both are in %s" % one)
        first.call("echo mine > file")
        equal(first.call("cat file")["stdout"], "mine\n")
        equal(second.call("cat file")["exit_code"], 1)


@test
def the_protocol_header_of_a_session_is_checked():
    with serve() as server:
        legacy = session(server)
        equal(legacy.ask("ping", MCP_Protocol_Version=None)["result"], {})
        equal(legacy.ask("ping", MCP_Protocol_Version="2025-06-18")["result"], {})
        equal(legacy.post(message("ping"), MCP_Protocol_Version="1999-01-01").status, 400)
        equal(legacy.post(message("ping"), MCP_Protocol_Version="x").status, 400)


@test
def handles_name_sandboxes():
    with serve() as server:
        one = agent(server)
        first, second = one.call("echo a > file; pwd"), one.call("pwd")
        check(first["sandbox_id"] != second["sandbox_id"], "one sandbox for two")
        for found in (first, second):
            check(len(found["sandbox_id"]) == 36 and found["sandbox_id"].startswith("sbx_"))
        other = agent(server)
        equal(other.call("cat file", sandbox_id=first["sandbox_id"])["stdout"], "a\n")
        equal(other.call("cat file", sandbox_id=second["sandbox_id"])["exit_code"], 1)
        legacy = session(server)
        bit_flipped = first["sandbox_id"][:-1] + ("0" if first["sandbox_id"][-1] != "0" else "1")
        texts = {one.refusal("true", sandbox_id=wrong)
                 for wrong in ("sbx_" + "0" * 32, bit_flipped, legacy.session, "x")}
        equal(len(texts), 1, str(texts))


@test
def modern_requests_know_no_sessions():
    with serve() as server:
        one = agent(server)
        body = modern("tools/call", call("true"))
        response = one.post(body, **modern_fields(body, Mcp_Session_Id="f" * 32))
        equal((response.status, response["mcp-session-id"]), (200, None))
        for method in ("GET", "DELETE"):
            response = one.connection().request(method, "/mcp", None, {
                **one.fields, "MCP-Protocol-Version": MODERN})
            equal(response.status, 405)
            check("POST" in response["allow"], repr(response))


@test
def an_idle_sandbox_ends_and_its_session_lives_on():
    with serve("--session-timeout=2") as server:
        legacy, one = session(server), agent(server)
        # Longer than the timeout, and not idle.
        equal(legacy.call("sleep 3; echo awake")["stdout"], "awake\n")
        handle = one.call("true")["sandbox_id"]
        check(wire.wait_until(lambda: len(server.events("sandbox_idle")) >= 2), server.log())
        text = legacy.refusal("true")
        check("was removed after 2 s idle; its files are gone. Nothing was run." in text, text)
        equal(legacy.call("echo fresh")["stdout"], "fresh\n")
        for _ in range(2):
            text = one.refusal("true", sandbox_id=handle)
            check("idle" in text and text.endswith("Call again without sandbox_id for a fresh one."),
                  text)


serving.main()
