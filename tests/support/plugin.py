"""Starts this run's servers before Django reads its settings, and leads each xdist worker to its own place in them.

A plugin and not a conftest: a conftest of an app may import models, and is loaded before any conftest's hooks run.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Generator

import pytest

from tests.support.servers import FOREIGN, Address, Servers, worker_environment

ADDRESS = pytest.StashKey[Address]()
# The controller's environment is what xdist's workers are born with.
HANDED_DOWN = "TEST_SERVERS"


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    options = early_config.known_args_namespace
    if not (options.help or options.version):
        for name in [name for name in os.environ if name.startswith(FOREIGN)]:
            del os.environ[name]
        if worker == "main":
            servers = Servers()
            early_config.add_cleanup(servers.stop)
            try:
                address = servers.start()
            except RuntimeError as error:
                raise pytest.UsageError(str(error)) from error
            os.environ[HANDED_DOWN] = json.dumps(dataclasses.asdict(address))
        else:
            address = Address(**json.loads(os.environ[HANDED_DOWN]))
        early_config.stash[ADDRESS] = address
        os.environ.update(worker_environment(address, worker))
        _use_plain_connections()
    return (yield)


def _use_plain_connections() -> None:
    """A pool would hold sessions on a database that is to be copied or dropped."""
    from django.conf import settings

    settings.DATABASES["default"]["OPTIONS"].pop("pool", None)
