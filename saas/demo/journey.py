"""The journey: push a CLIP model and pictures, classify them on a worker, check the webhook, the clone, the audit chain and the bill."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from standardwebhooks import Webhook, WebhookVerificationError

from saas.demo.receiver import Inbox, Received
from saas.demo.server import Server

MODEL_NAME = "demo-clip"
PICTURES_NAME = "demo-pictures"
JOB_SECONDS = 120
WEBHOOK_SECONDS = 30
ENDED = {"succeeded", "failed", "cancelled"}


@dataclass
class Journey:
    """What is being done, and what was seen so far. `seen` becomes the report's last line."""

    server: Server
    inbox: Inbox
    assets: Path
    manage: Path
    say: Callable[[str], None]
    seen: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    job: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def model(self) -> str:
        return f"{self.server.username}/{MODEL_NAME}"

    @property
    def pictures(self) -> str:
        return f"{self.server.username}/{PICTURES_NAME}"

    def check(self, holds: bool, text: str) -> bool:
        self.say(f"  {'ok ' if holds else 'NOT'} {text}")
        if not holds:
            self.failures.append(text)
        return holds


def run(journey: Journey) -> None:
    """Every step in order; a step that fails to hold is noted, a step that cannot go on raises."""
    secret = _listen(journey)
    _push(journey)
    _classify(journey)
    _score(journey)
    _webhook(journey, secret)
    _clone(journey)
    _audit(journey)
    _usage(journey)


def _listen(journey: Journey) -> str:
    server = journey.server
    journey.say("Webhook: an endpoint of our own on this machine")
    endpoint = server.call(
        "POST",
        f"/api/v1/namespaces/{server.username}/webhooks",
        {"url": f"http://127.0.0.1:{server.receiver_port}/demo", "event_types": ["repository.push", "job.finished"]},
    )
    journey.check(endpoint["secret"].startswith("whsec_"), f"endpoint {endpoint['id']} with its signing secret")
    return str(endpoint["secret"])


def _push(journey: Journey) -> None:
    server = journey.server
    journey.say("Push: a CLIP model and pictures with huggingface_hub (hf_xet for the weights)")
    api = HfApi(endpoint=server.url, token=server.token)
    journey.check(api.whoami()["name"] == server.username, f"whoami says {server.username}")
    api.create_repo(journey.model, exist_ok=True)
    api.create_repo(journey.pictures, repo_type="dataset", exist_ok=True)
    api.upload_folder(repo_id=journey.model, folder_path=journey.assets / "model", commit_message="Add the demo CLIP")
    api.upload_folder(
        repo_id=journey.pictures,
        repo_type="dataset",
        folder_path=journey.assets / "pictures",
        commit_message="Add held-out pictures",
    )
    files = api.list_repo_files(journey.model)
    journey.check("model.safetensors" in files, f"{journey.model} holds {len(files)} files")
    rows = json.loads((journey.assets / "pictures" / "labels.json").read_text())
    journey.labels = {row["file"]: row["label"] for row in rows if row["held_out"]}
    journey.check(
        len(set(journey.labels.values())) >= 20, f"{len(journey.labels)} pictures of concepts never seen in training"
    )


def _classify(journey: Journey) -> None:
    server = journey.server
    journey.say("Classify: a clip.zero_shot job on a worker")
    labels = sorted(set(journey.labels.values()))
    created = server.call(
        "POST",
        f"/api/v1/jobs/{server.username}",
        {
            "kind": "clip.zero_shot",
            "spec": {
                "model": {"repo": journey.model},
                "images": {"dataset": {"repo": journey.pictures}},
                "labels": labels,
            },
        },
        headers={"Idempotency-Key": os.urandom(16).hex()},
    )
    address = f"/api/v1/jobs/{server.username}/{created['id']}"
    journey.say(f"  job {created['id']}: {server.url}/jobs/{server.username}/{created['id']}")
    deadline = time.monotonic() + JOB_SECONDS
    last = None
    while True:
        job = server.call("GET", address)
        line = f"{job['state']} {job['progress']['done']}/{job['progress']['total'] or '?'} {job['progress']['note']}"
        if line != last:
            journey.say(f"  … {line}")
            last = line
        if job["state"] in ENDED or time.monotonic() > deadline:
            break
        time.sleep(0.3)
    journey.job = job
    if not journey.check(job["state"] == "succeeded", f"the job {job['state']} after attempt {job['attempt']}"):
        raise RuntimeError(f"the job did not succeed: {job['error']}")


