#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The program as whoever starts it sees it: texts, exit codes, signals.

usage: tests/cli/cli.py PROGRAM

Prints TAP. What needs a sandbox runs on the fake backend, and is skipped in a
build that does not have it.
"""

import json
import os
import pathlib
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from harness import (HANG_S, PROGRAM, Skip, clean_environment, contains, equal, main,
                     need_fake, run, start, test, wait_until)

HINT = "Try 'kilntainers --help'.\n"
NO_HTTP_SERVER = "In stdio mode, there is no HTTP server to bind."


def ends(done, code, stdout=b"", stderr=b""):
    equal((done.returncode, done.stdout, done.stderr), (code, stdout, stderr))


def error(message, hint=""):
    return ("kilntainers: error: %s\n%s" % (message, hint)).encode()


def fake(*words, **more):
    need_fake()
    return run("exec", "--backend=fake", *words, **more)


def serve(*words, **more):
    need_fake()
    return start("--backend=fake", *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                 stderr=subprocess.PIPE, **more)


def send(server, method, number=None, **params):
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    if number is not None:
        message["id"] = number
    server.stdin.write(json.dumps(message).encode() + b"\n")
    server.stdin.flush()


def shake_hands(server):
    send(server, "initialize", 1, protocolVersion="2025-06-18", capabilities={},
         clientInfo={"name": "cli", "version": "0"})
    equal(json.loads(server.stdout.readline())["id"], 1)
    send(server, "notifications/initialized")


def call(server, number, command):
    send(server, "tools/call", number, name="sandbox_exec", arguments={"command": command})


def wait_for_file(path):
    wait_until(path.exists, str(path))


# --- usage and configuration --------------------------------------------------

USAGE_ERRORS = (
    (["--host=0.0.0.0"], "--host is only valid with --transport http. " + NO_HTTP_SERVER),
    (["--port", "8435"], "--port is only valid with --transport http. " + NO_HTTP_SERVER),
    (["--session-timeout", "300"],
     "--session-timeout is only valid with --transport http. "
     "In stdio mode, the session lives as long as the process."),
    (["--auth-token-file=tokens"],
     "--auth-token-file is only valid with --transport http. "
     "In stdio mode, the client that started kilntainers is the only one."),
    (["--audit-log=audit"],
     "--audit-log is only valid with --transport http. "
     "In stdio mode, the client sees every call itself."),
    (["--status-page"],
     "--status-page is only valid with --transport http. "
     "In stdio mode, there is no HTTP server to ask."),
    (["--transport=http", "--tls-cert=c.pem"],
     "--tls-cert needs --tls-key: TLS takes a certificate and its private key."),
    (["--transport=http", "--audit-required"],
     "--audit-required is only valid with --audit-log."),
    (["--transport=http", "--insecure-no-auth", "--auth-token-file=tokens"],
     "--insecure-no-auth contradicts --auth-token-file: with tokens, everybody needs one. "
     "Leave one of them out."),
    (["--timeout", "0"], "--timeout must be at least 1 second."),
    (["--output-limit", "0"], "--output-limit must be at least 1 byte."),
    (["--tool-instruction-override=a", "--extended-tool-instruction=b"],
     "Cannot use both --tool-instruction-override and --extended-tool-instruction. "
     "Use override to replace the description entirely, or extended to append to the backend "
     "default."),
    (["--sandbox-scope=principal"],
     "--sandbox-scope principal is only valid with --transport http and tokens. "
     "In stdio mode, there is one client, and it has no name."),
    (["--backend=nonsense"],
     "--backend must be one of auto, native, docker, go_busybox, wasm, e2b, modal, got: nonsense"),
    (["--host-include=/etc/ssl/private"],
     "--host-include takes an absolute path below /usr, without \"..\", got: /etc/ssl/private"),
    (["--image=./root", "--host-exclude=/usr/src"],
     "--host-exclude is only valid with --image host: with --image ./root, sandboxes see nothing "
     "of this machine's /usr."),
    (["--nonsense=hunter2"], "There is no option --nonsense."),
    (["word"], "Unexpected argument: word"),
    (["completion"], "completion needs a shell: kilntainers completion {bash,zsh,fish}"),
    (["completion", "tcsh"], "completion is for bash, zsh or fish, got: tcsh"),
    (["completion", "bash", "zsh"], "completion takes one shell, got also: zsh"),
    (["cleanup", "word"], "Unexpected argument: word"),
    (["cleanup", "--older-than=soon"],
     "--older-than must be a duration such as 90s, 15m, 2h or 7d, got: soon"),
    (["cleanup", "--older-than=40000d"], "--older-than is too long: 40000d"),
    (["--older-than=1d"], "--older-than is only valid with kilntainers cleanup."),
    (["doctor", "--dry-run"], "--dry-run is only valid with kilntainers cleanup."),
    (["doctor", "word"], "Unexpected argument: word"),
    (["doctor", "--timeout=0"], "--timeout must be at least 1 second."),
)

CONFIG_ERRORS = (
    (["--transport=http", "--host=0.0.0.0"], {},
     "--host 0.0.0.0 can be reached from other machines, and without tokens whoever reaches the "
     "server can run commands. Give --auth-token-file (or KILNTAINERS_AUTH_TOKEN), or "
     "--insecure-no-auth if something in front of the server keeps strangers out."),
    (["--backend=docker"], {},
     "The docker backend (chosen by --backend) is not in this build: "
     "it is not part of this release. Use --backend native."),
    (["--engine=podman"], {},
     "The docker backend (chosen by --engine) is not in this build: "
     "it is not part of this release. Use --backend native."),
    (["--image=node:22"], {},
     "The docker backend (chosen by --image) is not in this build: "
     "it is not part of this release. Use --backend native."),
    (["--backend=modal", "--modal-token-id=a", "--modal-token-secret=b"], {},
     "The modal backend (chosen by --backend) is not in this build: "
     "it is not part of this release. Use --backend native."),
    (["--backend=e2b"], {},
     "The e2b backend (chosen by --backend) is not in this build: "
     "it is not part of this release. Use --backend native."),
    (["--backend=wasm", "--wasm-path=x.wasm"], {},
     "The wasm backend (chosen by --backend) is not in this build: "
     "it is not part of this release. Use --backend native."),
    (["--backend=go_busybox"], {},
     "The go_busybox backend (chosen by --backend) is not in this build: "
     "it is not part of this release. Use --backend native."),
    ([], {"KILNTAINERS_NETWORK": "maybe"},
     "KILNTAINERS_NETWORK must be 1, 0, true or false, got: maybe"),
    ([], {"KILNTAINERS_TIMEOUT": "0"}, "KILNTAINERS_TIMEOUT must be at least 1 second."),
)


@test
def a_wrong_command_line_says_why_and_exits_2():
    for words, message in USAGE_ERRORS:
        ends(run(*words), 2, stderr=error(message, HINT))


@test
def a_configuration_that_cannot_work_says_why_and_exits_1():
    for words, environment, message in CONFIG_ERRORS:
        ends(run(*words, environment=environment), 1, stderr=error(message))


@test
def every_error_of_ours_exits_125_under_exec():
    ends(run("exec"), 125, stderr=error(
        "exec needs a command: kilntainers exec [options] -- COMMAND [ARGUMENT...]", HINT))
    ends(run("exec", "--port=1", "--", "true"), 125, stderr=error(
        "--port means nothing to exec: it is for the server.", HINT))
    ends(run("exec", "--timeout=0", "--", "true"), 125,
         stderr=error("--timeout must be at least 1 second.", HINT))
    ends(run("exec", "--backend=docker", "--", "true"), 125, stderr=error(
        "The docker backend (chosen by --backend) is not in this build: "
        "it is not part of this release. Use --backend native."))
    ends(run("exec", "--", "true", environment={"KILNTAINERS_NETWORK": "maybe"}), 125,
         stderr=error("KILNTAINERS_NETWORK must be 1, 0, true or false, got: maybe"))


@test
def control_characters_of_a_bad_argument_are_escaped():
    ends(run("a\x1b[31mb"), 2, stderr=error("Unexpected argument: a\\u001b[31mb", HINT))


@test
def version_and_help_go_to_stdout_and_exit_0():
    version = run("--version")
    equal((version.returncode, version.stderr), (0, b""))
    equal(version.stdout.split()[0], b"kilntainers")
    for words in (["--help"], ["-h"], ["exec", "--help"], ["doctor", "-h"]):
        done = run(*words)
        equal((done.returncode, done.stderr), (0, b""))
        contains(done.stdout, b"usage: kilntainers [options]")
        contains(done.stdout, b"MCP server providing isolated Linux sandboxes")


@test
def help_that_cannot_be_written_is_an_error():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, "--help"], stdout=full, stderr=subprocess.PIPE,
                              timeout=HANG_S, env=clean_environment())
    equal(done.returncode, 1)
    contains(done.stderr, b"No space left on device")


@test
def unknown_variables_are_warned_of_by_name_only():
    done = run("doctor", environment={"KILNTAINERS_TIMEOUTS": "hunter2"})
    contains(done.stderr, b'unknown_environment_variable name="KILNTAINERS_TIMEOUTS"')
    if b"hunter2" in done.stderr:
        raise AssertionError("the value was printed")


@test
def secrets_are_in_no_output():
    secrets = {"KILNTAINERS_MODAL_TOKEN_ID": "hunter2", "KILNTAINERS_E2B_API_KEY": "hunter2"}
    for words in (["doctor"], ["--backend=modal"], ["--timeout=0"], ["--nonsense=hunter2"]):
        done = run(*words, "--log-level=debug", "--modal-token-secret=hunter2",
                   environment=secrets)
        if b"hunter2" in done.stdout + done.stderr:
            raise AssertionError("a secret was printed by %r" % words)


@test
def the_token_of_the_environment_is_in_no_process():
    token = "hunter2-hunter2-hunter2"
    server = serve(environment={"KILNTAINERS_AUTH_TOKEN": token, "KILNTAINERS_POOL": "1"})
    shake_hands(server)
    call(server, 2, "cat /proc/self/environ; sleep 0.2")
    answer = server.stdout.readline()
    contains(answer, b'"exit_code')
    family = [server.pid]
    for parent in family:
        children = pathlib.Path("/proc/%d/task/%d/children" % (parent, parent)).read_text()
        family += [int(child) for child in children.split()]
    for pid in family:
        if token.encode() in pathlib.Path("/proc/%d/environ" % pid).read_bytes():
            raise AssertionError("process %d has it" % pid)
    if token.encode() in answer + server.communicate(timeout=HANG_S)[1]:
        raise AssertionError("it was printed")


@test
def doctor_names_every_backend_and_exits_by_the_chosen_one():
    done = run("doctor")
    for name in ("native", "docker", "go_busybox", "wasm", "e2b", "modal"):
        contains(done.stdout, b"\n%s: " % name.encode())
    done = run("doctor", "--engine=podman")
    equal(done.returncode, 1)
    contains(done.stderr, b"The docker backend (chosen by --engine) is not in this build")
    need_fake()
    # What holds no limits here is warned of.
    done = run("doctor", "--backend=fake", "--log-level=error")
    equal((done.returncode, done.stderr), (0, b""))
    contains(done.stdout, b"With these options: fake (chosen by --backend), which works.")


@test
def a_host_path_that_is_not_there_is_warned_of():
    done = run("doctor", "--host-exclude=/usr/not/there", "--host-exclude=/usr/bin")
    equal(done.stderr.count(b"host_path_missing"), 1)
    contains(done.stderr, b'option="host-exclude" path="/usr/not/there"')


@test
def doctor_accepts_the_options_of_a_server_over_http():
    done = run("doctor", "--transport=http", "--port=1")
    equal(b"--port" in done.stderr, False)


def check_script(shell, *checker):
    script = run("completion", shell)
    equal((script.returncode, script.stderr), (0, b""))
    if not shutil.which(checker[0]):
        raise Skip("%s is not installed" % checker[0])
    done = subprocess.run(checker, input=script.stdout, capture_output=True, timeout=HANG_S)
    equal((done.returncode, done.stderr), (0, b""))


@test
def the_bash_completion_is_a_bash_script():
    check_script("bash", "bash", "-n")


@test
def the_zsh_completion_is_a_zsh_script():
    check_script("zsh", "zsh", "-n")


@test
def the_fish_completion_is_a_fish_script():
    check_script("fish", "fish", "--no-execute")


def complete(*words):
    """What bash offers after these words."""
    driver = """
        source /dev/stdin
        COMP_WORDS=(kilntainers "$@") COMP_CWORD=$#
        _kilntainers
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    script = run("completion", "bash").stdout
    done = subprocess.run(["bash", "-c", driver, "bash", *words], input=script,
                          capture_output=True, timeout=HANG_S)
    return done.stdout.decode().split()


