# SPDX-License-Identifier: MIT
"""The page against a server that answers what the test wants: run.py runs each function here
that is marked as a test, with a stand-in and the browser.
"""

import contextlib
import json

from browser import Wrong
from stand_in import ALICE, BOB, OPERATOR, TOKENS, StandIn, ended, running, sandbox, session

TESTS = []
# "#1 of a table": what a selector for a row's button looks like.
END_OF = '#sandboxes button[aria-label="End sandbox %s"]'
SHOWN = "document.getElementById('state').textContent === 'Live'"
ENTER, ESCAPE, TAB = ("Enter", 13), ("Escape", 27), ("Tab", 9)


def test(function):
    TESTS.append(function)
    return function


def same(found, expected):
    if found != expected:
        raise Wrong("expected %r, found %r" % (expected, found))


def holds(condition, what):
    if not condition:
        raise Wrong(what)


@contextlib.contextmanager
def server(tokens=None):
    one = StandIn(tokens)
    try:
        yield one
    finally:
        one.stop()


@contextlib.contextmanager
def opened(browser, stand_in, but=(), **more):
    """A page that complains of nothing but what the test provokes, and asks only its server."""
    page = browser.open(stand_in.address + "/", **more)
    try:
        yield page
        same(page.take_complaints(but), [])
        elsewhere = [address for address in page.asked if not address.startswith(stand_in.address + "/")]
        same(elsewhere, [])
    finally:
        page.close()


def sign_in(page, token):
    page.wait_for("!document.getElementById('sign-in').hidden")
    page.click("#token")
    page.type(token)
    page.press(*ENTER)


def next_status(page, stand_in):
    """Until the page has read what the server has now."""
    stand_in.asked.clear()
    page.wait_for("true")
    deadline_hits = 0
    while sum(path == "/status.json" for _, path, _ in stand_in.asked) < 2:
        page.evaluate("new Promise((done) => setTimeout(done, 100))")
        deadline_hits += 1
        holds(deadline_hits < 600, "the page asks no more")


def two_tenants(stand_in):
    stand_in.sessions = [session("1", "alice"), session("2", "bob", protocol="2024-11-05")]
    stand_in.sandboxes = [sandbox("a" * 12, "alice", running=1), sandbox("b" * 12, "bob", is_handle=True)]
    stand_in.calls = [running("make -j4", "alice"),
                      ended("cat secret", "bob", sandbox="b" * 12, exit_code=3, stdout_bytes=2048)]


@test
def without_tokens_everything_is_shown_at_once(browser):
    with server() as stand_in:
        two_tenants(stand_in)
        for each in stand_in.sessions + stand_in.sandboxes + stand_in.calls:
            each["principal"] = None
        with opened(browser, stand_in) as page:
            page.wait_for(SHOWN)
            same(page.text("#sign-in"), None)
            same(page.text("#forget"), None)
            same(page.text("#server"), "0.1.0 · native · up 3 d 4 h")
            same(page.rows("running"), [["running", "make -j4", "a" * 12, "–", "3 s"]])
            same(page.rows("ended"),
                 [["3", "cat secret", "b" * 12, "–", "13 ms", "2.0 KiB", "0 B", "3 s ago"]])
            same(page.rows("sandboxes"), [
                ["b" * 12, "ready", "–", "yes", "0", "0", "2 s", "1 min", "End"],
                ["a" * 12, "busy", "–", "no", "1", "0", "–", "1 min", "End"]])
            same(page.rows("sessions"), [["2", "–", "2024-11-05", "1 s", "1 min 1 s"],
                                         ["1", "–", "2025-11-25", "1 s", "1 min 1 s"]])
            same(page.evaluate("document.title"), "1 running – kilntainers")
            same([headers.get("Authorization") for _, _, headers in stand_in.asked if headers],
                 [None] * len(stand_in.asked))


