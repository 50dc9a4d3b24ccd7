"""scripts/optimize_models.py: what it prints, what it writes, and that it writes all or nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from scripts import graph_passes, optimize_models
from tests.support import need

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "optimize_models.py"


@pytest.fixture(scope="module")
def source() -> Path:
    return need(Path(__file__).resolve().parents[3] / "shared" / "models" / "u2netp.onnx")


def script(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ | environment)


def test_quiet_prints_only_the_path_and_writes_the_rewritten_model(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "new folder" / "small.onnx"
    done = script("--source", source, "--output", output, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{output}\n", "")
    expected = graph_passes.optimize(onnx.load(source))
    assert output.read_bytes() == expected.SerializeToString(deterministic=True)
    assert os.listdir(output.parent) == ["small.onnx"]
    assert output.stat().st_mode & 0o777 == 0o644


def test_quiet_loads_no_runtime_and_needs_little_memory(source: Path, tmp_path: Path) -> None:
    probe = (
        "import sys; sys.argv[0] = sys.argv.pop(1); from scripts import optimize_models as o; "
        "assert o.main() == 0; print(*sys.modules); "
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    command = [sys.executable, "-c", probe, str(SCRIPT), "--source", str(source)]
    command += ["--output", str(tmp_path / "small.onnx"), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    _, modules, peak_kb = done.stdout.splitlines()
    assert not {"onnxruntime", "cv2", "PIL", "flask", "app"} & set(modules.split())
    assert int(peak_kb) < 150 * 1024


def test_the_table_compares_the_three_and_the_path_comes_last(source: Path, tmp_path: Path) -> None:
    output, int8 = tmp_path / "small.onnx", tmp_path / "smaller.onnx"
    done = script("--source", source, "--output", output, "--int8", int8)
    assert done.returncode == 0, done.stderr
    *table, last = done.stdout.splitlines()
    assert last == str(output)
    rows = {line[:36].strip(): line[36:].split() for line in table}
    assert rows["nodes"] == ["371", *(str(len(onnx.load(path).graph.node)) for path in (output, int8))]
    published, rewritten, in_8_bits = map(float, rows["peak memory of the process, MB"])
    assert rewritten < published - 50
    assert in_8_bits < rewritten - 20
    differences = [cells for label, cells in rows.items() if label.startswith("largest difference")]
    assert differences and max(float(cells[0]) for cells in differences) < 1e-4
    means = [cells for label, cells in rows.items() if label.startswith("mean difference")]
    assert means and all(1e-6 < float(cells[1]) < 0.02 for cells in means)


def test_defaults_are_where_the_app_keeps_its_models(source: Path, tmp_path: Path) -> None:
    (tmp_path / "u2netp.onnx").symlink_to(source)
    done = script("--quiet", U2NET_HOME=str(tmp_path), MODEL_CACHE_DIR=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    written = Path(done.stdout.strip())
    assert written.parent == tmp_path / "cache" and written.is_file()
    assert sorted(path.name for path in written.parent.iterdir()) == [f"{written.stem}-int8.onnx", written.name]


def test_no_model_anywhere_is_one_sentence_and_status_2(tmp_path: Path) -> None:
    done = script("--quiet", U2NET_HOME=str(tmp_path), HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and "U2NET_HOME" in done.stderr


def damaged(source: Path, kind: str) -> bytes | None:
    data = source.read_bytes()
    return {
        "missing": None,
        "empty": b"",
        "cut short": data[:200_000],
        "not a model": b"<html>404 Not Found</html>\n" * 99,
        "overwritten": data[:5000] + bytes(len(data) - 5000),
    }[kind]


@pytest.mark.parametrize("kind", ["missing", "empty", "cut short", "not a model", "overwritten"])
def test_a_damaged_source_is_one_sentence_and_leaves_nothing(
    kind: str, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.onnx"
    data = damaged(source, kind)
    if data is not None:
        bad.write_bytes(data)
    output = tmp_path / "out" / "small.onnx"
    assert optimize_models.main(["--source", str(bad), "--output", str(output), "--quiet"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1 and str(bad) in said.err
    assert not output.exists()


def test_a_failing_write_leaves_no_file_and_the_old_one_as_it_was(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "small.onnx"
    output.write_bytes(b"the old one")

    def full_disk(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    assert optimize_models.main(["--source", str(source), "--output", str(output), "--quiet"]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["small.onnx"]
    assert output.read_bytes() == b"the old one"
