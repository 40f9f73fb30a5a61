"""What was used and what it cost, for those who may see a namespace's usage."""

from __future__ import annotations

from django.db.models import QuerySet

from apps.billing.models import Flavour, UsageEvent
from apps.core.errors import BadInput
from apps.core.principal import Principal
from apps.orgs.models import Namespace
from apps.orgs.policies import require
from apps.orgs.scoping import NamespaceResource


def usage_of(actor: Principal, namespace: Namespace) -> QuerySet[UsageEvent]:
    """Usage events of a namespace, for its members. Needs the namespace's scope."""
    require(actor, "usage.read", NamespaceResource(namespace), sees="namespace.read")
    return UsageEvent.objects.filter(namespace=namespace).select_related("project")


def flavour_named(name: str) -> Flavour:
    """Raises BadInput naming the flavours that exist."""
    found = {flavour.name: flavour for flavour in Flavour.objects.all()}
    if name not in found:
        known = ", ".join(sorted(found))
        raise BadInput(
            f"There is no flavour {name[:40]!r}; choose one of: {known}.", code="unknown_flavour", field="flavour"
        )
    return found[name]
