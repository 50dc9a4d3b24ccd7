"""The live server that contracts are tried on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.box import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server by the Procfile, without the network, that fetches nothing."""
    folder = tmp_path_factory.mktemp("server")
    env = {"U2NET_HOME": str(folder), "AUTO_DOWNLOAD": "0", "ALLOW_URLS": "false"}
    with Server(env=env, log=folder / "log") as server:
        server.wait_for("/ready")
        yield server
