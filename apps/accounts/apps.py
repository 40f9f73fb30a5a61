from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in, user_login_failed

        from apps.accounts.sessions import on_login, on_login_failed
        from apps.core.events import register_actions

        register_actions(
            token_create="An access token was created.",
            token_revoke="An access token was revoked by its owner.",
            token_revoke_leaked="A leaked access token was revoked by whoever found it.",
            login_succeed="A person logged in.",
            login_fail="A log-in failed.",
        )
        user_logged_in.connect(on_login, dispatch_uid="accounts.login")
        user_login_failed.connect(on_login_failed, dispatch_uid="accounts.login_failed")
