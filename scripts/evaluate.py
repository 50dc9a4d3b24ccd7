"""Print how good the cut-outs are, set by set: python scripts/evaluate.py DIR [DIR …]

Each DIR holds images/ and masks/ with the same stems; a mask is 8-bit alpha or black and white, of its photo's size.
Every photo goes the product's own way, from its bytes to the alpha of the PNG, once for each model, resize mode and
quality tier, and once without a network. Prints a Markdown table. Needs the real u2netp, but for `--models tinycut`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps
from tqdm import tqdm

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from app.config import Settings  # noqa: E402
from app.errors import AppError, ModelUnavailable  # noqa: E402
from app.imaging.preprocess import RESIZE_MODES  # noqa: E402
from app.services.cutout import Cutout  # noqa: E402
from app.services.model_files import TINY_MODEL  # noqa: E402
from app.services.model_manager import ModelManager  # noqa: E402
from app.services.options import CutoutOptions  # noqa: E402
from app.services.quality import DEFAULT_TIER, TIERS  # noqa: E402
from app.services.shipped_model import SHIPPED_MODEL  # noqa: E402
from app.services.tiny_u2net_service import OPENCV_METHOD, TinyU2NetService  # noqa: E402
from scripts.measure import decode_alpha, real_service, table  # noqa: E402
from scripts.quality_metrics import PhotoScores, Scores, SetScores, has_reference  # noqa: E402

MODES = (*RESIZE_MODES, OPENCV_METHOD)
MODELS = (TINY_MODEL, SHIPPED_MODEL)
NONE = "–"  # what OpenCV has no model and no tier of
MACRO = "**macro average**"
COLUMNS = (
    "set", "model", "mode", "tier", "photos", "IoU", "MAE", "S-measure", "weighted F", "max F", "boundary F",
    "infer ms", "total ms",
)  # fmt: skip

PANEL_PX = (216, 144)  # width, height
PANELS = ("photo", "true mask", "found alpha")
SHEET_PHOTOS = 6  # best, and as many worst
GAP_PX = 8
ROW_GAP_PX = 14
MARGIN_PX = 24
CAPTION_PX = 22
HEADING_PX = 34
PAPER, PANEL, INK, FAINT = "#ffffff", "#b9c2d0", "#1c1f26", "#6b7280"


class Unusable(Exception):
    """What was asked for cannot be done; the message is for the person who asked."""


@dataclass(frozen=True)
class Pair:
    """A photo and its true mask."""

    photo: Path
    mask: Path


@dataclass(frozen=True)
class Way:
    """One way of cutting out: a model, a resize mode and a quality tier, or OpenCV."""

    model: str
    mode: str
    tier: str

    @property
    def options(self) -> CutoutOptions:
        """What the service is asked for."""
        if self.mode == OPENCV_METHOD:
            return CutoutOptions(on_unknown="pass")
        return CutoutOptions(model=self.model, resize=self.mode, quality=self.tier, on_unknown="pass")

    def __str__(self) -> str:
        return self.mode if self.model == NONE else f"{self.model}, {self.mode}, {self.tier}"


@dataclass(frozen=True)
class PhotoResult:
    """What came of a photo."""

    pair: Pair
    scores: PhotoScores
    infer_ms: float
    total_ms: float

    def as_json(self) -> dict[str, float]:
        """As the JSON file holds it."""
        return {**asdict(self.scores), "infer_ms": self.infer_ms, "total_ms": self.total_ms}


@dataclass(frozen=True)
class Row:
    """A row of the table: one way on one set, or the average of its sets (without photos)."""

    set_name: str
    way: Way
    photo_count: int
    scores: Scores
    infer_ms: float
    total_ms: float
    photos: tuple[PhotoResult, ...] = ()

    def cells(self) -> tuple[object, ...]:
        """As the table shows it."""
        figures = ["–" if value is None else f"{value:.3f}" for value in asdict(self.scores).values()]
        times = f"{self.infer_ms:.0f}", f"{self.total_ms:.0f}"
        return self.set_name, self.way.model, self.way.mode, self.way.tier, self.photo_count, *figures, *times

    def as_json(self) -> dict[str, Any]:
        """As the JSON file holds it."""
        row = {
            "set": self.set_name,
            "model": None if self.way.model == NONE else self.way.model,
            "mode": self.way.mode,
            "tier": None if self.way.tier == NONE else self.way.tier,
            "photos": self.photo_count,
            **asdict(self.scores),
            "infer_ms": self.infer_ms,
            "total_ms": self.total_ms,
        }
        if self.photos:
            row["images"] = {result.pair.photo.stem: result.as_json() for result in self.photos}
        return row


class NoNetwork(ModelManager):
    """A manager that has no model, so that the service falls back to OpenCV."""

    def load(self, *_what: object, **_how: object) -> NoReturn:
        raise ModelUnavailable("it is left out on purpose, for the row of OpenCV")


def opencv_service() -> TinyU2NetService:
    """The service on a host that has no model."""
    settings = Settings()
    return TinyU2NetService(settings, NoNetwork(settings))


def find_pairs(folder: Path, limit: int | None) -> list[Pair]:
    """The photos of a set with their masks; with a limit, so many of them, spread evenly over the sorted names.

    Raises:
        Unusable: a folder or a mask is missing, a mask has another size than its photo, or no picture is in a file.
    """
    images, masks = folder / "images", folder / "masks"
    for needed in (images, masks):
        if not needed.is_dir():
            raise Unusable(f"{needed} is not there: a set is a folder with images/ and masks/")
    photos = sorted(path for path in images.iterdir() if not path.name.startswith("."))
    if not photos:
        raise Unusable(f"{images} is empty")
    if limit is not None and limit < len(photos):
        photos = [photos[number * len(photos) // limit] for number in range(limit)]
    by_stem = {path.stem: path for path in sorted(masks.iterdir())}
    pairs = []
    for photo in photos:
        if photo.stem not in by_stem:
            raise Unusable(f"{photo} has no mask: there is no {masks / photo.stem}.*")
        pairs.append(Pair(photo, by_stem[photo.stem]))
        photo_size, mask_size = upright(photo).size, upright(pairs[-1].mask).size
        if photo_size != mask_size:
            raise Unusable(f"{pairs[-1].mask} has {mask_size} pixels and its photo {photo_size}")
    return pairs


def upright(path: Path) -> Image.Image:
    """Open a picture, turned by its EXIF orientation.

    Raises:
        Unusable: it is no picture.
    """
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image)
    except OSError as fault:
        raise Unusable(f"{path} cannot be read: {fault}") from fault


def read_mask(path: Path) -> NDArray[np.uint8]:
    """A true mask as uint8 [H, W] in 0..255; one of 0 and 1 is stretched."""
    mask = np.asarray(upright(path).convert("L"))
    return mask * np.uint8(255) if mask.max() == 1 else mask


def cut_out(service: TinyU2NetService, pair: Pair, way: Way) -> tuple[Cutout, NDArray[np.uint8]]:
    """Send a photo the product's own way; return the cut-out and its alpha, uint8 [H, W].

    Raises:
        Unusable: the product refused the photo, or cut it out by another method than the row is about.
    """
    try:
        cutout = service.cut_out(pair.photo.read_bytes(), way.options)
    except AppError as fault:
        raise Unusable(f"{pair.photo} was refused: {fault}") from fault
    if way.model != NONE and cutout.model != way.model:
        raise Unusable(
            f"{pair.photo} was cut out by {cutout.model}, not {way.model}: is the model in U2NET_HOME? "
            f"`--models {SHIPPED_MODEL}` and `--modes {OPENCV_METHOD}` need none"
        )
    alpha = decode_alpha(cutout.image)
    # A photo that came back whole is one in which nothing was found.
    return cutout, alpha if cutout.confidence else np.zeros_like(alpha)


def evaluate(services: Mapping[Way, TinyU2NetService], set_name: str, pairs: Sequence[Pair]) -> dict[Way, Row]:
    """Cut every photo of a set out in every way, each by its service, and compare with the masks.

    All ways take their turn at a photo before the next: what else the machine does falls on all of them alike.
    """
    scores = {way: SetScores() for way in services}
    results: dict[Way, list[PhotoResult]] = {way: [] for way in services}
    for pair in tqdm(pairs, desc=set_name, unit="photo", disable=None):
        mask = read_mask(pair.mask)
        for way, service in services.items():
            cutout, alpha = cut_out(service, pair, way)
            times = cutout.timings_ms
            found = scores[way].add(alpha, mask)
            results[way].append(PhotoResult(pair, found, infer_ms=times["infer"], total_ms=times["total"]))
    return {
        way: Row(
            set_name,
            way,
            len(photos),
            scores[way].means(),
            infer_ms=statistics.mean(photo.infer_ms for photo in photos),
            total_ms=statistics.mean(photo.total_ms for photo in photos),
            photos=tuple(photos),
        )
        for way, photos in results.items()
    }


def macro_average(rows: Sequence[Row]) -> Row:
    """The average over the sets of one way: each set counts the same, however many photos it has."""
    means: dict[str, float | None] = {}
    for field in fields(Scores):
        values = [getattr(row.scores, field.name) for row in rows]
        means[field.name] = None if None in values else statistics.mean(values)
    return Row(
        MACRO,
        rows[0].way,
        sum(row.photo_count for row in rows),
        Scores(**means),  # type: ignore[arg-type]  # None only where Scores has it
        infer_ms=statistics.mean(row.infer_ms for row in rows),
        total_ms=statistics.mean(row.total_ms for row in rows),
    )


def contact_sheet(service: TinyU2NetService, rows: Sequence[Row]) -> Image.Image:
    """Draw the worst and the best photos of one way, by IoU, over all its sets."""
    ranked = sorted(
        ((row.set_name, photo) for row in rows for photo in row.photos), key=lambda pair: pair[1].scores.iou
    )
    worst = ranked[: min(SHEET_PHOTOS, (len(ranked) + 1) // 2)]
    best = ranked[len(worst) :][-SHEET_PHOTOS:][::-1]
    way = rows[0].way
    strip_width = len(PANELS) * (PANEL_PX[0] + GAP_PX) - GAP_PX
    strip_height = CAPTION_PX + PANEL_PX[1] + ROW_GAP_PX
    top = MARGIN_PX + 2 * HEADING_PX
    size = 3 * MARGIN_PX + 2 * strip_width, top + len(worst) * strip_height + MARGIN_PX - ROW_GAP_PX
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    sets = ", ".join(row.set_name for row in rows)
    macro = statistics.mean(row.scores.iou for row in rows)
    title = f"{way}: {len(ranked)} photos of {sets}; mean IoU over the sets {macro:.3f}"
    draw.text((MARGIN_PX, MARGIN_PX), title, INK, ImageFont.load_default(19))
    for column, (heading, ranking) in enumerate((("Worst", worst), ("Best", best))):
        left = MARGIN_PX + column * (strip_width + MARGIN_PX)
        draw.text((left, MARGIN_PX + HEADING_PX), heading, INK, ImageFont.load_default(17))
        for number, name in enumerate(PANELS[1:], 1):
            middle = left + number * (PANEL_PX[0] + GAP_PX) + PANEL_PX[0] / 2
            draw.text((middle, MARGIN_PX + HEADING_PX + 3), name, FAINT, ImageFont.load_default(13), anchor="ma")
        for number, (set_name, photo) in enumerate(ranking):
            below = top + number * strip_height
            caption = f"{set_name} / {photo.pair.photo.stem}   IoU {photo.scores.iou:.3f}"
            draw.text((left, below + 2), caption, INK, ImageFont.load_default(14))
            sheet.paste(strip(service, photo.pair, way), (left, below + CAPTION_PX))
    return sheet


def strip(service: TinyU2NetService, pair: Pair, way: Way) -> Image.Image:
    """Photo, true mask and found alpha side by side, each as large as its panel lets it be."""
    alpha = cut_out(service, pair, way)[1]
    pictures = upright(pair.photo), Image.fromarray(read_mask(pair.mask)), Image.fromarray(alpha)
    drawn = Image.new("RGB", (len(pictures) * (PANEL_PX[0] + GAP_PX) - GAP_PX, PANEL_PX[1]), PAPER)
    for number, picture in enumerate(pictures):
        panel = ImageOps.pad(picture.convert("RGB"), PANEL_PX, Image.Resampling.LANCZOS, color=PANEL)
        drawn.paste(panel, (number * (PANEL_PX[0] + GAP_PX), 0))
    return drawn


def names_of(known: Sequence[str], text: str) -> list[str]:
    """Parse a list of names with commas between them.

    Raises:
        argparse.ArgumentTypeError: a name is not known.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"expected some of {','.join(known)}, not {text!r}")
    return names


