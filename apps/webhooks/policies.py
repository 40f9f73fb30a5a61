"""The webhooks' rows of the truth table."""

from __future__ import annotations

from apps.orgs.policies import TABLE, Relation, Rule


def register() -> None:
    TABLE.register("webhook.read", Rule(Relation.MAINTAINER, mutates=False))
    TABLE.register("webhook.create", Rule(Relation.MAINTAINER))
    TABLE.register("webhook.update", Rule(Relation.MAINTAINER))
    TABLE.register("webhook.delete", Rule(Relation.MAINTAINER))