@test
def bash_completes_options_values_and_sub_commands():
    equal(complete("--max-t"), ["--max-timeout"])
    equal(complete("--sandbox-scope", "p"), ["principal"])
    equal(complete("--transport", "="), ["stdio", "http"])
    equal(complete("--transport", "=", "h"), ["http"])
    equal(complete("completion", ""), ["bash", "zsh", "fish"])
    equal(complete("d"), ["doctor"])
    equal(complete("--shell", ""), [])


# --- exec -----------------------------------------------------------------------


@test
def exec_passes_the_exit_code_on():
    for code in (0, 1, 3, 125, 126, 127, 255):
        ends(fake("--", "sh", "-c", "exit %d" % code), code)


@test
def exec_gives_128_and_the_number_for_a_signal():
    ends(fake("--", "sh", "-c", "kill -9 $$"), 137)
    ends(fake("--", "sh", "-c", "kill -TERM $$"), 143)


@test
def exec_keeps_stdout_and_stderr_apart():
    ends(fake("--", "sh", "-c", "echo out; echo err >&2"), 0, b"out\n", b"err\n")


@test
def exec_runs_arguments_as_they_are():
    words = ["a b", "", "$HOME", "*", "--port", "-h", "\n", "\u00fc"]
    done = fake("printf", "[%s]", *words)
    ends(done, 0, "".join("[%s]" % word for word in words).encode())


