"""The process in which one attempt of a job runs: reads its ticket from standard input, runs the kind's runner, records the end."""

from __future__ import annotations

import importlib
import json
import os
import sys
import uuid
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "saas.settings")


def main() -> int:
    ticket = json.load(sys.stdin)
    import django

    django.setup()
    from django_scopes import scope

    from apps.jobs.leases import Lease

    lease = Lease(
        job_id=uuid.UUID(ticket["job_id"]),
        namespace_id=uuid.UUID(ticket["namespace_id"]),
        holder=ticket["holder"],
        attempt=ticket["attempt"],
    )
    with scope(namespace=lease.namespace_id):
        return run(lease, ticket["token"])


def run(lease: Any, token: str) -> int:
    """Runs the attempt; returns the exit code that tells the parent whether the end is recorded."""
    import structlog

    from apps.jobs import leases
    from apps.jobs.exceptions import LeaseLost
    from apps.jobs.kinds import kinds
    from workers.context import JobContext, scratch_directory
    from workers.errors import JobError
    from workers.exit_codes import CRASHED, ENDED

    log = structlog.get_logger("atrium.job").bind(job_id=str(lease.job_id), attempt=lease.attempt)
    try:
        job = leases.job_of(lease)
        kind = kinds[job.kind]
        module, _, function = kind.runner.partition(":")
        spec = kind.spec.model_validate(job.spec)
        with scratch_directory() as scratch:
            context = JobContext(lease=lease, token=token, spec=spec, scratch=scratch, pins=job.pins)
            result = getattr(importlib.import_module(module), function)(context)
        leases.succeed(lease, result)
    except JobError as error:
        leases.write_log(lease, error.message, level="error")
        leases.fail(lease, code=error.code, message=error.message)
    except LeaseLost:
        log.warning("job.lease_lost")
    except MemoryError:
        leases.fail(lease, code="out_of_memory", message="The job needed more memory than the worker has.")
    except Exception:
        log.exception("job.crashed")
        return CRASHED
    return ENDED


if __name__ == "__main__":
    sys.exit(main())
