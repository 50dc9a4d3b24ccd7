"""How the log's lines look: text for people or JSON for machines, one line for each record.

What clients send cannot begin a line of its own, and of an exception only its type and its place are written: its text
may hold a path, a secret or a part of a photo's form. At LOG_LEVEL=debug it is written out in full.
"""

from __future__ import annotations

import logging
import threading
import traceback
from types import TracebackType
from typing import Any

_TEXT_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_JSON_NAMES = {"levelname": "level", "name": "logger", "exc_info": "exception"}


def configure(*, level: str, line_format: str) -> None:
    """Write all records from `level` ("debug" … "error") on as lines of this format, "text" or "json", to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(make_formatter(line_format, with_tracebacks=level == "debug"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    threading.excepthook = _log_fault_of_thread


def make_formatter(line_format: str, *, with_tracebacks: bool = False) -> logging.Formatter:
    """Return what writes records as "text" or as "json"; `with_tracebacks` writes exceptions out, text and all."""
    if line_format == "json":
        from pythonjsonlogger.json import JsonFormatter

        class JsonLines(JsonFormatter):
            def formatException(self, ei: Any) -> str:
                return str(super().formatException(ei)) if with_tracebacks else describe(ei[1])

        fields = ("levelname", "name", "message")
        return JsonLines(fields, timestamp="time", rename_fields=_JSON_NAMES)
    return _TextLines(with_tracebacks=with_tracebacks)


class Fields(dict[str, object]):
    """A record of a `message` and named values: members of the object in JSON, name=value words in text."""

    def __str__(self) -> str:
        told = {name: value for name, value in self.items() if name != "message" and value not in (None, {})}
        return " ".join((str(self["message"]), *(f"{name}={_word(value)}" for name, value in told.items())))


class _TextLines(logging.Formatter):
    def __init__(self, *, with_tracebacks: bool) -> None:
        super().__init__(_TEXT_FORMAT)
        self._with_tracebacks = with_tracebacks

    def format(self, record: logging.LogRecord) -> str:
        record.exc_text = None  # another handler's formatter may have left a whole traceback there
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:
        return on_one_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        lines = super().formatException(ei).splitlines() if self._with_tracebacks else [describe(ei[1])]
        return "\n".join(f"    {on_one_line(line)}" for line in lines)


def on_one_line(text: str) -> str:
    """Escape every character that could break a line, move the cursor or turn the direction of writing."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def describe(fault: BaseException | None) -> str:
    """Name an exception, where it was raised in our code and by it, and what caused it; never its text."""
    told: list[str] = []
    seen: set[int] = set()
    while fault is not None and id(fault) not in seen:
        seen.add(id(fault))
        told.append(f"{type(fault).__name__} in {_places(fault.__traceback__)}")
        hidden = fault.__suppress_context__
        fault = fault.__cause__ if hidden else fault.__context__
    return ", after ".join(told)


def _places(trace: TracebackType | None) -> str:
    frames = [(frame.f_globals.get("__name__", "?"), line, frame) for frame, line in traceback.walk_tb(trace)]
    ours = [place for place in frames[:-1] if place[0].startswith("app.")]
    places = [f"{module}:{line} {frame.f_code.co_name}" for module, line, frame in (*ours, *frames[-1:])]
    return " > ".join(places) or "no known place"


def _word(value: object) -> str:
    return ",".join(f"{key}:{part}" for key, part in value.items()) if isinstance(value, dict) else str(value)


def _log_fault_of_thread(fault: threading.ExceptHookArgs) -> None:
    if fault.exc_value is not None and fault.exc_type is not SystemExit:
        trace = (fault.exc_type, fault.exc_value, fault.exc_traceback)
        logging.getLogger(__name__).error("a thread ended by a fault", exc_info=trace)
