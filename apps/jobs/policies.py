"""The jobs' rows of the truth table."""

from __future__ import annotations

from apps.orgs.policies import TABLE, Relation, Rule


def register() -> None:
    TABLE.register("job.read", Rule(Relation.MEMBER, mutates=False))
    TABLE.register("job.create", Rule(Relation.MEMBER))
    TABLE.register("job.cancel", Rule(Relation.MAINTAINER, creator=True))
