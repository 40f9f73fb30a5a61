"""A whole server: what happened is heard by the receiver, signed, even when the worker that was sending is killed again and again."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

import httpx
import pytest
from huggingface_hub import HfApi
from standardwebhooks import Webhook

from tests.support.live import Live
from tests.support.peers import answers, listening

COMMITS = 8


def call(server: Live, token: str, method: str, path: str, body: Any = None) -> Any:
    answer = httpx.request(
        method, server.base_url + path, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    assert answer.status_code < 400, answer.text
    return answer.json()


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_workers_lose_no_delivery_and_repeats_share_an_id(fresh_live: Live) -> None:
    token = fresh_live.bootstrap(["alice"])["alice", "write"]
    port = fresh_live.webhook_receiver_port
    assert port is not None
    inside, killed = threading.Event(), threading.Event()

    def first_time_too_late(connection: socket.socket) -> None:
        """The first request is never answered: its worker dies while it waits."""
        if not inside.is_set():
            inside.set()
            killed.wait(60)
            return
        answers(200)(connection)

    with listening(first_time_too_late, port=port) as peer:
        made = call(
            fresh_live,
            token,
            "POST",
            "/api/v1/namespaces/alice/webhooks",
            {"url": peer.url(), "event_types": ["repository.push"]},
        )
        hub = HfApi(endpoint=fresh_live.base_url, token=token)
        hub.create_repo("alice/notes")
        for number in range(COMMITS):
            hub.upload_file(path_or_fileobj=b"x", path_in_repo=f"{number}.txt", repo_id="alice/notes")
            if number == 0:
                assert inside.wait(60)
            if number < 3:
                former = fresh_live.kill("control")
                killed.set()
                fresh_live.wait_restarted("control", former)

        log = f"/api/v1/namespaces/alice/webhooks/{made['id']}/deliveries?limit=100"

        def all_succeeded() -> bool:
            rows = call(fresh_live, token, "GET", log)["items"]
            return len(rows) >= COMMITS and {row["state"] for row in rows} == {"succeeded"}

        fresh_live.wait_until(all_succeeded, 150, what="the end of all deliveries")
        owed = {row["webhook_id"] for row in call(fresh_live, token, "GET", log)["items"]}
        heard = [request.headers["webhook-id"] for request in peer.requests]
        for request in peer.requests:
            assert Webhook(made["secret"]).verify(request.body, request.headers)["type"] == "repository.push"
    assert set(heard) == owed
    assert heard.count(heard[0]) == 2
    report = json.loads(fresh_live.manage("audit", "verify", "--json").stdout.strip().splitlines()[-1])
    assert report["verified"]
