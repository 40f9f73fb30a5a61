"""The fields of the pages' forms. They only parse; whether a value is acceptable is for the services to say."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import TokenRole
from apps.accounts.services import DEFAULT_LIFETIME
from apps.webhooks.event_types import event_types as known_types

NEVER = "never"


class TokenForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("For example, the machine that will use it."))
    role = forms.ChoiceField(
        label=_("May"),
        choices=[(TokenRole.READ, _("read")), (TokenRole.WRITE, _("read and write"))],
    )
    lifetime = forms.ChoiceField(
        label=_("Expires"),
        choices=[
            ("7", _("in 7 days")),
            ("30", _("in 30 days")),
            ("90", _("in 90 days")),
            ("365", _("in a year")),
            (NEVER, _("never")),
        ],
        initial=str(DEFAULT_LIFETIME.days),
    )

    def expires_at(self) -> datetime | None:
        """The moment that was chosen, or None for never."""
        lifetime = self.cleaned_data["lifetime"]
        return None if lifetime == NEVER else timezone.now() + timedelta(days=int(lifetime))


class EndpointForm(forms.Form):
    url = forms.CharField(
        label=_("Address"),
        max_length=2000,
        widget=forms.URLInput(attrs={"placeholder": "https://"}),
        help_text=_("Events are sent here by POST, signed after the Standard Webhooks specification."),
    )
    event_types = forms.MultipleChoiceField(
        label=_("Events"),
        required=False,
        choices=lambda: [(name, f"{name}: {sentence}") for name, sentence in known_types.items()],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None chosen means all."),
    )
