"""System checks: a declared gate has somebody behind it, and what the operator opens is said clearly."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from apps.core.addresses import BadAllowance, parse_allowance
from apps.core.gates import GATES


@register()
def gates_are_manned(**_: Any) -> list[CheckMessage]:
    """`ATRIUM_GATES = {"push": ["lfs"], …}`: each name must be registered under that gate."""
    return [
        Error(f"gate {gate!r} declares {name!r}, but no app registered it", id="core.E001")
        for gate, names in settings.ATRIUM_GATES.items()
        for name in names
        if name not in GATES[gate].checks
    ]


@register()
def allowances_are_clear(**_: Any) -> list[CheckMessage]:
    """Each entry of ATRIUM_SAFE_HTTP_ALLOW is `CIDR:port[-port]`."""
    problems: list[CheckMessage] = []
    for entry in settings.ATRIUM_SAFE_HTTP_ALLOW:
        try:
            parse_allowance(entry)
        except BadAllowance as error:
            problems.append(Error(f"ATRIUM_SAFE_HTTP_ALLOW: {error}", id="core.E002"))
    return problems
