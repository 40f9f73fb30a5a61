"""What the pages gather from several places at once; each query holds only what the actor may see."""

from __future__ import annotations

from django.db.models import Prefetch, QuerySet
from django.db.models.functions import Left
from django_scopes import scope

from apps.core.principal import Principal
from apps.jobs.models import Job
from apps.orgs.policies import Relation, namespaces_at_least
from apps.webhooks.models import Attempt, Delivery

RECENT = 10
ANSWER_CHARACTERS = 500


def recent_jobs(actor: Principal) -> list[Job]:
    """The newest jobs of all namespaces to which the actor belongs. A job's own token sees none."""
    if actor.narrowing is not None:
        return []
    with scope(namespace=list(namespaces_at_least(actor, Relation.MEMBER))):
        return list(Job.objects.select_related("namespace").defer("spec", "result").order_by("-id")[:RECENT])


def with_attempts(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Deliveries with their endpoints and attempts, without the bodies, and with the beginning of each answer only."""
    attempts = Attempt.objects.order_by("number").defer("response").annotate(answer=Left("response", ANSWER_CHARACTERS))
    return deliveries.defer("body").prefetch_related(None).prefetch_related(Prefetch("attempts", attempts))
