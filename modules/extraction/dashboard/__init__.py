"""The control plane in the admin: the verbs of ``manage.py strangler`` as buttons, seen live."""
