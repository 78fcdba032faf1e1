#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is said where user namespaces are closed, and what still works."""

import contextlib
import json
import pathlib

from harness import (PROGRAM, TESTER, check, converse, equal, main, run, sandbox, succeeds, test)

CLONE = "kernel.unprivileged_userns_clone"
MAXIMUM = "user.max_user_namespaces"
FIXES = {
    CLONE: "sysctl -w kernel.unprivileged_userns_clone=1",
    MAXIMUM: "sysctl -w user.max_user_namespaces=65536",
}
CALL = [
    {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "vm", "version": "1"}}},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
        "name": "sandbox_exec", "arguments": {"command": "echo works"}}},
    {"jsonrpc": "2.0", "id": 3, "method": "ping"},
]


@contextlib.contextmanager
def closed(setting):
    path = pathlib.Path("/proc/sys", *setting.split("."))
    before = path.read_text()
    path.write_text("0\n")
    try:
        yield
    finally:
        path.write_text(before)


def refuses(setting, uid):
    """doctor, a command and a client are all told the setting that helps; the server goes on."""
    fix = FIXES[setting]
    said = run(PROGRAM, "doctor", "--backend", "native", uid=uid)
    check(said.returncode != 0 and fix in said.stdout, "doctor: %s" % said)
    done = sandbox("echo works", uid=uid)
    check(done.returncode != 0 and fix in done.stderr and not done.stdout, "exec: %s" % done)
    answers = {answer.get("id"): answer for answer in converse(CALL, uid, "--backend", "native")}
    check("result" in answers.get(1, {}), "the server did not start: %s" % answers)
    result = answers[2].get("result", {})
    check(result.get("isError") is True and fix in json.dumps(result), "call: %s" % answers[2])
    equal(answers.get(3, {}).get("result"), {}, "the answer to a ping afterwards")


@test
def a_user_to_whom_they_are_closed_is_told_the_setting():
    with closed(CLONE):
        refuses(CLONE, TESTER)


@test
def root_works_where_they_are_closed_to_ordinary_users():
    with closed(CLONE):
        equal(succeeds(sandbox("id -u")), "0\n", "output")


@test
def a_user_is_told_that_they_are_turned_off():
    with closed(MAXIMUM):
        refuses(MAXIMUM, TESTER)


@test
def root_is_told_that_they_are_turned_off():
    with closed(MAXIMUM):
        refuses(MAXIMUM, 0)


@test
def the_fix_helps():
    for setting in FIXES:
        with closed(setting):
            path = pathlib.Path("/proc/sys", *setting.split("."))
            path.write_text(FIXES[setting].split("=")[-1])
            equal(succeeds(sandbox("id -u", uid=TESTER)), "0\n", "output")


main()
