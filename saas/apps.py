from django.apps import AppConfig


class SaasConfig(AppConfig):
    name = "saas"
    label = "saas"

    def ready(self) -> None:
        # Importing makes it the current Celery application: tasks sent from anywhere use its broker.
        from saas import celery  # noqa: F401
