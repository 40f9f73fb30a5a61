from django.urls import path

from apps.orgs.api import revocation

urlpatterns = [
    path("credentials/revoke", revocation.revoke, name="credentials-revoke"),
]
