"""What gunicorn serves: `gunicorn wsgi:app`."""

import logging
import sys

from app import create_app
from app.config import ConfigError, current

try:
    logging.basicConfig(level=current().log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    app = create_app()
except ConfigError as fault:
    sys.exit(str(fault))
