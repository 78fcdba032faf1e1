# SPDX-License-Identifier: MIT
"""What a client of chaos.py may do next, and what of the answer is a failure."""

import contextlib
import json
import re
import socket
import threading
import time

import agents
import wire
from agents import call, message, modern, modern_fields
from serving import check, equal
from under_test import IS_TLS, sleeper

OPERATOR = "boss"
NAMES = ("red", "green", OPERATOR)
MIB = 1 << 20
OUTPUT_LIMIT = 2 * MIB
# Queueing and creation have 30 s each: only what hangs takes longer than this.
PATIENCE_S = 300
# How a call may be refused here: what it wanted was too much just now, or somebody ended it.
REFUSALS = re.compile(
    r"(Server|Sandbox) is busy: |This client already has \d+ sandboxes|This server is at its limit|"
    r"No sandbox could be created within |Sandbox \w+ was (removed after \d+ s idle|"
    r"ended by an operator|reset because)|The server is shutting down|"
    r"Sandbox \w+ died during command execution: it was reset ")
UNKNOWN = re.compile(r"Sandbox not found or expired; ")
DEEDS = []


class Leak(Exception):
    """Something of another name has come."""


class Turned(Exception):
    """Turned away with good reason: busy, ended, or closed before a word was said."""


def deed(weight):
    def note(function):
        DEEDS.extend([function] * weight)
        return function

    return note


class Watched(wire.Connection):
    """Raises as soon as anything comes that is another name's."""

    def __init__(self, client):
        super().__init__(client.address, client.tls, PATIENCE_S)
        self.secrets, self.received = client.foreign, 0

    def fill(self):
        before = len(self.unread)
        super().fill()
        self.received += len(self.unread) - before
        fresh = self.unread[max(0, before - 64):]
        for name, secret in self.secrets.items():
            if secret in fresh:
                raise Leak("%s's secret came: %r" % (name, fresh[:2000]))


class Place:
    """Where calls go: to a session, to a handle, or to a handle that is yet to come."""

    def __init__(self, session=None, version=None):
        self.session, self.version, self.handle = session, version, None
        self.is_marked = False

    def words(self, method, params):
        """The message and the headers that go with it."""
        if not self.session:
            body = modern(method, params)
            return body, modern_fields(body)
        return message(method, params), {"Mcp-Session-Id": self.session,
                                         "MCP-Protocol-Version": self.version}


