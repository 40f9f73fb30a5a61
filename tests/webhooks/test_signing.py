"""Signatures are those of Standard Webhooks 1.0, as its own package sees it."""

from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from apps.webhooks.signing import key_of, new_secret, signed_headers

BODY = '{"type":"job.finished","data":{"name":"Café"}}'.encode()


def signed(secret: str, *, message_id: str = "evt_1", at: int | None = None) -> dict[str, str]:
    return signed_headers(secret=secret, message_id=message_id, timestamp=at or int(time.time()), body=BODY)


def test_the_packages_receiver_verifies() -> None:
    secret = new_secret()
    assert Webhook(secret).verify(BODY.decode(), signed(secret)) == {"type": "job.finished", "data": {"name": "Café"}}


def test_the_specifications_example() -> None:
    headers = signed_headers(
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_another_body_id_time_or_secret_does_not_verify() -> None:
    secret = new_secret()
    headers = signed(secret)
    for changed_body, changed_headers, key in (
        (BODY.decode() + " ", headers, secret),
        (BODY.decode(), headers | {"webhook-id": "evt_2"}, secret),
        (BODY.decode(), headers | {"webhook-timestamp": str(int(time.time()) - 1)}, secret),
        (BODY.decode(), headers, new_secret()),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(key).verify(changed_body, changed_headers)


def test_a_secret_is_32_random_bytes() -> None:
    one, other = new_secret(), new_secret()
    assert one != other
    assert one.startswith("whsec_") and len(base64.b64decode(one.removeprefix("whsec_"))) == 32


@pytest.mark.parametrize("secret", ["", "whsec_%%%", "c2VjcmV0", "WHSEC_c2VjcmV0"])
def test_other_texts_are_no_secrets(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        key_of(secret)
