"""alice's repository behind the real ASGI application; every test has a database of its own, because raw routes commit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from django.conf import settings

from apps.accounts.authentication import principal_of
from apps.accounts.models import User
from apps.core.principal import Principal
from apps.repositories.git.store import Store
from apps.repositories.models import IntentState, RefUpdateIntent, Repository
from apps.repositories.services import repository_create
from tests.factories import make_token, make_user, personal

ORIGIN = "http://127.0.0.1:8000"


@pytest.fixture
def git_root(tmp_path: Any, settings: Any) -> None:
    settings.ATRIUM_GIT_ROOT = tmp_path / "git"


@dataclass
class Hub:
    """alice, her token and her model repository; requests go through the dispatcher."""

    alice: User
    token: str
    repository: Repository
    path: str = "/api/models/alice/clip"
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def actor(self) -> Principal:
        return principal_of(self.alice)

    @property
    def store(self) -> Store:
        return Store(self.repository.git_dir)

    @property
    def head(self) -> str:
        return self.store.resolve("main")

    def request(self, method: str, path: str, *, token: str | None = "own", **arguments: Any) -> httpx.Response:
        from saas.asgi import application

        headers = dict(arguments.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {self.token if token == 'own' else token}"

        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers) as client:
                return await client.request(method, path, **arguments)

        return asyncio.run(go())

    def commit(self, *lines: Any, revision: str = "main", **arguments: Any) -> httpx.Response:
        body = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
        return self.request("POST", f"{self.path}/commit/{revision}", content=body, **arguments)

    def assert_untouched(self, head: str) -> None:
        """The branch has not moved, and nothing is half-way."""
        assert self.head == head
        assert not RefUpdateIntent.objects.filter(state=IntentState.PENDING).exists()


@pytest.fixture
def hub(transactional_db: None, git_root: None) -> Hub:
    assert settings.ATRIUM_GIT_ROOT
    alice = make_user("alice")
    _, token = make_token(alice)
    repository = repository_create(actor=principal_of(alice), namespace=personal(alice), kind="model", name="clip")
    return Hub(alice, token, repository)


@pytest.fixture
def make_person() -> Callable[[str], tuple[User, str]]:
    def make(name: str) -> tuple[User, str]:
        user = make_user(name)
        return user, make_token(user)[1]

    return make
