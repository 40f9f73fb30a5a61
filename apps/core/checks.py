"""System checks: a gate that the settings declare must have somebody behind it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from apps.core.gates import GATES


@register()
def gates_are_manned(**_: Any) -> list[CheckMessage]:
    """`ATRIUM_GATES = {"push": ["lfs"], …}`: each name must be registered under that gate."""
    problems: list[CheckMessage] = []
    for gate, names in settings.ATRIUM_GATES.items():
        for name in names:
            if name not in GATES[gate].checks:
                problems.append(Error(f"gate {gate!r} declares {name!r}, but no app registered it", id="core.E001"))
    return problems
