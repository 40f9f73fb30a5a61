"""The container files name only what exists: roles, commands, settings and files of this checkout."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from saas.embedded.postgres import EXTENSIONS, OWNER, RUNTIME
from saas.supervisor import ROLES
from tests.support.servers import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if "build" in service}
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()


def test_every_role_has_a_service() -> None:
    roles = [service["command"][1] for service in OURS.values() if service["command"][0] == "run"]
    assert sorted(roles) == sorted(ROLES)


@pytest.mark.parametrize("name", OURS)
def test_command_exists(name: str) -> None:
    assert OURS[name]["command"][0] in get_commands()


@pytest.mark.parametrize("name", sorted(set(OURS) - {"migrate"}))
def test_application_starts_after_the_migration_and_without_the_owners_password(name: str) -> None:
    assert OURS[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert not any("OWNER" in f"{key}{value}" for key, value in OURS[name]["environment"].items())


@pytest.mark.parametrize("name", OURS)
def test_no_role_would_start_embedded_servers(name: str) -> None:
    assert {"DATABASE_URL", "REDIS_URL", "S3_ENDPOINT_URL"} <= OURS[name]["environment"].keys()


def test_settings_know_every_variable() -> None:
    known = (ROOT / "saas" / "settings.py").read_text()
    for service in OURS.values():
        for variable in service["environment"]:
            assert f'"{variable}"' in known, variable


def test_volumes_and_mounted_files_exist() -> None:
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).is_file() if source.startswith("./") else source in COMPOSE["volumes"]


def test_every_secret_is_demanded_and_none_is_written_down() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for line in text.splitlines():
        if re.match(r"\s+\w*(PASSWORD|SECRET\w*|PEPPER|ENCRYPTION_KEYS|ACCESS_KEY\w*): ", line):
            assert re.search(r"\$\{\w+:\?\}", line), line


def test_image_takes_its_base_as_an_argument_and_copies_what_exists() -> None:
    assert re.search(r"^ARG BASE=.*\nFROM \$\{BASE\}", DOCKERFILE, re.MULTILINE)
    copied = re.findall(r"^COPY (\S+)", DOCKERFILE, re.MULTILINE)
    assert copied
    assert all((ROOT / source).exists() for source in copied)
    assert {"apps", "saas", "workers", "templates", "static", "manage.py"} <= set(copied)


def test_image_installs_the_same_torch_as_the_setup() -> None:
    (version,) = re.findall(r'TORCH = "(.*)"', (ROOT / "scripts" / "setup").read_text())
    assert version in DOCKERFILE


def test_outside_database_gets_the_embedded_ones_roles_and_extensions() -> None:
    script = (ROOT / "deploy" / "postgres-roles.sh").read_text()
    assert f"CREATE ROLE {RUNTIME} LOGIN" in script
    assert f"CREATE ROLE {OWNER} LOGIN" in script
    assert set(re.findall(r"CREATE EXTENSION (\w+)", script)) == set(EXTENSIONS)