def _score(journey: Journey) -> None:
    server = journey.server
    result = server.call("GET", f"/api/v1/jobs/{server.username}/{journey.job['id']}/artefacts/results.json")
    by_path = {image["path"]: image for image in result["images"] if image["status"] == "ok"}
    scored = {path: by_path[path]["scores"] for path in journey.labels if path in by_path}
    right = sum(scores[0]["label"] == journey.labels[path] for path, scores in scored.items())
    accuracy = right / max(1, len(scored))
    chance = 1 / len(set(journey.labels.values()))
    for path, scores in list(scored.items())[:5]:
        bars = "  ".join(f"{s['label']} {s['score']:.2f}" for s in scores[:3])
        journey.say(f"  {path} is {journey.labels[path]!r}: {bars}")
    journey.check(
        len(scored) == len(journey.labels), f"{len(scored)} of {len(journey.labels)} held-out pictures were scored"
    )
    journey.check(accuracy >= 3 * chance, f"top-1 {accuracy:.2f} where chance is {chance:.3f}")
    journey.seen |= {"model": journey.model, "images": len(scored), "top1_accuracy": accuracy, "chance": chance}


def _webhook(journey: Journey, secret: str) -> None:
    journey.say("Webhook: job.finished, checked with the standardwebhooks package")

    def wanted(received: Received) -> bool:
        body = json.loads(received.body)
        return bool(body["type"] == "job.finished" and body["data"]["job"]["id"] == journey.job["id"])

    received = journey.inbox.wait_for(wanted, seconds=WEBHOOK_SECONDS)
    verified = False
    if received is not None:
        try:
            Webhook(secret).verify(received.body.decode(), received.headers)
            verified = True
        except WebhookVerificationError as error:
            journey.say(f"  {error}")
    journey.seen["webhook_verified"] = journey.check(
        verified, "a signed job.finished arrived and its signature verifies"
    )


def _clone(journey: Journey) -> None:
    journey.say("Clone: git and git-lfs")
    server = journey.server
    authority = server.url.replace("http://", f"http://{server.username}:{server.token}@")
    with tempfile.TemporaryDirectory() as directory:
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "HOME": directory, "GIT_CONFIG_NOSYSTEM": "1"}
        subprocess.run(["git", "lfs", "install", "--skip-repo"], check=True, env=environment, capture_output=True)
        target = Path(directory) / "clone"
        done = subprocess.run(
            ["git", "clone", "-q", f"{authority}/{journey.model}", str(target)],
            env=environment,
            capture_output=True,
            text=True,
        )
        same = done.returncode == 0 and _digest(target / "model.safetensors") == _digest(
            journey.assets / "model" / "model.safetensors"
        )
    if done.returncode:
        journey.say(f"  {done.stderr.strip().replace(server.token, '…')}")
    journey.seen["git_clone_ok"] = journey.check(same, "git clone returns the same weights, byte for byte")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _audit(journey: Journey) -> None:
    journey.say("Audit: every hash chain, walked from its first link")
    done = subprocess.run(
        [sys.executable, str(journey.manage), "audit", "verify", "--json"],
        env={**os.environ, "ATRIUM_HOME": str(journey.server.home)},
        capture_output=True,
        text=True,
    )
    lines = done.stdout.strip().splitlines()
    report = json.loads(lines[-1]) if lines else {"verified": False, "chains": 0, "events": 0}
    holds = bool(done.returncode == 0 and report["verified"] and report["events"] > 0)
    journey.seen["audit_verified"] = journey.check(
        holds, f"{report['events']} events in {report['chains']} chains verify"
    )


def _usage(journey: Journey) -> None:
    journey.say("Usage: what the job cost")
    page = journey.server.call("GET", f"/api/v1/namespaces/{journey.server.username}/usage?limit=100")
    events = [event for event in page["items"] if event["amount_micro_units"] == journey.job["cost_micro_units"]]
    cost = journey.job["cost_micro_units"]
    journey.seen["usage_micro_units"] = cost
    journey.check(cost > 0 and bool(events), f"{cost} micro-units, in the default project")
