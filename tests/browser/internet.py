"""The app for gunicorn (`tests.browser.internet:app`), on an internet of one host: photos.example, whose server is that
of a test on loopback, at the port in TEST_HOST_PORT."""

import os

from app.services.remote_image import RemoteImages
from tests.fake_internet import PUBLIC, FakeInternet
from wsgi import app

_internet = FakeInternet()
_internet.doors[PUBLIC, 80] = int(os.environ["TEST_HOST_PORT"])
_service = app.extensions["tinycut"]
_images = RemoteImages(allowed=True, most_bytes=10 << 20, resolve=_internet.resolve, connect=_internet.connect)
_service._made_gates = _service._gates._replace(remote_images=_images)
