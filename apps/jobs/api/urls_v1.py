from django.urls import path

from apps.jobs.api import views

urlpatterns = [
    path("jobs/<str:namespace>", views.JobList.as_view(), name="v1-jobs"),
    path("jobs/<str:namespace>/<str:job_id>", views.JobDetail.as_view(), name="v1-job"),
    path("jobs/<str:namespace>/<str:job_id>/cancel", views.JobCancel.as_view(), name="v1-job-cancel"),
    path("jobs/<str:namespace>/<str:job_id>/logs", views.JobLogs.as_view(), name="v1-job-logs"),
    path(
        "jobs/<str:namespace>/<str:job_id>/artefacts/<str:name>",
        views.JobArtefactDownload.as_view(),
        name="v1-job-artefact",
    ),
]