@test
def a_token_is_asked_for_and_sent_as_authorization_only(browser):
    with server(TOKENS) as stand_in:
        two_tenants(stand_in)
        with opened(browser, stand_in, but=("network",)) as page:
            page.wait_for("!document.getElementById('sign-in').hidden")
            same(page.text("#alert"), None)
            same(page.text("#content"), None)
            sign_in(page, "wrong-token-0123456789")
            page.wait_for("!document.getElementById('alert').hidden")
            same(page.text("#alert"), "The server does not accept this token.")
            sign_in(page, "ümlaut")
            page.wait_for("document.getElementById('alert').textContent.includes('ASCII')")
            sign_in(page, OPERATOR)
            page.wait_for(SHOWN)
            same(page.text("#who"), "ops, operator")
            same(page.evaluate("[document.getElementById('token').value, location.href,"
                               " localStorage.length, sessionStorage.length]"),
                 ["", stand_in.address + "/", 0, 0])
            same(page.request("Network.getCookies")["cookies"], [])
            holds(OPERATOR not in page.evaluate("document.documentElement.outerHTML"),
                  "the token is in the document")
            for method, path, headers in stand_in.asked:
                holds(OPERATOR not in path and "Cookie" not in headers and "?" not in path,
                      "%s %s %r" % (method, path, headers))
            same(stand_in.asked[-1][2]["Authorization"], "Bearer " + OPERATOR)
            # What a reload has forgotten has to be typed again.
            page.request("Page.reload")
            page.wait_for("document.readyState === 'complete'"
                          " && !document.getElementById('sign-in').hidden")
            same(page.text("#who"), "")


@test
def tenants_see_their_own_and_operators_everything(browser):
    with server(TOKENS) as stand_in:
        two_tenants(stand_in)
        with opened(browser, stand_in, but=("network",)) as page:
            sign_in(page, ALICE)
            page.wait_for(SHOWN)
            same(page.text("#who"), "alice")
            same(page.rows("running"), [["running", "make -j4", "a" * 12, "3 s"]])
            same(page.rows("ended"), [])
            same(page.rows("sandboxes"), [["a" * 12, "busy", "no", "1", "0", "–", "1 min"]])
            same(len(page.rows("sessions")), 1)
            # Nothing of hers remains for the next one at this machine.
            holds("make -j4" in page.evaluate("document.documentElement.outerHTML"), "it is not shown")
            page.click("#forget")
            holds("make -j4" not in page.evaluate("document.documentElement.outerHTML"),
                  "what was shown is still in the document")
            sign_in(page, BOB)
            page.wait_for(SHOWN)
            same(page.rows("running"), [])
            same([row[1] for row in page.rows("ended")], ["cat secret"])
            page.click("#forget")
            sign_in(page, OPERATOR)
            page.wait_for(SHOWN)
            same([row[3] for row in page.rows("running") + page.rows("ended")], ["alice", "bob"])
            same([row[-1] for row in page.rows("sandboxes")], ["End", "End"])


HOSTILE = (
    ("<img src=x onerror=\"window.broken=1\">", "<img src=x onerror=\"window.broken=1\">"),
    ("<script>window.broken=1</script>", "<script>window.broken=1</script>"),
    ("</td></tr></table><h1>gone</h1>", "</td></tr></table><h1>gone</h1>"),
    ("javascript:window.broken=1//'\"`${1}&lt;&#60;", "javascript:window.broken=1//'\"`${1}&lt;&#60;"),
    ("rm -rf \u202egpj.tab\u202c", "rm -rf \\u202egpj.tab\\u202c"),
    ("a\u2066b\u2069\u200b\u200f\ufeff\u00ad", "a\\u2066b\\u2069\\u200b\\u200f\\ufeff\\u00ad"),
    ("\0\x01\x08\x1b[31mred\x7f\x85\x9b", "\\u0000\\u0001\\u0008\\u001b[31mred\\u007f\\u0085\\u009b"),
    ("two\nlines\r\n\tand a tab", "two\\nlines\\r\\n\\tand a tab"),
    ("\u2028\u2029\u00a0\u3000\u3164\u2800\U000e0041", "\\u2028\\u2029\\u00a0\\u3000\\u3164\\u2800\\u{e0041}"),
    ("\ud800 alone", "\\ud800 alone"),
    ("__proto__", "__proto__"),
    ("  two  spaces  ", "  two  spaces  "),
    ("héllo 世界 🎉 שלום", "héllo 世界 🎉 שלום"),
    ("Z" + "\u0301" * 100, "Z" + "\u0301" * 100),
    ("x" * 256 + "...", "x" * 256 + "..."),
)


