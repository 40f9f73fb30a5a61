"""What can go wrong with a job."""

from __future__ import annotations

from apps.core.errors import Conflict, NotFound


class JobNotFound(NotFound):
    code, title = "job_not_found", "There is no such job, or you may not see it"


class JobHasEnded(Conflict):
    code, title = "job_has_ended", "The job has ended already"


class LeaseLost(Exception):
    """The worker's lease is not valid any more: another worker has the job, or it has ended. Whoever sees this stops."""
