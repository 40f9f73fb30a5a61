"""The addresses of the pages. What begins with a namespace stands last: names of namespaces are never those of other pages."""

from __future__ import annotations

from django.urls import URLPattern, path

from apps.dashboard import converters  # noqa: F401  (registers `ns`)
from apps.dashboard.views import home, jobs, repositories, tokens, webhooks
from apps.repositories.api import converters as revisions  # noqa: F401  (registers `rev`)

urlpatterns: list[URLPattern] = [
    path("", home.home, name="page-home"),
    path("settings/tokens", tokens.tokens, name="page-tokens"),
    path("settings/tokens/<uuid:token_id>/revoke", tokens.revoke, name="page-token-revoke"),
    path("settings/webhooks/<ns:ns>", webhooks.webhooks, name="page-webhooks"),
    path("settings/webhooks/<ns:ns>/deliveries", webhooks.deliveries, name="page-deliveries"),
    path("settings/webhooks/<ns:ns>/<str:endpoint_id>/delete", webhooks.delete, name="page-webhook-delete"),
    path("settings/webhooks/<ns:ns>/<str:endpoint_id>/enable", webhooks.enable, name="page-webhook-enable"),
    path("jobs/<ns:ns>", jobs.jobs, name="page-jobs"),
    path("jobs/<ns:ns>/<str:job_id>", jobs.job, name="page-job"),
    path("jobs/<ns:ns>/<str:job_id>/cancel", jobs.cancel, name="page-job-cancel"),
]

for kind, prefix in (("dataset", "datasets/"), ("space", "spaces/"), ("model", "")):
    base = f"{prefix}<ns:ns>/<str:name>"
    urlpatterns += [
        path(base, repositories.repository, {"kind": kind}, name=f"page-{kind}"),
        path(f"{base}/tree/<rev:revision>", repositories.tree, {"kind": kind}, name=f"page-{kind}-tree"),
        path(f"{base}/tree/<rev:revision>/<path:path>", repositories.tree, {"kind": kind}, name=f"page-{kind}-folder"),
        path(f"{base}/blob/<rev:revision>/<path:path>", repositories.blob, {"kind": kind}, name=f"page-{kind}-blob"),
    ]

urlpatterns.append(path("<ns:ns>", home.namespace, name="page-namespace"))