@test
def hostile_command_lines_are_text(browser):
    with server() as stand_in:
        stand_in.calls = [running(command, age_s=100 - at) for at, (command, _) in enumerate(HOSTILE)] + [
            ended(command, error=command, exit_code=None, ended_by=None) for command, _ in HOSTILE]
        stand_in.sessions = [session(command, command, protocol=command) for command, _ in HOSTILE]
        # Names of hostile principals are not to be had, and would do as little.
        stand_in.sandboxes = [sandbox("%012x" % at, command, state=command)
                              for at, (command, _) in enumerate(HOSTILE)]
        with opened(browser, stand_in) as page:
            page.wait_for(SHOWN)
            texts = "Array.from(document.querySelectorAll('%s'), (node) => node.textContent)"
            shown = [text for _, text in HOSTILE]
            same(page.evaluate(texts % "#running .foreign:first-child").count("native"), 0)
            same(page.evaluate(texts % "#running td.wide .foreign"), shown)
            same(page.evaluate(texts % "#ended td.wide .foreign:first-child"), shown)
            same(page.evaluate(texts % "#ended td.wide .foreign.error"), shown)
            same(sorted(page.evaluate(texts % "#sessions td:first-child .foreign")), sorted(shown))
            same(page.evaluate("[window.broken === undefined, document.images.length,"
                               " document.scripts.length, document.querySelectorAll('main h1').length]"),
                 [True, 0, 1, 0])
            # None pushes the page out of its width, or paints over its neighbours.
            holds(page.evaluate("document.documentElement.scrollWidth <= innerWidth"),
                  "the page is wider than its window")
            same(page.evaluate("Array.from(document.querySelectorAll('.foreign')).filter((node) =>"
                               " getComputedStyle(node).overflow !== 'hidden'"
                               " || getComputedStyle(node).unicodeBidi !== 'isolate').length"), 0)


@test
def an_operator_ends_a_sandbox_after_a_question(browser):
    with server(TOKENS) as stand_in:
        two_tenants(stand_in)
        with opened(browser, stand_in, but=("network",)) as page:
            sign_in(page, OPERATOR)
            page.wait_for(SHOWN)
            for key in (ESCAPE, None):
                page.click(END_OF % ("a" * 12))
                same(page.text("#end-title"), "End sandbox aaaaaaaaaaaa?")
                same(page.text("#end-text"), "What runs in it (1 call) is killed, and its files are gone for good.")
                same(page.evaluate("document.activeElement.id"), "end-no")
                if key:
                    page.press(*key)
                else:
                    page.click("#end-no")
                page.wait_for("!document.getElementById('end').open")
                same(page.evaluate("document.activeElement.getAttribute('aria-label')"),
                     "End sandbox aaaaaaaaaaaa")
            next_status(page, stand_in)
            same([method for method, _, _ in stand_in.asked if method == "POST"], [])
            page.click(END_OF % ("a" * 12))
            page.click("#end-yes")
            page.wait_for("!document.getElementById('news').hidden")
            same(page.text("#news"), "Sandbox aaaaaaaaaaaa is ended.")
            page.wait_for("document.querySelectorAll('#sandboxes tr').length === 1")
            same([row[0] for row in page.rows("sandboxes")], ["b" * 12])
            posts = [(path, headers["Authorization"], headers["Origin"])
                     for method, path, headers in stand_in.asked if method == "POST"]
            same(posts, [("/sandboxes/aaaaaaaaaaaa/end", "Bearer " + OPERATOR, stand_in.address)])


