# SPDX-License-Identifier: MIT
"""What the build embeds: a page with anything that its policy would keep out is refused."""

import subprocess
import tempfile

from browser import Wrong
from stand_in import PAGE, TOP

TESTS = []
# What is put in, for what: (at which text of the page, before it, what the refusal says)
ADDITIONS = (
    ("</body>", "<script>1</script>", "not exactly one script"),
    ("</body>", "<script src=x></script>", "a script or style with attributes"),
    ("</body>", "<p onclick=\"1\">", "an attribute with code"),
    ("</body>", "<p style=\"color:red\">", "an attribute with style"),
    ("</body>", "<img src=x>", "an element that loads something"),
    ("</head>", "<link rel=icon href=x>", "an element that loads something"),
    ("</head>", "<base href=/>", "moves addresses"),
    ("</body>", "//elsewhere.example", "an address of another host"),
    ("</style>", "p { background: url(x) }", "a style that loads something"),
    ("</script>", "p.innerHTML = 1;", "makes markup of text"),
    ("</script>", "localStorage.x = 1;", "stores something"),
    ("</body>", "\r", "a carriage return"),
)


def test(function):
    TESTS.append(function)
    return function


def made(page, *options):
    with tempfile.NamedTemporaryFile(suffix=".html") as file:
        file.write(page)
        file.flush()
        return subprocess.run([TOP / "src/app/make-status-page", *options, file.name], check=False,
                              capture_output=True, text=True)


@test
def what_its_policy_would_keep_out_is_not_embedded(_browser):
    page = PAGE.read_bytes()
    if made(page).returncode != 0:
        raise Wrong("the page itself is refused")
    for before, addition, words in ADDITIONS:
        done = made(page.replace(before.encode(), addition.encode() + before.encode(), 1))
        if done.returncode == 0 or words not in done.stderr or done.stdout:
            raise Wrong("%r: %d, %r" % (addition, done.returncode, done.stderr))


@test
def the_policy_follows_every_byte_of_style_and_script(_browser):
    page = PAGE.read_bytes()
    policies = {made(text, "--policy").stdout for text in (
        page, page.replace(b"</style>", b" </style>"), page.replace(b"</script>", b" </script>"))}
    if len(policies) != 3:
        raise Wrong("they share %d policies" % len(policies))
