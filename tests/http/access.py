#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may call, and whose is what; prints TAP.

usage: access.py PROGRAM [--tls]      (as under_test.py says)
"""

import os
import pathlib
import signal
import socket
import subprocess
import sys

import agents
import serving
from agents import message, modern, modern_fields
from serving import check, equal, test
from under_test import (BACKEND, IS_TLS, PLACE, PROGRAM, TLS, agent, connect, error_of, serve,
                        session)


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
             "s.sendall(b'GET /mcp HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n'); " \
             "print(s.recv(1000).split(b' ')[1].decode())"
    if IS_TLS:
        raise serving.Skip("the same without TLS")
    for options, expected in (([], "403"), (["--allow-local-users"], "405")):
        with serve(*options) as server:
            done = subprocess.run(["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups",
                                   sys.executable, "-c", script, str(server.address[1])],
                                  capture_output=True, text=True, timeout=60, check=False)
            equal(done.stdout.strip(), expected, done.stderr)


serving.main()
