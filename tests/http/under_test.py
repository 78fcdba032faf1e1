# SPDX-License-Identifier: MIT
"""What the tests of the protocol share: the program under test, with TLS or without, and its clients.

Each of them is called with the program, which has the fake backend, and perhaps --tls: then
everything goes through TLS, with a certificate that is made here.
"""

import os
import pathlib
import ssl
import subprocess
import sys
import tempfile

import agents
import serving
import wire
from serving import equal

PROGRAM = os.path.abspath(sys.argv[1])
IS_TLS = "--tls" in sys.argv
FOLDER = tempfile.TemporaryDirectory(prefix="kilntainers-http-")
PLACE = pathlib.Path(FOLDER.name)
BACKEND = "--backend=fake"
TLS_OPTIONS, TLS = [], None


def prepare_tls():
    global TLS, TLS_OPTIONS
    key, certificate = str(PLACE / "key.pem"), str(PLACE / "certificate.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    TLS_OPTIONS = ["--tls-cert=" + certificate, "--tls-key=" + key]
    TLS = ssl.create_default_context(cafile=certificate)


def serve(*options, **more):
    return serving.Server(PROGRAM, BACKEND, *TLS_OPTIONS, *options, **more)


def agent(server, **more):
    return agents.Modern(server.address, tls=TLS, **more)


def session(server, **more):
    return agents.Legacy(server.address, tls=TLS, **more)


def connect(server):
    return wire.Connection(server.address, TLS)


def error_of(response, status, code):
    """The error message of a refused request."""
    equal(response.status, status, repr(response))
    found = response.json
    equal(found["error"]["code"], code, repr(response))
    return found


def is_running(mark):
    """Whether a process of this machine has that word on its command line."""
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                return True
        except OSError:
            pass
    return False


def sleeper(mark, seconds=300):
    """A command that is recognised in the process list."""
    return "exec -a %s sleep %d" % (mark, seconds)


if IS_TLS:
    prepare_tls()
