"""The registry's tables, on the host that keeps it."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='AnnouncedContract',
            fields=[
                ('fingerprint', models.CharField(max_length=32, primary_key=True, serialize=False)),
                ('module', models.CharField(max_length=63)),
                ('schema', models.TextField()),
                ('announced_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'verbose_name': 'contract',
                'db_table': 'discovery_contract',
            },
        ),
        migrations.CreateModel(
            name='RegisteredInstance',
            fields=[
                ('id', models.CharField(max_length=128, primary_key=True, serialize=False)),
                ('module', models.CharField(max_length=63)),
                ('url', models.CharField(max_length=300)),
                ('role', models.CharField(choices=[('origin', 'origin'), ('own', 'own')], max_length=10)),
                ('version', models.CharField(blank=True, default='', max_length=200)),
                ('contract', models.CharField(blank=True, default='', max_length=32)),
                ('capacity', models.PositiveSmallIntegerField(default=8)),
                ('in_flight', models.PositiveIntegerField(help_text='Calls being worked on.', null=True)),
                ('issuer', models.CharField(help_text="Who may speak for it: its token's issuer.", max_length=200)),
                ('registered_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('seen_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('expires_at', models.DateTimeField()),
                ('dropped_at', models.DateTimeField(null=True)),
                ('dropped_by', models.CharField(blank=True, default='', max_length=200)),
                ('drop_reason', models.CharField(blank=True, default='', max_length=500)),
            ],
            options={
                'verbose_name': 'instance',
                'db_table': 'discovery_instance',
                'ordering': ('module', 'id'),
                'permissions': [('drop_registeredinstance', 'Can leave an instance out of the list')],
            },
        ),
    ]
