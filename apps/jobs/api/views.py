"""Jobs over REST: create, list, get, cancel, logs, artefacts."""

from __future__ import annotations

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.rest import caller
from apps.core.errors import BadInput
from apps.core.http import without_blocking
from apps.core.pagination import paginate, parse_limit
from apps.jobs import files
from apps.jobs.api.serializers import (
    ArtefactSerializer,
    JobCreateSerializer,
    JobSerializer,
    JobSummarySerializer,
    LogLineSerializer,
)
from apps.jobs.models import JobArtefact
from apps.jobs.selectors import artefact_find, job_find, job_list, log_lines
from apps.jobs.services import job_cancel, job_create
from apps.orgs.scoping import namespace_named, within

PAGE_PARAMETERS = [OpenApiParameter("cursor", str), OpenApiParameter("limit", int)]
IDEMPOTENCY = OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)


class JobList(APIView):
    atrium_action = {"GET": "job.read", "POST": "job.create"}

    @extend_schema(
        operation_id="jobs_list",
        parameters=PAGE_PARAMETERS,
        responses=inline_serializer(
            "JobPage", {"items": JobSummarySerializer(many=True), "next_cursor": serializers.CharField(allow_null=True)}
        ),
    )
    def get(self, request: Request, namespace: str) -> Response:
        tenant = namespace_named(namespace)
        with within(tenant.id):
            rows = job_list(caller(request), tenant)
            page = paginate(
                rows, cursor=request.GET.get("cursor"), limit=parse_limit(request.GET.get("limit"), maximum=100)
            )
            return Response(
                {"items": JobSummarySerializer(page.items, many=True).data, "next_cursor": page.next_cursor}
            )

    @extend_schema(
        operation_id="jobs_create",
        parameters=[IDEMPOTENCY],
        request=JobCreateSerializer,
        responses={201: JobSerializer},
    )
    def post(self, request: Request, namespace: str) -> Response:
        tenant = namespace_named(namespace)
        body = JobCreateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        job, created = job_create(
            actor=caller(request),
            namespace=tenant,
            kind=body.validated_data["kind"],
            spec=body.validated_data["spec"],
            flavour=body.validated_data.get("flavour"),
            idempotency_key=request.headers.get("Idempotency-Key"),
        )
        return Response(JobSerializer(job).data, status=201 if created else 200)


class JobDetail(APIView):
    atrium_action = {"GET": "job.read"}

    @extend_schema(operation_id="jobs_get", responses=JobSerializer)
    def get(self, request: Request, namespace: str, job_id: str) -> Response:
        job = job_find(caller(request), namespace, job_id)
        with within(job.namespace_id):
            artefacts = JobArtefact.objects.filter(job=job).order_by("name")
            return Response({**JobSerializer(job).data, "artefacts": ArtefactSerializer(artefacts, many=True).data})


class JobCancel(APIView):
    atrium_action = {"POST": "job.cancel"}

    @extend_schema(operation_id="jobs_cancel", request=None, responses=JobSerializer)
    def post(self, request: Request, namespace: str, job_id: str) -> Response:
        actor = caller(request)
        return Response(JobSerializer(job_cancel(actor=actor, job=job_find(actor, namespace, job_id))).data)


class JobLogs(APIView):
    atrium_action = {"GET": "job.read"}

    @extend_schema(
        operation_id="jobs_logs",
        parameters=[OpenApiParameter("after", int), OpenApiParameter("limit", int)],
        responses=inline_serializer(
            "LogPage", {"items": LogLineSerializer(many=True), "next_after": serializers.IntegerField(allow_null=True)}
        ),
    )
    def get(self, request: Request, namespace: str, job_id: str) -> Response:
        job = job_find(caller(request), namespace, job_id)
        after = request.GET.get("after", "0")
        if not after.isascii() or not after.isdigit() or len(after) > 18:
            raise BadInput("after must be the number of a log line.", code="bad_cursor", field="after")
        limit = parse_limit(request.GET.get("limit"), default=200)
        with within(job.namespace_id):
            lines = list(log_lines(job, after=int(after))[: limit + 1])
        next_after = lines[limit - 1].id if len(lines) > limit else None
        return Response({"items": LogLineSerializer(lines[:limit], many=True).data, "next_after": next_after})


class JobArtefactDownload(APIView):
    atrium_action = {"GET": "job.read"}

    @extend_schema(operation_id="jobs_artefact", responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, namespace: str, job_id: str, name: str) -> StreamingHttpResponse:
        job = job_find(caller(request), namespace, job_id)
        with within(job.namespace_id):
            artefact = artefact_find(job, name)
        content = without_blocking(files.read(job.id, files.artefact_path(artefact.name, artefact.sha256)))
        response = StreamingHttpResponse(content, content_type=artefact.content_type)
        response["Content-Length"] = str(artefact.size)
        response["Content-Disposition"] = f'attachment; filename="{artefact.name}"'
        response["X-Content-Type-Options"] = "nosniff"
        return response
