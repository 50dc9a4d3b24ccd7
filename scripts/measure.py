"""Print what the README and docs/figures.md claim, measured here and now: python scripts/measure.py [PART …]

Parts: parity, fallback, confidence, box, crowd, large, level, allocator, inference, start, first, bad-input, pixels,
modules. Without any: all. Each prints a Markdown table.
Needs the shared folder of real photos and the real model beside the repo; `box`, `crowd` and `large` need the right to
make a cgroup.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import requests
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from app import config  # noqa: E402
from app.config import Settings  # noqa: E402
from app.imaging import decode, encode, preprocess, refine  # noqa: E402
from app.imaging.confidence import TINYCUT, U2NETP, agreement  # noqa: E402
from app.imaging.confidence import confidence as confidence_of  # noqa: E402
from app.services import model_rewrites, opencv_fallback  # noqa: E402
from app.services.model_files import TINY_MODEL  # noqa: E402
from app.services.model_manager import ModelManager  # noqa: E402
from app.services.options import CutoutOptions  # noqa: E402
from app.services.shipped_model import SHIPPED_MODEL  # noqa: E402
from app.services.tiny_u2net_service import TinyU2NetService  # noqa: E402
from scripts import load  # noqa: E402
from scripts.bad_input import BAD_UPLOADS  # noqa: E402
from scripts.box import MIB, Server, boxed_server  # noqa: E402
from scripts.load import SHARED  # noqa: E402

MODEL_ENV = {
    "U2NET_HOME": os.environ.get("U2NET_HOME", str(SHARED / "models")),
    "MODEL_CHECKSUM_DISABLED": "1",
    "AUTO_DOWNLOAD": "0",
}


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table under a heading."""
    print(f"\n### {title}\n")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")


