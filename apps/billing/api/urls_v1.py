from django.urls import path

from apps.billing.api import views

urlpatterns = [
    path("flavours", views.FlavourList.as_view(), name="v1-flavours"),
    path("namespaces/<str:namespace>/usage", views.UsageList.as_view(), name="v1-usage"),
]
