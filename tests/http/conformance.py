#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The official MCP conformance suite against a real server; prints TAP.

usage: conformance.py PROGRAM [--with-tools]

PROGRAM has the fake backend, and with --with-tools the tools that the suite calls by name
(build/tests/kilntainers-fixtures). $CLIENTS is what tools/setup-clients printed. What is expected
to fail stands in conformance.yml, without those tools in conformance-tools.yml too, each with its
reason; what is listed and passes is a failure as well.
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import serving
from serving import check, equal, test

PROGRAM = os.path.abspath(sys.argv[1])
HAS_TOOLS = "--with-tools" in sys.argv[2:]
HERE = pathlib.Path(__file__).parent
BASELINES = [HERE / "conformance.yml"] + ([] if HAS_TOOLS else [HERE / "conformance-tools.yml"])
ENTRIES = [line for path in BASELINES for line in path.read_text().splitlines()
           if line.lstrip().startswith("- ")]
CLIENTS = pathlib.Path(os.environ["CLIENTS"])
NODE = str(CLIENTS / "node/bin/node")
HANG_S = 600
SERVER = serving.Server(PROGRAM, "--backend=fake")


def run(version, folder, *words):
    """Raises unless all went as expected; all that was checked is under the folder then."""
    program = CLIENTS / "npm/node_modules" / ("conformance-" + version) / "dist/index.js"
    url = "http://127.0.0.1:%d/mcp" % SERVER.address[1]
    done = subprocess.run([NODE, str(program), "server", "--url", url, "-o", folder, *words],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=HANG_S, check=False)
    text = done.stdout + done.stderr
    # Behind the summary are the single checks; before it, a log of every request.
    check(done.returncode == 0, text[text.rfind("=== SUMMARY"):] if "=== SUMMARY" in text else text)


def statuses(folder):
    """How often there was which, by scenario."""
    found = {}
    for path in pathlib.Path(folder).glob("**/checks.json"):
        scenario = re.fullmatch(r"server-(.+?)-\d{4}-\d\d-\d\dT.*", path.parent.name).group(1)
        found[scenario] = collections.Counter(
            one["status"] for one in json.loads(path.read_text()))
    return found


def expect(version, *words):
    """All scenarios of a set, but for what the baselines say."""
    names = [re.match(r" *- ([^ ]+)", line).group(1) for line in ENTRIES]
    if version == "0.1":  # knows scenarios alone, not their checks
        names = sorted({name.split(":")[0] for name in names})
    with tempfile.TemporaryDirectory(prefix="kilntainers-conformance-") as folder:
        baseline = pathlib.Path(folder, "baseline.yml")
        baseline.write_text("server:\n" + "".join("  - %s\n" % name for name in names))
        run(version, folder, *words, "--expected-failures", str(baseline))
        found = statuses(folder)
    check(len(found) >= 30, "only these were run: %s" % sorted(found))
    return found


def whole(version, scenario, *words):
    """One scenario: not even a warning, and nothing left out."""
    with tempfile.TemporaryDirectory(prefix="kilntainers-conformance-") as folder:
        run(version, folder, "--scenario", scenario, *words)
        found = statuses(folder)
    equal(list(found), [scenario])
    equal(set(found[scenario]) - {"INFO"}, {"SUCCESS"})


@test
def every_expected_failure_has_its_reason():
    check(ENTRIES, "the baselines are empty")
    for line in ENTRIES:
        check(re.fullmatch(r"  - [a-z0-9:-]+ +# .{10,}", line), line)


@test
def all_scenarios_of_0_1():
    expect("0.1", "--suite", "all")


@test
def requirements_of_2025_11_25():
    expect("0.2", "--requirements", "2025-11-25")


@test
def requirements_of_2026_07_28():
    found = expect("0.2", "--requirements", "2026-07-28")
    if HAS_TOOLS:
        equal(found["server-stateless"]["SUCCESS"], 28)


@test
def http_header_validation_whole():
    whole("0.2", "http-header-validation")


@test
def dns_rebinding_protection_whole():
    whole("0.1", "dns-rebinding-protection")
    whole("0.2", "dns-rebinding-protection")


@test
def server_session_lifecycle_whole():
    whole("0.2", "server-session-lifecycle", "--spec-version", "2025-11-25")


try:
    serving.main()
finally:
    SERVER.stop()