@test
def what_could_not_be_ended_is_said(browser):
    with server(TOKENS) as stand_in:
        two_tenants(stand_in)
        with opened(browser, stand_in, but=("network",)) as page:
            sign_in(page, OPERATOR)
            page.wait_for(SHOWN)
            for status, words in ((404, "is gone already."),
                                  (403, "was not ended: this token is not an operator's."),
                                  (500, "was not ended: the server answered 500.")):
                stand_in.end_answer = status
                page.click(END_OF % ("b" * 12))
                same(page.text("#end-text"), "Its files are gone for good.")
                page.click("#end-yes")
                page.wait_for("document.getElementById('news').textContent === %s"
                              % json.dumps("Sandbox bbbbbbbbbbbb " + words))
                same(page.evaluate("document.querySelector('%s').disabled" % (END_OF % ("b" * 12))), False)
            stand_in.end_answer = 401
            page.click(END_OF % ("b" * 12))
            page.click("#end-yes")
            page.wait_for("!document.getElementById('sign-in').hidden")


@test
def rows_stay_where_they_are_while_others_come_and_go(browser):
    with server() as stand_in:
        stand_in.sandboxes = [sandbox("%012x" % at, age_s=100 - at) for at in range(5)]
        with opened(browser, stand_in) as page:
            page.wait_for(SHOWN)
            page.evaluate("document.querySelector('%s').focus()" % (END_OF % "000000000002"))
            page.evaluate("window.row = document.activeElement.closest('tr'), 0")
            # The same age again, a newer one in front, an older one gone.
            stand_in.sandboxes = [sandbox("%012x" % at, age_s=7) for at in (2, 0, 3, 4, 9)]
            next_status(page, stand_in)
            same([row[0][-1] for row in page.rows("sandboxes")], ["9", "4", "3", "2", "0"])
            same(page.evaluate("document.activeElement.closest('tr') === window.row"), True)
            # Its row goes: the focus stays at the table.
            stand_in.sandboxes = stand_in.sandboxes[1:]
            next_status(page, stand_in)
            same(page.evaluate("document.activeElement.id"), "title-sandboxes")


@test
def a_thousand_sandboxes_fit_and_can_be_filtered(browser):
    with server() as stand_in:
        stand_in.sandboxes = [sandbox("%012x" % at, age_s=5000 - at) for at in range(1000)]
        stand_in.hidden = 500
        stand_in.calls = ([running("sleep %d" % at, sandbox="%012x" % at) for at in range(1000)]
                          + [ended("true") for _ in range(200)])
        with opened(browser, stand_in) as page:
            page.wait_for(SHOWN)
            same(page.text("#count-sandboxes"), "1500")
            same(page.text("#title-sandboxes"), "Sandboxes 1500")
            same([len(page.rows(table)) for table in ("sandboxes", "running", "ended")], [500, 500, 200])
            same(page.rows("sandboxes")[0][0], "%012x" % 999)
            notes = page.evaluate("Array.from(document.querySelectorAll('section > p:not([hidden])'),"
                                  " (note) => note.textContent)")
            same(notes, ["The first 500 of 1000 are shown; the filter looks at all.",
                         "The first 500 of 1000 are shown; the filter looks at all 1000 that the server sent.",
                         "No client has a session."])
            page.click("#filter")
            page.type("00000000000A")
            same([row[0] for row in page.rows("sandboxes")], ["00000000000a"])
            same([row[1] for row in page.rows("running")], ["sleep 10"])
            same(page.text("#title-sandboxes"), "Sandboxes 1 of 1500")
            page.type("?")
            same(page.text("#title-sandboxes + div"), None)
            same(page.text("#title-sandboxes ~ p"), "None of them matches the filter.")
            # The filter still holds at the next status.
            next_status(page, stand_in)
            same(page.rows("sandboxes"), [])


