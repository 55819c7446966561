"""What leads that are there already say of their session and source."""

from __future__ import annotations

from typing import Any

from django.db import migrations

from django_octanist.attribution import source_word

BATCH = 1_000


def fill(apps: Any, schema_editor: Any) -> None:
    leads = apps.get_model("octanist", "Lead").objects.using(schema_editor.connection.alias)
    leads.exclude(session_id="").update(linked="yes")
    leads.filter(session_id="", sources__sessionId__startswith="refused").update(linked="refused")
    last = 0
    while batch := list(leads.filter(pk__gt=last).only("attribution", "session_id").order_by("pk")[:BATCH]):
        for lead in batch:
            lead.source = source_word(lead.attribution, linked=bool(lead.session_id))
        leads.bulk_update(batch, ["source"])
        last = batch[-1].pk


class Migration(migrations.Migration):
    dependencies = [("octanist", "0002_admin")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