def iou(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks; 1 when both are empty."""
    union = int((found | true).sum())
    return int((found & true).sum()) / union if union else 1.0


def real_service() -> TinyU2NetService:
    """The service with the real network of the shared folder, and the settings of the environment besides."""
    settings = config.load({**os.environ, **MODEL_ENV})
    return TinyU2NetService(settings, ModelManager(settings))


def alpha_of(service: TinyU2NetService, path: Path) -> NDArray[np.uint8]:
    """The alpha of a photo's cut-out in the square mode, through the whole service."""
    cutout = service.cut_out(path.read_bytes(), CutoutOptions(resize="static"))
    assert cutout.method == "tiny_u2net"
    return decode_alpha(cutout.image)


def decode_alpha(png: bytes) -> NDArray[np.uint8]:
    """The alpha uint8 [H, W] of a PNG; all 255 when it has none."""
    photo = decode.decode(png)
    return np.full(photo.rgb.shape[:2], 255, np.uint8) if photo.alpha is None else photo.alpha


def parity_figures() -> tuple[list[tuple[str, float]], float]:
    """IoU at 0.5 against the author's own map for each of his 18 photos, and the mean difference of alpha, of 255,
    from rembg's recorded result."""
    service = real_service()
    author = SHARED / "data/u2net-author"
    rows = []
    for photo in tqdm(load.author_photos(), desc="parity", disable=None):
        with Image.open(author / "u2netp-maps" / f"{photo.stem}.png") as published:
            alpha = alpha_of(service, photo)
            true = np.asarray(published.convert("L").resize(alpha.shape[::-1])) > 127
        rows.append((photo.name, iou(alpha > 127, true)))
    peer = SHARED / "data/rembg-peer"
    with Image.open(peer / "anime-girl-1.u2netp.png") as recorded:
        theirs = np.asarray(recorded.convert("RGBA"))[:, :, 3].astype(np.int16)
    difference = np.abs(alpha_of(service, peer / "anime-girl-1.jpg") - theirs).mean()
    return rows, float(difference)


def parity() -> None:
    """Against the author's own maps, and rembg's recorded result."""
    rows, difference = parity_figures()
    middle = statistics.median(value for _name, value in rows)
    lines = [(name, f"{value:.4f}") for name, value in rows]
    table("Parity with the published network (square 320×320)", ("photo", "IoU at 0.5"), lines)
    print(f"\nmedian IoU: **{middle:.4f}** (promised: at least 0.97)")
    print(f"anime-girl-1.jpg: mean alpha difference from rembg **{difference:.2f}/255** (promised: below 2)")


def sod_photos(about: str, every: int = 1) -> Iterator[tuple[NDArray[np.uint8], Image.Image]]:
    """Each photo of sod-dev (every n-th), at most as large as the network is shown it, with its true mask."""
    folder = SHARED / "data/sod-dev"
    for photo in tqdm(sorted((folder / "images").iterdir())[::every], desc=about, disable=None):
        rgb = preprocess.reduce_to(decode.decode(photo.read_bytes()).rgb, Settings().max_inference_px)
        with Image.open(next((folder / "masks").glob(f"{photo.stem}.*"))) as mask:
            yield rgb, mask.convert("L")


def confidence() -> None:
    """What the confidence of an answer stands for: photos of sod-dev, by how far their maps agree with their masks."""
    models = real_service().models
    for name, curve in ((TINY_MODEL, U2NETP), (SHIPPED_MODEL, TINYCUT)):
        session = models.load(name)
        found = []
        for rgb, mask in sod_photos(f"confidence of {name}"):
            saliency = session.infer(rgb)
            true = np.asarray(mask.resize(saliency.shape[::-1])) > 127
            found.append((agreement(saliency), confidence_of(saliency, curve), iou(saliency > 0.5, true)))
        _confidence_table(name, found)


def _confidence_table(name: str, found: list[tuple[float, float, float]]) -> None:
    unknown = [row for row in found if row[1] == 0]
    found = sorted(row for row in found if row[1] > 0)
    eighths = [found[len(found) * k // 8 : len(found) * (k + 1) // 8] for k in range(8)]
    rows = [(len(part), *(f"{statistics.mean(column):.2f}" for column in zip(*part, strict=True))) for part in eighths]
    rows.append(
        (
            len(unknown),
            "no subject found",
            "0.00",
            f"{statistics.mean(row[2] for row in unknown):.2f}" if unknown else "–",
        )
    )
    columns = ("photos", "agreement", "confidence", "mean IoU with the truth")
    table(f"Confidence of {name} on sod-dev", columns, rows)


def fallback_iou(every: int = 1) -> list[float]:
    """IoU at 0.5 of the OpenCV fallback on each photo of sod-dev (every n-th)."""
    values = []
    for rgb, mask in sod_photos("fallback", every):
        guide = preprocess.reduce_to(rgb, refine.GUIDE_PX)
        alpha = refine.lift_alpha(opencv_fallback.estimate_saliency(rgb), rgb, guide)
        values.append(iou(alpha > 127, np.asarray(mask) > 127))
    return values


def fallback() -> None:
    """The OpenCV fallback on sod-dev."""
    values = fallback_iou()
    row = (len(values), f"**{statistics.mean(values):.3f}**", "at least 0.40")
    table("Without the network: OpenCV on sod-dev", ("photos", "mean IoU", "promised"), [row])


def box() -> None:
    """Photos through the real server in hard memory limits."""
    photos = load.author_photos()
    rows = []
    for limit_mb, count, clients in ((512, 200, 4), (400, len(photos), 1), (256, len(photos), 1)):
        with boxed_server(limit_mb, env=MODEL_ENV) as (cage, server):
            server.wait_for("/ready")
            (first, tenth_mb), (rest, last_mb) = load.levels(server, photos, count=count, clients=clients)
            answered = first.statuses[200] + rest.statuses[200]
            network = first.methods["tiny_u2net"] + rest.methods["tiny_u2net"]
            lost = len(first.broken) + len(rest.broken)
            rows.append(
                (
                    f"{limit_mb} MB",
                    clients,
                    f"{answered} of {count}",
                    network,
                    first.server_errors + rest.server_errors,
                    lost,
                    cage.kills,
                    f"{cage.peak_mb:.0f}",
                    f"{tenth_mb:.0f} → {last_mb:.0f}",
                    f"{statistics.median(rest.seconds):.2f}",
                )
            )
    columns = (
        "hard limit", "clients", "answered", "by the network", "5xx", "lost", "kills",
        "peak MB", "resident MB after 10th → last", "median s",
    )  # fmt: skip
    table("Real photos, 290 px to 3000×2000, in a hard memory limit", columns, rows)


def crowd() -> None:
    """16 clients at once for two minutes, in 512 MB, who come back when they are told to, and who do not wait."""
    rows = []
    for comes_back in (True, False):
        with boxed_server(512, env=MODEL_ENV) as (cage, server):
            server.wait_for("/ready")
            found = load.crowd(server, load.author_photos(), clients=16, seconds=120, comes_back=comes_back)
            tally = found.tally
            others = sum(tally.statuses.values()) - tally.statuses[200] - tally.statuses[429] + len(tally.broken)
            rows.append(
                (
                    "when told to" if comes_back else "at once",
                    tally.statuses[200],
                    tally.statuses[429],
                    others,
                    *(f"{percentile(tally.answered_s, share):.2f}" for share in (50, 95, 100)),
                    *(f"{1000 * percentile(found.health_s, share):.0f}" for share in (50, 99, 100)),
                    cage.kills,
                    f"{cage.peak_mb:.0f}",
                )
            )
    columns = (
        "who was refused comes back", "answered", "429", "anything else", "median s", "p95 s", "slowest s",
        "/health median ms", "p99 ms", "slowest ms", "kills", "peak MB",
    )  # fmt: skip
    table("16 clients at once for 2 minutes, 512 MB, real photos up to 3000×2000 (deadline: 25 s)", columns, rows)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so many percent of them do not exceed."""
    return float(np.percentile(values, share))


LARGE_PHOTOS = ((256, (4032, 3024)), (384, (6000, 4000)))


class LargeFigures(NamedTuple):
    """What came of one large photo, sent several times to a server in a hard limit."""

    limit_mb: int
    size: tuple[int, int]
    whole: bool
    kills: int
    peak_mb: float
    median_s: float


def large_figures(count: int = 3) -> list[LargeFigures]:
    """Each large photo, `count` times; `whole` says that every answer was by the network and of the photo's size."""
    rows = []
    for limit_mb, size in LARGE_PHOTOS:
        with Image.open(load.AUTHOR_PHOTOS / "bike.jpg") as original:
            buffer = io.BytesIO()
            original.convert("RGB").resize(size).save(buffer, "JPEG", quality=90)
        seconds, whole = [], 0
        with boxed_server(limit_mb, env=MODEL_ENV) as (cage, server):
            server.wait_for("/ready")
            for _ in tqdm(range(count), desc=f"{limit_mb} MB", disable=None):
                answer = requests.post(
                    f"{server.url}/api/remove-background",
                    data=buffer.getvalue(),
                    headers={"Accept": "image/png"},
                    timeout=60,
                )
                seconds.append(answer.elapsed.total_seconds())
                if answer.status_code == 200 and answer.headers["X-Method"] == "tiny_u2net":
                    with Image.open(io.BytesIO(answer.content)) as picture:
                        whole += picture.size == size
            figures = (whole == count, cage.kills, cage.peak_mb, statistics.median(seconds))
            rows.append(LargeFigures(limit_mb, size, *figures))
    return rows


def large() -> None:
    """Large photos at full resolution in hard memory limits."""
    rows = [
        (
            f"{row.limit_mb} MB",
            f"{row.size[0]}×{row.size[1]}",
            "yes" if row.whole else "NO",
            row.kills,
            f"{row.peak_mb:.0f}",
            f"{row.median_s:.2f}",
        )
        for row in large_figures()
    ]
    columns = ("hard limit", "photo", "cut out by the network at full size", "kills", "peak MB", "median s")
    table("Large photos in a hard memory limit", columns, rows)


def level() -> None:
    """Resident memory between requests over 500 photos of changing sizes, in the serving process."""
    photos = load.author_photos() + sorted((SHARED / "data/sod-dev/images").iterdir())[:30]
    marks = (10, 50, 100, 200, 300, 400, 500)
    rows, sent, levels_mb = [], 0, []
    with Server(env={**MODEL_ENV, "MEMORY_LIMIT_MB": "512"}) as server:
        server.wait_for("/ready")
        for mark in tqdm(marks, desc="level", disable=None):
            turn = sent % len(photos)
            tally = load.send(server, photos[turn:] + photos[:turn], count=mark - sent, clients=2)
            assert tally.statuses == {200: mark - sent}
            sent = mark
            levels_mb.append(server.rss_mb())
            rows.append((mark, f"{levels_mb[-1]:.0f}", f"{levels_mb[-1] - levels_mb[0]:+.1f}"))
    table("Resident memory between requests, sizes changing", ("after photo", "MB", "against the 10th"), rows)


def start() -> None:
    """Import and create_app() against `import rembg`, alternating in one run, each in a fresh process."""
    codes = {
        "TinyCut: import and create_app()": "from app import create_app; create_app()",
        "rembg: import": "import rembg",
    }
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in codes}
    for number in tqdm(range(8), desc="start", disable=None):
        for name, code in codes.items():
            seconds, mb = timed_python(code)
            if number:  # the first import of rembg on a machine compiles for half a minute
                results[name].append((seconds, mb))
    medians = {name: tuple(map(statistics.median, zip(*pairs, strict=True))) for name, pairs in results.items()}
    (ours_s, ours_mb), (theirs_s, theirs_mb) = medians.values()
    rows = [(name, f"{seconds:.2f}", f"{mb:.0f}") for name, (seconds, mb) in medians.items()]
    rows.append(("ratio", f"**{ours_s / theirs_s:.2f}**", f"**{ours_mb / theirs_mb:.2f}**"))
    rows.append(("promised below", "0.6", "0.5"))
    table("Start (medians of 7, second import)", ("", "seconds", "resident MB"), rows)


INFERENCE_RUNS = 25


def inference() -> None:
    """One inference of each network as it is served, turn about: u2netp in float and in 8 bits, and the shipped one."""
    with Image.open(load.AUTHOR_PHOTOS / "boat.jpg") as original:
        rgb = np.asarray(original.convert("RGB"))
    sessions = {
        f"u2netp, {precision}": ModelManager(config.load({**MODEL_ENV, "PRECISION": precision})).load(TINY_MODEL)
        for precision in (model_rewrites.FLOAT, model_rewrites.INT8)
    }
    sessions[SHIPPED_MODEL] = ModelManager(config.load(MODEL_ENV)).load(SHIPPED_MODEL)
    found: dict[str, list[float]] = {name: [] for name in sessions}
    for number in tqdm(range(INFERENCE_RUNS + 3), desc="inference", disable=None):
        for name, session in sessions.items():
            started_s = time.perf_counter()
            session.infer(rgb)
            if number >= 3:  # the first are slower
                found[name].append(1000 * (time.perf_counter() - started_s))
    medians = {name: statistics.median(times) for name, times in found.items()}
    first_ms = next(iter(medians.values()))
    rows = [(name, f"{median_ms:.1f}", f"{median_ms / first_ms:.2f}") for name, median_ms in medians.items()]
    rows.append((f"{SHIPPED_MODEL}, promised at most", "", "0.35"))
    about = f"One inference of a photo of 1280×720, `balanced` (medians of {INFERENCE_RUNS})"
    table(about, ("network", "ms", "of u2netp in float"), rows)


FIRST_CODE = """
import sys, time
from pathlib import Path
from app import create_app
photo = Path(sys.argv[1]).read_bytes()
started = time.perf_counter()
client = create_app().test_client()
created = time.perf_counter()
answer = client.post("/api/remove-background", data=photo, headers={"Accept": "image/png"})
ended = time.perf_counter()
import numpy as np
from app.services import memory
from app.services.model_manager import model_manager
peak_mb, resident_mb = memory.peak_rss_mb(), memory.rss_mb()
Path("/proc/self/clear_refs").write_text("5")  # the kernel forgets the peak so far
model_manager.get_session().infer(np.zeros((720, 1280, 3), np.uint8))
inference_mb = memory.peak_rss_mb() - resident_mb
print(answer.headers["X-Model"], created - started, ended - created, peak_mb, inference_mb)
"""
FLOOR_CODE = """
import cv2, flask, numpy, onnxruntime, PIL.Image
from app.services import memory
print("floor", 0, 0, memory.peak_rss_mb(), 0)
"""


def first() -> None:
    """The first photo of a fresh process where there is no u2netp anywhere and no way to it, and where there is."""
    photo = load.AUTHOR_PHOTOS / "boat.jpg"  # 1280×720
    found: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as empty:
        offline = {"U2NET_HOME": empty, "AUTO_DOWNLOAD": "0"}
        runs = ((FLOOR_CODE, offline), (FIRST_CODE, offline), (FIRST_CODE, MODEL_ENV))
        for number in tqdm(range(8), desc="first", disable=None):
            for code, env in runs:
                command = [sys.executable, "-c", code, str(photo)]
                done = subprocess.run(
                    command, cwd=REPO, env={**os.environ, **env}, capture_output=True, text=True, check=True
                )  # fmt: skip
                name, *figures = done.stdout.split()
                if number:  # the first reads the disk, and u2netp may be rewritten in it
                    found.setdefault(name, []).append(list(map(float, figures)))
    medians = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in found.items()}
    floor_mb = medians.pop("floor")[2]
    rows = [
        (
            name,
            f"{making_s:.2f}",
            f"{first_s:.2f}",
            f"{peak_mb:.0f}",
            f"{peak_mb - floor_mb:.0f}",
            f"{inference_mb:.0f}",
        )
        for name, (making_s, first_s, peak_mb, inference_mb) in medians.items()
    ]
    rows.append(("tinycut, promised at most", "", "1", "", "60", ""))
    over = f"over the floor of {floor_mb:.0f} MB"
    columns = ("network", "create_app(), s", "the first cut-out after it, s", "peak MB", over, "another inference, MB")
    table("The first photo of a fresh process, 1280×720 (medians of 7)", columns, rows)


# How memory for an inference may be had: environment, mallopt calls (malloc.h's parameters: -8 arenas, -3 mmap
# threshold, -1 trim threshold), and onnxruntime's arena: off, its default, or exact requests given back by each run.
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
SERVED_CALLS = ((-8, 2), (-3, MIB), (-1, MIB))
ALLOCATORS: dict[str, tuple[dict[str, str], tuple[tuple[int, int], ...], str]] = {
    "malloc as it is": ({}, (), "off"),
    "2 arenas": ({}, ((-8, 2),), "off"),
    "thresholds fixed at 1 MiB": ({}, SERVED_CALLS, "off"),
    "the same, huge pages (served)": (HUGE_PAGES, SERVED_CALLS, "off"),
    "thresholds fixed at 16 MiB, huge pages": (HUGE_PAGES, ((-8, 2), (-3, 16 * MIB), (-1, MIB)), "off"),
    "onnxruntime's arena": ({}, (), "default"),
    "exact arena, emptied by each run": ({}, (), "exact"),
    "the same, huge pages": (HUGE_PAGES, SERVED_CALLS, "exact"),
}
ALLOCATOR_CODE = """
import ctypes, json, statistics, sys, time
from pathlib import Path
path, calls, arena = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
libc = ctypes.CDLL(None)
for parameter, value in calls:
    libc.mallopt(parameter, value)
import numpy as np, onnxruntime as ort
def memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field + ":"))
options, run = ort.SessionOptions(), ort.RunOptions()
options.enable_cpu_mem_arena = arena != "off"
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
if arena == "exact":
    information = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(information, ort.OrtArenaCfg(0, 1, -1, -1))
    options.add_session_config_entry("session.use_env_allocators", "1")
    run.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
def infer(height, width):
    started = time.perf_counter()
    session.run(None, {name: np.zeros((1, 3, height, width), np.float32)}, run)
    libc.malloc_trim(0)
    return time.perf_counter() - started
infer(320, 320)
seconds = [infer(320, 320) for _ in range(8)]
for side in range(7, 14):  # photos of many shapes
    infer(32 * side, 32 * (100 // side))
print(json.dumps([statistics.median(seconds), memory("VmHWM"), memory("VmRSS")]))
"""


def allocator() -> None:
    """What the ways of having memory for an inference cost, turn about: why services/memory.py and the Procfile are
    as they are."""
    rewrites = model_rewrites.make(SHARED / "models/u2netp.onnx", config.load(MODEL_ENV))
    assert rewrites is not None
    for form in (model_rewrites.FLOAT, model_rewrites.INT8):
        found: dict[str, list[list[float]]] = {name: [] for name in ALLOCATORS}
        for _ in tqdm(range(5), desc=f"allocator, {form}", disable=None):
            for name, (env, calls, arena) in ALLOCATORS.items():
                command = [sys.executable, "-c", ALLOCATOR_CODE, str(rewrites.path(form)), json.dumps(calls), arena]
                done = subprocess.run(
                    command, env={**os.environ, **env}, capture_output=True, text=True, check=True
                )  # fmt: skip
                found[name].append(json.loads(done.stdout))
        medians = {
            name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in found.items()
        }
        first_s = medians["malloc as it is"][0]
        lines = [
            (name, f"{1000 * seconds:.0f}", f"{seconds / first_s:.2f}", f"{peak_mb:.0f}", f"{after_mb:.0f}")
            for name, (seconds, peak_mb, after_mb) in medians.items()
        ]
        columns = ("memory by", "median ms", "ratio", "peak MB", "MB after runs of many shapes")
        table(f"One inference at 320×320, {form}", columns, lines)


def timed_python(code: str) -> tuple[float, float]:
    """Run code in a fresh interpreter; return its seconds and its resident MB at the end."""
    script = f"""
import time; started = time.perf_counter()
{code}
ended = time.perf_counter()
import psutil; print(seconds, psutil.Process().memory_info().rss / {MIB})
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], cwd=REPO, capture_output=True, text=True, check=True
    )
    seconds, mb = map(float, done.stdout.split()[-2:])
    return seconds, mb


def bad_input() -> None:
    """What a real server says to bad input, and what it costs in memory at the peak."""
    rows = []
    with Server(env=MODEL_ENV) as server:
        server.wait_for("/ready")
        for case, (data, _status) in BAD_UPLOADS.items():
            with server.peak_growth_mb() as growth_mb:
                answer = requests.post(
                    f"{server.url}/api/remove-background", files={"file": ("photo.jpg", data)}, timeout=60
                )
            error = answer.json()["error"]
            rows.append((case, answer.status_code, error["code"], error["message"], f"{growth_mb[0]:.1f}"))
    table("Bad input", ("sent", "status", "code", "message", "peak MB more"), rows)


PIXELS_SIZE = (4800, 3200)


def pixels() -> None:
    """What a pixel of a photo takes at the peak, by what comes in and what goes out."""

    def file_of(picture: Image.Image, file_format: str, **how: object) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, file_format, **how)
        return buffer.getvalue()

    import pillow_heif  # here alone: it writes what is sent

    pillow_heif.register_heif_opener()
    with Image.open(load.AUTHOR_PHOTOS / "bike.jpg") as original:
        photo = original.convert("RGB").resize(PIXELS_SIZE)
    veiled = photo.copy()
    veiled.putalpha(Image.linear_gradient("L").resize(PIXELS_SIZE))
    kinds = {
        "JPEG": file_of(photo, "JPEG"),
        "JPEG, progressive": file_of(photo, "JPEG", progressive=True, subsampling=0),
        "JPEG, CMYK": file_of(photo.convert("CMYK"), "JPEG"),
        "JPEG, CMYK, progressive": file_of(photo.convert("CMYK"), "JPEG", progressive=True, subsampling=0),
        "PNG": file_of(photo, "PNG", compress_level=1),
        "PNG with alpha": file_of(veiled, "PNG", compress_level=1),
        "PNG, palette, transparent": file_of(photo.quantize(200), "PNG", transparency=3),
        "TIFF": file_of(photo, "TIFF", compression="tiff_deflate"),
        "BMP": file_of(photo, "BMP"),
        "GIF": file_of(photo.quantize(200), "GIF"),
        "AVIF": file_of(photo, "AVIF", speed=10),
        "HEIC": file_of(photo, "HEIF"),
        "HEIC with alpha": file_of(veiled, "HEIF"),
        "WebP": file_of(photo, "WEBP", method=0),
        "WebP with alpha": file_of(veiled, "WEBP", method=0),
    }
    rows = []
    area_px = PIXELS_SIZE[0] * PIXELS_SIZE[1]
    with Server(env={**MODEL_ENV, "MAX_UPLOAD_MB": "100", "MEMORY_LIMIT_MB": "1000"}) as server:
        server.wait_for("/ready")
        for kind, data in tqdm(kinds.items(), desc="pixels", disable=None):
            row = [kind, f"{decode.probe(data).decoding_bytes(area_px) / area_px:.0f}"]
            for name in encode.FORMATS:
                url = f"{server.url}/api/remove-background?format={name}"
                with server.peak_growth_mb() as growth_mb:
                    assert requests.post(url, data=data, timeout=60).status_code == 200
                row.append(f"{(growth_mb[0] * MIB - len(data)) / area_px:.1f}")
            rows.append(row)
    reserved = ["reserved for the output", "", *(str(output.bytes_per_pixel) for output in encode.FORMATS.values())]
    columns = ("from", "reserved for the input", *(f"to {name}" for name in encode.FORMATS))
    table("Bytes a pixel at the peak (the larger reservation counts)", columns, [*rows, reserved])


HEAVY = ("rembg", "numba", "pymatting", "scipy", "skimage")


def loaded_heavy_modules() -> list[str]:
    """Which of rembg's stack the serving process holds after a request: gunicorn under a 512 MB limit is asked."""
    with tempfile.TemporaryDirectory() as folder:
        # The app of the Procfile and one path more, which tells what is imported.
        Path(folder, "spying.py").write_text(
            "import sys\nfrom wsgi import app\n\n\n"
            "@app.get('/modules')\ndef modules():\n    return sorted({name.split('.')[0] for name in sys.modules})\n"
        )
        env = {**MODEL_ENV, "MEMORY_LIMIT_MB": "512", "PYTHONPATH": folder}
        with Server(env=env, app="spying:app") as server:
            server.wait_for("/ready")
            load.send(server, load.author_photos()[1:3], count=2, clients=1)
            loaded = requests.get(f"{server.url}/modules", timeout=10).json()
    assert "onnxruntime" in loaded
    return [name for name in HEAVY if name in loaded]


def modules() -> None:
    """sys.modules of the serving process."""
    found = loaded_heavy_modules()
    rows = [(name, "loaded" if name in found else "not loaded") for name in HEAVY]
    table("The serving process after two requests", ("package", ""), rows)


PARTS: dict[str, Callable[[], None]] = {
    "parity": parity,
    "fallback": fallback,
    "confidence": confidence,
    "box": box,
    "crowd": crowd,
    "large": large,
    "level": level,
    "allocator": allocator,
    "inference": inference,
    "start": start,
    "first": first,
    "bad-input": bad_input,
    "pixels": pixels,
    "modules": modules,
}


def main() -> None:
    """Run the parts that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART")
    for part in parser.parse_args().parts or PARTS:
        PARTS[part]()


if __name__ == "__main__":
    main()