class Client(agents.Agent):
    def __init__(self, world, number, seed):
        self.world, self.name = world, NAMES[number % len(NAMES)]
        self.random = type(world.tokens.chance)(seed)
        super().__init__(world.server.address, world.tls, world.tokens.of[self.name])
        self.secret = world.secrets[self.name]
        self.foreign = {name: secret.encode() for name, secret in world.secrets.items()
                        if name != self.name}
        self.sessions, self.handles, self.held = [], [], []

    # --- asking

    def connect(self):
        try:
            return Watched(self)
        except OSError as error:
            raise Turned("not let in") from error

    @contextlib.contextmanager
    def fresh(self):
        connection = self.connect()
        try:
            yield connection
        finally:
            connection.close()

    def write(self, connection, data):
        try:
            connection.write(data)
        except socket.timeout:
            raise
        except OSError as error:
            self.drop(connection)
            raise Turned("closed") from error

    def drop(self, connection):
        if connection is self.kept:
            self.close()
        connection.close()

    def receive(self, connection, allowed):
        """The next answer of this connection, whole and with a status that is allowed here."""
        begun = connection.received - len(connection.unread)
        try:
            response = self.finish(connection)
        except socket.timeout:
            raise
        except (OSError, wire.Closed) as error:
            self.drop(connection)
            if connection.received > begun:
                raise AssertionError("half an answer: %s" % error) from error
            raise Turned("closed") from error
        self.world.seen["status %d" % response.status] += 1
        if response.status in (429, 503):
            raise Turned("busy")
        check(response.status in allowed, "none of %r: %r" % (allowed, response))
        for item in response.messages:
            check(item.get("error", {}).get("code") != -32603, repr(response))
        return response

    def exchange(self, body, allowed=(200,), connection=None, **fields):
        connection = connection or self.connection()
        try:
            self.send(connection, body, **fields)
        except socket.timeout:
            raise
        except OSError as error:
            self.drop(connection)
            raise Turned("closed") from error
        return self.receive(connection, allowed)

    def plain(self, method, path, allowed, fields=(), **more):
        """One request without MCP."""
        connection = self.connection()
        data = more.pop("body", b"")
        self.write(connection, connection.head(method, path, {**self.fields, **dict(fields)},
                                               Content_Length=len(data), **more) + data)
        return self.receive(connection, allowed)

    # --- calling

    def place(self):
        """One that is there, or a new one."""
        known = self.sessions + self.handles
        if known and self.random.random() < 0.8:
            return self.random.choice(known)
        return Place()

    def session(self):
        if not self.sessions:
            open_a_session(self)
        return self.random.choice(self.sessions)

    def ask(self, place, command, connection=None, **arguments):
        body, fields = self.words(place, command, **arguments)
        return self.result(place, self.exchange(body, (200, 404), connection, **fields))

    def words(self, place, command, **arguments):
        if place.handle:
            arguments["sandbox_id"] = place.handle
        return place.words("tools/call", call(command, **arguments))

    def result(self, place, response):
        """What the tool says; where it refuses for a good reason, the deed is over."""
        found = [item for item in response.messages if "id" in item]
        if response.status == 404 or not found or has_ended(found[0]):
            self.forget(place)
            raise Turned("the session has ended" if response.status == 404 else "cancelled")
        check(len(found) == 1 and "result" in found[0], repr(found))
        text = found[0]["result"]["content"][0]["text"]
        if found[0]["result"].get("isError"):
            check(REFUSALS.match(text) or place.handle and UNKNOWN.match(text), text)
            if place.handle and text.startswith("Sandbox "):
                self.forget(place)
            words = " ".join(text.split()[:4])
            raise Turned("refused: " + re.sub(r"\b[0-9a-f]{12}\b", "_", words))
        result = json.loads(text)
        if result.get("sandbox_id") and place.handle != result["sandbox_id"]:
            check(not place.handle, "a handle has become another: %s" % text)
            place.handle = result["sandbox_id"]
            if not place.session:
                self.handles = self.handles[-3:] + [place]
            self.world.loot[self.name].append(place)
        return result

    def forget(self, place):
        if place.handle:
            place.handle, place.is_marked = None, False
        self.sessions = [one for one in self.sessions if one is not place]
        self.handles = [one for one in self.handles if one is not place]

    def hold(self, connection):
        self.held.append(connection)
        if len(self.held) > 3:
            leave_something_behind(self)

    # --- living

    def do_something(self):
        what = self.random.choice(DEEDS)
        self.world.seen[what.__name__] += 1
        begun = time.monotonic()
        try:
            what(self)
        except Turned as reason:
            self.world.seen["(%s)" % reason] += 1
        finally:
            self.world.slowest = max(self.world.slowest, (time.monotonic() - begun, what.__name__))

    def leave(self):
        """In good order, as far as the server lets it."""
        for connection in self.held:
            connection.close()
        for place in self.sessions:
            with contextlib.suppress(Turned):
                self.end(place)

    def end(self, place):
        return self.plain("DELETE", "/mcp", (204, 404), place.words("x", {})[1])

    def vanish(self):
        for connection in self.held:
            connection.close()
        self.close()

    def try_large_message(self):
        """More than is parsed on the loop."""
        body = message("ping", {"_meta": {"x": " " * self.random.randrange(100 << 10, 3 * MIB)}})
        self.exchange(body, (400, 404))