@test
def a_server_that_is_gone_is_told_and_found_again(browser):
    with server() as stand_in:
        two_tenants(stand_in)
        with opened(browser, stand_in, but=("network",)) as page:
            page.wait_for(SHOWN)
            stand_in.stop()
            page.wait_for("document.getElementById('state').textContent === 'No connection'")
            same(page.text("#alert"),
                 "The server does not answer. Trying again. What is shown is from before.")
            same(page.evaluate("document.getElementById('alert').getAttribute('role')"), "alert")
            same(len(page.rows("running")), 1)
            stand_in.start()
            page.wait_for(SHOWN)
            same(page.text("#alert"), None)


@test
def answers_that_are_none_are_told(browser):
    with server() as stand_in:
        two_tenants(stand_in)
        with opened(browser, stand_in, but=("network",)) as page:
            page.wait_for(SHOWN)
            for broken, words in (((200, b"{\"is_operator\": tr"), "could not be read"),
                                  ((200, b"null"), "could not be read"), ((200, b"{}"), "could not be read"),
                                  ((503, b""), "answered 503"), ((404, b""), "answered 404")):
                stand_in.broken = broken
                page.wait_for("document.getElementById('alert').textContent.includes('%s')" % words)
                stand_in.broken = None
                page.wait_for(SHOWN)


@test
def a_token_that_is_revoked_shows_nothing_any_more(browser):
    with server(dict(TOKENS)) as stand_in:
        two_tenants(stand_in)
        with opened(browser, stand_in, but=("network",)) as page:
            sign_in(page, OPERATOR)
            page.wait_for(SHOWN)
            page.click(END_OF % ("a" * 12))
            del stand_in.tokens[OPERATOR]
            page.wait_for("!document.getElementById('sign-in').hidden")
            same(page.text("#alert"), "The server does not accept this token.")
            same(page.evaluate("document.getElementById('end').open"), False)
            holds("make -j4" not in page.evaluate("document.documentElement.outerHTML"),
                  "what was shown is still in the document")


@test
def a_page_that_nobody_looks_at_asks_nothing(browser):
    hide = """(() => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => %s });
        document.dispatchEvent(new Event("visibilitychange"));
    })()"""
    with server() as stand_in:
        two_tenants(stand_in)
        with opened(browser, stand_in) as page:
            page.wait_for(SHOWN)
            for stop, go, label in (
                    (lambda: page.evaluate(hide % "true"), lambda: page.evaluate(hide % "false"), "Paused"),
                    (lambda: page.click("#pause"), lambda: page.click("#pause"), "Paused")):
                stop()
                same(page.text("#state"), label)
                page.evaluate("new Promise((done) => setTimeout(done, 500))")
                stand_in.asked.clear()
                page.evaluate("new Promise((done) => setTimeout(done, 5000))")
                same(stand_in.asked, [])
                go()
                page.wait_for(SHOWN)
                holds(stand_in.asked, "it does not ask again")


