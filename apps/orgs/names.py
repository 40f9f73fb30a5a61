"""The validator that allauth's sign-up form applies to user names: the hub's rules and the reserved list."""

from __future__ import annotations

from django.core.exceptions import ValidationError

from apps.core.errors import BadInput
from apps.core.names import check_name, name_key
from apps.orgs.models import Namespace


def validate_username(name: str) -> None:
    """Raises ValidationError for a name that hub clients would not accept, that is reserved, or that a namespace has."""
    try:
        check_name(name, what="username", reserved=True)
    except BadInput as error:
        raise ValidationError(error.message) from error
    if Namespace.objects.filter(name_key=name_key(name)).exists():
        raise ValidationError("This name is taken.")


username_validators = [validate_username]
