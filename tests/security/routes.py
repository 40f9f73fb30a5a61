"""What every route answers to everybody, written by hand from the rules: anonymous, stranger, member, maintainer, owner.

The organisation `acme` and all that it has are private. Nothing here is computed from the policy table: a mistake there must show.
"""

from __future__ import annotations

from typing import Any

from tests.security import routes_git, routes_hub, routes_pages, routes_public
from tests.security.table import Table, json
from tests.security.world import World

TABLE = Table()
routes_pages.add_to(TABLE)
routes_hub.add_to(TABLE)
routes_git.add_to(TABLE)
routes_public.add_to(TABLE)

# --- for everybody ----------------------------------------------------------------------------------------------------
TABLE.add("GET", "healthz", "/healthz", "ok")
TABLE.add("GET", "readyz", "/readyz", "ok")
TABLE.add("GET", "openapi", "/api/v1/openapi.json", "ok")
TABLE.add("GET", "v1-flavours", "/api/v1/flavours", "ok")

# --- one's own account: the same for every person ------------------------------------------------------------------------
OWN = "401 ok ok ok ok"
TABLE.add("GET", "v1-tokens", "/api/v1/tokens", OWN)
TABLE.add("POST", "v1-tokens", "/api/v1/tokens", OWN, json(name="{new_name}", role="read"))
# The token is the owner's; nobody else has one of that id.
TABLE.add("DELETE", "v1-token", "/api/v1/tokens/{owners_token_id}", "401 404 404 404 ok", hidden="owners_token_id")
TABLE.add("POST", "v1-organisations", "/api/v1/organisations", OWN, json(name="{new_name}"))
# Whoever finds a token may end it; what is no token of ours is answered the same.
TABLE.add("POST", "credentials-revoke", "/api/credentials/revoke", "ok", json(credentials=["atr_pat_none"]))

# --- organisations: to be seen by everybody, their members by members, changed by owners ----------------------------------
MEMBER = "/api/v1/namespaces/{ns}/members/{new_user}"
TABLE.add("GET", "v1-namespace", "/api/v1/namespaces/{ns}", "ok")
TABLE.add("GET", "v1-members", "/api/v1/namespaces/{ns}/members", "401 403 ok ok ok")
TABLE.add("PUT", "v1-member", MEMBER, "401 403 403 403 ok", json(role="maintainer"))
TABLE.add("DELETE", "v1-member", MEMBER, "401 403 403 403 ok")
TABLE.add("GET", "v1-projects", "/api/v1/namespaces/{ns}/projects", "401 403 ok ok ok")

# --- jobs and usage: for members; to others they do not exist -----------------------------------------------------------
MEMBERS = "404 404 ok ok ok"
TABLE.add("GET", "v1-usage", "/api/v1/namespaces/{ns}/usage", "401 403 ok ok ok")
TABLE.add("GET", "v1-jobs", "/api/v1/jobs/{ns}", MEMBERS)
TABLE.add("GET", "v1-job", "/api/v1/jobs/{ns}/{job}", MEMBERS, hidden="job")
TABLE.add("GET", "v1-job-logs", "/api/v1/jobs/{ns}/{job}/logs", MEMBERS, hidden="job")
TABLE.add("GET", "v1-job-artefact", "/api/v1/jobs/{ns}/{job}/artefacts/results.json", MEMBERS, hidden="job")
# A job of the owner: members may cancel their own only.
TABLE.add("POST", "v1-job-cancel", "/api/v1/jobs/{ns}/{new_job}/cancel", "404 404 403 ok ok", hidden="new_job")


def zero_shot(world: World, role: str) -> dict[str, Any]:
    spec = {
        "model": {"repo": "acme/secret"},
        "images": {"dataset": {"repo": "acme/secret"}},
        "labels": ["a cat", "a dog"],
    }
    return {"json": {"kind": "clip.zero_shot", "spec": spec}}


# The namespace itself is visible to everybody, so this is refused and not hidden.
TABLE.add("POST", "v1-jobs", "/api/v1/jobs/{ns}", "401 403 ok ok ok", zero_shot)

# --- webhooks: for those who manage them; to others they do not exist -----------------------------------------------------
MAINTAINERS = "404 404 404 ok ok"
HOOKS = "/api/v1/namespaces/{ns}/webhooks"
HOOK = HOOKS + "/{endpoint}"
NEW_HOOK = HOOKS + "/{new_endpoint}"
TABLE.add("GET", "v1-webhooks", HOOKS, MAINTAINERS)
TABLE.add("POST", "v1-webhooks", HOOKS, MAINTAINERS, json(url="https://hooks.example.org/{new_name}"))
TABLE.add("GET", "v1-webhook", HOOK, MAINTAINERS, hidden="endpoint")
TABLE.add("PATCH", "v1-webhook", HOOK, MAINTAINERS, json(event_types=["job.finished"]), hidden="endpoint")
TABLE.add("DELETE", "v1-webhook", NEW_HOOK, MAINTAINERS, hidden="new_endpoint")
TABLE.add("POST", "v1-webhook-enable", HOOK + "/enable", MAINTAINERS, hidden="endpoint")
TABLE.add("GET", "v1-webhook-deliveries", HOOK + "/deliveries", MAINTAINERS, hidden="endpoint")
TABLE.add("GET", "v1-webhook-delivery", HOOK + "/deliveries/{delivery}", MAINTAINERS, hidden="endpoint")
