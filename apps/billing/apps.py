from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "apps.billing"
    label = "billing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.core.database import restricted
        from apps.orgs.policies import TABLE, Relation, Rule

        TABLE.register("usage.read", Rule(Relation.MEMBER, mutates=False))
        TABLE.register("flavour.list", Rule(Relation.ANYONE, mutates=False))
        restricted.register("billing_usageevent", "SELECT, INSERT")
