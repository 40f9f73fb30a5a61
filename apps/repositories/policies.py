"""The repositories' rows of the truth table."""

from __future__ import annotations

from apps.orgs.policies import TABLE, Relation, Rule


def register() -> None:
    TABLE.register("repository.read", Rule(Relation.MEMBER, mutates=False, public=Relation.ANYONE, for_jobs=True))
    TABLE.register("repository.create", Rule(Relation.MEMBER))
    TABLE.register("repository.write", Rule(Relation.MAINTAINER, creator=True, for_jobs=True))
    TABLE.register("repository.settings", Rule(Relation.MAINTAINER, creator=True))
    TABLE.register("repository.delete", Rule(Relation.OWNER))
