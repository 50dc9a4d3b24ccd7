"""Settings come from the environment, and every fault is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import config
from app.imaging.preprocess import RESIZE_MODES


def test_defaults_need_no_reading() -> None:
    settings = config.load({})
    assert settings == config.Settings()
    assert settings.max_upload_mb == 10
    assert settings.max_inference_px == 1024


def test_every_setting_is_read_from_the_variable_of_its_name() -> None:
    samples = {bool: "false", int: "7", float: "7.5", str: "error"}
    environ = {setting.name: samples[setting.type] for setting in config.SETTINGS}
    environ |= {"MAX_INFERENCE_PX": "512", "MEMORY_CONSTRAINED": "true", "RESIZE_MODE": "hybrid", "PRECISION": "float"}
    environ |= {"API_KEYS": "correct-horse, battery9", "RATE_LIMIT": "5/minute", "CORS_ORIGINS": "*"}
    environ |= {"RATE_LIMIT_STORAGE": "redis://:word@store:6379/1"}
    environ["LOG_FORMAT"] = "json"
    settings = config.load(environ)
    assert settings.auto_download is False
    assert settings.queue_size == 7
    assert settings.max_upload_mb == 7.5
    assert settings.model_name == "error"
    assert settings.memory_constrained == "true"
    assert settings.resize_mode == "hybrid"


def test_the_setting_and_the_request_know_the_same_resize_modes() -> None:
    assert set(config.CHOICES["RESIZE_MODE"]) == set(RESIZE_MODES)
    assert config.Settings().resize_mode == RESIZE_MODES[0]


def test_an_empty_variable_means_the_default() -> None:
    assert config.load({"QUEUE_SIZE": " "}).queue_size == 8


def test_all_faults_are_reported_at_once_with_what_was_expected() -> None:
    with pytest.raises(config.ConfigError) as caught:
        config.load({"QUEUE_SIZE": "many", "DEADLINE_S": "nan", "AUTO_DOWNLOAD": "perhaps", "LOG_LEVEL": "loud"})
    message = str(caught.value)
    assert "QUEUE_SIZE='many': expected a whole number" in message
    assert "DEADLINE_S='nan': expected a number from 0.1 to 600" in message
    assert "AUTO_DOWNLOAD='perhaps': expected true or false" in message
    assert "LOG_LEVEL='loud': expected one of debug, info, warning, error" in message


def test_every_setting_says_what_it_does() -> None:
    assert all(setting.help.endswith(".") for setting in config.SETTINGS)


def test_models_are_looked_for_where_rembg_keeps_them_and_then_with_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REMBG_HOME", "XDG_DATA_HOME", "U2NET_HOME"):
        monkeypatch.delenv(name, raising=False)
    with_the_app = Path(config.__file__).parents[1] / ".rembg"
    assert config.model_homes(config.Settings()) == (Path.home() / ".rembg", Path.home() / ".u2net", with_the_app)
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert config.model_homes(config.Settings()) == (Path("/data/rembg"), Path("/data/.u2net"), with_the_app)
    assert config.model_homes(config.Settings(u2net_home="/models")) == (Path("/models"),)
