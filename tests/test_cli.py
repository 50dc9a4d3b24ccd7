"""The command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from PIL import Image

from app import cli
from app.config import SETTINGS, Settings
from app.services.tiny_u2net_service import TinyU2NetService
from scripts.box import free_port
from tests.support import SHARED, FakeModels, need, picture


@pytest.fixture
def runner(service: TinyU2NetService, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setattr(cli, "service", service)
    return CliRunner()


def test_remove_writes_the_cut_out_and_names_it(runner: CliRunner, tmp_path: Path) -> None:
    picture().save(tmp_path / "in.png")
    result = runner.invoke(cli.tinycut, ["remove", str(tmp_path / "in.png"), str(tmp_path / "out.png")])
    assert result.exit_code == 0
    assert result.output.strip() == str(tmp_path / "out.png")
    assert Image.open(tmp_path / "out.png").mode == "RGBA"


def test_remove_puts_the_subject_on_a_colour(runner: CliRunner, tmp_path: Path) -> None:
    picture().save(tmp_path / "in.png")
    command = ["remove", str(tmp_path / "in.png"), str(tmp_path / "out.png"), "--background-color", "lime"]
    assert runner.invoke(cli.tinycut, command).exit_code == 0
    assert Image.open(tmp_path / "out.png").getpixel((0, 0)) == (0, 255, 0)


def test_a_failure_is_an_exit_status(runner: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "in.png").write_text("no photo")
    result = runner.invoke(cli.tinycut, ["remove", str(tmp_path / "in.png"), str(tmp_path / "out.png")])
    assert result.exit_code == 1
    assert not (tmp_path / "out.png").exists()


def test_warm_says_that_the_model_is_ready_or_why_not(runner: CliRunner, models: FakeModels) -> None:
    assert runner.invoke(cli.tinycut, ["warm"]).output.startswith("u2netp is ready\n")
    models.unavailable = "/models/u2netp.onnx is cut short"
    result = runner.invoke(cli.tinycut, ["warm"])
    assert result.exit_code == 1
    assert "/models/u2netp.onnx is cut short" in result.output


def test_warm_in_app_rewrites_the_model_in_the_apps_own_folder_and_says_how_large_the_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(model_name="u2net", model_checksum_disabled=True, precision="float")
    monkeypatch.setattr(cli, "APP_MODEL_HOME", tmp_path)
    shutil.copyfile(need(SHARED / "models" / "u2netp.onnx"), tmp_path / "u2netp.onnx")
    monkeypatch.setattr(cli, "service", TinyU2NetService(settings))
    result = CliRunner().invoke(cli.tinycut, ["warm", "--in-app"])
    assert result.exit_code == 0, result.output
    told = [line.split(" MB  ") for line in result.stdout.splitlines()[1:]]
    assert sorted(Path(path) for _, path in told) == sorted(tmp_path.glob("*.onnx"))
    assert len(told) == 3, "as published, rewritten, in 8 bits"
    assert all(float(size_mb) > 1 for size_mb, _ in told)


def test_warm_in_app_is_for_the_model_of_small_hosts_only(runner: CliRunner, models: FakeModels) -> None:
    result = runner.invoke(cli.tinycut, ["warm", "--in-app", "--model", "u2net"])
    assert result.exit_code == 2
    assert "--in-app keeps u2netp only" in result.output
    assert models.asked == []


def test_warm_without_network_says_so_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "APP_MODEL_HOME", tmp_path)
    monkeypatch.setattr(cli, "service", TinyU2NetService(Settings()))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    result = CliRunner().invoke(cli.tinycut, ["warm", "--in-app"])
    assert result.exit_code == 1
    assert "The model u2netp could not be downloaded from https://github.com/" in result.output
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [".u2netp.onnx.lock"]


def test_settings_lists_every_setting_with_its_help(runner: CliRunner) -> None:
    output = runner.invoke(cli.tinycut, ["settings"]).output
    for setting in SETTINGS:
        assert f"{setting.name}=" in output
        assert setting.help in output


def test_the_commands_are_there_under_flask_too(app: Flask) -> None:
    assert app.test_cli_runner().invoke(args=["tinycut", "settings"]).exit_code == 0


def test_remove_takes_every_option_of_the_api(runner: CliRunner, tmp_path: Path) -> None:
    picture().save(tmp_path / "in.png")
    command = ["remove", str(tmp_path / "in.png"), str(tmp_path / "out.jpg"), "-o", "preset=passport", "-o", "shadow=1"]
    assert runner.invoke(cli.tinycut, command).exit_code == 0
    with Image.open(tmp_path / "out.jpg") as written:
        assert (written.format, written.size) == ("JPEG", (600, 600))


def test_remove_puts_a_picture_behind(runner: CliRunner, tmp_path: Path) -> None:
    picture().save(tmp_path / "in.png")
    Image.new("RGB", (5, 5), (1, 2, 3)).save(tmp_path / "behind.png")
    command = ["remove", str(tmp_path / "in.png"), str(tmp_path / "out.png")]
    assert runner.invoke(cli.tinycut, [*command, "--background-image", str(tmp_path / "behind.png")]).exit_code == 0
    assert Image.open(tmp_path / "out.png").getpixel((0, 0)) == (1, 2, 3)


def test_an_option_that_is_not_known_is_told_and_nothing_is_written(runner: CliRunner, tmp_path: Path) -> None:
    picture().save(tmp_path / "in.png")
    result = runner.invoke(cli.tinycut, ["remove", str(tmp_path / "in.png"), str(tmp_path / "out.png"), "-o", "hue=1"])
    assert result.exit_code == 1
    assert "There is no field 'hue'" in result.output
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("out.zip", ["format=png"]),
        ("out.zip", ["output=mask"]),
        ("out.zip", ["shadow=true"]),
        ("out.jpg", ["image_quality=lossless"]),
        ("out.jpg", ["format=webp", "image_quality=lossless"]),
    ],
)
def test_options_that_the_name_contradicts_are_told_and_nothing_is_written(
    runner: CliRunner, tmp_path: Path, name: str, words: list[str]
) -> None:
    picture().save(tmp_path / "in.png")
    options = [part for word in words for part in ("-o", word)]
    result = runner.invoke(cli.tinycut, ["remove", str(tmp_path / "in.png"), str(tmp_path / name), *options])
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert not (tmp_path / name).exists()
