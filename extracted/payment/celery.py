"""The Celery app of payment's host; see modules/platform/hosting/celery_app.py."""

from extracted.payment.host import HOST
from modules.platform.hosting.celery_app import celery_app

app = celery_app(HOST)
