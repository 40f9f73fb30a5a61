"""People sign up, organisations are made, members come and go; every namespace starts with a default project."""

from __future__ import annotations

import uuid

from django.db import IntegrityError, transaction

from apps.accounts.models import User
from apps.core.changes import change
from apps.core.errors import BadInput, Conflict
from apps.core.ids import new_id
from apps.core.names import check_name, name_key
from apps.core.principal import Principal
from apps.orgs.models import Membership, Namespace, NamespaceKind, Project, Role, Visibility
from apps.orgs.policies import require
from apps.orgs.scoping import NamespaceResource

DEFAULT_PROJECT = "default"


def _name_taken(name: str) -> Conflict:
    return Conflict(f"The name {name!r} is taken.", code="name_taken", field="name")


def user_create(
    *, actor: Principal, username: str, email: str, password: str | None, full_name: str = "", is_operator: bool = False
) -> User:
    """A person with a personal namespace. Raises BadInput for a bad or reserved name, Conflict for a taken one."""
    user = User(username=username, email=email, full_name=full_name, is_superuser=is_operator, is_staff=False)
    user.set_password(password)
    return user_register(actor=actor, user=user)


def user_register(*, actor: Principal, user: User) -> User:
    """Saves a new user with the personal namespace, default project and audit event that belong to it, or nothing."""
    check_name(user.username, what="username", reserved=True)
    if Namespace.objects.filter(name_key=name_key(user.username)).exists():
        raise _name_taken(user.username)
    namespace_id = new_id()
    try:
        with change(actor=actor, action="user.create", namespace_id=namespace_id) as act:
            user.save(force_insert=True)
            namespace = Namespace(
                id=namespace_id,
                kind=NamespaceKind.USER,
                name=user.username,
                name_key=name_key(user.username),
                full_name=user.full_name,
                user=user,
            )
            namespace.save(force_insert=True)
            Project.objects.create(namespace=namespace, name=DEFAULT_PROJECT, is_default=True)
            act.target("user", user.id, user.username)
    except IntegrityError as error:
        raise _name_taken(user.username) from error
    return user


def organisation_create(
    *, actor: Principal, owner: User, name: str, full_name: str = "", default_visibility: str = Visibility.PUBLIC
) -> Namespace:
    """An organisation with its first owner. Raises BadInput, Conflict (name taken)."""
    require(actor, "organisation.create")
    check_name(name, reserved=True)
    if default_visibility not in Visibility.values:
        raise BadInput(
            "default_visibility must be 'public' or 'private'.", code="bad_visibility", field="default_visibility"
        )
    if Namespace.objects.filter(name_key=name_key(name)).exists():
        raise _name_taken(name)
    namespace_id = new_id()
    try:
        with change(actor=actor, action="organisation.create", namespace_id=namespace_id) as act:
            namespace = Namespace(
                id=namespace_id,
                kind=NamespaceKind.ORGANISATION,
                name=name,
                name_key=name_key(name),
                full_name=full_name[:200],
                default_visibility=default_visibility,
            )
            namespace.save(force_insert=True)
            Project.objects.create(namespace=namespace, name=DEFAULT_PROJECT, is_default=True)
            Membership.objects.create(namespace=namespace, user=owner, role=Role.OWNER)
            act.target("organisation", namespace.id, namespace.name)
            act.note(default_visibility=default_visibility)
    except IntegrityError as error:
        raise _name_taken(name) from error
    actor.cache.clear()
    return namespace


def membership_set(*, actor: Principal, namespace: Namespace, user: User, role: str) -> Membership:
    """Adds a member or changes his role; the same role again changes nothing. The last owner cannot be demoted."""
    resource = NamespaceResource(namespace)
    require(actor, "member.change", resource, sees="namespace.read")
    if not namespace.is_organisation:
        raise BadInput("A personal namespace has no members.", code="not_an_organisation")
    if role not in Role.values:
        raise BadInput("role must be 'owner', 'maintainer' or 'member'.", code="bad_role", field="role")
    with transaction.atomic():
        rows = _locked_members(namespace)
        current = rows.get(user.id)
        if current is not None and current.role == role:
            return current
        if current is not None and current.role == Role.OWNER and _owners(rows) == 1:
            raise Conflict("The last owner cannot be demoted; make somebody else an owner first.", code="last_owner")
        with change(actor=actor, action="member.set", namespace_id=namespace.id) as act:
            if current is None:
                current = Membership.objects.create(namespace=namespace, user=user, role=role)
            else:
                act.note(previous_role=current.role)
                current.role = role
                current.save(update_fields=["role"])
            act.target("user", user.id, user.username)
            act.note(role=role)
    actor.cache.clear()
    return current


def membership_remove(*, actor: Principal, namespace: Namespace, user: User) -> None:
    """Removes a member; members may leave by themselves. The last owner cannot. Removing nobody changes nothing."""
    if actor.user_id != user.id or not actor.can_write or actor.narrowing is not None:
        require(actor, "member.remove", NamespaceResource(namespace), sees="namespace.read")
    with transaction.atomic():
        rows = _locked_members(namespace)
        current = rows.get(user.id)
        if current is None:
            return
        if current.role == Role.OWNER and _owners(rows) == 1:
            raise Conflict("The last owner cannot leave; make somebody else an owner first.", code="last_owner")
        with change(actor=actor, action="member.remove", namespace_id=namespace.id) as act:
            current.delete()
            act.target("user", user.id, user.username)
            act.note(role=current.role)
    actor.cache.clear()


def _locked_members(namespace: Namespace) -> dict[uuid.UUID, Membership]:
    """Members by person, under the lock of the namespace: changes come one after the other, those of a new member too."""
    Namespace.objects.select_for_update(no_key=True).get(id=namespace.id)
    return {row.user_id: row for row in Membership.objects.filter(namespace=namespace)}


def _owners(rows: dict[uuid.UUID, Membership]) -> int:
    return sum(1 for row in rows.values() if row.role == Role.OWNER)