@test
def exec_passes_stdin_through_and_its_end():
    data = os.urandom(3 << 20)
    ends(fake("--", "cat", stdin=data), 0, data)
    ends(fake("--", "wc", "-c", stdin=b""), 0, b"0\n")


@test
def exec_does_not_mind_stdin_that_nobody_reads():
    ends(fake("--", "true", stdin=b"x" * (3 << 20)), 0)


@test
def exec_reads_a_file_and_a_closed_descriptor_as_stdin():
    fake("--", "true")
    with tempfile.TemporaryFile() as file:
        file.write(b"from a file\n")
        file.seek(0)
        done = subprocess.run([PROGRAM, "exec", "--backend=fake", "cat"], stdin=file,
                              capture_output=True, timeout=HANG_S, env=clean_environment())
    ends(done, 0, b"from a file\n")
    done = subprocess.run(["sh", "-c", '"$0" exec --backend=fake cat <&-', PROGRAM],
                          capture_output=True, timeout=HANG_S, env=clean_environment())
    ends(done, 0)


@test
def exec_says_what_cannot_be_started():
    ends(fake("--", "no-such-program"), 127, b"",
         b'[kilntainers: cannot start "no-such-program": No such file or directory]\n')
    ends(fake("--", "/etc"), 126, b"",
         b'[kilntainers: cannot start "/etc": Permission denied]\n')