@test
def the_policy_lets_nothing_else_in(browser):
    attempts = """Promise.all([
        fetch("http://localhost:1/").catch((error) => error.name),
        new Promise((done) => {
            const image = new Image();
            image.onerror = () => done("image");
            image.src = "/picture.png";
        }),
        (() => { try { document.body.innerHTML = "<b>x</b>"; } catch (error) { return error.name; } })(),
        (() => { try { return eval("1"); } catch (error) { return error.name; } })(),
        (() => { const node = document.createElement("p"); node.setAttribute("style", "color: red");
            document.body.append(node); return getComputedStyle(node).color !== "rgb(255, 0, 0)"; })(),
    ])"""
    with server() as stand_in:
        with opened(browser, stand_in) as page:
            page.wait_for(SHOWN)
            same(page.evaluate(attempts), ["TypeError", "image", "TypeError", "EvalError", True])
            # And the harness sees such refusals: each of the five.
            page.wait_for("true")
            kinds = [text for kind, text in page.take_complaints() if kind == "issue"
                     and "ContentSecurityPolicyIssue" in text]
            holds(len(kinds) >= 5, "refusals that were seen: %r" % kinds)
            same([path for _, path, _ in stand_in.asked if path == "/picture.png"], [])
            page.asked = [address for address in page.asked if "localhost" not in address]


def contrasts(page):
    """Of every text to what is behind it, as WCAG counts; the least, and where."""
    return page.evaluate("""(() => {
        const light = (text) => {
            const [r, g, b] = text.match(/[0-9.]+/g).map((part) => part / 255)
                .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const behind = (node) => {
            const color = getComputedStyle(node).backgroundColor;
            return color === "rgba(0, 0, 0, 0)" && node.parentElement ? behind(node.parentElement) : color;
        };
        return Array.from(document.querySelectorAll("body *:not(script, style)"))
            .filter((node) => node.checkVisibility()
                && Array.from(node.childNodes).some((child) => child.nodeType === 3 && child.data.trim()))
            .map((node) => {
                const [a, b] = [light(getComputedStyle(node).color), light(behind(node))];
                return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.className + " " + node.textContent];
            }).sort((a, b) => a[0] - b[0])[0];
    })()""")


@test
def it_can_be_read_in_the_dark_on_a_phone_and_by_a_screen_reader(browser):
    with server(TOKENS) as stand_in:
        two_tenants(stand_in)
        stand_in.calls += [ended("\u202e", "alice", exit_code=0), running("sleep 1", state="waiting"),
                           ended("x", error="Server is busy: no place.", exit_code=None, ended_by=None)]
        with opened(browser, stand_in, but=("network",)) as page:
            page.wait_for("!document.getElementById('sign-in').hidden")
            names = {node["role"]["value"]: node["name"]["value"] for node in tree(page)
                     if node["role"]["value"] in ("textbox", "heading")}
            same(names["textbox"], "Token")
            sign_in(page, OPERATOR)
            page.wait_for(SHOWN)
            backgrounds = set()
            for scheme in ("light", "dark"):
                page.request("Emulation.setEmulatedMedia",
                             features=[{"name": "prefers-color-scheme", "value": scheme}])
                backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
                least, where = contrasts(page)
                holds(least >= 4.5, "%s: contrast %.2f at %r" % (scheme, least, where))
            same(len(backgrounds), 2)
            for width in (1280, 390):
                page.resize(width, 800)
                holds(page.evaluate("document.documentElement.scrollWidth <= innerWidth"),
                      "the page is wider than %d" % width)
                roles = [(node["role"]["value"], node["name"]["value"].strip()) for node in tree(page)]
                for table in ("Running calls 2", "Recent calls 3", "Sandboxes 2", "Sessions 2"):
                    holds(("table", table) in roles, "no table %r at width %d" % (table, width))
                for role, name in (("columnheader", "Command"), ("searchbox", "Filter"),
                                   ("button", "Pause"), ("button", "End sandbox aaaaaaaaaaaa")):
                    holds((role, name) in roles, "no %s %r at width %d" % (role, name, width))
            page.press(*TAB)
            holds(page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid",
                  "the focus cannot be seen")


def tree(page):
    """What a screen reader is given."""
    page.request("Accessibility.enable")
    nodes = page.request("Accessibility.getFullAXTree")["nodes"]
    page.request("Accessibility.disable")
    return [{"role": node["role"], "name": node.get("name", {"value": ""})}
            for node in nodes if not node["ignored"]]
