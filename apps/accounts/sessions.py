"""Log-ins as audit events. Django announces them by signal only; nothing but the record hangs on it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from apps.accounts.authentication import principal_of
from apps.accounts.middleware import client_address
from apps.accounts.models import User
from apps.accounts.services import record_failed_login
from apps.core.changes import change
from apps.core.ids import SYSTEM_NAMESPACE_ID
from apps.core.principal import anonymous


def on_login(sender: type[User], request: HttpRequest | None, user: User, **_: Any) -> None:
    address = client_address(request) if request else ""
    agent = request.headers.get("user-agent", "") if request else ""
    who = principal_of(user, address=address, user_agent=agent, request_id=getattr(request, "request_id", ""))
    with change(actor=who, action="login.succeed", namespace_id=SYSTEM_NAMESPACE_ID) as act:
        act.target("user", user.id, user.username)


def on_login_failed(sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    address = client_address(request) if request else ""
    agent = request.headers.get("user-agent", "") if request else ""
    name = str(credentials.get("username") or credentials.get("email") or "")
    who = anonymous(address=address, user_agent=agent, request_id=getattr(request, "request_id", ""))
    record_failed_login(actor=who, username=name)
