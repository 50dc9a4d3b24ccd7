"""The command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from PIL import Image

from app import cli
from app.config import SETTINGS, Settings
from app.services import model_files
from app.services.model_manager import ModelManager
from app.services.tiny_u2net_service import TinyU2NetService
from scripts.box import free_port
from tests.support import REPO, SHARED, FakeModels, need, picture


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
    home = model_in_app(tmp_path, monkeypatch, model_name="u2net", model_cache_dir=str(tmp_path / "elsewhere"))
    result = CliRunner().invoke(cli.tinycut, ["warm", "--in-app"])
    assert result.exit_code == 0, result.output
    told = [line.split(" MB  ") for line in result.stdout.splitlines()[1:]]
    assert sorted(Path(path) for _, path in told) == sorted(home.glob("*.onnx"))
    assert len(told) == 3, "as published, rewritten, in 8 bits"
    assert all(float(size_mb) > 1 for size_mb, _ in told)
    assert not (tmp_path / "elsewhere").exists(), "a host has the app's folder only"


def test_warm_in_app_of_a_model_that_cannot_be_rewritten_says_that_and_not_that_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = model_in_app(tmp_path, monkeypatch)
    monkeypatch.setattr("app.services.model_rewrites._OPTIMIZER", tmp_path / "no-such-script.py")
    result = CliRunner().invoke(cli.tinycut, ["warm", "--in-app"])
    assert result.exit_code == 1
    assert f"MB  {home / 'u2netp.onnx'}\n" in result.output
    assert "The model is here but could not be rewritten" in result.output


def model_in_app(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: str) -> Path:
    """Make this the app's own folder of models, with the real one in it."""
    home = folder / "home"
    home.mkdir()
    shutil.copyfile(need(SHARED / "models" / "u2netp.onnx"), home / "u2netp.onnx")
    made = Settings(model_checksum_disabled=True, precision="float", **settings)  # type: ignore[arg-type]
    monkeypatch.setattr(cli, "APP_MODEL_HOME", home)
    monkeypatch.setattr(cli, "service", TinyU2NetService(made))
    return home


def test_warm_has_nothing_to_fetch_where_the_shipped_network_is_to_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_files, "download", lambda *_: pytest.fail("it was downloaded"))
    settings = Settings(model_name="tinycut", u2net_home=str(tmp_path))
    monkeypatch.setattr(cli, "service", TinyU2NetService(settings, ModelManager(settings)))
    for arguments in (["warm"], ["warm", "--in-app"]):
        result = CliRunner().invoke(cli.tinycut, arguments)
        assert (result.exit_code, result.stdout) == (0, "tinycut is ready\n")


def test_warm_in_app_is_for_the_model_of_small_hosts_only(runner: CliRunner, models: FakeModels) -> None:
    result = runner.invoke(cli.tinycut, ["warm", "--in-app", "--model", "u2net"])
    assert result.exit_code == 2
    assert "--in-app keeps u2netp only" in result.output
    assert models.asked == []


def test_warm_in_app_fetches_whatever_a_server_may_and_without_network_says_so_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "APP_MODEL_HOME", tmp_path)
    monkeypatch.setattr(cli, "service", TinyU2NetService(Settings(auto_download=False)))
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


def run_doctor(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, on what is made to look like a small Fly host."""
    here = {"FLY_APP_NAME": "shop", "MEMORY_LIMIT_MB": "512", "AUTO_DOWNLOAD": "0", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "app.cli", "doctor", *arguments]
    environ = {**os.environ, **here, **environ}
    return subprocess.run(command, cwd=REPO, env=environ, capture_output=True, text=True, timeout=120)


def test_the_doctor_finds_a_host_with_the_real_model_fit_and_shows_no_secret(
    model_env: dict[str, str], tmp_path: Path
) -> None:
    keys = {"API_KEYS": "a-long-secret-key", "METRICS_TOKEN": "another-secret"}
    done = run_doctor(**model_env, **keys, MODEL_CACHE_DIR=str(tmp_path), PRECISION="float")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "fly" in next(line for line in lines if line.startswith("host"))
    assert "limit 512 MB (" in next(line for line in lines if line.startswith("memory"))
    assert "cut out by tiny_u2net (u2netp)" in next(line for line in lines if line.startswith("sample photo"))
    assert lines[-1].startswith("Fit for production")
    assert "FAULT" not in done.stdout
    assert "secret" not in done.stdout + done.stderr


def test_the_doctor_of_a_host_without_u2netp_finds_it_fit_says_what_serves_and_how_to_get_the_other(
    tmp_path: Path,
) -> None:
    done = run_doctor(U2NET_HOME=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cut out by tinycut (tinycut)" in done.stdout
    assert "Run python -m app.cli warm with AUTO_DOWNLOAD=1" in " ".join(done.stdout.split())


def test_the_doctor_of_a_host_without_a_usable_model_exits_with_1_and_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "u2netp.onnx").write_bytes(b"cut short")
    done = run_doctor(U2NET_HOME=str(tmp_path), MODEL_CHECKSUM_DISABLED="0")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("Not fit for production: 1 fault")
    assert "python -m app.cli warm" in " ".join(done.stdout.split())


def test_the_doctor_tells_programs_in_json(runner: CliRunner) -> None:
    result = runner.invoke(cli.tinycut, ["doctor", "--json"])
    told = json.loads(result.output)
    assert told["sound"] is (result.exit_code == 0)
    assert told["trial"]["method"] == "tiny_u2net"
    assert {finding["code"] for finding in told["findings"]} >= {"api_open", "metrics_open"}


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_the_doctor_of_settings_that_cannot_be_used_says_which_and_exits_with_1(arguments: list[str]) -> None:
    done = run_doctor(*arguments, QUEUE_SIZE="many", METRICS_TOKEN="a-secret", API_KEYS="short")
    assert done.returncode == 1
    assert "QUEUE_SIZE='many': expected a whole number" in done.stderr
    assert "API_KEYS: expected keys" in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_says_that_gunicorn_would_not_start_with_this_count_of_workers(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "two")
    result = runner.invoke(cli.tinycut, ["doctor"])
    assert (result.exit_code, result.output) == (
        1,
        "Error: WEB_CONCURRENCY='two': expected a whole number, such as 1.\n",
    )


def test_a_server_does_not_load_what_only_the_doctor_needs() -> None:
    code = "import sys, wsgi; sys.exit('app.services.examination' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPO, timeout=60).returncode == 0
