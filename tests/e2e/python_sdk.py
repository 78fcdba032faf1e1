# SPDX-License-Identifier: MIT
"""Drives the server with the installed Python SDK, version 1 or 2; prints TAP.

usage: python tests/e2e/python_sdk.py PROGRAM [OPTION...]

With TRANSPORT=http in the environment the server is reached over HTTP.
"""

import contextlib
import importlib.metadata
import json
import os
import pathlib
import sys
import traceback

import anyio
import mcp
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "http"))

SDK = int(importlib.metadata.version("mcp").split(".")[0])
MODERN = "2026-07-28"
MODES = ["legacy"] if SDK == 1 else ["legacy", "auto", MODERN]
OUTPUT_LIMIT = 2 * 1024 * 1024
HANG_GUARD_S = 60


class Connection:
    """One client, whose calls go to one sandbox, whichever way the era names it."""

    def __init__(self, client, is_modern):
        self.client = client
        self.is_modern = is_modern
        self.sandbox_id = None

    async def raw(self, arguments):
        if self.sandbox_id:
            arguments = {**arguments, "sandbox_id": self.sandbox_id}
        return await self.client.call_tool("sandbox_exec", arguments)

    async def exec(self, **arguments):
        result = await self.raw(arguments)
        is_error, structured = (
            (result.isError, result.structuredContent) if SDK == 1
            else (result.is_error, result.structured_content))
        text = result.content[0].text
        assert not is_error, text
        answer = json.loads(text)
        assert structured == answer, structured
        if self.is_modern:
            self.sandbox_id = answer["sandbox_id"]
        return answer


def transport(target, errors):
    """What a client reads and writes. `target`: a URL, or how to start a server."""
    if not isinstance(target, str):
        return stdio_client(target, errlog=errors)
    # Version 2 refuses an event of more than 1 MiB, unless it is told otherwise.
    more = {} if SDK == 1 else {"max_sse_event_size": None}
    return streamable_http_client(target, **more)


@contextlib.asynccontextmanager
async def connected(mode, target):
    with open(os.devnull, "w") as errors:
        if SDK == 1:
            async with transport(target, errors) as (read, write, *_):
                async with mcp.ClientSession(read, write) as client:
                    await client.initialize()
                    yield Connection(client, False)
        else:
            async with mcp.Client(transport(target, errors), mode=mode) as client:
                assert (client.protocol_version == MODERN) == (mode != "legacy")
                yield Connection(client, mode != "legacy")


async def lists_one_tool(connection):
    tools = (await connection.client.list_tools()).tools
    assert [tool.name for tool in tools] == ["sandbox_exec"], tools


async def gives_output_and_exit_code(connection):
    answer = await connection.exec(command="cat; echo bad >&2; exit 3", stdin="ünïcode\n")
    assert answer["stdout"] == "ünïcode\n" and answer["stderr"] == "bad\n", answer
    assert answer["exit_code"] == 3, answer


async def keeps_files_between_calls(connection):
    await connection.exec(command="cat > kept", stdin="still here")
    answer = await connection.exec(args=["cat", "kept"])
    assert answer["stdout"] == "still here", answer


async def ends_a_command_at_its_timeout(connection):
    answer = await connection.exec(command="echo lost; sleep 1000", timeout=1)
    assert answer["exit_code"] == 124 and answer["stdout"] == "", answer


async def runs_calls_side_by_side(connection):
    await connection.exec(command="true")
    # Each waits for all the others: one after another they would never end.
    meet = ("touch met-%d; for i in $(seq 1000); do "
            "[ $(ls met-* | wc -l) = 5 ] && exit 0; sleep 0.02; done; exit 1")
    codes = []

    async def one(number):
        codes.append((await connection.exec(command=meet % number))["exit_code"])

    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(one, number)
    assert codes == [0] * 5, codes


async def kills_a_cancelled_command(connection):
    await connection.exec(command="true")
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: connection.exec(command="sleep 1000 & echo $! $$ > pids; wait"))
        while (await connection.exec(command="test -s pids"))["exit_code"] != 0:
            await anyio.sleep(0.02)
        group.cancel_scope.cancel()
    alive = "for p in $(cat pids); do kill -0 $p 2>/dev/null && exit 0; done; exit 1"
    while (await connection.exec(command=alive))["exit_code"] != 1:
        await anyio.sleep(0.02)


async def passes_big_output_whole(connection):
    # At once, and late enough for an answer as a stream.
    for delay in ("0", "1.2"):
        answer = await connection.exec(
            command="sleep %s; head -c %d /dev/zero | tr '\\0' x" % (delay, OUTPUT_LIMIT))
        assert answer["stdout"] == "x" * OUTPUT_LIMIT, len(answer["stdout"])


CASES = [
    lists_one_tool, gives_output_and_exit_code, keeps_files_between_calls,
    ends_a_command_at_its_timeout, runs_calls_side_by_side, passes_big_output_whole,
]
# Version 1 sends no notification when a call is cancelled.
if SDK > 1:
    CASES.append(kills_a_cancelled_command)


async def run(case, mode, target):
    with anyio.fail_after(HANG_GUARD_S):
        async with connected(mode, target) as connection:
            await case(connection)


def explain(text, lines=8):
    """The end of a traceback, where the cause stands."""
    print("\n".join("# " + line for line in text.splitlines()[-lines:]), flush=True)


def run_all(target, name_of_transport):
    failed = number = 0
    for mode in MODES:
        for case in CASES:
            number += 1
            name = "Python SDK v%d, %s, %s: %s" % (SDK, mode, name_of_transport,
                                                   case.__name__.replace("_", " "))
            try:
                anyio.run(run, case, mode, target)
                print("ok %d - %s" % (number, name), flush=True)
            except Exception:
                failed += 1
                print("not ok %d - %s" % (number, name))
                explain(traceback.format_exc())
    print("1..%d" % number)
    return 1 if failed else 0


def main():
    if os.environ.get("TRANSPORT") != "http":
        return run_all(StdioServerParameters(command=sys.argv[1], args=sys.argv[2:]), "stdio")
    import serving

    with serving.Server(*sys.argv[1:]) as server:
        return run_all(server.listening["url"], "HTTP")


sys.exit(main())
