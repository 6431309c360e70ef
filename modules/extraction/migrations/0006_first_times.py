"""Commands are kept with what they heard and answered when they were done."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("extraction", "0005_shadowing")]
    operations = [
        migrations.AddField(
            model_name="asked",
            name="first",
            field=models.TextField(
                help_text="How it was done, as JSON; where it is known.", null=True
            ),
        ),
    ]
