"""scripts/evaluate.py: its figures on masks with known answers, and a run of it on a made-up set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.imaging.preprocess import RESIZE_MODES
from app.services.quality import TIERS
from app.services.tiny_u2net_service import TinyU2NetService
from scripts import evaluate, quality_metrics
from scripts.quality_metrics import SetScores, boundary_f, contour, mean_absolute_error
from tests.support import FakeModels, picture


def square(side: int = 40, *, top: int = 30, left: int = 30) -> np.ndarray:
    """A mask of 100×100 with a white square."""
    mask = np.zeros((100, 100), np.uint8)
    mask[top : top + side, left : left + side] = 255
    return mask


def scores_of(alpha: np.ndarray, mask: np.ndarray) -> quality_metrics.Scores:
    scores = SetScores()
    scores.add(alpha, mask)
    return scores.means()


def test_a_perfect_alpha_has_every_figure_at_its_best() -> None:
    found = scores_of(square(), square())
    assert (found.iou, found.mae, found.boundary_f) == (1, 0, 1)


def test_an_inverted_alpha_has_every_figure_at_its_worst_but_its_outline_is_right() -> None:
    found = scores_of(255 - square(), square())
    assert (found.iou, found.mae, found.boundary_f) == (0, 1, 1)


def test_an_alpha_one_pixel_to_the_side_loses_two_columns_of_iou_and_no_boundary() -> None:
    found = scores_of(square(left=31), square())
    assert found.iou == pytest.approx(39 / 41)
    assert found.mae == pytest.approx(2 * 40 / 100**2)
    assert found.boundary_f == 1


def test_half_of_the_subject_is_half_of_the_iou() -> None:
    half = square()
    half[50:] = 0
    found = scores_of(half, square())
    assert found.iou == 0.5
    assert found.mae == pytest.approx(20 * 40 / 100**2)
    assert 0.5 < found.boundary_f < 0.8


def test_mae_counts_soft_edges_and_iou_only_what_is_above_half() -> None:
    soft = square()
    soft[30, 30:70] = 102  # 40 % of 40 pixels
    found = scores_of(soft, square())
    assert found.mae == pytest.approx(0.6 * 40 / 100**2)
    assert found.iou == pytest.approx(39 / 40)
    assert mean_absolute_error(soft, soft) == 0


def test_the_means_weigh_every_photo_alike() -> None:
    scores = SetScores()
    scores.add(square(), square())
    scores.add(255 - square(), square())
    found = scores.means()
    assert (found.iou, found.mae, found.boundary_f) == (0.5, 0.5, 1)


def test_boundary_f_is_that_of_a_search_over_all_pairs_of_contour_pixels() -> None:
    rng = np.random.default_rng(3)
    for shift in (1, 3, 7, 20):
        found = square(30, top=30 + shift) | square(9, left=rng.integers(5, 80))
        mask = square()
        ours, theirs = (np.argwhere(contour(each > 0)).astype(float) for each in (found, mask))
        distances = np.hypot(*(ours[:, None] - theirs[None]).transpose(2, 0, 1))
        near = distances <= np.ceil(0.008 * np.hypot(100, 100))
        precision, recall = near.any(axis=1).mean(), near.any(axis=0).mean()
        expected = 2 * precision * recall / (precision + recall)
        assert boundary_f(found > 0, mask > 0) == pytest.approx(expected)


def test_boundary_f_is_1_where_both_have_no_contour_and_0_where_one_has_none() -> None:
    nothing, everything, something = np.zeros((50, 50), bool), np.ones((50, 50), bool), np.eye(50, dtype=bool)
    assert boundary_f(nothing, nothing) == boundary_f(everything, everything) == 1
    assert boundary_f(nothing, something) == boundary_f(something, nothing) == 0


def test_the_contour_of_one_pixel_is_itself_and_its_three_neighbours_above_and_left() -> None:
    mask = np.zeros((5, 5), bool)
    mask[2, 2] = True
    assert np.argwhere(contour(mask)).tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]


def test_pysodmetrics_gives_its_best_and_worst_where_ours_do() -> None:
    if not quality_metrics.has_reference():
        pytest.skip("PySODMetrics is not installed")
    perfect, inverted = scores_of(square(), square()), scores_of(255 - square(), square())
    assert (perfect.s_measure, perfect.weighted_f, perfect.max_f) == pytest.approx((1, 1, 1))
    # The threshold 0 takes the whole photo: recall 1, precision the subject's share, 0.16.
    assert inverted.max_f == pytest.approx(1.3 * 0.16 / (0.3 * 0.16 + 1))
    assert inverted.s_measure == pytest.approx(0, abs=0.01)
    assert inverted.weighted_f == pytest.approx(0, abs=0.01)


def test_without_pysodmetrics_its_three_figures_are_left_open(
    monkeypatch: pytest.MonkeyPatch, made_up: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quality_metrics, "PYSODMETRICS", "no_such_package")
    assert evaluate.main([str(made_up), "--modes", "opencv"]) == 0
    said = capsys.readouterr().out
    (row,) = rows_of(said)
    assert [row[name] for name in ("S-measure", "weighted F", "max F")] == ["–"] * 3
    assert float(row["IoU"]) > 0
    assert "pip install --no-deps pysodmetrics" in said


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    """A set of three photos of a red square, in three sizes and formats, with true masks."""
    folder = tmp_path / "made-up"
    for sub in ("images", "masks"):
        (folder / sub).mkdir(parents=True)
    for name, size in {"a.png": (64, 48), "b.jpg": (48, 64), "c[1].webp": (80, 80)}.items():
        photo = picture(*size)
        photo.save(folder / "images" / name)
        red = np.asarray(photo)[:, :, 0] > 200
        Image.fromarray(red).save(folder / "masks" / f"{Path(name).stem}.png")
    return folder


@pytest.fixture
def fake_network(monkeypatch: pytest.MonkeyPatch, service: TinyU2NetService) -> None:
    """The script works with the fake model."""
    monkeypatch.setattr(evaluate, "real_service", lambda: service)


def rows_of(printed: str) -> list[dict[str, str]]:
    """The rows of the Markdown table, by their columns."""
    lines = [line for line in printed.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def test_a_run_without_the_network_prints_the_table_and_writes_the_json_and_the_sheet(
    made_up: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, sheet = tmp_path / "figures.json", tmp_path / "sheet.png"
    given = [str(made_up), "--modes", "opencv", "--json", str(figures), "--sheet", str(sheet)]
    assert evaluate.main(given) == 0
    (row,) = rows_of(capsys.readouterr().out)
    assert (row["set"], row["mode"], row["tier"], row["photos"]) == ("made-up", "opencv", "–", "3")
    (written,) = json.loads(figures.read_text())["rows"]
    assert written["images"].keys() == {"a", "b", "c[1]"}
    ious = [image["iou"] for image in written["images"].values()]
    assert written["iou"] == pytest.approx(np.mean(ious)) and min(ious) > 0.5
    assert row["IoU"] == f"{written['iou']:.3f}" and row["MAE"] == f"{written['mae']:.3f}"
    with Image.open(sheet) as drawn:
        assert drawn.format == "PNG"
        pixels = np.asarray(drawn)
    red = (pixels == (220, 30, 20)).all(axis=2)
    assert red[:, : drawn.width // 2].any() and red[:, drawn.width // 2 :].any()  # among the worst, among the best


def test_every_set_has_a_row_for_every_model_mode_and_tier_and_the_sets_are_averaged(
    made_up: Path, tmp_path: Path, fake_network: None, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    for sub, pixels in {"images": np.zeros((50, 50, 3), np.uint8), "masks": np.zeros((50, 50), np.uint8)}.items():
        (other / sub).mkdir(parents=True)
        Image.fromarray(pixels).save(other / sub / "black.png")
    figures = tmp_path / "figures.json"
    assert evaluate.main([str(made_up), str(other), "--json", str(figures)]) == 0
    rows = rows_of(capsys.readouterr().out)
    ways = [(model, mode, tier) for model in ("u2netp", "tinycut") for mode in RESIZE_MODES for tier in TIERS]
    ways.append(("–", "opencv", "–"))
    for name in ("made-up", "other", evaluate.MACRO):
        assert [(row["model"], row["mode"], row["tier"]) for row in rows if row["set"] == name] == ways
    written = json.loads(figures.read_text())
    way = {"model": "tinycut", "mode": "static", "tier": "fast"}
    first, second = (row for row in written["rows"] if way.items() <= row.items())
    (average,) = (row for row in written["macro_averages"] if way.items() <= row.items())
    assert second["iou"] == 0 < first["iou"]
    assert average["iou"] == pytest.approx((first["iou"] + second["iou"]) / 2)


def test_the_service_is_asked_for_the_rows_mode_and_tier(
    made_up: Path, service: TinyU2NetService, models: FakeModels, fake_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, real = [], models.session.infer

    def infer(rgb: np.ndarray, **how: object) -> np.ndarray:
        asked.append((how["resize"], how["tier"]))
        return real(rgb, **how)

    monkeypatch.setattr(models.session, "infer", infer)
    assert evaluate.main([str(made_up), "--models", "u2netp", "--modes", "hybrid,static", "--tiers", "fast"]) == 0
    assert asked[-6:] == [("hybrid", TIERS["fast"]), ("static", TIERS["fast"])] * 3, "turn about, photo by photo"


def test_a_limit_takes_photos_from_the_whole_folder(made_up: Path) -> None:
    assert [pair.photo.stem for pair in evaluate.find_pairs(made_up, 2)] == ["a", "b"]
    assert [pair.photo.stem for pair in evaluate.find_pairs(made_up, 9)] == ["a", "b", "c[1]"]
    for number in range(7):
        for sub in ("images", "masks"):
            picture(8, 8, "L").save(made_up / sub / f"d{number}.png")
    assert [pair.photo.stem for pair in evaluate.find_pairs(made_up, 3)] == ["a", "d0", "d3"]


def test_a_photo_is_compared_with_its_mask_upright(made_up: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    picture(60, 90).rotate(90, expand=True).save(made_up / "images" / "turned.jpg", exif=exif)
    Image.new("L", (60, 90)).save(made_up / "masks" / "turned.png")
    assert evaluate.main([str(made_up), "--modes", "opencv"]) == 0
    assert rows_of(capsys.readouterr().out)[0]["photos"] == "4"


def test_a_mask_of_zeros_and_ones_is_read_as_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(square() // 255).save(tmp_path / "mask.png")
    assert np.array_equal(evaluate.read_mask(tmp_path / "mask.png"), square())


def damaged(folder: Path, fault: str) -> str:
    """Spoil a set; return what the message must name."""
    if fault == "no images":
        (folder / "images").rename(folder / "pictures")
        return str(folder / "images")
    if fault == "empty":
        for path in (folder / "images").iterdir():
            path.unlink()
        return str(folder / "images")
    mask = folder / "masks" / "b.png"
    if fault == "no mask":
        mask.unlink()
        return str(folder / "images" / "b.jpg")
    if fault == "another size":
        Image.new("L", (9, 9)).save(mask)
    else:
        mask.write_text("no picture")
    return str(mask)


@pytest.mark.parametrize("fault", ["no images", "empty", "no mask", "another size", "no picture"])
def test_a_set_that_cannot_be_used_is_one_sentence_that_names_the_file_and_status_2(
    fault: str, made_up: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = damaged(made_up, fault)
    assert evaluate.main([str(made_up), "--modes", "opencv"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1 and named in said.err


def test_without_the_model_the_networks_rows_are_refused_not_filled_by_opencv(
    made_up: Path, models: FakeModels, fake_network: None, capsys: pytest.CaptureFixture[str]
) -> None:
    models.unavailable = "it is a test"
    assert evaluate.main([str(made_up)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and "U2NET_HOME" in said.err


def test_a_file_that_could_not_be_written_is_told_before_the_work(
    made_up: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "nowhere" / "figures.json"
    assert evaluate.main([str(made_up), "--modes", "opencv", "--json", str(target)]) == 2
    assert str(target) in capsys.readouterr().err


def test_the_shipped_network_needs_no_model_file(
    made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scripts.measure.MODEL_ENV", {"U2NET_HOME": str(tmp_path), "AUTO_DOWNLOAD": "0"})
    assert evaluate.main([str(made_up), "--models", "tinycut", "--modes", "static", "--tiers", "balanced"]) == 0
    (row,) = rows_of(capsys.readouterr().out)
    assert row["model"] == "tinycut" and float(row["IoU"]) > 0.5


@pytest.mark.parametrize(
    "words", [["--models", "u2net"], ["--modes", "square"], ["--tiers", "slow"], ["--modes", ","], ["--limit", "0"]]
)
def test_a_word_that_is_not_known_is_told_with_those_that_are(
    words: list[str], made_up: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        evaluate.main([str(made_up), *words])
    assert ended.value.code == 2
    assert "expected" in capsys.readouterr().err
