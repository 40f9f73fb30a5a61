"""What may be read about namespaces, members and projects."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from apps.core.errors import NotFound
from apps.core.principal import Principal
from apps.orgs.models import Membership, Namespace, Project
from apps.orgs.policies import require
from apps.orgs.scoping import NamespaceResource


def organisations_of(actor: Principal) -> QuerySet[Membership]:
    """The caller's organisations with his role in each."""
    return (
        Membership.objects.filter(user_id=actor.person_id).select_related("namespace").order_by("namespace__name_key")
    )


def personal_namespace(actor: Principal) -> Namespace:
    """The caller's own namespace; raises NotFound for the anonymous."""
    found = Namespace.objects.filter(user_id=actor.user_id).first() if actor.user_id else None
    if found is None:
        raise NotFound("You have no personal namespace.", code="namespace_not_found")
    return found


def members_of(actor: Principal, namespace: Namespace) -> QuerySet[Membership]:
    """Members of an organisation, for its members."""
    require(actor, "member.list", NamespaceResource(namespace), sees="namespace.read")
    return Membership.objects.filter(namespace=namespace).select_related("user")


def default_project(namespace_id: uuid.UUID) -> Project:
    return Project.objects.get(namespace_id=namespace_id, is_default=True)


def projects_of(actor: Principal, namespace: Namespace) -> QuerySet[Project]:
    require(actor, "project.read", NamespaceResource(namespace), sees="namespace.read")
    return Project.objects.filter(namespace=namespace)
