"""remove.bg's real clients with addresses and with keys: in this process, on an internet that is fake."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from werkzeug.serving import make_server

from app.services.remote_image import RemoteImages
from scripts.box import REPO
from tests.fake_internet import PUBLIC, FakeInternet, page, serving
from tests.support import app_with, opened

SAMPLE = (REPO / "app/static/sample.jpg").read_bytes()
URL = "http://photos.example/photo.jpg"
KEY = "correct-horse-battery"


@contextmanager
def served(**settings: Any) -> Iterator[str]:
    """The address of a server with the fake model, on whose internet there is one photo."""
    app = app_with(**settings)
    service, internet = app.extensions["tinycut"], FakeInternet()
    images = RemoteImages(allowed=True, most_bytes=10 << 20, resolve=internet.resolve, connect=internet.connect)
    service._made_gates = service._gates._replace(remote_images=images)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    with serving() as host:
        host.answer("/photo.jpg", page(SAMPLE))
        internet.doors[PUBLIC, 80] = host.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.port}/v1.0"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


@pytest.fixture
def remove_bg_api(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """PyPI's remove-bg-api."""
    import remove_bg_api as module

    monkeypatch.setattr(module, "API_URL", "")
    return module


def test_pypi_removebg_cuts_out_the_photo_at_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import removebg.removebg as module

    with served() as url:
        monkeypatch.setattr(module, "API_ENDPOINT", f"{url}/removebg")
        target = tmp_path / "cutout.png"
        client = module.RemoveBg("any-key", str(tmp_path / "error.log"))
        client.remove_background_from_img_url(URL, new_file_name=str(target))
        assert opened(target.read_bytes()).mode == "RGBA"


def test_pypi_remove_bg_api_cuts_out_the_photo_at_an_address(remove_bg_api: ModuleType) -> None:
    with served() as url:
        remove_bg_api.API_URL = url
        client = remove_bg_api.RemoveBg("any-key")
        assert opened(client.remove_bg_url(URL)).mode == "RGBA"
        with pytest.raises(remove_bg_api.Errors.ApiErrorCode400):
            client.remove_bg_url("http://169.254.169.254/latest/meta-data")


def test_pypi_remove_bg_api_with_the_right_key_works_and_with_a_wrong_one_raises_its_own_error(
    remove_bg_api: ModuleType,
) -> None:
    with served(api_keys=KEY) as url:
        remove_bg_api.API_URL = url
        client = remove_bg_api.RemoveBg(KEY)
        assert opened(client.remove_bg_bytes(SAMPLE)).mode == "RGBA"
        with pytest.raises(remove_bg_api.Errors.ApiErrorCode403):
            remove_bg_api.RemoveBg("a-wrong-key")


def test_pypi_remove_bg_api_over_its_rate_raises_its_own_error(remove_bg_api: ModuleType) -> None:
    with served(rate_limit="1/hour") as url:
        remove_bg_api.API_URL = url
        client = remove_bg_api.RemoveBg("any-key")
        client.remove_bg_bytes(SAMPLE)
        with pytest.raises(remove_bg_api.Errors.ApiErrorCode429):
            client.remove_bg_bytes(SAMPLE)