@test
def exec_has_no_timeout_unless_the_flag_is_given():
    ends(fake("--timeout=1", "--", "sh", "-c", "echo first; exec sleep 60"), 124, b"first\n",
         b"[kilntainers: command timed out after 1s]\n")
    ends(fake("--", "sleep", "1.2", environment={"KILNTAINERS_TIMEOUT": "1"}), 0)


@test
def exec_has_no_output_limit_unless_the_flag_is_given():
    ends(fake("--output-limit=5", "--", "sh", "-c", "printf 123; sleep 0.2; printf 456789"), 1,
         b"12345", b"[kilntainers: output limit exceeded (5 bytes). Command terminated.]\n")
    ends(fake("--output-limit=5", "--", "printf", "12345"), 0, b"12345")
    done = fake("--", "head", "-c", "5000000", "/dev/zero",
                environment={"KILNTAINERS_OUTPUT_LIMIT": "5"})
    equal((done.returncode, len(done.stdout)), (0, 5000000))


@test
def exec_logs_the_backend_at_debug_level_but_no_argument():
    done = fake("--log-level=debug", "--", "echo", "hunter2")
    equal((done.returncode, done.stdout), (0, b"hunter2\n"))
    contains(done.stderr, b" debug ")
    contains(done.stderr, b"backend_chosen")
    if b"hunter2" in done.stderr:
        raise AssertionError("an argument was logged")


