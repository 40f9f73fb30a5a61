"""The two gates that higher apps stand in: before a ref moves, and before content is handed out."""

from __future__ import annotations

from typing import Any

from apps.core.registries import Gate, Registry

# Each check is called with the subject that the repositories app defines, and raises an AtriumError to refuse.
push: Gate[Any] = Gate("push gate")
download: Gate[Any] = Gate("download gate")

GATES: Registry[Gate[Any]] = Registry("gate")
GATES.register("push", push)
GATES.register("download", download)
