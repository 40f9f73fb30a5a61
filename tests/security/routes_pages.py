"""The pages, asked for with a session as browsers have it."""

from __future__ import annotations

from typing import Any

from tests.security.table import Table, nothing

OWN = "login ok ok ok ok"
MEMBERS = "404 404 ok ok ok"
MAINTAINERS = "404 404 404 ok ok"


def form(**fields: str) -> Any:
    return lambda world, role: {"data": {key: value.format_map(world) for key, value in fields.items()}}


def add_to(table: Table) -> None:
    def page(methods: str, name: str, path: str, outcomes: str, sends: Any = nothing, hidden: str = "") -> None:
        table.add(methods, name, path, outcomes, sends, session=True, hidden=hidden)

    page("GET", "page-home", "/", "ok")
    page("GET", "page-namespace", "/{ns}", "ok")
    page("GET", "page-tokens", "/settings/tokens", OWN)
    page("POST", "page-tokens", "/settings/tokens", OWN, form(name="{new_name}", role="read", lifetime="7"))
    # The token is the owner's own; nobody else has one of that id.
    page(
        "POST",
        "page-token-revoke",
        "/settings/tokens/{owners_token}/revoke",
        "login 404 404 404 ok",
        hidden="owners_token",
    )

    page("GET", "page-webhooks", "/settings/webhooks/{ns}", MAINTAINERS)
    page("GET", "page-deliveries", "/settings/webhooks/{ns}/deliveries", MAINTAINERS)
    page(
        "POST",
        "page-webhooks",
        "/settings/webhooks/{ns}",
        MAINTAINERS,
        form(url="https://hooks.example.org/{new_name}"),
    )
    for act in ("enable", "delete"):
        path = f"/settings/webhooks/{{ns}}/{{new_endpoint}}/{act}"
        page("POST", f"page-webhook-{act}", path, MAINTAINERS, hidden="new_endpoint")

    page("GET", "page-jobs", "/jobs/{ns}", MEMBERS)
    page("GET", "page-job", "/jobs/{ns}/{job}", MEMBERS, hidden="job")
    page("POST", "page-job-cancel", "/jobs/{ns}/{new_job}/cancel", "404 404 403 ok ok", hidden="new_job")

    for kind, prefix in (("model", ""), ("dataset", "datasets/"), ("space", "spaces/")):
        base = f"/{prefix}{{ns}}/{{secret}}"
        page("GET", f"page-{kind}", base, MEMBERS, hidden="secret")
        page("GET", f"page-{kind}-tree", f"{base}/tree/main", MEMBERS, hidden="secret")
        page("GET", f"page-{kind}-folder", f"{base}/tree/main/folder", MEMBERS, hidden="secret")
        page("GET", f"page-{kind}-blob", f"{base}/blob/main/folder/a.txt", MEMBERS, hidden="secret")

    accounts(page)


def accounts(page: Any) -> None:
    """allauth's own: nothing of them is about somebody else's account. Forms are sent empty, and come back with their errors."""
    for name, path in (("login", "login/"), ("signup", "signup/"), ("reset_password", "password/reset/")):
        page("GET POST PUT", f"account_{name}", f"/accounts/{path}", "ok")
    page("GET POST", "account_logout", "/accounts/logout/", "ok")
    for name, path in (
        ("inactive", "inactive/"),
        ("email_verification_sent", "confirm-email/"),
        ("reset_password_done", "password/reset/done/"),
        ("reset_password_from_key_done", "password/reset/key/done/"),
    ):
        page("GET", f"account_{name}", f"/accounts/{path}", "ok")
    for name, path in (("email", "email/"), ("change_password", "password/change/"), ("set_password", "password/set/")):
        page("GET POST PUT", f"account_{name}", f"/accounts/{path}", OWN)
    page("GET POST PUT", "account_reauthenticate", "/accounts/reauthenticate/", OWN)
    # No log-in by code is under way.
    page("GET POST PUT", "account_confirm_login_code", "/accounts/login/code/confirm/", OWN)
    page("GET", "account_confirm_email", "/accounts/confirm-email/no-such-key/", "ok")
    page("POST", "account_confirm_email", "/accounts/confirm-email/no-such-key/", "404")
    page("GET POST PUT", "account_reset_password_from_key", "/accounts/password/reset/key/0-no-such-key/", "ok")
