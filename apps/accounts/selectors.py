"""What a person may read about his own account."""

from __future__ import annotations

from django.db.models import QuerySet

from apps.accounts.models import AccessToken, User
from apps.core.errors import NotAuthenticated
from apps.core.principal import Principal


def tokens_of(actor: Principal) -> QuerySet[AccessToken]:
    """The caller's living tokens, without those of jobs. Needs the scope of the caller's personal namespace."""
    return AccessToken.objects.filter(user_id=actor.person_id, job_id__isnull=True, revoked_at__isnull=True)


def user_of(actor: Principal) -> User:
    """The caller's account. Raises NotAuthenticated."""
    user = User.objects.filter(id=actor.person_id).first()
    if user is None:
        raise NotAuthenticated()
    return user
