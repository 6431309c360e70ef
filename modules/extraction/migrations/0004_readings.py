"""What an analysis has read, and why a canary does not go on by itself."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("extraction", "0003_presses")]
    operations = [
        migrations.AddField(
            model_name="capability",
            name="halted",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Why a canary does not go on by itself.",
                max_length=500,
            ),
        ),
        migrations.CreateModel(
            name="Reading",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("module", models.CharField(max_length=63)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("percent", models.PositiveSmallIntegerField(default=0)),
                ("body", models.JSONField()),
            ],
            options={
                "db_table": "extraction_reading",
                "ordering": ("-id",),
                "indexes": [models.Index(fields=["module", "at"], name="extraction_reading_at")],
            },
        ),
    ]
