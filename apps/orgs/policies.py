"""`can()`: the only place that decides who may do what. The truth table is data; higher apps register their rows.

A row names an action and the relations that may do it. Relations of an actor to a resource, each implying the ones before it:

    anyone < user < member < maintainer < owner       and, beside them, `creator`: a member who made the thing, `self`: the person it is

An owner of a personal namespace is its person. A private thing is visible from `member` on. A read token never mutates; a job's token
reaches only the repositories that the job names.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from apps.core.errors import Forbidden, NotAuthenticated, NotFound
from apps.core.principal import Kind, Principal
from apps.core.registries import Registry
from apps.orgs.models import Membership, Namespace, NamespaceKind, Role


class Relation(IntEnum):
    """How close the actor stands to a namespace."""

    ANYONE = 0
    USER = 1
    MEMBER = 2
    MAINTAINER = 3
    OWNER = 4


ROLE_RELATION = {Role.MEMBER: Relation.MEMBER, Role.MAINTAINER: Relation.MAINTAINER, Role.OWNER: Relation.OWNER}


class Resource(Protocol):
    """What `can()` needs to know of a thing."""

    @property
    def namespace_id(self) -> uuid.UUID: ...


@dataclass(frozen=True)
class Rule:
    """A row of the truth table.

    `at_least` is the relation that suffices; `creator` lets a member who made the thing do it too; `public` is the relation that
    suffices when the resource is public (None: being public changes nothing); `mutates` keeps read tokens out.
    """

    at_least: Relation
    mutates: bool = True
    creator: bool = False
    public: Relation | None = None
    # A job's token may do this to the repositories that the job names; everything else is closed to it.
    for_jobs: bool = False


TABLE: Registry[Rule] = Registry("policy")

TABLE.register("namespace.read", Rule(Relation.ANYONE, mutates=False))
TABLE.register("organisation.create", Rule(Relation.USER))
TABLE.register("member.list", Rule(Relation.MEMBER, mutates=False))
TABLE.register("member.change", Rule(Relation.OWNER))
TABLE.register("member.remove", Rule(Relation.OWNER))
TABLE.register("project.read", Rule(Relation.MEMBER, mutates=False))
TABLE.register("project.create", Rule(Relation.OWNER))


def relation(actor: Principal, namespace_id: uuid.UUID) -> Relation:
    """The actor's relation to a namespace; loaded with one query per request, then from the principal's cache."""
    if actor.kind is Kind.SYSTEM:
        return Relation.OWNER
    if actor.kind is Kind.ANONYMOUS or actor.user_id is None:
        return Relation.ANYONE
    found: dict[uuid.UUID, Relation] | None = actor.cache.get("relations")
    if found is None:
        found = {
            row.namespace_id: ROLE_RELATION[Role(row.role)]
            for row in Membership.objects.filter(user_id=actor.user_id).only("namespace_id", "role")
        }
        own = Namespace.objects.filter(user_id=actor.user_id, kind=NamespaceKind.USER).values_list("id", flat=True)
        found.update(dict.fromkeys(own, Relation.OWNER))
        actor.cache["relations"] = found
    return found.get(namespace_id, Relation.USER)


def namespaces_at_least(actor: Principal, minimum: Relation) -> set[uuid.UUID]:
    """Namespaces in which the actor stands at least so close; for list filters."""
    relation(actor, uuid.UUID(int=0))
    known: dict[uuid.UUID, Relation] = actor.cache.get("relations", {})
    return {namespace_id for namespace_id, value in known.items() if value >= minimum}


def can(actor: Principal, action: str, resource: Resource | None = None) -> bool:
    """Whether the actor may do this to the resource (None for acts on nothing yet, such as creating an organisation)."""
    rule = TABLE[action]
    if rule.mutates and not actor.can_write:
        return False
    if actor.narrowing is not None and not _within_job(actor, rule, resource):
        return False
    return _allowed(actor, rule, resource)


def _allowed(actor: Principal, rule: Rule, resource: Resource | None) -> bool:
    if resource is None:
        minimum = Relation.USER if actor.is_authenticated else Relation.ANYONE
        return minimum >= rule.at_least
    standing = relation(actor, resource.namespace_id)
    if rule.public is not None and getattr(resource, "visibility", None) == "public" and standing >= rule.public:
        return True
    if standing >= rule.at_least:
        return True
    made_it = actor.user_id is not None and getattr(resource, "created_by_id", None) == actor.user_id
    return rule.creator and made_it and standing >= Relation.MEMBER


def _within_job(actor: Principal, rule: Rule, resource: Resource | None) -> bool:
    if actor.narrowing is None or not rule.for_jobs or resource is None:
        return False
    allowed = actor.narrowing.write if rule.mutates else actor.narrowing.read | actor.narrowing.write
    return getattr(resource, "id", None) in allowed


def require(actor: Principal, action: str, resource: Resource | None = None, *, sees: str | None = None) -> None:
    """Raises unless the actor may. `sees` is the action that makes the resource visible: who may not even see it gets NotFound.

    NotAuthenticated for the anonymous on something visible, Forbidden for others.
    """
    if can(actor, action, resource):
        return
    if sees is not None and not can(actor, sees, resource):
        raise NotFound()
    if not actor.is_authenticated:
        raise NotAuthenticated()
    if TABLE[action].mutates and not actor.can_write:
        raise Forbidden("This token may only read; use a token with the role 'write'.", code="token_is_read_only")
    raise Forbidden()
