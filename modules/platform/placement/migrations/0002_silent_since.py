"""Since when a service's workers have not answered."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("placement", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="placement",
            name="silent_since",
            field=models.DateTimeField(
                editable=False,
                help_text="Since when the service's workers have not answered.",
                null=True,
            ),
        ),
    ]
