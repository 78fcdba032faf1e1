# SPDX-License-Identifier: MIT
"""Has Prometheus' own Python parser read /metrics of a real server; prints TAP.

usage: python tests/e2e/metrics.py PROGRAM [OPTION...]
"""

import json
import re
import subprocess
import sys
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

HANG_GUARD_S = 60


def ask(port, path, message=None, **headers):
    request = urllib.request.Request(
        "http://127.0.0.1:%d%s" % (port, path),
        json.dumps(message).encode() if message else None,
        {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=HANG_GUARD_S) as answer:
        return answer.headers, answer.read().decode()


def call(port, method, number, session=None, **params):
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return ask(port, "/mcp", message, **({"Mcp-Session-Id": session} if session else {}))


def families(port):
    headers, _ = call(port, "initialize", 1, protocolVersion="2025-06-18", capabilities={},
                      clientInfo={"name": "metrics", "version": "0"})
    for number in (2, 3):
        call(port, "tools/call", number, headers["Mcp-Session-Id"], name="sandbox_exec",
             arguments={"command": "echo hello"})
    headers, text = ask(port, "/metrics")
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4"), headers
    return {family.name: family for family in text_string_to_metric_families(text)}


def check(found):
    for family in found.values():
        assert family.type in ("gauge", "counter", "histogram"), family
        assert family.documentation and family.samples, family
        if family.type != "histogram":
            continue
        buckets = [sample for sample in family.samples if sample.name.endswith("_bucket")]
        count = next(sample for sample in family.samples if sample.name.endswith("_count"))
        assert buckets[-1].labels == {"le": "+Inf"} and buckets[-1].value == count.value, family
        bounds = [float(sample.labels["le"]) for sample in buckets]
        assert bounds == sorted(set(bounds)), family
    outcomes = {sample.labels["outcome"]: sample.value
                for sample in found["kilntainers_calls"].samples}
    assert outcomes["exit"] == 2 and sum(outcomes.values()) == 2, outcomes
    executions = found["kilntainers_exec_seconds"].samples
    assert [sample.value for sample in executions if sample.name.endswith("_count")] == [2]


def main():
    server = subprocess.Popen(
        [*sys.argv[1:], "--transport=http", "--port=0", "--allow-unlimited-memory"],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    log = []
    print("1..1")
    try:
        for line in server.stderr:
            log.append(line)
            port = re.search(r" listening .*port=(\d+)", line)
            if port:
                break
        check(families(int(port.group(1))))
        print("ok 1 - Prometheus reads what the server says")
    except (AssertionError, AttributeError, OSError, KeyError, ValueError) as problem:
        print("not ok 1 - Prometheus reads what the server says\n#    %r\n#    %s"
              % (problem, "#    ".join(log)))
    finally:
        server.terminate()
        server.communicate(timeout=HANG_GUARD_S)


if __name__ == "__main__":
    main()
