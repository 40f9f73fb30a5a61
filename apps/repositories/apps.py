from django.apps import AppConfig


class RepositoriesConfig(AppConfig):
    name = "apps.repositories"
    label = "repositories"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.core.events import register_actions
        from apps.repositories import lfs, policies, resolve, smart_http
        from apps.repositories.xet import handlers

        policies.register()
        for module in (smart_http, lfs, resolve, handlers):
            module.register()
        register_actions(
            repository_create="A repository was created.",
            repository_delete="A repository was deleted.",
            repository_push="Refs of a repository moved: by git push, by a commit over HTTP, or by a branch or tag being made or removed.",
            repository_settings="Settings of a repository changed.",
        )