def use_many(world, name, count):
    """That many sandboxes of one name at once, each with a background process."""
    def use(number):
        client = Client(world, NAMES.index(name), "many %d" % number)
        with contextlib.suppress(Turned):
            client.ask(Place(), "%s & sleep 1" % sleeper(world.mark, seconds=9))
        client.vanish()

    threads = [threading.Thread(target=use, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def has_ended(answer):
    """A stream has its status already when its session ends."""
    return answer.get("error", {}).get("message") == "The session has ended."


def was_reset(result):
    """A machine that is too busy kills a sandbox where a command is not dead in time."""
    return "the sandbox was reset" in result["stderr"]


# --- sessions and calls ------------------------------------------------------------------


@deed(4)
def open_a_session(client):
    version = client.random.choice(agents.LEGACY_VERSIONS)
    response = client.exchange(message("initialize", {
        "protocolVersion": version, "capabilities": {},
        "clientInfo": {"name": client.name, "version": "1"}}))
    place = Place(response["mcp-session-id"], version)
    check(place.session, repr(response))
    # Those before are not ended: --max-sessions has to.
    client.sessions = client.sessions[-2:] + [place]
    client.world.loot[client.name].append(place)
    client.exchange(message("notifications/initialized", id=None), (202, 404),
                    **place.words("x", {})[1])


@deed(12)
def look_at_its_secret(client):
    place = client.place()
    mark = client.secret if client.world.scope == "principal" else "%s %s %s" % (
        client.secret, place.session, id(place))
    if not place.is_marked:
        result = client.ask(place, "cat > mine", stdin=mark)
        check(was_reset(result) or result["exit_code"] == 0, repr(result))
        place.is_marked = True
    result = client.ask(place, "cat mine mine 2> /dev/null | head -c %d" % len(mark))
    # A fresh sandbox, after the first has ended, has none.
    check(was_reset(result) or result["exit_code"] == 0 and result["stdout"] in ("", mark),
          repr(result))


@deed(4)
def start_something_in_the_background(client):
    client.ask(client.place(), "%s & echo $!" % sleeper(client.world.mark, seconds=9))


@deed(6)
def run_for_long(client):
    place = client.place()
    arguments = {"meta": {"progressToken": 1}} if client.random.random() < 0.5 else {}
    body, fields = client.words(place, sleeper(client.world.mark), timeout=1, **arguments)
    with client.fresh() as busy:
        client.write(busy, b"")
        try:
            client.send(busy, body, **fields)
        except OSError as error:
            raise Turned("closed") from error
        time.sleep(client.random.uniform(0, 0.3))
        way = client.random.choice(("wait", "cancel", "close", "reset", "delete"))
        if way == "wait" or (not place.session and way in ("cancel", "delete")):
            client.result(place, client.receive(busy, (200, 404)))
        elif way == "cancel":
            client.exchange(message("notifications/cancelled", {"requestId": body["id"]}, id=None),
                            (202, 404), **fields)
            client.result(place, client.receive(busy, (200, 404)))
        elif way == "delete":
            client.end(place)
            client.result(place, client.receive(busy, (200, 404)))
        else:
            getattr(busy, "close" if IS_TLS else way)()


@deed(2)
def end_a_session(client):
    place = client.session()
    client.end(place)
    client.forget(place)


@deed(3)
def print_much(client):
    count = client.random.randrange(1000, 3 * MIB)
    result = client.ask(client.place(), "head -c %d /dev/zero | tr '\\0' x" % count)
    if count <= OUTPUT_LIMIT and not was_reset(result):
        equal(len(result["stdout"]), count)
    else:
        check(result["exit_code"] == 1 and "kilntainers: " in result["stderr"], repr(result)[:1000])


@deed(2)
def give_much(client):
    text = "\1" * client.random.randrange(1000, 2 * MIB)
    result = client.ask(client.place(), "wc -c", stdin=text)
    check(was_reset(result) or result["stdout"].strip() == str(len(text)), repr(result))


@deed(3)
def never_read_what_is_printed(client):
    connection = client.connect()
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.hold(connection)
    place = client.place()
    body, fields = client.words(place, "head -c 1900000 /dev/zero | tr '\\0' '\\1'")
    with contextlib.suppress(OSError):
        client.send(connection, body, **fields)


@deed(3)
def send_a_batch(client):
    if not client.sessions:
        raise Turned("no session")
    place = client.random.choice(client.sessions)
    fields = place.words("x", {})[1]
    bodies = [client.random.choice((
        lambda: message("ping"), lambda: message("nonsense"),
        lambda: message("tools/list"), lambda: message("notifications/cancelled", {}, id=None),
        lambda: client.words(place, "echo in a batch")[0]))()
        for _ in range(client.random.randrange(1, 8))]
    allowed = (200, 202, 400, 404) if place.version == "2025-03-26" else (400, 404)
    response = client.exchange(bodies, allowed, **fields)
    if response.status == 200:
        equal(sorted(item["id"] for item in response.messages),
              sorted(body["id"] for body in bodies if "id" in body))


@deed(3)
def steal(client):
    other = client.random.choice([name for name in NAMES if name != client.name])
    loot = list(client.world.loot[other])
    if not loot:
        raise Turned("nothing to steal")
    place = client.random.choice(loot)
    if place.session:
        equal(client.exchange(message("ping"), (404,), **place.words("x", {})[1]).status, 404)
    handle = place.handle
    if handle:
        body, fields = Place().words("tools/call", call("cat mine", sandbox_id=handle))
        found = client.exchange(body, **fields)
        text = agents.tool_refusal(client.answer(found))
        check(UNKNOWN.match(text) or client.world.scope == "principal", text)


# --- streams --------------------------------------------------------------------------------


@deed(3)
def listen(client):
    connection, body = client.connect(), modern("subscriptions/listen", {"notifications": {}})
    client.hold(connection)
    with contextlib.suppress(OSError, wire.Closed):
        client.send(connection, body, **modern_fields(body))
        if client.random.random() < 0.5:
            return
        response = connection.read()
        check(response.status in (200, 503), repr(response))
        if response.is_stream:
            first = wire.Stream(connection).event()
            equal(first["method"], "notifications/subscriptions/acknowledged")


@deed(3)
def open_the_stream_of_a_session(client):
    place = client.session()
    connection = client.connect()
    client.hold(connection)
    client.write(connection, connection.head("GET", "/mcp", {
        **client.fields, **place.words("x", {})[1]}))
    if client.random.random() < 0.5:
        try:
            response = connection.read()
        except (OSError, wire.Closed) as error:
            raise Turned("closed") from error
        check(response.status in (200, 404, 409, 503), repr(response))


@deed(3)
def leave_something_behind(client):
    if client.held:
        connection = client.held.pop(client.random.randrange(len(client.held)))
        (connection.close if IS_TLS or client.random.random() < 0.5 else connection.reset)()


# --- HTTP itself ---------------------------------------------------------------------------


@deed(4)
def talk_garbage(client):
    body = json.dumps(message("ping")).encode()
    with client.fresh() as connection:
        data = bytearray(connection.head("POST", "/mcp", {
            **client.fields, "Content-Length": len(body)}) + body)
        for _ in range(client.random.randrange(1, 6)):
            at = client.random.randrange(len(data))
            data[at:at + client.random.randrange(3)] = client.random.randbytes(
                client.random.randrange(4))
        client.write(connection, bytes(data))
        with contextlib.suppress(OSError):
            connection.socket.shutdown(socket.SHUT_WR)
        if not IS_TLS:
            client.receive(connection, (200, 202, *range(400, 432), 501, 505))


@deed(3)
def send_requests_behind_one_another(client):
    bodies = [modern("tools/list") for _ in range(client.random.randrange(2, 12))]
    connection = client.connection()
    for body in bodies:
        try:
            client.send(connection, body, **modern_fields(body))
        except OSError as error:
            client.drop(connection)
            raise Turned("closed") from error
    try:
        for body in bodies:
            equal(client.answer(client.receive(connection, (200,)))["id"], body["id"])
    except Turned:
        client.drop(connection)
        raise


@deed(3)
def send_a_body_in_chunks(client):
    body = modern("tools/list")
    data, connection = json.dumps(body).encode(), client.connection()
    client.write(connection, connection.head("POST", "/mcp", {
        **client.fields, **modern_fields(body), "Transfer-Encoding": "chunked"}))
    while data:
        count = client.random.randrange(1, 60)
        client.write(connection, b"%x;x=y\r\n%s\r\n" % (len(data[:count]), data[:count]))
        data = data[count:]
    client.write(connection, b"0\r\nX: y\r\n\r\n")
    equal(client.answer(client.receive(connection, (200,)))["id"], body["id"])


@deed(2)
def send_a_large_message(client):
    client.try_large_message()


@deed(2)
def promise_a_large_body(client):
    size = client.random.choice((MIB, 15 * MIB, 17 * MIB, 10 ** 15))
    with client.fresh() as connection:
        client.write(connection, connection.head("POST", "/mcp", {
            **client.fields, "Content-Length": size}))
        if size > 16 * MIB:
            client.receive(connection, (413,))
        else:
            client.write(connection, b" " * client.random.randrange(size // 4))


ODD = (
    ({"X": "x" * 20000}, (431,)),
    ({"Host": "evil.example"}, (403,)),
    ({"Origin": "http://evil.example"}, (403,)),
    ({"Sec-Fetch-Site": "cross-site"}, (403,)),
    ({"Content-Type": "text/plain"}, (415,)),
    ({"Accept": "image/png"}, (406,)),
    ({"MCP-Protocol-Version": "1999-01-01"}, (400,)),
    ({"Transfer-Encoding": "gzip"}, (400, 501)),
    ({"Expect": "100-continue"}, (400,)),
    ({"Mcp-Session-Id": "no such session"}, (404,)),
    ({"X-%d" % number: "y" for number in range(120)}, (400, 431)),
)


@deed(3)
def send_odd_fields(client):
    fields, allowed = client.random.choice(ODD)
    client.plain("POST", "/mcp", allowed, fields, body=json.dumps(message("ping")).encode())


@deed(2)
def try_a_wrong_token(client):
    token = client.world.tokens.visitor or "wrong-token-0123456789"
    method = client.random.choice(("GET", "POST", "DELETE"))
    response = client.plain(method, "/mcp", (400, 401, 405), {"Authorization": "Bearer " + token},
                            body=b"{}" if method == "POST" else b"")
    check(response.status == 401 or token.startswith("visitor"), repr(response))


@deed(1)
def be_a_visitor(client):
    """One that has a session and a sandbox when its name goes."""
    token = client.world.tokens.visitor
    if not token:
        raise Turned("no visitor")
    body = modern("tools/call", call("cat mine; echo visitor > mine"))
    response = client.exchange(body, (200, 401), Authorization="Bearer " + token,
                               **modern_fields(body))
    if response.status == 200:
        result = client.answer(response)["result"]
        text = result["content"][0]["text"]
        check(REFUSALS.match(text) if result.get("isError") else json.loads(text), text)


# --- pages ----------------------------------------------------------------------------------


@deed(2)
def look_at_a_page(client):
    path = client.random.choice(("/", "/healthz", "/metrics", "/none"))
    client.plain("GET", path, {"/none": (404,), "/metrics": (200, 403)}.get(path, (200,)))


@deed(3)
def look_at_the_status(client):
    response = client.plain("GET", "/status.json", (200,))
    check(client.secret.encode() not in response.body, "a secret is on the status page")
    found, is_operator = response.json, client.name == OPERATOR
    equal(found["is_operator"], is_operator)
    seen = {row["principal"] for kind in ("sessions", "sandboxes", "calls") for row in found[kind]}
    check(is_operator or seen <= {client.name}, "%s sees %r" % (client.name, seen))
    ids = [row["id"] for row in found["sandboxes"] if row["id"]] or ["0123456789ab"]
    if client.random.random() < 0.3:
        client.plain("POST", "/sandboxes/%s/end" % client.random.choice(ids),
                     (204, 404) if is_operator else (403,))
