"""What a host finds at the root, and gunicorn.conf.py under each host's variables."""

from __future__ import annotations

import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from scripts.box import REPO, procfile_command


@pytest.fixture
def gunicorn_conf(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run gunicorn.conf.py under an environment and return its settings."""

    def run(**environ: str) -> dict[str, Any]:
        for name in (
            "PORT",
            "WEB_CONCURRENCY",
            "WEB_CONCURRENCY_SET_BY",
            "CONCURRENCY",
            "QUEUE_SIZE",
            "MEMORY_LIMIT_MB",
        ):
            monkeypatch.delenv(name, raising=False)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(REPO / "gunicorn.conf.py"))

    return run


def test_the_procfile_is_one_line_that_a_yaml_reader_understands_too() -> None:
    lines = (REPO / "Procfile").read_text().splitlines()
    assert len(lines) == 1
    assert procfile_command().endswith("gunicorn wsgi:app")
    assert ": " not in procfile_command()
    assert " #" not in procfile_command()


def test_the_python_version_is_written_as_heroku_wants_it() -> None:
    major, minor = (REPO / ".python-version").read_text().strip().split(".")
    assert (int(major), int(minor)) >= (3, 11)


# Heroku's build ends at a second list of packages; Railpack starts a program of such a name in the Procfile's place.
LISTS_OF_PACKAGES = ["runtime.txt", "uv.lock", "poetry.lock", "Pipfile.lock"]
PROGRAMS = ["app.py", "bot.py", "hello.py", "main.py", "server.py", "start.py"]


@pytest.mark.parametrize("name", [*LISTS_OF_PACKAGES, *PROGRAMS])
def test_no_file_lies_at_the_root_that_would_mislead_a_host(name: str) -> None:
    assert not Path(REPO / name).exists()


def test_one_worker_of_threads_without_preload(gunicorn_conf: Any) -> None:
    conf = gunicorn_conf()
    assert (conf["workers"], conf["worker_class"], conf["preload_app"]) == (1, "app.worker.Worker", False)
    assert conf["bind"] == ["127.0.0.1:8000"]
    assert conf["max_requests"] > 0
    assert conf["control_socket_disable"] is True


def test_herokus_own_count_of_workers_is_ignored_and_a_persons_is_kept(gunicorn_conf: Any) -> None:
    assert gunicorn_conf(WEB_CONCURRENCY="2", WEB_CONCURRENCY_SET_BY="heroku/python")["workers"] == 1
    assert gunicorn_conf(WEB_CONCURRENCY="2")["workers"] == 2
    assert gunicorn_conf(WEB_CONCURRENCY="0")["workers"] == 1


def test_a_hosts_port_is_listened_on_at_every_address(gunicorn_conf: Any) -> None:
    assert gunicorn_conf(PORT="5005")["bind"] == ["0.0.0.0:5005"]


def test_health_has_a_thread_left_when_every_slot_and_place_is_taken(gunicorn_conf: Any) -> None:
    assert gunicorn_conf(MEMORY_LIMIT_MB="512", QUEUE_SIZE="5")["threads"] > 1 + 5
    assert gunicorn_conf(CONCURRENCY="4", QUEUE_SIZE="0")["threads"] > 4


def test_a_setting_that_cannot_be_used_ends_the_start_with_a_sentence(gunicorn_conf: Any) -> None:
    with pytest.raises(SystemExit, match="QUEUE_SIZE='many': expected a whole number"):
        gunicorn_conf(QUEUE_SIZE="many")


def test_the_access_log_is_the_apps_own_and_gunicorns_has_no_query_string(gunicorn_conf: Any) -> None:
    assert gunicorn_conf()["accesslog"] is None
    form = gunicorn_conf()["access_log_format"]
    assert "%(U)s" in form
    assert "%(q)s" not in form
    assert "%(r)s" not in form


def test_what_flys_edge_lets_through_always_finds_a_thread(gunicorn_conf: Any) -> None:
    limits = tomllib.loads((REPO / "fly.toml").read_text())["http_service"]["concurrency"]
    assert limits["soft_limit"] < limits["hard_limit"] < gunicorn_conf(MEMORY_LIMIT_MB="512")["threads"]
