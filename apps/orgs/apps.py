from django.apps import AppConfig


class OrgsConfig(AppConfig):
    name = "apps.orgs"
    label = "orgs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.core.events import register_actions

        register_actions(
            user_create="A person signed up or was created.",
            organisation_create="An organisation was created.",
            member_set="A person became a member of an organisation, or changed role.",
            member_remove="A person left an organisation or was removed.",
        )
