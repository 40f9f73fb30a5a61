"""The card: README.md's metadata as facts of the repository, and its Markdown as HTML that can do no harm."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import nh3
import yaml
from django.utils import timezone
from markdown_it import MarkdownIt

from apps.core.errors import BadInput
from apps.repositories.git.store import Store
from apps.repositories.models import Repository

MAX_CARD = 1024 * 1024
MAX_YAML = 128 * 1024
MAX_DEPTH = 20
MAX_TAGS = 200
_FRONT = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?\r?\n)?---[ \t]*(?:\r?\n|\Z)", re.DOTALL)


class BadCard(BadInput):
    code, title = "bad_card", "The card's metadata is not valid"


class _Loader(yaml.SafeLoader):
    """Plain YAML: anchors and aliases can make a small text large, and no card needs them; dates stay text, as JSON has none."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("anchors and aliases are not allowed in a card")
        self.depth = getattr(self, "depth", 0) + 1
        if self.depth > MAX_DEPTH:
            raise yaml.YAMLError(f"metadata is nested deeper than {MAX_DEPTH} levels")
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Facts:
    """What the head of main says about its repository."""

    head_sha: str = ""
    card: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    pipeline_tag: str = ""
    library_name: str = ""


def split(text: str) -> tuple[str, str]:
    """(YAML front matter, Markdown) of a README."""
    match = _FRONT.match(text)
    return (match.group(1) or "", text[match.end() :]) if match else ("", text)


def parse(text: str) -> dict[str, Any]:
    """The metadata of a README. Raises BadCard saying what is wrong and where."""
    front, _ = split(text)
    if len(front) > MAX_YAML:
        raise BadCard(f"The card's metadata is longer than {MAX_YAML} characters.")
    try:
        data = yaml.load(front, Loader=_Loader)  # noqa: S506  (a subclass of SafeLoader)
    except Exception as error:  # whatever a text does to the parser is the text's fault
        raise BadCard(f"The card's metadata is not valid YAML: {str(error)[:500]}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise BadCard("The card's metadata must be a mapping of names to values.")
    safe: dict[str, Any] = _json_safe(data)
    return safe


def _json_safe(value: Any) -> Any:
    """Keys as text, no NUL, no infinities: what PostgreSQL's jsonb and every JSON reader take."""
    if isinstance(value, dict):
        return {_clean(str(key)): _json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_json_safe(item) for item in value]
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, float) and (value != value or value in {float("inf"), float("-inf")}):
        return None
    if isinstance(value, int) and abs(value) >= 1 << 63:
        return None
    if value is None or isinstance(value, bool | int | float):
        return value
    return _clean(str(value))


def _clean(text: str) -> str:
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _texts(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str) and 0 < len(item) <= 200]


def facts_of(card: dict[str, Any], head_sha: str) -> Facts:
    """Tags as the hub derives them from a card: its own, then licence, languages, datasets, library and task."""
    pipeline_tag = next(iter(_texts(card.get("pipeline_tag"))), "")[:64]
    library = next(iter(_texts(card.get("library_name"))), "")[:64]
    tags = [library, pipeline_tag, *_texts(card.get("tags"))]
    for name, prefix in (("license", "license:"), ("language", ""), ("datasets", "dataset:"), ("base_model", "base_model:"),
                         ("task_categories", "task_categories:"), ("size_categories", "size_categories:")):  # fmt: skip
        tags += [f"{prefix}{text}" for text in _texts(card.get(name))]
    return Facts(head_sha, card, list(dict.fromkeys(tag for tag in tags if tag))[:MAX_TAGS], pipeline_tag, library)


def head_facts(store: Store) -> Facts:
    """The facts at the head of main; a card that does not parse says nothing, and stops no push."""
    head = store.ref("refs/heads/main")
    if head is None:
        return Facts()
    text = store.read_text(head, "README.md", limit=MAX_CARD)
    try:
        return facts_of(parse(text or ""), head)
    except BadCard:
        return Facts(head)


def apply_facts(repository: Repository, facts: Facts) -> None:
    """Writes the facts and the moment into the row."""
    Repository.objects.unscoped(reason="the caller decided that the push may happen").filter(id=repository.id).update(
        head_sha=facts.head_sha,
        card=facts.card,
        tags=facts.tags,
        pipeline_tag=facts.pipeline_tag,
        library_name=facts.library_name,
        updated_at=timezone.now(),
    )
    repository.head_sha, repository.card, repository.tags = facts.head_sha, facts.card, facts.tags


_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "code", "dd", "del", "details", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5",
    "h6", "hr", "i", "img", "ins", "kbd", "li", "ol", "p", "pre", "s", "span", "strong", "sub", "summary", "sup", "table",
    "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "width", "height"},
    "code": {"class"},
    "td": {"align"},
    "th": {"align"},
}


def card_html(text: str, *, base: str = "") -> str:
    """A README's Markdown as sanitised HTML. Pictures come from this server only: other addresses lose their `src`.

    `base` is the address that relative pictures are resolved against, such as `/alice/clip/resolve/main/`.
    """
    _, body = split(text[:MAX_CARD])

    def attribute(tag: str, name: str, value: str) -> str | None:
        if tag == "img" and name == "src":
            # Browsers read a backslash as a slash and drop tabs and line ends: `/\\host` and `/<tab>/host` lead elsewhere too.
            if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//", value) or "\\" in value or not value.isprintable():
                return None
            return value if value.startswith("/") else f"{base}{value.removeprefix('./')}"
        return value

    return nh3.clean(
        _MARKDOWN.render(body),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
        attribute_filter=attribute,
    )
