"""The events that webhooks may carry; nothing else leaves. An app registers those of its own that receivers hear."""

from __future__ import annotations

from apps.core.registries import Registry

# name of the audited action → a sentence for those who choose
event_types: Registry[str] = Registry("webhook event type")


def register() -> None:
    """The events of apps that stand above this one; names only, nothing of theirs is imported."""
    event_types.register("repository.push", "Refs of a repository moved.")
    event_types.register("job.finished", "A job succeeded, failed or was cancelled.")
