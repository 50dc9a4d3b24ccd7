"""What gunicorn serves: `gunicorn wsgi:app`."""

import sys

from app import create_app, logs
from app.config import ConfigError, current

try:
    logs.configure(level=current().log_level, line_format=current().log_format)
    app = create_app()
except ConfigError as fault:
    sys.exit(str(fault))
