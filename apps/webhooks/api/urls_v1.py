from django.urls import path

from apps.webhooks.api import views

BASE = "namespaces/<str:namespace>/webhooks"

urlpatterns = [
    path(BASE, views.EndpointList.as_view(), name="v1-webhooks"),
    path(f"{BASE}/<str:webhook_id>", views.EndpointDetail.as_view(), name="v1-webhook"),
    path(f"{BASE}/<str:webhook_id>/enable", views.EndpointEnable.as_view(), name="v1-webhook-enable"),
    path(f"{BASE}/<str:webhook_id>/deliveries", views.DeliveryList.as_view(), name="v1-webhook-deliveries"),
    path(
        f"{BASE}/<str:webhook_id>/deliveries/<str:delivery_id>",
        views.DeliveryDetail.as_view(),
        name="v1-webhook-delivery",
    ),
]
