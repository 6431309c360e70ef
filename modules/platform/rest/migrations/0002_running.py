"""Claims of requests that run are found without looking at all answers."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("rest", "0001_initial")]
    operations = [
        migrations.AddIndex(
            model_name="idempotencyrecord",
            index=models.Index(
                fields=["digest"],
                condition=models.Q(("answered_at__isnull", True)),
                name="idempotency_running",
            ),
        ),
    ]
