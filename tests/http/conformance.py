#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The official MCP conformance suite against a real server; prints TAP.

usage: conformance.py PROGRAM [BASELINE]

PROGRAM has the fake backend; $CLIENTS is what tools/setup-clients printed. BASELINE (else
conformance.yml beside this file) lists what is expected to fail, each with its reason; what is
listed and passes is a failure too.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

import serving
from serving import check, test

PROGRAM = os.path.abspath(sys.argv[1])
BASELINE = pathlib.Path(sys.argv[2] if len(sys.argv) > 2
                        else pathlib.Path(__file__).with_name("conformance.yml"))
CLIENTS = pathlib.Path(os.environ["CLIENTS"])
NODE = str(CLIENTS / "node/bin/node")
HANG_S = 600
SERVER = serving.Server(PROGRAM, "--backend=fake")


def run(version, *words):
    """What the suite says; raises unless all went as expected."""
    program = CLIENTS / "npm/node_modules" / ("conformance-" + version) / "dist/index.js"
    url = "http://127.0.0.1:%d/mcp" % SERVER.address[1]
    with tempfile.TemporaryDirectory(prefix="kilntainers-conformance-") as folder:
        done = subprocess.run([NODE, str(program), "server", "--url", url, "-o", folder, *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=HANG_S, check=False)
    text = done.stdout + done.stderr
    # Behind the summary are the single checks; before it, a log of every request.
    check(done.returncode == 0, text[text.rfind("=== SUMMARY"):] if "=== SUMMARY" in text else text)
    return text


def expect(version, *words):
    return run(version, *words, "--expected-failures", str(BASELINE))


@test
def every_expected_failure_has_its_reason():
    entries = [line for line in BASELINE.read_text().splitlines() if line.lstrip().startswith("- ")]
    check(entries, "the baseline is empty")
    for line in entries:
        check(re.fullmatch(r"  - [a-z0-9:-]+ +# .{10,}", line), line)


@test
def all_scenarios_of_0_1():
    expect("0.1", "--suite", "all")


@test
def requirements_of_2025_11_25():
    expect("0.2", "--requirements", "2025-11-25")


@test
def requirements_of_2026_07_28():
    expect("0.2", "--requirements", "2026-07-28")


@test
def http_header_validation_whole():
    run("0.2", "--scenario", "http-header-validation")


@test
def dns_rebinding_protection_whole():
    run("0.1", "--scenario", "dns-rebinding-protection")
    run("0.2", "--scenario", "dns-rebinding-protection")


@test
def server_session_lifecycle_whole():
    run("0.2", "--scenario", "server-session-lifecycle", "--spec-version", "2025-11-25")


try:
    serving.main()
finally:
    SERVER.stop()
