"""The script that builds the image and weighs it, as far as it goes without one."""

from __future__ import annotations

import gzip
import subprocess

import pytest

from scripts import image


def test_what_a_command_prints_is_weighed_as_it_is_and_compressed_as_gzip_does() -> None:
    size, packed = image.weigh(["printf", "%0100000d", "7"])
    assert size == 100_000
    assert packed == pytest.approx(len(gzip.compress(b"0" * 99_999 + b"7", 6)), abs=20)


def test_a_command_that_fails_weighs_nothing() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        image.weigh(["false"])


def test_without_docker_and_podman_the_image_is_skipped_aloud(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert image.main([]) == 2
    assert "SKIPPED: neither docker nor podman is installed" in capsys.readouterr().err
