"""The table of placements, its log, and the sequence of revisions."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = []

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE placement_revision", "DROP SEQUENCE placement_revision"
        ),
        migrations.CreateModel(
            name="Placement",
            fields=[
                ("module", models.CharField(max_length=63, primary_key=True, serialize=False)),
                (
                    "percent",
                    models.PositiveSmallIntegerField(
                        help_text="0: all in the monolith; 100: none."
                    ),
                ),
                ("revision", models.BigIntegerField(unique=True)),
                (
                    "changed_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("actor", models.CharField(max_length=200)),
                ("reason", models.CharField(max_length=500)),
            ],
            options={
                "verbose_name": "placement",
                "db_table": "placement_placement",
                "ordering": ("module",),
                "permissions": [("place_placement", "Can say where a module's work is done")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("percent__lte", 100)),
                        name="placement_percent_is_a_share",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="PlacementChange",
            fields=[
                ("revision", models.BigIntegerField(primary_key=True, serialize=False)),
                ("module", models.CharField(max_length=63)),
                ("before", models.PositiveSmallIntegerField()),
                ("after", models.PositiveSmallIntegerField()),
                (
                    "changed_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("actor", models.CharField(max_length=200)),
                ("reason", models.CharField(max_length=500)),
            ],
            options={
                "verbose_name": "change of placement",
                "verbose_name_plural": "changes of placement",
                "db_table": "placement_change",
                "ordering": ("-revision",),
            },
        ),
    ]
