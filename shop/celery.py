"""The shop's Celery app; see modules/platform/hosting/celery_app.py."""

from modules.platform.hosting.celery_app import celery_app
from shop.host import HOST

app = celery_app(HOST)
