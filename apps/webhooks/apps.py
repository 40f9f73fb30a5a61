from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "apps.webhooks"
    label = "webhooks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.core.events import consumers, register_actions
        from apps.webhooks import event_types, policies
        from apps.webhooks.consume import consume

        policies.register()
        event_types.register()
        register_actions(
            webhook_create="A webhook endpoint was added.",
            webhook_update="A webhook endpoint's address or events were changed.",
            webhook_delete="A webhook endpoint was removed.",
            webhook_enable="A disabled webhook endpoint was switched on again.",
            webhook_disable="The server gave a webhook endpoint up.",
        )
        consumers.register("webhooks", consume)
