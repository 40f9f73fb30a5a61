"""What a lower app asks of a higher one: small named tables, filled in `AppConfig.ready()` and read at run time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Registry(Generic[T]):
    """A table of things by name. Registering a name twice with another value is a programming error."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._items: dict[str, T] = {}

    def register(self, name: str, item: T) -> T:
        if name in self._items and self._items[name] != item:
            raise ValueError(f"{self.what} {name!r} is registered twice")
        self._items[name] = item
        return item

    def __getitem__(self, name: str) -> T:
        try:
            return self._items[name]
        except KeyError:
            raise LookupError(f"no {self.what} named {name!r} is registered") from None

    def get(self, name: str) -> T | None:
        return self._items.get(name)

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._items))

    def items(self) -> list[tuple[str, T]]:
        return sorted(self._items.items())


class Gate(Generic[T]):
    """Checks that must all pass before something happens (a push, a download).

    A settings line declares each gate by name; a declared gate with nobody registered is an error at start (a system check), so that
    a forgotten app never means an open door.
    """

    def __init__(self, what: str) -> None:
        self.checks: Registry[Callable[[T], None]] = Registry(what)

    def register(self, name: str, check: Callable[[T], None]) -> None:
        self.checks.register(name, check)

    def __call__(self, subject: T) -> None:
        for _, check in self.checks.items():
            check(subject)
