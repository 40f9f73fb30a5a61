"""The price book that a new server starts with, from prices.yaml; usage events are append-only."""

from datetime import UTC, datetime
from pathlib import Path

import yaml
from django.db import migrations

BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)


def seed(apps, schema_editor):
    book = yaml.safe_load((Path(__file__).parent.parent / "prices.yaml").read_text())
    price, flavour = apps.get_model("billing", "Price"), apps.get_model("billing", "Flavour")
    for row in book["prices"]:
        price.objects.get_or_create(sku=row["sku"], valid_from=BEGINNING, defaults={k: row[k] for k in ("unit", "micro_units")})
    for row in book["flavours"]:
        flavour.objects.update_or_create(name=row["name"], defaults={k: row[k] for k in ("title", "queue", "sku")})


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial"), ("core", "0002_audit_chain")]
    operations = [
        migrations.RunPython(seed, migrations.RunPython.noop),
        migrations.RunSQL(
            "CREATE TRIGGER billing_usageevent_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_usageevent"
            " FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_rewrite();",
            "DROP TRIGGER billing_usageevent_append_only ON billing_usageevent;",
        ),
    ]
