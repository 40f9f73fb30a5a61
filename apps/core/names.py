"""Names of namespaces and repositories: the hub's rules, and the reserved list. Names are for ever, so the list is complete from the start."""

from __future__ import annotations

import re
import unicodedata

from apps.core.errors import BadInput

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")

# Every first path segment that Atrium or hub clients use, or may come to use.
RESERVED = frozenset(
    """
    about abuse access accounts admin administrator agents all anonymous api apps assets atrium audit auth autotrain avatars
    billing blog bucket buckets chat checkout collections community components contact contents cookies dashboard datasets
    datasets-server discussions discover docs domains download downloads e edit embed enterprise endpoint endpoints events explore
    favicon.ico feed feedback files followers following forum free gated gateway git groups guest handler healthz help home hub
    huggingface humans.txt i inference inference-endpoints info invitations invite invoices issues jobs join kernels latest leaderboards
    learn legal lfs likes live login logout mail manage manifest.json me media members metrics models moderation news new none
    notifications null oauth oidc openapi operator organization organizations orgs owner pages papers password payments ping
    playground pricing privacy profile projects public quantization readyz register releases repos resolve robots.txt root router
    saml scan scim search security sessions settings share sign-in sign-out sign-up signin signout signup sitemap.xml spaces
    ssh sso static status storage styleguide styles support system tags tasks team teams telemetry terms tokens tos trending undefined
    upload uploads usage user users v1 v2 v3 verify webhook webhooks welcome wiki wires www xet
    """.split()
)


def name_key(name: str) -> str:
    """What is unique: names differ by more than case and Unicode form."""
    return unicodedata.normalize("NFC", name).casefold()


def check_name(name: str, *, what: str = "name", reserved: bool = False) -> str:
    """The name, if the hub's clients accept it (huggingface_hub `validate_repo_id`); raises BadInput saying what is wrong."""
    if (
        not isinstance(name, str)
        or not _NAME.fullmatch(name)
        or "--" in name
        or ".." in name
        or name.endswith((".git", ".ipynb"))
    ):
        raise BadInput(
            f"{what} must have 1 to 96 letters, digits, '-', '_' or '.', must not begin or end with '-' or '.', "
            "and must not hold '--' or '..' or end with '.git' or '.ipynb'.",
            code="bad_name",
            field=what,
        )
    if reserved and name_key(name) in RESERVED:
        raise BadInput(f"{name!r} is reserved; choose another {what}.", code="name_reserved", field=what)
    return name
