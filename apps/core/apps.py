from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "apps.core"
    label = "core"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        from apps.core import checks  # noqa: F401  (registers the system checks)
        from apps.core.database import after_migrate, restricted

        restricted.register("core_auditevent", "SELECT, INSERT")
        restricted.register("core_auditlink", "SELECT")
        restricted.register("core_audithead", "SELECT")
        restricted.register("core_idempotencykey", "SELECT, INSERT")
        post_migrate.connect(after_migrate, dispatch_uid="core.grants")
