"""The service by the names that users rely on, with the real model. Also a script: python tests/test_tiny_u2net.py"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.config import Settings
from app.services.model_manager import ModelManager
from app.services.options import CutoutOptions
from app.services.tiny_u2net_service import TinyU2NetService


@pytest.fixture(scope="module")
def tiny(model_env: dict[str, str]) -> TinyU2NetService:
    """The service with the real network."""
    settings = Settings(u2net_home=model_env["U2NET_HOME"], model_checksum_disabled=True, auto_download=False)
    return TinyU2NetService(settings, ModelManager(settings))


@pytest.fixture(scope="module")
def horse(data_dir: Path) -> Path:
    """A photo of a horse on grass."""
    return data_dir / "u2net-author/images/horse.jpg"


def test_remove_background_writes_a_cut_out_of_the_photos_size(
    tiny: TinyU2NetService, horse: Path, tmp_path: Path
) -> None:
    output = tmp_path / "output.png"
    assert tiny.remove_background(input_path=str(horse), output_path=str(output)) is True
    with Image.open(horse) as photo, Image.open(output) as cutout:
        assert cutout.size == photo.size
        assert cutout.mode == "RGBA"
        alpha = np.asarray(cutout)[:, :, 3]
    assert 0.05 < (alpha > 127).mean() < 0.7, "a part of the photo is the horse"
    assert (alpha[:20] < 30).mean() > 0.9, "the sky is gone"


def test_change_background_color_puts_the_subject_on_the_colour(
    tiny: TinyU2NetService, horse: Path, tmp_path: Path
) -> None:
    output = tmp_path / "output.jpg"
    assert tiny.change_background_color(input_path=horse, output_path=output, bg_color=(255, 0, 0)) is True
    with Image.open(output) as picture:
        assert picture.mode == "RGB"
        corner = np.asarray(picture)[:10, :10].reshape(-1, 3).mean(axis=0)
    assert np.abs(corner - (255, 0, 0)).max() < 6


def test_a_colour_may_be_a_word_and_a_wrong_one_writes_nothing(
    tiny: TinyU2NetService, horse: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert tiny.change_background_color(horse, tmp_path / "a.png", bg_color="rebeccapurple") is True
    assert tiny.change_background_color(horse, tmp_path / "b.png", bg_color=(300, 0, 0)) is False
    assert tiny.change_background_color(horse, tmp_path / "c.png", bg_color="reddish") is False
    assert "is no colour" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("input_name", "output_name", "reason"),
    [
        ("missing.jpg", "out.png", "No such file"),
        ("text.jpg", "out.png", "not a photo"),
        ("good.png", "out.gif", "must end in"),
        ("good.png", "no/such/folder/out.png", "No such file"),
    ],
)
def test_what_cannot_be_done_is_false_logged_and_leaves_no_half_written_file(
    tiny: TinyU2NetService,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    input_name: str,
    output_name: str,
    reason: str,
) -> None:
    (tmp_path / "text.jpg").write_text("no photo")
    disc = Image.new("RGB", (400, 300), "green")
    ImageDraw.Draw(disc).ellipse((120, 70, 280, 230), "red")
    disc.save(tmp_path / "good.png")
    assert tiny.remove_background(tmp_path / input_name, tmp_path / output_name) is False
    assert reason in caplog.text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.png", "text.jpg"]


def test_a_disk_that_fails_in_the_middle_leaves_the_old_file_as_it_was(
    tiny: TinyU2NetService, horse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "output.png"
    output.write_bytes(b"the old one")

    def full_disk(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    assert tiny.remove_background(horse, output) is False
    assert output.read_bytes() == b"the old one"
    assert [path.name for path in tmp_path.iterdir()] == ["output.png"]


def test_the_lite_door_takes_a_path_and_gives_a_path(
    tiny: TinyU2NetService, horse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.services import bg_remover_lite

    monkeypatch.setattr(bg_remover_lite, "tiny_u2net_service", tiny)
    assert bg_remover_lite.remove_background(str(horse), str(tmp_path / "output.webp")) is True
    assert Image.open(tmp_path / "output.webp").format == "WEBP"


def test_memory_usage_is_told_in_megabytes_with_the_limit(tiny: TinyU2NetService) -> None:
    usage = tiny.get_memory_usage()
    assert 20 < usage["rss_mb"] <= usage["peak_rss_mb"] + 1
    assert usage["limit_mb"] > 0
    assert usage["limit_source"]


def test_clear_memory_drops_the_model_and_the_next_photo_loads_it_again(tiny: TinyU2NetService, horse: Path) -> None:
    tiny.cut_out(horse.read_bytes())
    assert tiny.models.loaded_models() == ["u2netp"]
    tiny.clear_memory()
    assert tiny.models.loaded_models() == []
    assert tiny.cut_out(horse.read_bytes()).method == "tiny_u2net"


def test_a_cut_out_tells_what_was_done_to_it(tiny: TinyU2NetService, horse: Path) -> None:
    cutout = tiny.cut_out(horse.read_bytes(), CutoutOptions(format="webp"))
    assert (cutout.format, cutout.mimetype) == ("webp", "image/webp")
    assert (cutout.method, cutout.model) == ("tiny_u2net", "u2netp")
    assert (cutout.width, cutout.height) == (770, 595)
    assert cutout.timings_ms["total"] >= cutout.timings_ms["infer"] > 0


def test_the_singletons_are_where_they_are_promised() -> None:
    from app.services.bg_remover_lite import tiny_u2net_service as lite
    from app.services.model_manager import model_manager
    from app.services.tiny_u2net_service import tiny_u2net_service

    assert isinstance(tiny_u2net_service, TinyU2NetService)
    assert isinstance(model_manager, ModelManager)
    assert tiny_u2net_service.models is model_manager
    assert lite is tiny_u2net_service


if __name__ == "__main__":
    logging.basicConfig(level="INFO")
    sys.exit(pytest.main([__file__, "-v", *sys.argv[1:]]))
