#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Listeners, and the end of a server; prints TAP.

usage: listeners.py PROGRAM [--tls]      (as under_test.py says)
"""

import fcntl
import os
import signal
import socket
import subprocess
import tempfile

import agents
import serving
import wire
from agents import call, message
from serving import check, equal, test
from under_test import (BACKEND, IS_TLS, PLACE, PROGRAM, agent, is_running, serve, session,
                        sleeper)


@test
def a_unix_socket_serves_its_owner_without_tls():
    path = str(PLACE / "socket")
    with serve("--unix-socket=" + path, listen=()) as server:
        equal(os.stat(path).st_mode & 0o777, 0o600)
        one = agents.Modern(path)
        equal(one.call("echo x")["stdout"], "x\n")
    check(not os.path.exists(path), "the socket is left")


@test
def a_socket_may_be_handed_over():
    if IS_TLS:
        raise serving.Skip("the same without TLS")
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()

    def pass_on():
        if listener.fileno() != 3:
            os.dup2(listener.fileno(), 3)
        os.set_inheritable(3, True)

    # The variable needs the child's own number: a shell puts it there.
    words = ["/bin/sh", "-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"", "sh", PROGRAM]
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notified.bind(str(PLACE / "notify"))
    notified.settimeout(wire.HANG_S)
    log = tempfile.NamedTemporaryFile("w+")
    process = subprocess.Popen(
        [*words, "--transport=http", BACKEND, "--log-format=json"], stdin=subprocess.DEVNULL,
        stderr=log, close_fds=False,
        preexec_fn=pass_on,
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
def a_server_that_ends_has_nothing_to_reload():
    # Nobody reads its log, so that it takes its time over the last lines.
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b" " * 4096)
    path = str(PLACE / "silent")
    process = subprocess.Popen([PROGRAM, "--transport=http", BACKEND, "--unix-socket=" + path],
                               stdin=subprocess.DEVNULL, stderr=writer)
    try:
        check(wire.wait_until(lambda: os.path.exists(path)))
        equal(agents.Modern(path).call("echo on")["stdout"], "on\n")
        process.send_signal(signal.SIGTERM)
        # Without a pause: some of them come at the very end.
        while process.poll() is None:
            process.send_signal(signal.SIGHUP)
        equal(process.wait(), 0)
    finally:
        process.kill()
        process.wait()
        os.close(reader)
        os.close(writer)


@test
def standard_output_says_nothing():
    server = serve()
    agent(server).call("echo noise; echo noise >&2")
    server.process.send_signal(signal.SIGTERM)
    equal(server.process.stdout.read(), b"")
    equal(server.wait(), 0)


serving.main()
