"""What a WSGI server loads."""

import os

from modules.platform.hosting import wsgi

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "extracted.notification.settings.dev")
application = wsgi.application()
