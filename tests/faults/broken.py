"""The application with faults that a test switches on: `gunicorn tests.faults.broken:app`.

The folder FAULTS holds a file for each fault: `clock_s`, by how many seconds the clock is wrong; `onnxruntime`, how
often it still fails; `publisher`, where the model is published instead; `head_limit_s`, how long the head of a request
may take instead.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnxruntime

from app import worker
from app.services import model_files

FAULTS = Path(os.environ["FAULTS"])


def _number(name: str) -> int:
    path = FAULTS / name
    return int(path.read_text() or "0") if path.is_file() else 0


def _break_clock() -> None:
    right_time = time.time
    time.time = lambda: right_time() + _number("clock_s")


def _break_onnxruntime() -> None:
    run = onnxruntime.InferenceSession.run

    def run_or_fail(*words: Any, **how: Any) -> Any:
        left = _number("onnxruntime")
        if left:
            (FAULTS / "onnxruntime").write_text(str(left - 1))
            raise onnxruntime.capi.onnxruntime_pybind11_state.Fail("a fault of the test")
        return run(*words, **how)

    onnxruntime.InferenceSession.run = run_or_fail


def _publish_elsewhere() -> None:
    url = FAULTS / "publisher"
    if url.is_file():
        name = model_files.TINY_MODEL
        model_files.PUBLISHED[name] = replace(model_files.PUBLISHED[name], url=url.read_text())


worker.HEAD_LIMIT_S = _number("head_limit_s") or worker.HEAD_LIMIT_S
_break_clock()
_break_onnxruntime()
_publish_elsewhere()

from wsgi import app  # noqa: E402

__all__ = ["app"]
