"""Endpoints and deliveries for those who manage them; for others they do not exist. All need the namespace's scope."""

from __future__ import annotations

from django.db.models import Prefetch, QuerySet

from apps.core.errors import NotFound
from apps.core.ids import internal
from apps.core.principal import Principal
from apps.orgs.models import Namespace
from apps.orgs.policies import require
from apps.orgs.scoping import NamespaceResource
from apps.webhooks.models import DELIVERY_PREFIX, PREFIX, Attempt, Delivery, Endpoint


def endpoints_of(actor: Principal, namespace: Namespace) -> QuerySet[Endpoint]:
    """A namespace's endpoints. Raises NotFound for who may not read them."""
    require(actor, "webhook.read", NamespaceResource(namespace), sees="webhook.read")
    return Endpoint.objects.filter(namespace=namespace).select_related("namespace", "created_by")


def endpoint_find(actor: Principal, namespace: Namespace, external_id: str) -> Endpoint:
    """One endpoint by the id that the API shows. Raises NotFound."""
    endpoint_id = internal(PREFIX, external_id)
    found = endpoints_of(actor, namespace).filter(id=endpoint_id).first() if endpoint_id else None
    if found is None:
        raise NotFound("There is no such webhook.", code="webhook_not_found")
    return found


def deliveries_of(actor: Principal, namespace: Namespace, endpoint: Endpoint | None = None) -> QuerySet[Delivery]:
    """What was and is owed to one endpoint, or to all of the namespace. Attempts come without the answers' text."""
    require(actor, "webhook.read", NamespaceResource(namespace), sees="webhook.read")
    attempts = Prefetch("attempts", Attempt.objects.defer("response"))
    rows = Delivery.objects.filter(namespace_id=namespace.id).select_related("endpoint").prefetch_related(attempts)
    return rows if endpoint is None else rows.filter(endpoint=endpoint)


def delivery_find(actor: Principal, namespace: Namespace, endpoint: Endpoint, external_id: str) -> Delivery:
    """One delivery of an endpoint, with all that came back. Raises NotFound."""
    delivery_id = internal(DELIVERY_PREFIX, external_id)
    rows = deliveries_of(actor, namespace, endpoint).prefetch_related(None).prefetch_related("attempts")
    found = rows.filter(id=delivery_id).first() if delivery_id else None
    if found is None:
        raise NotFound("There is no such delivery.", code="delivery_not_found")
    return found