def positive(text: str) -> int:
    """Parse a whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected a whole number from 1")
    return number


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; argparse itself ends with status 2 where it cannot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="a set: images/ and masks/")
    parser.add_argument(
        "--models", type=lambda text: names_of(MODELS, text), default=list(MODELS), help=f"default: {','.join(MODELS)}"
    )
    parser.add_argument(
        "--modes", type=lambda text: names_of(MODES, text), default=list(MODES), help=f"default: {','.join(MODES)}"
    )
    parser.add_argument(
        "--tiers",
        type=lambda text: names_of(tuple(TIERS), text),
        default=list(TIERS),
        help=f"default: {','.join(TIERS)}",
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="take N photos of each set, evenly spread")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write every figure, photo by photo")
    parser.add_argument("--sheet", type=Path, metavar="PATH", help="draw the worst and the best photos, as PNG")
    return parser.parse_args(argv)


def ways_of(models: Sequence[str], modes: Sequence[str], tiers: Sequence[str]) -> list[Way]:
    """Every model with every mode and tier; OpenCV knows no models and no tiers."""
    networks = [Way(model, mode, tier) for model in models for mode in modes if mode != OPENCV_METHOD for tier in tiers]
    return [*networks, *(Way(NONE, mode, NONE) for mode in modes if mode == OPENCV_METHOD)]


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks for.

    Raises:
        Unusable: it cannot be done.
    """
    for path in (arguments.json, arguments.sheet):
        if path and not path.parent.is_dir():
            raise Unusable(f"{path} cannot be written: there is no folder {path.parent}")
    sets = {folder: find_pairs(folder, arguments.limit) for folder in arguments.folders}
    ways = ways_of(arguments.models, arguments.modes, arguments.tiers)
    network, opencv = real_service(), opencv_service()
    services = {way: opencv if way.mode == OPENCV_METHOD else network for way in ways}
    for service in set(services.values()):
        service.warm_up()
    of_sets = [evaluate(services, folder.resolve().name, pairs) for folder, pairs in sets.items()]
    by_way = {way: [rows[way] for rows in of_sets] for way in ways}
    averages = [macro_average(rows) for rows in by_way.values()] if len(sets) > 1 else []
    lines = [rows[number] for number in range(len(sets)) for rows in by_way.values()]
    table("Quality", COLUMNS, [row.cells() for row in (*lines, *averages)])
    if not has_reference():
        print("\n– not worked out: it needs `pip install --no-deps pysodmetrics==1.6.2`")
    if arguments.json:
        contents = {
            "limit": arguments.limit,
            "rows": [row.as_json() for row in lines],
            "macro_averages": [replace(row, set_name="macro average").as_json() for row in averages],
        }
        arguments.json.write_text(json.dumps(contents, indent=1) + "\n")
    if arguments.sheet:
        default = Way(arguments.models[0], network.settings.resize_mode, DEFAULT_TIER)
        shown = default if default in by_way else ways[0]
        contact_sheet(services[shown], by_way[shown]).save(arguments.sheet, "PNG")


def main(argv: Sequence[str] | None = None) -> int:
    """Answer 0, or 2 with one sentence on what is missing."""
    try:
        run(parse_arguments(argv))
    except Unusable as fault:
        print(fault, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