@test
def exec_ends_its_command_when_the_reader_goes_away():
    fake("--", "true")
    exec_ = start("exec", "--backend=fake", "--", "yes", stdin=subprocess.DEVNULL,
                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    equal(exec_.stdout.readline(), b"y\n")
    exec_.stdout.close()
    equal((exec_.wait(HANG_S), exec_.stderr.read()), (128 + signal.SIGPIPE, b""))


@test
def exec_times_out_although_nobody_reads_its_output():
    fake("--", "true")
    exec_ = start("exec", "--backend=fake", "--timeout=1", "--", "yes", stdin=subprocess.DEVNULL,
                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    equal((exec_.wait(HANG_S), exec_.stderr.read()),
          (124, b"[kilntainers: command timed out after 1s]\n"))


@test
def a_signal_ends_exec_with_all_its_processes():
    fake("--", "true")
    for number in (signal.SIGTERM, signal.SIGINT):
        with tempfile.TemporaryDirectory() as folder:
            mark, pid = pathlib.Path(folder, "mark"), pathlib.Path(folder, "pid")
            exec_ = start("exec", "--backend=fake", "--", "sh", "-c",
                          "trap '' TERM INT; (trap '' TERM INT; sleep 300) & "
                          "echo $! >%s; mv %s %s; wait" % (pid, pid, mark),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
            wait_for_file(mark)
            exec_.send_signal(number)
            equal((exec_.wait(HANG_S), exec_.stderr.read()), (128 + number, b""))
            # The sleeping child held the pipe: it ends only with it.
            equal(exec_.stdout.read(), b"")
            equal(pathlib.Path("/proc", mark.read_text().strip()).exists(), False)


# --- serve ----------------------------------------------------------------------


@test
def the_end_of_stdin_ends_the_server():
    server = serve()
    shake_hands(server)
    out, _ = server.communicate(timeout=HANG_S)
    equal((server.returncode, out), (0, b""))


@test
def a_call_may_finish_after_the_end_of_stdin():
    server = serve()
    shake_hands(server)
    call(server, 2, "sleep 0.3; echo finished")
    server.stdin.close()
    reply = json.loads(server.stdout.readline())
    equal(reply["id"], 2)
    contains(reply["result"]["content"][0]["text"], "finished")
    equal(server.wait(HANG_S), 0)


@test
def a_call_that_does_not_finish_after_the_end_of_stdin_is_ended():
    with tempfile.TemporaryDirectory() as folder:
        mark, pid = pathlib.Path(folder, "mark"), pathlib.Path(folder, "pid")
        server = serve()
        shake_hands(server)
        call(server, 2, "trap '' TERM INT; echo $$ >%s; mv %s %s; sleep 300" % (pid, pid, mark))
        wait_for_file(mark)
        server.stdin.close()
        equal((server.wait(HANG_S), server.stdout.read()), (0, b""))
        equal(pathlib.Path("/proc", mark.read_text().strip()).exists(), False)


@test
def a_signal_ends_the_server_and_what_runs():
    for number in (signal.SIGTERM, signal.SIGINT):
        with tempfile.TemporaryDirectory() as folder:
            mark = pathlib.Path(folder, "mark")
            server = serve()
            shake_hands(server)
            call(server, 2, "touch %s; trap '' TERM INT; sleep 300" % mark)
            wait_for_file(mark)
            server.send_signal(number)
            equal(server.wait(HANG_S), 0)
            equal(server.stdout.read(), b"")


@test
def a_second_signal_at_any_moment_ends_the_server_the_same_way():
    for attempt in range(30):
        server = serve()
        shake_hands(server)
        call(server, 2, "true")
        server.stdout.readline()
        server.send_signal(signal.SIGTERM)
        time.sleep(attempt * 0.0005)
        server.send_signal(signal.SIGTERM)
        code = server.wait(HANG_S)
        # Never by the signal itself: that would be the end of the order in which things end.
        if code not in (0, 128 + signal.SIGTERM):
            raise AssertionError("exit code %d" % code)
        server.communicate()


def block_signals():
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


@test
def signals_that_the_starter_blocked_or_ignored_work_all_the_same():
    need_fake()
    server = serve(preexec_fn=block_signals)
    shake_hands(server)
    call(server, 2, "true")
    server.stdout.readline()
    server.send_signal(signal.SIGTERM)
    try:
        equal(server.wait(HANG_S), 0)
    finally:
        server.kill()
    server.communicate()


@test
def a_stderr_that_nobody_reads_holds_up_nothing():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    need_fake()
    server = start("--backend=fake", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=writer)
    os.close(writer)
    shake_hands(server)
    call(server, 2, "true")
    equal(json.loads(server.stdout.readline())["id"], 2)
    server.stdin.close()
    equal(server.wait(HANG_S), 0)
    server.stdout.close()
    os.close(reader)


def memory_kib(server, kind):
    status = pathlib.Path("/proc/%d/status" % server.pid).read_text()
    return int(next(line for line in status.splitlines() if line.startswith(kind)).split()[1])


@test
def memory_of_large_calls_is_given_back():
    server = serve()
    shake_hands(server)
    # Sanitizers reserve terabytes of address space.
    if memory_kib(server, "VmSize:") > 1 << 30:
        server.communicate()
        raise Skip("a sanitizer keeps freed memory")
    before = memory_kib(server, "VmRSS:")
    for number in range(2, 12):
        send(server, "tools/call", number, name="sandbox_exec",
             arguments={"command": "cat", "stdin": "x" * 1_500_000})
    for number in range(2, 12):
        server.stdout.readline()
    # The server writes a reply before it forgets it.
    end = time.monotonic() + HANG_S
    while memory_kib(server, "VmRSS:") > before + 8 * 1024:
        if time.monotonic() > end:
            raise AssertionError("%d KiB, %d before" % (memory_kib(server, "VmRSS:"), before))
        time.sleep(0.05)
    server.communicate()


@test
def a_client_that_no_longer_reads_ends_the_server():
    server = serve()
    shake_hands(server)
    server.stdout.close()
    send(server, "ping", 2)
    equal(server.wait(HANG_S), 0)
    server.stdin.close()


@test
def the_server_survives_closed_standard_descriptors():
    need_fake()
    done = subprocess.run(["sh", "-c", '"$0" --backend=fake <&- >&- 2>&-', PROGRAM],
                          timeout=HANG_S, env=clean_environment())
    equal(done.returncode, 0)


@test
def the_choice_of_the_backend_is_one_log_line():
    server = serve("--log-format=json")
    _, log = server.communicate(timeout=HANG_S)
    lines = [json.loads(line) for line in log.splitlines()]
    chosen = [line for line in lines if line["event"] == "backend_chosen"]
    equal(len(chosen), 1)
    equal((chosen[0]["backend"], chosen[0]["reason"]), ("fake", "--backend"))


def read_terminal(terminal, until):
    text = b""
    end = time.monotonic() + HANG_S
    while until not in text and time.monotonic() < end:
        if select.select([terminal], [], [], 1)[0]:
            try:
                text += os.read(terminal, 4096)
            except OSError:
                break
    return text.replace(b"\r\n", b"\n")


@test
def on_a_terminal_without_arguments_it_says_what_it_is():
    serve().communicate(timeout=HANG_S)
    terminal, end = pty.openpty()
    server = start(stdin=end, stdout=end, stderr=end,
                   environment={"KILNTAINERS_BACKEND": "fake", "KILNTAINERS_LOG_LEVEL": "error"})
    os.close(end)
    text = read_terminal(terminal, b"Ctrl-D ends it.")
    os.write(terminal, b"\x04")
    equal(server.wait(HANG_S), 0)
    os.close(terminal)
    contains(text, b"kilntainers is an MCP server: it now waits for a client's messages on stdin.")
    contains(text, b"Backend: fake.")
    contains(text, b"kilntainers exec -- sh -c 'id; ls /'")


if __name__ == "__main__":
    sys.exit(main())
