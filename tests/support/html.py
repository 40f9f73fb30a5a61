"""What a rendered page holds, for tests: tags and attributes as a browser reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

# Attributes that make a browser ask or go somewhere.
ADDRESSES = {
    "src",
    "href",
    "action",
    "formaction",
    "poster",
    "srcset",
    "data",
    "background",
    "cite",
    "ping",
    "manifest",
}


@dataclass
class Page(HTMLParser):
    """`Page.of(text)`: the elements in order, each as (tag, attributes), and the text of the page."""

    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, text: str) -> Page:
        page = cls()
        HTMLParser.__init__(page, convert_charrefs=True)
        page.feed(text)
        page.close()
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def foreign_addresses(self, host: str) -> list[str]:
        """Addresses on other hosts that the page loads from, links to or sends to."""
        found = []
        for _tag, attributes in self.tags:
            for name in ADDRESSES & attributes.keys():
                # Browsers take a backslash for a slash, and leave control characters out.
                plain = "".join(c for c in attributes[name].replace("\\", "/") if c > " ")
                parts = urlsplit(plain)
                if (parts.scheme and parts.scheme not in {"http", "https"}) or (parts.netloc and parts.netloc != host):
                    found.append(attributes[name])
        return found

    def active(self) -> list[str]:
        """Scripts, styles and handlers within the page itself."""
        found = [f"<{tag}>" for tag, attributes in self.tags if tag in {"script", "style"} and "src" not in attributes]
        found += [
            f"<{tag} {name}>"
            for tag, attributes in self.tags
            for name in attributes
            if name.startswith("on") or name == "style"
        ]
        return found + [
            f"<{tag}>" for tag, _ in self.tags if tag in {"iframe", "object", "embed", "base", "applet", "svg", "math"}
        ]
