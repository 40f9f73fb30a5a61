"""A namespace as the first segment of a page's address: a reserved word is never one, and leads to no page."""

from __future__ import annotations

from django.urls import register_converter

from apps.core.names import RESERVED, name_key


class NamespaceConverter:
    regex = r"[^/]+"

    def to_python(self, value: str) -> str:
        """Raises ValueError, which to the resolver means: another address."""
        if name_key(value) in RESERVED:
            raise ValueError(value)
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(NamespaceConverter, "ns")
