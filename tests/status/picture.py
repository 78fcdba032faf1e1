# SPDX-License-Identifier: MIT
"""The picture of the page for docs/: a server with some work, as an operator sees it."""

from page import SHOWN, opened, server, sign_in
from stand_in import OPERATOR, TOKENS, ended, running, sandbox, session

A, B, C, D = "3f9a1c07be42", "8d15e2709cab", "5b60f4d8a913", "e07c42119d5f"


def work(stand_in):
    stand_in.sessions = [
        session("41c2f0", "alice", age_s=5400, idle_s=0), session("9d07be", "alice", age_s=1260, idle_s=95),
        session("e530a8", "bob", age_s=310, idle_s=12, protocol="2025-06-18")]
    stand_in.sandboxes = [
        sandbox(A, "alice", age_s=5390, idle_s=0, running=2), sandbox(B, "alice", age_s=1255, idle_s=95),
        sandbox(C, "bob", age_s=300, idle_s=0, running=1, waiting=1),
        sandbox(D, "carol", age_s=41, idle_s=8, is_handle=True)]
    stand_in.calls = [
        running("npm test -- --watch=false", "alice", sandbox=A, age_s=74),
        running("python3 -m http.server 8000 >log 2>&1", "alice", sandbox=A, age_s=31),
        running("make -j4 check", "bob", sandbox=C, age_s=12),
        running("git log --oneline", "bob", sandbox=C, age_s=1, state="waiting"),
        ended("cat > /workspace/primes.py", "carol", sandbox=D, age_s=8, duration_ms=1.9, stdout_bytes=0),
        ended("grep -rn 'main(' src | head -40", "bob", sandbox=C, age_s=15, duration_ms=38.2, stdout_bytes=3318),
        ended("python3 train.py --epochs 500", "bob", sandbox=C, age_s=47, exit_code=124,
              ended_by="timeout", duration_ms=120004.0, stdout_bytes=91520, stderr_bytes=412),
        ended("echo safe \u202etxt.exe", "alice", sandbox=B, age_s=95, duration_ms=0.7, stdout_bytes=18),
        ended("gcc -O2 -o sieve sieve.c", "alice", sandbox=B, age_s=102, exit_code=1, duration_ms=212.0,
              stdout_bytes=0, stderr_bytes=640),
        ended("tail -c 100m /dev/zero", "alice", sandbox=B, age_s=130, exit_code=137, ended_by="memory",
              duration_ms=941.0, stdout_bytes=0, stderr_bytes=131)]


def take(browser, path):
    with server(TOKENS) as stand_in:
        work(stand_in)
        with opened(browser, stand_in, but=("network",), width=1280, height=1210) as page:
            sign_in(page, OPERATOR)
            page.wait_for(SHOWN)
            page.evaluate("document.activeElement.blur()")
            page.request("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
            page.screenshot(path)
