"""A key names what its request makes, so that who takes the request over makes no second one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("rest", "0002_running")]
    operations = [
        migrations.AddField(
            model_name="idempotencyrecord",
            name="subject",
            field=models.UUIDField(null=True),
        ),
    ]
