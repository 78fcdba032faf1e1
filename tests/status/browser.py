# SPDX-License-Identifier: MIT
"""A headless Chromium, driven by its DevTools protocol over two pipes.

It has no thread: events are read while somebody waits for an answer. Everything that
a page complains of (errors, refusals of its policy, exceptions) and every address that
it asks for is kept, for the test to look at.
"""

import base64
import json
import os
import select
import shutil
import signal
import tempfile
import time

# Hang guards: a hundred times what these take.
ANSWER_LIMIT_S = 60
WAIT_LIMIT_S = 60
CLOSE_LIMIT_S = 10
POLL_S = 0.05
READ_BYTES = 1 << 20
# The descriptors of --remote-debugging-pipe: it reads from the first and writes to the second.
PIPE_IN, PIPE_OUT = 3, 4

FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-extensions", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--mute-audio", "--password-store=basic",
    # Whatever the browser itself would like to ask for is nowhere.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--no-proxy-server",
    # It shows nothing but our own page, and its sandbox does not work everywhere, as root for one.
    "--no-sandbox",
)


class Wrong(Exception):
    """The page or the browser did something that it must not do."""


class Browser:
    def __init__(self, program):
        self.folder = tempfile.mkdtemp(prefix="kilntainers-browser-")
        self.last_id = 0
        self.answers = {}
        self.pages = {}
        self.unread = bytearray()
        read_end, self.to_browser = os.pipe()
        self.from_browser, write_end = os.pipe()
        # Out of the way of 3 and 4, which posix_spawn sets before the browser starts.
        moved = [os.dup2(end, 60 + at, inheritable=False) for at, end in enumerate((read_end, write_end))]
        self.pid = os.posix_spawnp(
            program,
            [program, *FLAGS, "--user-data-dir=" + self.folder, "about:blank"],
            {**os.environ, "HOME": self.folder, "TMPDIR": self.folder},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.path.join(self.folder, "stderr"),
                 os.O_WRONLY | os.O_CREAT, 0o600),
                (os.POSIX_SPAWN_DUP2, moved[0], PIPE_IN), (os.POSIX_SPAWN_DUP2, moved[1], PIPE_OUT),
            ],
            setpgroup=0)
        for end in (read_end, write_end, *moved):
            os.close(end)

    def close(self):
        """Ends it with all its processes; what it kept goes too."""
        for end in (self.to_browser, self.from_browser):
            os.close(end)
        os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        # Its helpers die a moment later, and may still be writing.
        deadline = time.monotonic() + CLOSE_LIMIT_S
        while os.path.exists(self.folder) and time.monotonic() < deadline:
            shutil.rmtree(self.folder, ignore_errors=True)
            time.sleep(POLL_S)

    def request(self, method, session=None, **params):
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = memoryview(json.dumps(message).encode() + b"\0")
        while data:
            data = data[os.write(self.to_browser, data):]
        return self.wait(self.last_id, method)

    def wait(self, request_id, method):
        deadline = time.monotonic() + ANSWER_LIMIT_S
        while request_id not in self.answers:
            self.read(max(0, deadline - time.monotonic()))
        answer = self.answers.pop(request_id)
        if "error" in answer:
            raise Wrong("%s: %s" % (method, answer["error"]["message"]))
        return answer["result"]

    def read(self, limit_s):
        if not select.select([self.from_browser], [], [], limit_s)[0]:
            raise Wrong("the browser did not answer in %d s" % ANSWER_LIMIT_S)
        chunk = os.read(self.from_browser, READ_BYTES)
        if not chunk:
            with open(os.path.join(self.folder, "stderr"), errors="replace") as said:
                raise Wrong("the browser ended: " + said.read()[-2000:])
        self.unread += chunk
        if b"\0" not in chunk:
            return
        *messages, rest = self.unread.split(b"\0")
        self.unread = bytearray(rest)
        for message in map(json.loads, messages):
            if "id" in message:
                self.answers[message["id"]] = message
            elif message.get("sessionId") in self.pages:
                self.pages[message["sessionId"]].on_event(message["method"], message["params"])

    def open(self, address, width=1280, height=900):
        """A page in a profile of its own, as a private window has."""
        context = self.request("Target.createBrowserContext")["browserContextId"]
        target = self.request("Target.createTarget", url="about:blank",
                              browserContextId=context)["targetId"]
        session = self.request("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, context, session)
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            page.request(domain + ".enable")
        page.resize(width, height)
        page.go(address)
        return page


class Page:
    def __init__(self, browser, context, session):
        self.browser, self.context, self.session = browser, context, session
        self.complaints = []  # (kind, text)
        self.asked = []  # addresses
        browser.pages[session] = self

    def request(self, method, **params):
        return self.browser.request(method, self.session, **params)

    def close(self):
        del self.browser.pages[self.session]
        self.browser.request("Target.disposeBrowserContext", browserContextId=self.context)

    def on_event(self, method, params):
        if method == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append((params["entry"]["source"], params["entry"]["text"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(("console", json.dumps(params["args"])))
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(("exception", json.dumps(params["exceptionDetails"])))
        elif method == "Audits.issueAdded":
            self.complaints.append(("issue", json.dumps(params["issue"])))

    def take_complaints(self, but=()):
        """All that came since, without those of kinds that the test has provoked."""
        self.evaluate("0")  # what is under way comes before the answer
        found = [(kind, text) for kind, text in self.complaints if kind not in but]
        self.complaints.clear()
        return found

    def go(self, address):
        self.request("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def resize(self, width, height):
        self.request("Emulation.setDeviceMetricsOverride", width=width, height=height,
                     deviceScaleFactor=1, mobile=False)

    def evaluate(self, expression):
        """The expression's value; a promise is waited for. What throws is Wrong."""
        result = self.request("Runtime.evaluate", expression=expression, returnByValue=True,
                              awaitPromise=True, userGesture=True,
                              allowUnsafeEvalBlockedByCSP=False)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise Wrong(details.get("exception", {}).get("description", details["text"]))
        return result["result"].get("value")

    def wait_for(self, expression):
        """Until it is true; its value then."""
        deadline = time.monotonic() + WAIT_LIMIT_S
        while True:
            try:
                value = self.evaluate("(%s)" % expression)
            except Wrong:
                value = None  # a page that is just being replaced
            if value:
                return value
            if time.monotonic() > deadline:
                raise Wrong("never true: %s; the page says:\n%s" % (
                    expression, self.evaluate("document.body.innerText")))
            time.sleep(POLL_S)

    def text(self, selector):
        """What a person reads there; None: it is not there, or not to be seen."""
        return self.evaluate("""(() => {
            const node = document.querySelector(%s);
            return node && node.checkVisibility() ? node.innerText : null;
        })()""" % json.dumps(selector))

    def rows(self, table):
        """The cells of each row, as a person reads them."""
        return self.evaluate("""Array.from(document.querySelectorAll("#%s tr"), (row) =>
            Array.from(row.cells).filter((cell) => cell.checkVisibility())
                .map((cell) => cell.innerText))""" % table)

    def click(self, selector):
        """By the mouse, in the middle of it."""
        box = self.evaluate("""(() => {
            const node = document.querySelector(%s);
            node.scrollIntoView({ block: "center" });
            const box = node.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        })()""" % json.dumps(selector))
        for kind in ("mousePressed", "mouseReleased"):
            self.request("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1],
                         button="left", clickCount=1)

    def type(self, text):
        """Into what has the focus."""
        self.request("Input.insertText", text=text)

    def press(self, key, code):
        text = {"text": "\r"} if key == "Enter" else {}
        self.request("Input.dispatchKeyEvent", type="keyDown", key=key, code=key,
                     windowsVirtualKeyCode=code, **text)
        self.request("Input.dispatchKeyEvent", type="keyUp", key=key, code=key,
                     windowsVirtualKeyCode=code)

    def screenshot(self, path):
        data = self.request("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
