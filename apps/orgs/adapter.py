"""allauth's sign-up through our service, so that no person exists without a namespace, and every sign-up is audited."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from apps.accounts.middleware import principal
from apps.accounts.models import User
from apps.orgs.services import user_register


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        user = super().save_user(request, user, form, commit=False)
        if commit:
            user_register(actor=principal(request), user=user)
        return user
