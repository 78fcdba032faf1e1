#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""MCP over Streamable HTTP, byte by byte, in both eras; prints TAP.

usage: protocol.py PROGRAM [--tls]

PROGRAM has the fake backend. With --tls everything goes through TLS, with a certificate that is
made here.
"""

import base64
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import agents
import serving
import wire
from agents import LEGACY, META, MODERN, call, message, modern, modern_fields
from serving import check, equal, test

PROGRAM = os.path.abspath(sys.argv[1])
IS_TLS = "--tls" in sys.argv
FOLDER = tempfile.TemporaryDirectory(prefix="kilntainers-http-")
PLACE = pathlib.Path(FOLDER.name)
BACKEND = "--backend=fake"
TLS_OPTIONS, TLS = [], None
OVERSIZE = (16 << 20) + 1
REVISIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")


def prepare_tls():
    global TLS, TLS_OPTIONS
    key, certificate = str(PLACE / "key.pem"), str(PLACE / "certificate.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    TLS_OPTIONS = ["--tls-cert=" + certificate, "--tls-key=" + key]
    TLS = ssl.create_default_context(cafile=certificate)


def serve(*options, **more):
    return serving.Server(PROGRAM, BACKEND, *TLS_OPTIONS, *options, **more)


def agent(server, **more):
    return agents.Modern(server.address, tls=TLS, **more)


def session(server, **more):
    return agents.Legacy(server.address, tls=TLS, **more)


def connect(server):
    return wire.Connection(server.address, TLS)


def error_of(response, status, code):
    """The error message of a refused request."""
    equal(response.status, status, repr(response))
    found = response.json
    equal(found["error"]["code"], code, repr(response))
    return found


def is_running(mark):
    """Whether a process of this machine has that word on its command line."""
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                return True
        except OSError:
            pass
    return False


def sleeper(mark):
    """A command that is recognised in the process list."""
    return "exec -a %s sleep 300" % mark


def parallel(count, function):
    """What each found; the first failure raises."""
    found, failures = [None] * count, []

    def run(number):
        try:
            found[number] = function(number)
        except Exception as failure:  # to be raised in the test's thread
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return found


# --- versions and shapes -------------------------------------------------------------


@test
def initialize_agrees_on_a_version():
    wanted = {**{version: version for version in REVISIONS}, "1999-01-01": LEGACY,
              MODERN: LEGACY, "": LEGACY}
    with serve() as server:
        for version, expected in wanted.items():
            found = agents.Legacy(server.address, version=version, tls=TLS, MCP_X=None) \
                if version in REVISIONS else None
            if found:
                equal(found.initialized["protocolVersion"], expected)
                found.close()
                continue
            raw = agents.Agent(server.address, TLS)
            answer = raw.answer(raw.post(message("initialize", {"protocolVersion": version})))
            equal(answer["result"]["protocolVersion"], expected)
            raw.close()
        raw = agents.Agent(server.address, TLS)
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
        equal(result["_meta"][META + "serverInfo"]["name"], "kilntainers")


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
            equal(answer["result"]["_meta"][META + "serverInfo"]["name"], "kilntainers")


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


# --- calls -----------------------------------------------------------------------------


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

        for token, (*before, last) in parallel(2 * len(tokens), ask):
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
        for version in REVISIONS:
            lists = {json.dumps(session(server, version=version).ask("tools/list")["result"])
                     for _ in range(3)}
            equal(len(lists), 1)
            tool = json.loads(lists.pop())["tools"][0]
            check("sandbox_id" not in tool["inputSchema"]["properties"], "a legacy sandbox_id")


# --- sessions and handles ------------------------------------------------------------------


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
                 for wrong in ("sbx_" + "0" * 32, bit_flipped, legacy.session, "x", "")}
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


# --- HTTP --------------------------------------------------------------------------------------


@test
def hosts_and_origins_are_checked_on_every_path():
    with serve() as server:
        port = server.address[1]
        good_hosts = ["localhost:%d" % port, "127.0.0.1:%d" % port, "[::1]:%d" % port, "localhost"]
        bad_hosts = ["evil.example", "evil.example:%d" % port, "127.0.0.1.evil.example", "localhost."
                     "evil.example", "0x7f.1:99", "a b"]
        good_origins = [None, "http://localhost:%d" % port, "http://127.0.0.1:1", "http://[::1]"]
        bad_origins = ["null", "http://evil.example", "", "localhost", "file://", "http://"]
        for path in ("/mcp", "/healthz", "/", "/metrics", "/none", "/.well-known/x"):
            for host in bad_hosts:
                with connect(server) as found:
                    check(found.request("GET", path, Host=host).status in (400, 403), path + host)
            for origin in bad_origins:
                with connect(server) as found:
                    equal(found.request("GET", path, Origin=origin).status, 403, path + " " + origin)
            with connect(server) as found:
                equal(found.request("GET", path, **{"Sec-Fetch-Site": "cross-site"}).status, 403)
        for host in good_hosts:
            for origin in good_origins:
                with connect(server) as found:
                    equal(found.request("GET", "/healthz", Host=host, Origin=origin).status, 200,
                          "%s %s" % (host, origin))


@test
def paths_and_methods_that_are_not_there():
    with serve() as server:
        legacy = session(server)
        for path in ("/none", "/mcp/x", "/mcpx", "//mcp", "/.well-known/oauth-authorization-server",
                     "/.well-known/oauth-protected-resource/mcp", "/sse"):
            equal(legacy.connect().request("GET", path).status, 404, path)
        for method in ("PUT", "PATCH", "OPTIONS", "HEAD", "TRACE"):
            with connect(server) as found:
                response = found.request(method, "/mcp")
                check(response.status in (405, 501), method + repr(response))
                check(response.status == 501 or "POST" in response["allow"], repr(response))
                check(not any(name.startswith("access-control") for name, _ in response.fields))


@test
def content_types_and_what_is_accepted():
    with serve() as server:
        legacy = session(server)
        body = message("ping")
        for good in ("application/json", "application/json; charset=utf-8", "APPLICATION/JSON",
                     "application/json;x=\"y\""):
            equal(legacy.post(body, Content_Type=good).status, 200, good)
        for bad in (None, "text/plain", "application/jsonx", "application/x-www-form-urlencoded",
                    "multipart/form-data; boundary=x", "application/json, text/plain", ""):
            equal(legacy.post(body, Content_Type=bad).status, 415, str(bad))
        for good in (None, "*/*", "application/*, text/*", "application/json",
                     "application/json;q=0.5, text/event-stream"):
            equal(legacy.post(body, Accept=good).status, 200, str(good))
        equal(legacy.post(body, Accept="image/png").status, 406)


@test
def bodies_have_a_limit_that_is_judged_before_they_come():
    with serve() as server:
        legacy = session(server)
        found = legacy.connect()
        found.write(found.head("POST", "/mcp", {**legacy.fields, "Content-Length": OVERSIZE}))
        equal(found.read().status, 413)
        found = legacy.connect()
        found.write(found.head("POST", "/mcp", {**legacy.fields, "Transfer-Encoding": "chunked"}))
        chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        try:
            for _ in range(20):
                found.write(chunk)
        except OSError:
            pass
        equal(found.read().status, 413)
        # The largest stdin that there is, in the longest way to write it.
        text = "\1" * (2 << 20)
        answer = legacy.call("wc -c", stdin=text)
        equal(answer["stdout"].strip(), str(2 << 20))


@test
def a_body_may_come_in_chunks_and_after_a_question():
    with serve() as server:
        legacy = session(server)
        data = json.dumps(message("ping")).encode()
        found = legacy.connect()
        found.write(found.head("POST", "/mcp", {**legacy.fields, "Transfer-Encoding": "chunked"}))
        for byte in data:
            found.write(b"1\r\n" + bytes([byte]) + b"\r\n")
        found.write(b"0\r\n\r\n")
        equal(legacy.answer(legacy.finish(found))["result"], {})
        found.write(found.head("POST", "/mcp", {**legacy.fields, "Content-Length": len(data),
                                                "Expect": "100-continue"}))
        equal(found.read_head().status, 100)
        found.write(data)
        equal(legacy.answer(legacy.finish(found))["result"], {})
        found.write(found.head("POST", "/mcp", {**legacy.fields, "Content-Length": OVERSIZE,
                                                "Expect": "100-continue"}))
        equal(found.read_head().status, 413)


@test
def pipelined_requests_are_answered_in_order():
    with serve() as server:
        legacy = session(server)
        found = legacy.connect()
        bodies = [message("tools/call", call("sleep 0.3; echo first"))]
        bodies += [message("ping") for _ in range(10)]
        bodies.append(message("tools/call", call("echo last")))
        for body in bodies:
            legacy.send(found, body)
        for body in bodies:
            equal(legacy.answer(legacy.finish(found))["id"], body["id"])


@test
def messages_that_could_mean_two_things_are_refused():
    data = json.dumps(message("ping"))
    size = "Content-Length: %d" % len(data)
    ways = {
        "two hosts": ["Host: localhost", size],
        "no host": None,
        "length and chunks": [size, "Transfer-Encoding: chunked"],
        "two lengths": [size, "Content-Length: 3"],
        "the same length twice": [size, size],
        "a signed length": ["Content-Length: +%d" % len(data)],
        "a negative length": ["Content-Length: -1"],
        "a list of lengths": ["Content-Length: %d, %d" % (len(data), len(data))],
        "a length in hex": ["Content-Length: 0x10"],
        "a huge length": ["Content-Length: 99999999999999999999"],
        "an unknown coding": ["Transfer-Encoding: gzip"],
        "two codings": ["Transfer-Encoding: gzip, chunked"],
        "chunked twice": ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        "a folded line": [size, "X: a\r\n b"],
        "a space before the colon": [size, "X : a"],
        "a name of nothing": [size, ": a"],
        "a bare line feed": [size + "\nX: y"],
        "a bare return": [size, "X: a\rb"],
        "a NUL": [size, "X: a\0b"],
    }
    with serve() as server:
        legacy = session(server)
        for name, lines in ways.items():
            found = legacy.connect()
            host = [] if lines is None else ["Host: " + found.host]
            common = ["%s: %s" % pair for pair in legacy.fields.items()]
            text = "\r\n".join(["POST /mcp HTTP/1.1", *host, *common, *(lines or [size])])
            found.write(text + "\r\n\r\n" + data)
            response = found.read()
            check(response.status in (400, 501), "%s: %r" % (name, response))
            check(found.is_closed(), name + ": the connection is kept")


@test
def a_head_has_limits_in_size_and_time():
    with serve() as server:
        found = connect(server)
        found.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20000)
        check(found.read().status in (400, 431))
        found = connect(server)
        found.write(b"GET /" + b"a" * 20000)
        check(found.read().status in (400, 414, 431))
        found = connect(server)
        begun = time.monotonic()
        found.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        try:
            while time.monotonic() - begun < wire.HANG_S:
                found.write(b"X")
                time.sleep(0.5)
        except OSError:
            pass
        check(time.monotonic() - begun < wire.HANG_S, "it waits for ever")


@test
def a_stream_is_alive_and_has_no_ids():
    with serve() as server:
        one = agent(server)
        found, body = one.connect(), modern("tools/call", call("sleep 20"))
        one.send(found, body, **modern_fields(body))
        response = found.read()
        check(response.is_stream, repr(response))
        equal((response["cache-control"], response["x-accel-buffering"]), ("no-cache", "no"))
        stream = wire.Stream(found)
        answer = stream.event()
        equal(answer["id"], body["id"])
        equal((stream.event(), stream.is_ended), (None, True))
        check(stream.comments >= 1, "no comment in 20 s")


@test
def subscriptions_are_acknowledged_and_end_well():
    server = serve()
    one = agent(server)
    found, body = one.connect(), modern("subscriptions/listen", {"notifications": {}})
    one.send(found, body, **modern_fields(body))
    check(found.read().is_stream)
    stream = wire.Stream(found)
    first = stream.event()
    equal(first["method"], "notifications/subscriptions/acknowledged")
    equal(first["params"]["_meta"][META + "subscriptionId"], body["id"])
    equal(first["params"]["notifications"], {})
    server.process.send_signal(signal.SIGTERM)
    last = stream.event()
    equal((last["id"], last["result"]["resultType"]), (body["id"], "complete"))
    equal(last["result"]["_meta"][META + "subscriptionId"], body["id"])
    equal(stream.event(), None)
    equal(server.stop(), 0)


@test
def subscriptions_have_a_limit():
    with serve() as server:
        one, held = agent(server), []
        for _ in range(64):
            found, body = one.connect(), modern("subscriptions/listen", {"notifications": {}})
            one.send(found, body, **modern_fields(body))
            check(found.read().is_stream)
            held.append(found)
        body = modern("subscriptions/listen", {"notifications": {}})
        check("error" in one.answer(one.post(body, **modern_fields(body))))
        held.pop().close()

        def again():
            found, body = one.connect(), modern("subscriptions/listen", {"notifications": {}})
            one.send(found, body, **modern_fields(body))
            is_stream = found.read().is_stream
            held.append(found)
            return is_stream

        check(wire.wait_until(again), "a place is not free again")


@test
def a_session_may_listen_once():
    with serve() as server:
        legacy = session(server)

        def listen(**more):
            found = legacy.connect()
            found.write(found.head("GET", "/mcp", {**legacy.fields, **more}))
            return found, found.read()

        found, response = listen()
        check(response.is_stream, repr(response))
        equal(listen()[1].status, 409)
        equal(listen(**{"Mcp-Session-Id": "f" * 32})[1].status, 404)
        found.close()
        again = wire.wait_until(
            lambda: next((pair for pair in [listen()] if pair[1].is_stream), None))
        check(again, "it cannot listen again")
        check(legacy.delete().status in (200, 204))
        equal(wire.Stream(again[0]).event(), None, "the stream outlives its session")


@test
def the_server_asks_its_clients_nothing():
    with serve() as server:
        one, legacy = agent(server), session(server)
        for client in (one, legacy):
            params = call("echo x; sleep 0.2", meta={"progressToken": "p"})
            if client is one:
                body = modern("tools/call", params)
                found = client.post(body, **modern_fields(body))
            else:
                found = client.post(message("tools/call", params))
            for item in found.messages:
                check("method" not in item or "id" not in item, str(item))
                check(item.get("method") != "notifications/message", str(item))


# --- who may call ---------------------------------------------------------------------------


TOKENS = "alice alice-secret-0123456789\nbob bob-secret-01234567890\n" \
         "root root-secret-0123456789 operator\n"
ALICE, BOB, ROOT = "alice-secret-0123456789", "bob-secret-01234567890", "root-secret-0123456789"


def serve_with_tokens(*options, **more):
    return serve("--auth-token-file=" + serving.tokens_file(PLACE, TOKENS), *options, **more)


@test
def without_a_token_nothing_is_told():
    with serve_with_tokens() as server:
        for method, body in (("POST", b"{}"), ("GET", None), ("DELETE", None)):
            for value in (None, "Bearer wrong-wrong-wrong-wrong", "Basic YTpi", "Bearer", "Bearer ",
                          ALICE, "Bearer %sx" % ALICE, "Bearer %s" % ALICE[:-1]):
                with connect(server) as found:
                    response = found.request(method, "/mcp", body, {
                        "Authorization": value, "Content-Type": "application/json"})
                    check(response.status in (400, 401), "%s %r %r" % (method, value, response))
                    check(response.status == 400 or
                          response["www-authenticate"].startswith("Bearer"), repr(response))
                    check(ALICE.encode() not in response.body)
        with connect(server) as found:
            response = found.request("POST", "/mcp?token=" + ALICE, b"{}",
                                     {"Content-Type": "application/json"})
            check(response.status in (400, 401), repr(response))
        with connect(server) as found:
            equal(found.request("GET", "/.well-known/oauth-protected-resource").status, 404)
            equal(found.request("GET", "/healthz").status, 200)
            check(found.request("GET", "/metrics").status in (401, 404))
        check(ALICE not in server.log() and "wrong-wrong" not in server.log(), server.log())


@test
def sessions_and_handles_are_their_owners():
    with serve_with_tokens() as server:
        alice, bob = session(server, token=ALICE), session(server, token=BOB)
        error_of(bob.post(message("ping"), Mcp_Session_Id=alice.session), 404, -32600)
        stolen = bob.connection().request("DELETE", "/mcp", None, {
            **bob.fields, "Mcp-Session-Id": alice.session})
        equal(stolen.status, 404)
        equal(alice.ask("ping")["result"], {})
        one, two = agent(server, token=ALICE), agent(server, token=BOB)
        handle = one.call("true")["sandbox_id"]
        equal(two.refusal("true", sandbox_id=handle),
              two.refusal("true", sandbox_id="sbx_" + "0" * 32))
        equal(one.call("echo mine", sandbox_id=handle)["stdout"], "mine\n")


@test
def a_client_with_a_new_session_for_every_call_keeps_its_files():
    with serve_with_tokens("--sandbox-scope=principal") as server:
        session(server, token=ALICE).call("echo kept > file")
        equal(session(server, token=ALICE).call("cat file")["stdout"], "kept\n")
        equal(agent(server, token=ALICE).call("cat file")["stdout"], "kept\n")
        equal(session(server, token=BOB).call("cat file")["exit_code"], 1)
    with serve("--sandbox-scope=handle") as server:
        handle = session(server).call("echo kept > file")["sandbox_id"]
        equal(session(server).call("cat file", sandbox_id=handle)["stdout"], "kept\n")
        tool = session(server).ask("tools/list")["result"]["tools"][0]
        check("sandbox_id" in tool["inputSchema"]["properties"])


@test
def a_session_scope_has_no_sessions_to_offer_modern_clients():
    with serve("--sandbox-scope=session") as server:
        check("--sandbox-scope" in agent(server).refusal("true"))
        equal(session(server).call("echo x")["stdout"], "x\n")


@test
def tokens_are_read_again():
    path = serving.tokens_file(PLACE, TOKENS, name="changing")
    with serve("--auth-token-file=" + path) as server:
        one = agent(server, token=BOB)
        one.call("true")
        pathlib.Path(path).write_text("alice %s\n" % ALICE)
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_event("reloaded")
        body = modern("tools/list")
        equal(one.post(body, **modern_fields(body)).status, 401)
        equal(agent(server, token=ALICE).call("echo on")["stdout"], "on\n")
        pathlib.Path(path).write_text("nonsense\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_event("reload_failed")
        equal(agent(server, token=ALICE).call("echo on")["stdout"], "on\n")


@test
def a_token_may_come_from_the_environment():
    with serve(environment={"KILNTAINERS_AUTH_TOKEN": ALICE}) as server:
        equal(agent(server, token=ALICE).call("echo on")["stdout"], "on\n")
        with connect(server) as found:
            equal(found.request("POST", "/mcp", b"{}",
                                {"Content-Type": "application/json"}).status, 401)
        environment = pathlib.Path("/proc/%d/environ" % server.pid).read_bytes()
        check(ALICE.encode() not in environment, "the token is still in the environment")


@test
def beyond_loopback_a_token_is_needed():
    done = subprocess.run([PROGRAM, "--transport=http", BACKEND, "--host=0.0.0.0", "--port=0"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                          check=False)
    check(done.returncode in (1, 2) and "--auth-token-file" in done.stderr, str(done))
    with serve("--host=0.0.0.0", "--insecure-no-auth") as server:
        equal(agents.Modern(("127.0.0.1", server.address[1]), TLS).call("echo x")["stdout"], "x\n")
    with serve_with_tokens("--host=0.0.0.0") as server:
        one = agents.Modern(("127.0.0.1", server.address[1]), TLS, token=ALICE, Host="any.example")
        equal(one.call("echo x")["stdout"], "x\n")


@test
def another_user_of_this_machine_may_not_call():
    if os.geteuid() != 0:
        raise serving.Skip("only root can be somebody else")
    script = "import sys, socket; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); " \
             "s.sendall(b'GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n'); " \
             "print(s.recv(1000).split(b' ')[1].decode())"
    if IS_TLS:
        raise serving.Skip("the same without TLS")
    for options, expected in (([], "403"), (["--allow-local-users"], "200")):
        with serve(*options) as server:
            done = subprocess.run(["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups",
                                   sys.executable, "-c", script, str(server.address[1])],
                                  capture_output=True, text=True, timeout=60, check=False)
            equal(done.stdout.strip(), expected, done.stderr)


# --- listeners and the end -----------------------------------------------------------------------


@test
def a_unix_socket_serves_its_owner():
    path = str(PLACE / "socket")
    with serve("--unix-socket=" + path, listen=()) as server:
        equal(os.stat(path).st_mode & 0o777, 0o600)
        one = agents.Modern(path, TLS)
        equal(one.call("echo x")["stdout"], "x\n")
    check(not os.path.exists(path), "the socket is left")


@test
def a_socket_may_be_handed_over():
    if IS_TLS:
        raise serving.Skip("the same without TLS")
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()

    # The variable needs the child's own number: a shell puts it there.
    words = ["/bin/sh", "-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"", "sh", PROGRAM]
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notified.bind(str(PLACE / "notify"))
    notified.settimeout(wire.HANG_S)
    log = tempfile.NamedTemporaryFile("w+")
    process = subprocess.Popen(
        [*words, "--transport=http", BACKEND, "--log-format=json"], stdin=subprocess.DEVNULL,
        stderr=log, close_fds=False,
        preexec_fn=lambda: os.dup2(listener.fileno(), 3, inheritable=True),
        env={**os.environ, "NOTIFY_SOCKET": str(PLACE / "notify")})
    try:
        check(b"READY=1" in notified.recv(4096))
        one = agents.Modern(listener.getsockname())
        equal(one.call("echo handed")["stdout"], "handed\n")
        process.send_signal(signal.SIGTERM)
        check(b"STOPPING=1" in notified.recv(4096))
        equal(process.wait(wire.HANG_S), 0)
    finally:
        process.kill()
        process.wait()
        listener.close()
        notified.close()


@test
def the_end_leaves_nothing():
    server = serve()
    legacy, mark = session(server), "kiln-end-%d" % os.getpid()
    busy = legacy.connect()
    legacy.send(busy, message("tools/call", call(sleeper(mark))))
    check(wire.wait_until(lambda: is_running(mark)), "it does not run")
    equal(server.stop(), 0)
    check(wire.wait_until(lambda: not is_running(mark)), "the command outlives the server")
    check(busy.is_closed())


@test
def standard_output_says_nothing():
    server = serve()
    agent(server).call("echo noise; echo noise >&2")
    server.process.send_signal(signal.SIGTERM)
    equal(server.process.stdout.read(), b"")
    server.stop()


if IS_TLS:
    prepare_tls()
serving.main()
