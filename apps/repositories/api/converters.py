"""A revision as one segment of an address: encoded (`refs%2Fpr%2F1`), or one of the plain forms that people type."""

from __future__ import annotations

from urllib.parse import quote, unquote

from django.urls import register_converter


class RevisionConverter:
    regex = r"refs/(?:pr|convert|heads|tags)/[^/]+|[^/]+"

    def to_python(self, value: str) -> str:
        return unquote(value)

    def to_url(self, value: str) -> str:
        return quote(value, safe="")


class EncodedPathConverter:
    """A path within a repository, whose slashes may come encoded."""

    regex = r".+"

    def to_python(self, value: str) -> str:
        return unquote(value)

    def to_url(self, value: str) -> str:
        return quote(value)


register_converter(RevisionConverter, "rev")
register_converter(EncodedPathConverter, "entry")
