from django.urls import path

from apps.orgs.api import tokens, views

NAMESPACE = "namespaces/<str:namespace>"

urlpatterns = [
    path("tokens", tokens.TokenList.as_view(), name="v1-tokens"),
    path("tokens/<str:token_id>", tokens.TokenDetail.as_view(), name="v1-token"),
    path("organisations", views.OrganisationList.as_view(), name="v1-organisations"),
    path(NAMESPACE, views.NamespaceDetail.as_view(), name="v1-namespace"),
    path(f"{NAMESPACE}/members", views.MemberList.as_view(), name="v1-members"),
    path(f"{NAMESPACE}/members/<str:username>", views.MemberDetail.as_view(), name="v1-member"),
    path(f"{NAMESPACE}/projects", views.ProjectList.as_view(), name="v1-projects"),
]
