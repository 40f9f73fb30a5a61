"""How pages write moments, money and addresses within repositories."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.pagination import Page

register = template.Library()
MICRO = 1_000_000


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """A moment in UTC, to the second, readable by people and machines."""
    if value is None:
        return "–"
    value = value.astimezone(UTC).replace(microsecond=0)
    return format_html(
        '<time datetime="{}">{}</time>',
        value.isoformat().replace("+00:00", "Z"),
        value.strftime("%Y-%m-%d %H:%M:%S UTC"),
    )


@register.filter
def micro_units(value: int) -> str:
    """Micro-units as units: 1 500 000 → 1.500000. Integer arithmetic, so nothing is rounded away."""
    sign, value = ("-", -value) if value < 0 else ("", value)
    return f"{sign}{value // MICRO}.{value % MICRO:06d}"


@register.filter
def segment(value: str) -> str:
    """A text as one segment of an address: a slash in a revision becomes %2F."""
    return quote(value, safe="")


@register.filter
def path_of(value: str) -> str:
    """A file's path in an address: slashes stay."""
    return quote(value, safe="/")


@register.filter
def unlocalized(value: float) -> str:
    """A number as HTML attributes want it, whatever the language."""
    return repr(float(value))


@register.filter
def percent(value: float) -> str:
    return f"{100 * float(value):.1f} %"


@register.inclusion_tag("dashboard/next.html", takes_context=True)
def next_page(context: template.Context, page: Page) -> dict[str, str]:  # type: ignore[type-arg]
    """The link to the following page of a list, with what else the address asked for."""
    if page.next_cursor is None:
        return {"query": ""}
    query = context["request"].GET.copy()
    query["cursor"] = page.next_cursor
    return {"query": query.urlencode()}
