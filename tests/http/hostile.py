#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clients that mean harm, against one server that serves others meanwhile; prints TAP.

usage: hostile.py PROGRAM [--tls]      (as under_test.py says)

In every test a good client pings and calls; afterwards the server
holds as many descriptors and threads as before, its memory stayed below what it may buffer, and
its sessions and sandboxes are those of the good client. For how long its loop was held up is
printed, and nothing that a test could fail for on a busy machine.
"""

import contextlib
import json
import os
import resource
import socket
import ssl
import subprocess
import sys
import threading
import time

import serving
import wire
from agents import call, message, modern, modern_fields
from serving import check, equal, test
from under_test import FOLDER, IS_TLS, PROGRAM, TLS, serve

MIB = 1 << 20
BUFFERED_BYTES = 64 * MIB
# Of what the server may use beyond the idle memory and its buffers.
MARGIN_BYTES = 64 * MIB
TOKEN, OPERATOR = "good-token-0123456789", "operator-token-012345"
GREEDY = "greedy-token-0123456789"
TOKENS = "good %s\nboss %s operator\ngreedy %s\n" % (TOKEN, OPERATOR, GREEDY)
# A good client is served within this, whatever others do: a hundred times what bench/ measures.
PATIENCE_S = 20
CONNECTIONS = 4096
# Threads that have run something may wait for more (base/thread.c).
WAITING_THREADS = 2
# What reads the pipes of background processes has these (exec/drain.c).
DRAIN_DESCRIPTORS = 2
# A sanitizer's own memory is not the server's.
HAS_SANITIZER = serving.has_sanitizer(PROGRAM)


def raise_descriptors():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


DESCRIPTORS = raise_descriptors()


class Neighbour:
    """A good client that is never to notice anything."""

    def __init__(self, server):
        self.server = server
        self.client = server.legacy(token=TOKEN)
        self.client.call("true")
        self.count = 0
        self.slowest_s = 0.0
        self.failure = None
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            while not self.is_over.wait(0.02):
                begun = time.monotonic()
                equal(self.client.ask("ping")["result"], {})
                equal(self.client.call("echo $((6 * 7))")["stdout"], "42\n")
                self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
                self.count += 1
        except Exception as failure:  # to be raised where the test is
            self.failure = failure


def start_services(server, client):
    """What comes with the first use, and stays: what parses large messages, and what reads on
    when a command has left something behind."""
    large = server.modern(token=TOKEN)
    large.refusal("x" * 100000, working_directory="relative")
    large.close()
    quiet = settled(server, is_alone)
    left = client.call("sleep 300 & echo $!")["stdout"]
    client.call("kill " + left)
    wire.wait_until(lambda: server.metrics(OPERATOR)["descriptors"] <= quiet["descriptors"] +
                    DRAIN_DESCRIPTORS)


HELD = ("descriptors", "threads", "kilntainers_connections", "kilntainers_calls_running",
        "kilntainers_sessions", "kilntainers_sandboxes", "kilntainers_buffered_bytes")


def settled(server, is_settled):
    """What the server holds once that holds, or after the longest wait."""
    found = {}

    def look():
        found.update(server.metrics(OPERATOR))
        return is_settled(found)

    wire.wait_until(look)
    return found


def is_alone(found):
    """With the neighbour and the question, which ask for nothing else just now."""
    return (found["kilntainers_connections"] == 2 and found["kilntainers_calls_running"] == 0
            and found["kilntainers_buffered_bytes"] < 64 << 10)


def is_as_before(found, before):
    return is_alone(found) and all(
        found[name] <= before[name] + (WAITING_THREADS if name == "threads" else 0)
        for name in HELD if name != "kilntainers_buffered_bytes")


def held(found):
    return {name.removeprefix("kilntainers_"): int(found[name]) for name in HELD}


def stalls(before, after):
    """In words: the rounds of the loop that were longest, and how many there were."""
    name = 'kilntainers_loop_stall_seconds_bucket{le="%s"}'
    bounds = sorted((key.split('"')[1] for key in after
                     if key.startswith("kilntainers_loop_stall_seconds_bucket")), key=float)
    counts = [int(after[name % bound] - before[name % bound]) for bound in bounds]
    longer = [(bound, counts[-1] - count) for bound, count in zip(bounds, counts)]
    return "of %d rounds %s" % (counts[-1], ", ".join(
        "%d over %g ms" % (count, float(bound) * 1000) for bound, count in longer
        if float(bound) >= 0.001 and count) or "none over 1 ms")


@contextlib.contextmanager
def under_attack(*options):
    """A server with tokens and a neighbour; checks that nothing is left and nothing was starved."""
    tokens = serving.tokens_file(FOLDER.name, TOKENS)
    with serve("--auth-token-file=" + tokens, "--max-buffered=%d" % BUFFERED_BYTES, *options,
               tls=TLS) as server:
        neighbour = Neighbour(server)
        start_services(server, neighbour.client)
        before, idle = settled(server, is_alone), server.memory_bytes()
        check(is_alone(before), held(before))
        most = [idle]
        is_over = threading.Event()

        def watch():
            while not is_over.wait(0.01):
                most[0] = max(most[0], server.memory_bytes())

        watcher = threading.Thread(target=watch)
        watcher.start()
        neighbour.thread.start()
        try:
            yield server
            # Some turns after the attack as well.
            turns = neighbour.count + 3
            wire.wait_until(lambda: neighbour.failure or neighbour.count >= turns)
        finally:
            neighbour.is_over.set()
            neighbour.thread.join()
            is_over.set()
            watcher.join()
        if neighbour.failure:
            raise neighbour.failure
        check(neighbour.slowest_s < PATIENCE_S, "the neighbour waited %.1f s" % neighbour.slowest_s)
        after = settled(server, lambda found: is_as_before(found, before))
        memory = "%d MiB resident, %d idle" % (most[0] // MIB, idle // MIB)
        print("# %s; slowest turn of the neighbour %.0f ms of %d; %s" % (
            stalls(before, after), neighbour.slowest_s * 1000, neighbour.count, memory), flush=True)
        check(HAS_SANITIZER or most[0] < idle + BUFFERED_BYTES + MARGIN_BYTES, memory)
        check(is_as_before(after, before), "before %s, after %s" % (held(before), held(after)))
        # A sanitizer speaks up at the end.
        equal(server.stop(), 0, server.log()[-2000:])


def crowd(server, count, is_silent=False):
    """As many sockets; those that the server refuses are left out. Silent ones say nothing, not
    even that they want TLS."""
    found = []
    for _ in range(count):
        one = socket.socket()
        one.settimeout(wire.HANG_S)
        try:
            one.connect(server.address)
            if server.tls and not is_silent:
                one = server.tls.wrap_socket(one, server_hostname="localhost")
        except OSError:
            one.close()
            continue
        found.append(one)
    return found


def close_all(sockets):
    for one in sockets:
        one.close()


def send_some(one, data):
    """Whether the server still takes it."""
    one.setblocking(False)
    try:
        one.send(data)
        return True
    except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False


@test
def heads_that_come_a_byte_at_a_time():
    with under_attack() as server:
        sockets = crowd(server, 300)
        begun = time.monotonic()
        alive = sockets
        while alive and time.monotonic() - begun < wire.HANG_S:
            alive = [one for one in alive if send_some(one, b"G")]
            time.sleep(0.2)
        equal(len(alive), 0, "connections that may dribble for ever")
        close_all(sockets)


@test
def bodies_that_come_a_byte_at_a_time():
    with under_attack() as server:
        clients = [server.modern(token=TOKEN).connect() for _ in range(50)]
        for one in clients:
            one.write(one.head("POST", "/mcp", {
                "Authorization": "Bearer " + TOKEN, "Content-Type": "application/json",
                "Content-Length": 10 * MIB}))
        begun, alive = time.monotonic(), [one.socket for one in clients]
        while alive and time.monotonic() - begun < 3 * wire.HANG_S:
            alive = [one for one in alive if send_some(one, b"[")]
            time.sleep(0.5)
        equal(len(alive), 0, "bodies that may dribble for ever")
        close_all(clients)


@test
def clients_that_never_read():
    with under_attack() as server:
        client = server.legacy(token=TOKEN)
        client.call("true")
        held = []
        for _ in range(60):
            one = client.connect()
            one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.send(one, message("tools/call", call(
                "head -c 1900000 /dev/zero | tr '\\0' '\\1'", meta={"progressToken": 1})))
            held.append(one)
        time.sleep(3)
        close_all(held)
        client.delete()
        client.close()


@test
def answers_that_one_name_does_not_read():
    with under_attack() as server:
        client = server.legacy(token=GREEDY)
        client.call("true")
        held = []
        for _ in range(30):
            one = client.connect()
            one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            # 7 MiB as JSON in JSON, and again as structured content.
            client.send(one, message("tools/call", call("yes '' | head -c 1500000")))
            held.append(one)
        # Less is left of its share than one more would take.
        found = settled(server, lambda found: found["kilntainers_buffered_bytes"] >
                        BUFFERED_BYTES // 3 and found["kilntainers_calls_running"] == 0)
        check(found["kilntainers_buffered_bytes"] < 0.75 * BUFFERED_BYTES, repr(found))
        time.sleep(1)
        close_all(held)
        client.delete()
        client.close()


@test
def ten_thousand_connections_that_say_nothing():
    count = min(10000, DESCRIPTORS - 200)
    with under_attack() as server:
        sockets = crowd(server, count, is_silent=True)
        begun = time.monotonic()
        while time.monotonic() - begun < 5:
            # Whoever comes new is served as well.
            client = server.legacy(token=TOKEN)
            equal(client.call("echo new")["stdout"], "new\n")
            client.delete()
            client.close()
        close_all(sockets)


@test
def thousands_of_large_bodies_without_a_token():
    with under_attack() as server:
        sockets = crowd(server, CONNECTIONS)
        head = ("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                "Content-Length: %d\r\n\r\n" % (15 * MIB)).encode()
        for one in sockets:
            send_some(one, head)
        chunk = b" " * (256 << 10)
        for _ in range(8):
            for one in sockets:
                send_some(one, chunk)
        close_all(sockets)


@test
def large_bodies_with_a_token():
    with under_attack() as server:
        refused = []

        def push(_):
            client = server.modern(token=TOKEN)
            one = client.connect()
            one.write(one.head("POST", "/mcp", {**client.fields, "Content-Length": 15 * MIB}))
            try:
                for _ in range(14):
                    one.write(b" " * MIB)
            except OSError:
                pass
            held.append(one)

        held = []
        threads = [threading.Thread(target=push, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for one in held:
            one.socket.settimeout(0.5)
            try:
                response = one.read()
                refused.append(response.status)
                equal(response.status, 503, repr(response))
                check(response["retry-after"], repr(response))
            except (socket.timeout, wire.Closed, OSError):
                pass
        check(refused, "twelve bodies of 15 MiB fit into 64")
        close_all(held)


@test
def large_messages_that_are_whole():
    with under_attack() as server:
        body = json.dumps(message("ping", {"_meta": {"x": " " * (15 * MIB)}})).encode()
        statuses = []

        def push():
            for _ in range(4):
                client = server.modern(token=TOKEN)
                with client.connect() as one, contextlib.suppress(OSError, wire.Closed):
                    client.send(one, body)
                    statuses.append(one.read().status)

        threads = [threading.Thread(target=push) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check(set(statuses) <= {200, 400, 503}, statuses)
        check(set(statuses) & {200, 400}, statuses)


@test
def a_large_body_in_chunks_of_one_byte():
    with under_attack() as server:
        client = server.modern(token=TOKEN)
        one = client.connect()
        one.write(one.head("POST", "/mcp", {**client.fields, "Transfer-Encoding": "chunked"}))
        part = b"1\r\n \r\n" * (256 << 10)
        for _ in range(60):
            one.write(part)
        one.write(b"0\r\n\r\n")
        equal(one.read().status, 400)
        one.close()


@test
def storms_of_connections_that_leave_at_once():
    with under_attack() as server:
        for number in range(10):
            for one in crowd(server, 500):
                if number % 2:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                one.close()


@test
def requests_behind_one_another():
    with under_attack() as server:
        body = json.dumps(message("ping")).encode()
        head = ("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                "Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n" % (TOKEN, len(body)))
        flood = (head.encode() + body) * 2000
        sockets = crowd(server, 20)
        for one in sockets:
            for _ in range(20):
                send_some(one, flood)
        time.sleep(2)
        close_all(sockets)


@test
def a_hundred_megabytes_into_an_open_stream():
    with under_attack() as server:
        client = server.modern(token=TOKEN)
        one, body = client.connect(), modern("subscriptions/listen", {"notifications": {}})
        client.send(one, body, **modern_fields(body))
        check(one.read().is_stream)
        one.socket.settimeout(0.2)
        sent = 0
        try:
            while sent < 100 * MIB:
                sent += one.socket.send(b"x" * MIB)
        except (socket.timeout, OSError):
            pass
        one.close()


@test
def messages_that_are_too_large_or_too_deep():
    with under_attack() as server:
        client = server.legacy(token=TOKEN)
        for data in (b"[" * MIB, b"[" * 100 + b"]" * 100, b"{}," * MIB, b'{"a":' * 70 + b"1" + b"}" * 70,
                     b'"' + b"\\u0000" * (2 * MIB) + b'"', b"9" * MIB, b"1e400", b"\xff" * MIB,
                     b"[" + b"{}," * 30000 + b"{}]"):
            equal(client.post(data).status, 400, repr(data[:20]))
        client.delete()
        client.close()


@test
def wrong_tokens_one_after_another():
    with under_attack() as server:
        begun = time.monotonic()
        for number in range(2000):
            with server.connect() as one:
                equal(one.request("POST", "/mcp", b"{}", {
                    "Authorization": "Bearer wrong-token-%010d" % number,
                    "Content-Type": "application/json"}).status, 401)
        # Ten at once, and one for each second.
        lines, most = len(server.events("request_refused")), 12 + time.monotonic() - begun
        check(1 <= lines <= most, "%d lines for 2000 wrong tokens" % lines)
        check("wrong-token" not in server.log(), "a token is in the log")


@test
def guessed_sessions_and_handles():
    with under_attack() as server:
        client = server.modern(token=TOKEN)
        for number in range(1000):
            response = client.post(message("ping"), Mcp_Session_Id="%032x" % number)
            equal(response.status, 404)
            client.refusal("true", sandbox_id="sbx_%032x" % number)
        client.close()


@test
def clients_that_vanish_during_their_calls():
    with under_attack() as server:
        for number in range(200):
            client = server.modern(token=TOKEN)
            one, body = client.connect(), modern("tools/call", call("sleep 300"))
            client.send(one, body, **modern_fields(body))
            if number % 3 == 0:
                time.sleep(0.01)
            one.reset() if number % 2 else one.close()


@test
def another_user_of_this_machine():
    if os.geteuid() != 0:
        raise serving.Skip("only root can be somebody else")
    if IS_TLS:
        raise serving.Skip("the system says who connects, with TLS or without")
    with serve() as server:
        script = ("import socket, sys\n"
                  "for _ in range(300):\n"
                  "    s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
                  "    s.sendall(b'POST /mcp HTTP/1.1\\r\\nHost: localhost\\r\\n"
                  "Content-Type: application/json\\r\\nContent-Length: 2\\r\\n\\r\\n{}')\n"
                  "    assert s.recv(100).startswith(b'HTTP/1.1 403 '), 'served'\n")
        done = subprocess.run(["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups",
                               sys.executable, "-c", script, *map(str, server.address)],
                              capture_output=True, text=True, timeout=wire.HANG_S, check=False)
        equal(done.returncode, 0, done.stderr)
        equal(server.modern().call("echo on")["stdout"], "on\n")


serving.main()
