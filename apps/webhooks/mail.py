"""A letter to those who can mend a webhook that the server gave up. Mail may be lost; the audit event says the same."""

from __future__ import annotations

from smtplib import SMTPException

import structlog
from django.core.mail import send_mail
from django.utils.translation import gettext as _

from apps.orgs.models import Membership, Role
from apps.webhooks.models import Endpoint

log = structlog.get_logger(__name__)


def tell_of_disabled(endpoint: Endpoint) -> None:
    """Writes to the endpoint's maker and to the owners of its namespace. Never raises for mail that cannot be sent."""
    addresses = _addresses(endpoint)
    if not addresses:
        return
    text = _(
        "Atrium has stopped sending events of %(namespace)s to\n\n  %(url)s\n\n"
        "because the receiver said that it is gone, or did nothing but fail for five days. "
        "What was waiting for it will not be sent.\n\n"
        "When it works again, enable the webhook %(id)s; it hears of events from then on."
    ) % {"namespace": endpoint.namespace.name, "url": endpoint.url, "id": endpoint.external_id}
    try:
        send_mail(_("A webhook of %s was disabled") % endpoint.namespace.name, text, None, addresses)
    except (OSError, SMTPException) as error:
        log.warning("webhook.mail_failed", endpoint_id=str(endpoint.id), error=str(error))


def _addresses(endpoint: Endpoint) -> list[str]:
    owners = Membership.objects.filter(namespace_id=endpoint.namespace_id, role=Role.OWNER).select_related("user")
    people = [endpoint.created_by, endpoint.namespace.user, *(membership.user for membership in owners)]
    return sorted({person.email for person in people if person is not None and person.is_active and person.email})
