#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sandboxes work on a machine with control groups of version 2 only.

usage: smoke.py UID     (0, or a user to become)
"""

import json
import sys

from harness import (CGROUPS, HOME, LONER, PROGRAM, TESTER, check, converse, equal, main, run,
                     sandbox, succeeds, test)

UID = int(sys.argv[1])


@test
def this_machine_has_no_control_groups_of_version_1():
    with open("/proc/self/mounts") as file:
        kinds = {line.split()[2] for line in file}
    check("cgroup2" in kinds and "cgroup" not in kinds, str(kinds))
    check("memory" in (CGROUPS / "cgroup.controllers").read_text(), "no controller of memory")


@test
def doctor_finds_native_working():
    said = succeeds(run(PROGRAM, "doctor", "--backend", "native", uid=UID))
    check("sandbox: one was made and removed" in said, said)


@test
def a_command_runs_as_root_of_its_sandbox():
    equal(succeeds(sandbox("id -u; cat; pwd", uid=UID, stdin="from outside\n")).splitlines()[:2],
          ["0", "from outside"], "output")


@test
def files_are_written_and_the_disk_has_an_end():
    done = sandbox("echo x > /workspace/x; cat /workspace/x; echo y > /usr/local/y; cat "
                   "/usr/local/y; dd if=/dev/zero of=/tmp/big bs=1M count=64 2>&1; echo after",
                   "--disk", "16m", uid=UID)
    check("No space left on device" in done.stdout and done.stdout.endswith("after\n"),
          done.stdout + done.stderr)


@test
def what_a_sandbox_maps_is_what_the_user_has():
    lines = succeeds(sandbox("cat /proc/self/uid_map", uid=UID)).splitlines()
    equal(sum(int(line.split()[2]) for line in lines), {0: 65536, TESTER: 65536, LONER: 1}[UID],
          "mapped ids")


@test
def a_command_past_its_time_ends_with_all_it_started():
    done = sandbox("(setsid sleep 4711 &); sleep 4711", "--timeout", "2", uid=UID)
    check(done.returncode == 124, str(done))
    left = run("/usr/bin/pgrep", "-f", "sleep 4711").stdout
    equal(left, "", "processes that are left")


@test
def the_server_answers_a_client_over_stdio():
    messages = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "vm", "version": "1"}}},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
            "name": "sandbox_exec", "arguments": {"command": "echo from $(uname -n)"}}},
    ]
    said = [answer for answer in converse(messages, UID) if answer.get("id") == 2]
    check("from sandbox" in json.dumps(said), str(said))
    check(str(HOME) not in json.dumps(said), "a path of the host is in an answer")


main()
