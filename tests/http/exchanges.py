#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""HTTP itself: what is refused, bodies, streams; prints TAP.

usage: exchanges.py PROGRAM [--tls]      (as under_test.py says)
"""

import json
import signal
import time

import serving
import wire
from agents import META, call, message, modern, modern_fields
from serving import check, equal, test
from under_test import agent, connect, serve, session


OVERSIZE = (16 << 20) + 1


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
            check(response.status in (400, 413, 501), "%s: %r" % (name, response))
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
    equal(server.wait(), 0)


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


serving.main()
