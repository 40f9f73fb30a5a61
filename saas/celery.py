"""The Celery application. A message carries ids only; a task's tenant travels in a header and becomes its scope."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, Task

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "saas.settings")

NAMESPACE_HEADER = "atrium_namespace"


class ScopedTask(Task):  # type: ignore[type-arg]
    """Enters the django-scopes scope of the namespace that the message names; without one, scoped models stay shut."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from django_scopes import scope

        namespace = (self.request.headers or {}).get(NAMESPACE_HEADER) or self.request.get(NAMESPACE_HEADER)
        if not namespace:
            return super().__call__(*args, **kwargs)
        with scope(namespace=namespace):
            return super().__call__(*args, **kwargs)


app = Celery("atrium", task_cls=ScopedTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
