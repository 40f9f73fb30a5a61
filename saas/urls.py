"""Every address that Django answers; what streams stands in the raw table instead (apps.core.routes)."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularJSONAPIView

from apps.core import health
from apps.orgs.api.hub import whoami

own_api: list[URLPattern | URLResolver] = [
    path("openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("", include("apps.orgs.api.urls_v1")),
    path("", include("apps.billing.api.urls_v1")),
    path("", include("apps.webhooks.api.urls_v1")),
    path("", include("apps.jobs.api.urls_v1")),
]

hub_api: list[URLPattern | URLResolver] = [
    path("whoami-v2", whoami, name="hub-whoami"),
    path("", include("apps.orgs.api.urls_hub")),
    path("", include("apps.repositories.api.urls_hub")),
]

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("api/v1/", include(own_api)),
    path("api/", include(hub_api)),
    path("accounts/", include("allauth.account.urls")),
    path("", include("apps.dashboard.urls")),
]

handler400 = "apps.core.handlers.bad_request"
handler404 = "apps.core.handlers.not_found"
handler500 = "apps.core.handlers.server_error"
