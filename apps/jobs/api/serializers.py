"""How jobs look in the API, and what creating one takes."""

from __future__ import annotations

from rest_framework import serializers

from apps.jobs.models import Job, JobArtefact, JobLogLine


class JobCreateSerializer(serializers.Serializer[None]):
    kind = serializers.CharField(max_length=64)
    spec = serializers.DictField()
    flavour = serializers.CharField(max_length=32, required=False, allow_null=True)


class ArtefactSerializer(serializers.ModelSerializer[JobArtefact]):
    class Meta:
        model = JobArtefact
        fields = ("name", "content_type", "size", "sha256", "created_at")


class ProgressSerializer(serializers.Serializer[Job]):
    done = serializers.IntegerField(source="progress_done")
    total = serializers.IntegerField(source="progress_total", allow_null=True)
    note = serializers.CharField(source="progress_note")


class JobSerializer(serializers.ModelSerializer[Job]):
    id = serializers.CharField(source="external_id")
    namespace = serializers.CharField(source="namespace.name")
    project = serializers.CharField(source="project.name")
    created_by = serializers.CharField(source="created_by.username", default=None)
    progress = ProgressSerializer(source="*")

    class Meta:
        model = Job
        fields = (
            "id", "namespace", "project", "created_by", "kind", "flavour", "state", "progress", "attempt", "pins", "spec",
            "result", "error", "cost_micro_units", "created_at", "started_at", "ended_at",
        )  # fmt: skip


class JobSummarySerializer(JobSerializer):
    """A job in a list: without its specification and result, which may be large."""

    class Meta(JobSerializer.Meta):
        fields = tuple(  # type: ignore[assignment]
            name for name in JobSerializer.Meta.fields if name not in {"spec", "result"}
        )


class LogLineSerializer(serializers.ModelSerializer[JobLogLine]):
    number = serializers.IntegerField(source="id")

    class Meta:
        model = JobLogLine
        fields = ("number", "attempt", "at", "level", "text")
