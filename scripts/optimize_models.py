"""Rewrite the published u2netp.onnx for less memory and time: in float, to the same map; and in 8 bits, very nearly.

    python scripts/optimize_models.py [--source PATH] [--output PATH] [--int8 PATH] [--quiet]

The last line of what it prints is the path of the rewritten file. Unless --quiet, a table before it compares them.
The 8-bit form is made for the published weights only (scripts/int8_ranges.json); for others it is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from tqdm import tqdm

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))  # a script is started with its own folder there

from scripts import graph_passes, int8_passes  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PHOTOS = _ROOT.parent / "shared" / "data" / "u2net-author" / "images"
_PHOTO_COUNT, _RUNS, _SIDE = 3, 12, 320


class Refusal(Exception):
    """Why there is no rewritten file, in one sentence for the person at the terminal."""


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; answer the exit status."""
    parser = argparse.ArgumentParser(
        description="Rewrite u2netp.onnx for less memory and time; the map stays the same, in 8 bits very nearly."
    )
    parser.add_argument("--source", type=Path, help="the published model; by default where rembg keeps it")
    parser.add_argument("--output", type=Path, help="the rewritten model; by default where the app looks for it")
    parser.add_argument(
        "--int8", type=Path, help="its 8-bit form; by default where the app looks for it, or none beside --output"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress, no table: print only the path")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(measure(options.measure, options.output)))
        return 0
    try:
        source, output, int8 = _paths(options.source, options.output, options.int8)
        made = rewrite(source, output, int8, show_progress=not options.quiet and sys.stderr.isatty())
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    if not options.quiet:
        print(comparison([source, *made]))
        if int8 and int8 not in made:
            print("These are not the published weights: there is no 8-bit form of them.")
    print(output)
    return 0


def _paths(source: Path | None, output: Path | None, int8: Path | None) -> tuple[Path, Path, Path | None]:
    if source and output:
        return source, output, int8
    from app.services import model_files, model_rewrites  # late: the server names all and spares itself the import

    source = source or model_files.find_model("u2netp")
    if source is None:
        raise Refusal("There is no u2netp.onnx where rembg keeps its models: set U2NET_HOME or give --source.")
    if not source.is_file():
        raise Refusal(f"There is no file {source}.")
    if output:
        return source, output, int8
    rewrites = model_rewrites.find(source)
    return source, rewrites.float_path, int8 or rewrites.int8_path


def rewrite(source: Path, output: Path, int8: Path | None = None, *, show_progress: bool = False) -> list[Path]:
    """Write the rewritten forms of a model file, each all of it or nothing; the float one last.

    Returns the paths that were written: the 8-bit form cannot be made of weights that are not the published ones.
    Raises Refusal.
    """
    try:
        published = onnx.load(source, load_external_data=False)
        steps = tqdm(total=len(graph_passes.PASSES) + bool(int8), desc="rewriting", disable=not show_progress)
        in_8_bits = None
        if int8:
            steps.set_postfix_str("8 bits")
            in_8_bits = _in_8_bits(published)
            steps.update()
        model = published
        for graph_pass in graph_passes.PASSES:
            steps.set_postfix_str(graph_pass.__name__)
            model = graph_pass(model)
            steps.update()
        steps.close()
        onnx.checker.check_model(model)
    except OSError as fault:
        raise Refusal(f"The model {source} cannot be read: {fault.strerror or fault}.") from fault
    except (DecodeError, onnx.checker.ValidationError, ValueError, TypeError, KeyError) as fault:
        reason = " ".join(str(fault).split()) or type(fault).__name__
        raise Refusal(f"The model {source} is damaged or is not u2netp: {reason}") from fault
    # Whoever finds the float form takes it that all was made.
    forms = {output: model} if in_8_bits is None or int8 is None else {int8: in_8_bits, output: model}
    for path, form in forms.items():
        try:
            _write(path, form.SerializeToString(deterministic=True))
        except OSError as fault:
            raise Refusal(f"The model cannot be written to {path}: {fault.strerror or fault}.") from fault
    return list(forms)[::-1]


def _in_8_bits(published: onnx.ModelProto) -> onnx.ModelProto | None:
    try:
        model = int8_passes.quantize(int8_passes.prepare(published), int8_passes.load_ranges())
    except graph_passes.GraphError:  # of other weights
        return None
    onnx.checker.check_model(model)
    return model


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o644)  # mkstemp's is for its owner alone
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def comparison(paths: list[Path]) -> str:
    """The table: what each file costs, measured in a process of its own, and how far its maps are from the first's."""
    figures: list[dict[str, str]] = []
    maps: list[dict[str, NDArray[np.float32]]] = []
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            kept = Path(folder) / f"{len(maps)}.npz"
            command = [sys.executable, __file__, "--measure", str(path), "--output", str(kept)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            figures.append(json.loads(done.stdout))
            with np.load(kept) as stored:
                maps.append(dict(stored))
    rows = [(label, *(figure[label] for figure in figures)) for label in figures[0]]
    for kind, published in maps[0].items():
        differences = [np.abs(published - other[kind]) for other in maps[1:]]
        rows.append((f"largest difference, {kind}", "", *(f"{each.max():.1e}" for each in differences)))
        rows.append((f"mean difference, {kind}", "", *(f"{each.mean():.1e}" for each in differences)))
    heads = ("", *("published", "rewritten", "in 8 bits")[: len(paths)])
    return "\n".join(f"{row[0]:36}" + "".join(f"{cell:>12}" for cell in row[1:]) for row in [heads, *rows])


def measure(path: Path, maps_path: Path) -> dict[str, str]:
    """Run a model as a small host does; write its maps to an .npz file and answer the figures, ready to print."""
    import onnxruntime

    from app.services import memory
    from app.services.model_manager import session_options

    memory.tune_allocator()
    settings = session_options(onnxruntime, 0, keeps_memory=False)
    before_mb = _memory_mb("VmRSS")
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    image_name, map_name = session.get_inputs()[0].name, session.get_outputs()[0].name
    maps: dict[str, NDArray[np.float32]] = {}
    seconds = []
    for kind, image in _images():
        for _ in range(1 if maps else _RUNS):
            start = time.perf_counter()
            maps[kind] = session.run([map_name], {image_name: image})[0]
            seconds.append(time.perf_counter() - start)
    np.savez(maps_path, **maps)  # type: ignore[arg-type]  # numpy's stub takes the names for its own option
    return {
        "nodes": str(len(onnx.load(path).graph.node)),
        "file, MB": f"{path.stat().st_size / 1e6:.2f}",
        f"median time at {_SIDE}x{_SIDE}, ms": f"{1000 * float(np.median(seconds[:_RUNS])):.0f}",
        "peak memory of the process, MB": f"{_memory_mb('VmHWM'):.0f}",
        "of it before the model, MB": f"{before_mb:.0f}",
    }


def _images() -> list[tuple[str, NDArray[np.float32]]]:
    """Network inputs [1, 3, 320, 320]: one of seeded noise, and real photos where there are any."""
    from PIL import Image

    noise = np.random.default_rng(0).standard_normal((1, 3, _SIDE, _SIDE), dtype=np.float32)
    images = [("seeded noise", noise)]
    for path in sorted(_PHOTOS.glob("*.jpg"))[:_PHOTO_COUNT]:
        rgb = np.asarray(Image.open(path).convert("RGB").resize((_SIDE, _SIDE)), np.float32)
        scaled = (rgb / max(float(rgb.max()), 1.0) - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
        images.append((path.name, scaled.astype(np.float32).transpose(2, 0, 1)[None]))
    return images


def _memory_mb(field: str) -> float:
    """A field of /proc/self/status; unlike getrusage's peak it does not inherit that of the parent."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    sys.exit(main())
