"""Where an instance also answers over gRPC."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('discovery', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='registeredinstance',
            name='grpc_url',
            field=models.CharField(blank=True, db_default='', default='', max_length=300),
        ),
    ]
