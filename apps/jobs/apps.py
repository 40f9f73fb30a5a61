from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "apps.jobs"
    label = "jobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.core.events import register_actions
        from apps.jobs import policies
        from apps.jobs.kinds import kinds
        from apps.jobs.specs import clip_zero_shot

        policies.register()
        register_actions(
            job_create="A job was created.",
            job_cancel="A job was asked to stop.",
            job_finished="A job ended: it succeeded, failed or was cancelled.",
        )
        kinds.register(clip_zero_shot.KIND.name, clip_zero_shot.KIND)
