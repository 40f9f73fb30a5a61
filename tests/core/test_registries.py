"""What a lower app asks of a higher one is registered once, and a declared gate without anybody behind it is found at start."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core import routes
from apps.core.checks import gates_are_manned
from apps.core.errors import Forbidden
from apps.core.gates import GATES
from apps.core.registries import Gate, Registry


def test_a_name_is_taken_once() -> None:
    registry: Registry[int] = Registry("number")
    registry.register("one", 1)
    registry.register("one", 1)
    with pytest.raises(ValueError, match="number 'one' is registered twice"):
        registry.register("one", 2)
    with pytest.raises(LookupError, match="no number named 'two'"):
        registry["two"]
    assert (registry.get("two"), "one" in registry, list(registry), registry.items()) == (
        None,
        True,
        ["one"],
        [("one", 1)],
    )


def test_a_gate_is_passed_when_all_who_stand_in_it_agree() -> None:
    gate: Gate[str] = Gate("test gate")
    asked: list[str] = []
    gate.register("first", asked.append)

    def refuse(subject: str) -> None:
        raise Forbidden(subject)

    gate("alone")
    gate.register("second", refuse)
    with pytest.raises(Forbidden, match="together"):
        gate("together")
    assert asked == ["alone", "together"]


def test_a_declared_gate_must_be_manned(settings: Any) -> None:
    assert gates_are_manned() == []
    settings.ATRIUM_GATES = {"push": ["nobody"]}
    assert [problem.id for problem in gates_are_manned()] == ["core.E001"]
    assert set(GATES) == {"push", "download"}


async def _nothing(*_: Any) -> None:
    return None


def test_raw_routes_match_whole_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_table", [])
    kept = {"methods": {"GET"}, "action": "repository.read", "handler": _nothing}
    routes.register_route(name="test", pattern=r"/(?P<ns>[^/]+)/resolve/(?P<rev>[^/]+)(?P<rest>/.*)?", **kept)
    ((route, params),) = routes.match("/alice/resolve/refs%2Fpr%2F1")
    assert (route.name, params) == ("test", {"ns": "alice", "rev": "refs%2Fpr%2F1", "rest": ""})
    assert routes.match("/alice/resolve") == []
    assert routes.match("/x/alice/resolve/main") == []
    with pytest.raises(ValueError, match="registered twice"):
        routes.register_route(name="test", pattern="/", **kept)
