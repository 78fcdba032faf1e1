# SPDX-License-Identifier: MIT
"""HTTP as the tests speak it: by hand, over raw sockets, so that it can be wrong on purpose."""

import json
import socket
import ssl
import time

# Nothing here takes a second; this only ends what hangs.
HANG_S = 60
READ_BYTES = 1 << 16
ACCEPT = "application/json, text/event-stream"


class Closed(Exception):
    """The server has closed the connection."""


class Response:
    def __init__(self, status, fields, version):
        self.status, self.fields, self.version = status, fields, version
        self.body = b""

    def __getitem__(self, name):
        """The only field of that name, or None."""
        found = [value for key, value in self.fields if key == name.lower()]
        assert len(found) <= 1, "%s is there %d times" % (name, len(found))
        return found[0] if found else None

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def is_stream(self):
        return (self["content-type"] or "").startswith("text/event-stream")

    def __repr__(self):
        return "%d %r %r" % (self.status, self.fields, self.body[:500])


class Connection:
    """One connection to `address`: (host, port), or the path of a unix socket."""

    def __init__(self, address, tls=None, limit_s=HANG_S):
        kind = socket.AF_UNIX if isinstance(address, str) else (
            socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.socket = socket.socket(kind, socket.SOCK_STREAM)
        self.socket.settimeout(limit_s)
        self.socket.connect(address)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.host = "localhost" if isinstance(address, str) else (
            "[%s]:%d" if ":" in address[0] else "%s:%d") % address[:2]
        self.unread = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Closes with a TCP reset, as a client that is killed may."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    # --- out

    def write(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def head(self, method, path, fields=(), **more):
        """The bytes of a request's head; a field whose value is None is left out."""
        given = {"Host": self.host, **dict(fields), **more}
        lines = ["%s %s HTTP/1.1" % (method, path)]
        lines += ["%s: %s" % (name.replace("_", "-"), value)
                  for name, value in given.items() if value is not None]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def request(self, method, path, body=None, fields=(), **more):
        """Sends a whole request and reads the answer."""
        if body is not None:
            more.setdefault("Content_Length", len(body))
        self.write(self.head(method, path, fields, **more) + (body or b""))
        return self.read(has_body=method != "HEAD")

    # --- in

    def fill(self):
        try:
            chunk = self.socket.recv(READ_BYTES)
        except (ConnectionResetError, ssl.SSLEOFError) as error:
            raise Closed(str(error)) from error
        if not chunk:
            raise Closed("end of file, with %r unread" % self.unread[:200])
        self.unread += chunk

    def take(self, count):
        while len(self.unread) < count:
            self.fill()
        taken, self.unread = self.unread[:count], self.unread[count:]
        return taken

    def take_line(self):
        while b"\r\n" not in self.unread:
            self.fill()
        line, self.unread = self.unread.split(b"\r\n", 1)
        return line.decode("latin-1")

    def read_head(self):
        version, status, *_ = self.take_line().split(" ")
        fields = []
        while line := self.take_line():
            name, value = line.split(":", 1)
            fields.append((name.lower(), value.strip()))
        return Response(int(status), fields, version)

    def take_chunk(self):
        """b"" at the end."""
        size = int(self.take_line(), 16)
        data = self.take(size)
        assert self.take_line() == ""
        return data

    def read(self, has_body=True):
        """A whole answer; of an event stream only the head."""
        response = self.read_head()
        while response.status == 100:
            response = self.read_head()
        if response.is_stream or not has_body or response.status in (204, 304):
            return response
        if response["transfer-encoding"] == "chunked":
            while chunk := self.take_chunk():
                response.body += chunk
        elif response["content-length"] is not None:
            response.body = self.take(int(response["content-length"]))
        else:
            raise AssertionError("an answer without a length: %r" % response)
        return response

    def is_closed(self, limit_s=HANG_S):
        """Whether the server closes this connection; what it still says is dropped."""
        self.socket.settimeout(limit_s)
        try:
            while True:
                self.unread = b""
                self.fill()
        except Closed:
            return True
        except socket.timeout:
            return False


class Stream:
    """The events of an answer that is a stream."""

    def __init__(self, connection):
        self.connection = connection
        self.text = ""
        self.comments = 0
        self.is_ended = False

    def block(self):
        """The next block of lines, without its end; None at the end of the stream."""
        while "\n\n" not in self.text:
            chunk = self.connection.take_chunk()
            if not chunk:
                self.is_ended = True
                assert not self.text, "half an event at the end: %r" % self.text
                return None
            self.text += chunk.decode()
        block, self.text = self.text.split("\n\n", 1)
        return block

    def event(self):
        """The next message; None at the end."""
        while (block := self.block()) is not None:
            if block.startswith(":"):
                self.comments += 1
                continue
            lines = dict(line.split(": ", 1) for line in block.split("\n"))
            assert set(lines) <= {"event", "data"} and lines["event"] == "message", block
            return json.loads(lines["data"])
        return None

    def all(self):
        found = []
        while (message := self.event()) is not None:
            found.append(message)
        return found


def wait_until(condition, limit_s=HANG_S, pause_s=0.02):
    """False if it never comes true."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(pause_s)
    return found or condition()
