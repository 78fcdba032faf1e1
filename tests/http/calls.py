#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Calls of the tool: cancelled, left alone, told of, refused; prints TAP.

usage: calls.py PROGRAM [--tls]      (as under_test.py says)
"""

import json
import os

import agents
import serving
import wire
from agents import call, message, modern, modern_fields
from serving import check, equal, test
from under_test import IS_TLS, PLACE, agent, is_running, serve, session, sleeper


@test
def ping_is_answered_while_a_command_runs():
    with serve() as server:
        legacy = session(server)
        busy = legacy.connect()
        legacy.send(busy, message("tools/call", call("sleep 300; true")))
        for _ in range(10):
            equal(legacy.ask("ping")["result"], {})
        busy.close()


@test
def a_cancelled_command_dies_and_is_not_answered():
    with serve() as server:
        legacy = session(server)
        busy, mark = legacy.connect(), "kiln-cancel-%d" % os.getpid()
        body = message("tools/call", call(sleeper(mark), meta={"progressToken": 0}))
        legacy.send(busy, body)
        check(wire.wait_until(lambda: is_running(mark)), "it does not run")
        cancel = message("notifications/cancelled", {"requestId": body["id"]}, id=None)
        equal(legacy.post(cancel).status, 202)
        check(wire.wait_until(lambda: not is_running(mark)), "it still runs")
        equal([item for item in legacy.finish(busy).messages if "id" in item], [])
        equal(legacy.call("echo on")["stdout"], "on\n")
        busy.close()


@test
def a_modern_client_that_goes_cancels_its_command():
    with serve() as server:
        one = agent(server)
        for number, way in enumerate(("close", "reset")):
            mark = "kiln-gone-%d-%d" % (os.getpid(), number)
            body = modern("tools/call", call(sleeper(mark)))
            busy = one.connect()
            one.send(busy, body, **modern_fields(body))
            check(wire.wait_until(lambda: is_running(mark)), "it does not run")
            getattr(busy, way if not IS_TLS else "close")()
            check(wire.wait_until(lambda: not is_running(mark)), "it still runs after " + way)


@test
def a_modern_client_that_goes_is_seen_behind_pipelined_bytes():
    with serve() as server:
        one, mark = agent(server), "kiln-piped-%d" % os.getpid()
        body = modern("tools/call", call(sleeper(mark)))
        busy = one.connect()
        one.send(busy, body, **modern_fields(body))
        check(wire.wait_until(lambda: is_running(mark)), "it does not run")
        for _ in range(20):
            one.send(busy, body, **modern_fields(body))
        busy.close()
        check(wire.wait_until(lambda: not is_running(mark)), "it still runs")


@test
def a_legacy_client_that_goes_lets_its_command_finish():
    with serve() as server:
        legacy = session(server)
        flag = PLACE / "finished"
        busy = legacy.connect()
        legacy.send(busy, message("tools/call", call("echo begun > %s.1; sleep 1; echo done > %s"
                                                     % (flag, flag))))
        check(wire.wait_until(lambda: os.path.exists("%s.1" % flag)), "it does not run")
        busy.close()
        check(wire.wait_until(flag.exists), "it was cancelled")


@test
def a_cancel_of_nothing_is_ignored():
    with serve() as server:
        first, second = session(server), session(server)
        busy, mark = first.connect(), "kiln-foreign-%d" % os.getpid()
        body = message("tools/call", call(sleeper(mark)), id=77)
        first.send(busy, body)
        check(wire.wait_until(lambda: is_running(mark)), "it does not run")
        for params in ({"requestId": 77}, {"requestId": "77"}, {"requestId": None}, {}):
            equal(second.post(message("notifications/cancelled", params, id=None)).status, 202)
        equal(second.ask("ping")["result"], {})
        check(is_running(mark), "another session's cancel has killed it")
        equal(first.delete().status in (200, 204), True)
        check(wire.wait_until(lambda: not is_running(mark)), "it outlives its session")
        busy.close()


@test
def progress_comes_only_with_a_token_and_before_the_answer():
    tokens = (0, "t", None)
    with serve() as server:
        def ask(number):
            is_modern, token = number % 2 == 0, tokens[number // 2]
            client = agent(server) if is_modern else session(server)
            params = call("sleep 11", meta=None if token is None else {"progressToken": token})
            body = (modern if is_modern else message)("tools/call", params)
            response = client.post(body, **(modern_fields(body) if is_modern else {}))
            check(response.is_stream, repr(response))
            return token, response.messages

        for token, (*before, last) in serving.parallel(2 * len(tokens), ask):
            check("id" in last and bool(before) == (token is not None), str(before))
            values = [item["params"]["progress"] for item in before]
            equal(values, sorted(set(values)))
            for item in before:
                equal(item["params"]["progressToken"], token)


@test
def bad_tools_and_arguments_are_told_apart():
    bad = ({}, {"command": "x", "args": ["y"]}, {"command": 7}, {"args": []},
           {"command": "x", "timeout": 0}, {"command": "x", "timeout": 10 ** 9},
           {"command": "x", "working_directory": "relative"}, {"command": "x\0"})
    with serve() as server:
        for client in (agent(server), session(server)):
            equal(client.ask("tools/call", {"name": "none", "arguments": {}},
                             **({"Mcp_Name": "none"} if isinstance(client, agents.Modern) else {}))
                  ["error"]["code"], -32602)
            equal(client.ask("tools/call", {"name": "sandbox_exec", "arguments": []})
                  ["error"]["code"], -32602)
            for arguments in bad:
                check(agents.tool_refusal(client.ask("tools/call", call(**arguments))), str(arguments))


@test
def cursors_are_unknown():
    with serve() as server:
        for client in (agent(server), session(server)):
            for cursor in ("x", ""):
                equal(client.ask("tools/list", {"cursor": cursor})["error"]["code"], -32602)


@test
def the_list_of_tools_is_the_same_for_everyone():
    with serve() as server:
        lists = {json.dumps(agent(server).ask("tools/list")["result"]) for _ in range(3)}
        equal(len(lists), 1)
        for version in agents.LEGACY_VERSIONS:
            lists = {json.dumps(session(server, version=version).ask("tools/list")["result"])
                     for _ in range(3)}
            equal(len(lists), 1)
            tool = json.loads(lists.pop())["tools"][0]
            check("sandbox_id" not in tool["inputSchema"]["properties"], "a legacy sandbox_id")


serving.main()
