"""The log, as its readers see it: one line a record, one record a request, and nothing that is nobody's business."""

from __future__ import annotations

import io
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from app import create_app, logs
from app.config import Settings
from app.services.admission import Deadline
from app.services.tiny_u2net_service import TinyU2NetService
from tests.properties import bounded
from tests.support import FakeModels, encoded, page_file, picture

PATH = "/api/remove-background"
PHOTO = encoded(picture(80, 60))
CANARY = "canary7"
CLIENT = create_app().test_client()
ANYTHING = st.text(st.characters(exclude_categories=()))  # surrogates and control characters, too
FORMATS = pytest.mark.parametrize("line_format", ["text", "json"])


def record_of(message: object, *arguments: object, fault: BaseException | None = None) -> logging.LogRecord:
    trace = (type(fault), fault, fault.__traceback__) if fault else None
    return logging.LogRecord("app.test", logging.INFO, "here.py", 1, message, arguments, trace)  # type: ignore[arg-type]


def caught(raise_it: Callable[[], object]) -> BaseException:
    try:
        raise_it()
    except Exception as fault:
        return fault
    raise AssertionError("it was not raised")


@pytest.fixture
def log_lines() -> Iterator[Callable[..., list[str]]]:
    """Log as a server does, until the test ends; calling it gives the lines of the format so far."""
    handlers = {name: logging.StreamHandler(io.StringIO()) for name in ("text", "json")}
    for name, handler in handlers.items():
        handler.setFormatter(logs.make_formatter(name))
        logging.getLogger().addHandler(handler)
    root_level = logging.getLogger().level
    logging.getLogger().setLevel(logging.INFO)
    yield lambda name="text": handlers[name].stream.getvalue().splitlines()
    logging.getLogger().setLevel(root_level)
    for handler in handlers.values():
        logging.getLogger().removeHandler(handler)


def requests_in(lines: list[str]) -> list[dict[str, Any]]:
    return [record for record in map(json.loads, lines) if record["message"] == "answered"]


@bounded
@given(ANYTHING)
def test_whatever_is_written_stays_on_its_line(text: str) -> None:
    line = logs.make_formatter("text").format(record_of("got %s", text))
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert " INFO app.test: got " in line
    line = logs.make_formatter("json").format(record_of("got %s", text))
    assert len(line.splitlines()) == 1
    assert json.loads(line)["message"] == f"got {text}"


@bounded
@given(st.dictionaries(st.sampled_from(["path", "error"]), ANYTHING))
def test_fields_are_words_in_text_and_members_in_json(fields: dict[str, str]) -> None:
    record = record_of(logs.Fields(message="answered", **fields))
    assert logs.make_formatter("json").format(record).startswith("{")
    assert json.loads(logs.make_formatter("json").format(record)).items() >= fields.items()
    assert logs.make_formatter("text").format(record).isprintable()


def _cause() -> None:
    raise OSError(CANARY)


def _wrapped() -> None:
    try:
        _cause()
    except OSError as fault:
        raise ValueError(f"{CANARY}\nFORGED") from fault


def _hidden() -> None:
    try:
        _cause()
    except OSError:
        raise KeyError(CANARY) from None


def _refused() -> None:
    TinyU2NetService(Settings()).cut_out(CANARY.encode())


@FORMATS
@pytest.mark.parametrize(
    ("raise_it", "told", "untold"),
    [
        (_cause, ["OSError in ", "_cause"], ["after"]),
        (_wrapped, ["ValueError in ", "_wrapped", ", after OSError in ", "_cause"], []),
        (_hidden, ["KeyError in ", "_hidden"], ["after", "OSError"]),
        (_refused, ["UnsupportedFormat in app.services.tiny_u2net_service:", "app.imaging.decode:", "probe"], []),
    ],
)
def test_of_an_exception_its_type_and_its_place_are_written_but_never_its_text(
    line_format: str, raise_it: Callable[[], object], told: list[str], untold: list[str]
) -> None:
    line = logs.make_formatter(line_format).format(record_of("it failed", fault=caught(raise_it)))
    for words in told:
        assert words in line
    for words in (CANARY, "FORGED", "/", *untold):  # no path either
        assert words not in line


def test_another_readers_traceback_is_not_taken_over() -> None:
    record = record_of("it failed", fault=caught(_wrapped))
    assert CANARY in logging.Formatter().format(record)
    assert CANARY not in logs.make_formatter("text").format(record)


def test_an_exception_that_is_its_own_cause_has_an_end() -> None:
    fault = caught(_cause)
    fault.__context__ = other = ValueError()
    other.__context__ = fault
    assert logs.describe(fault).count("OSError") == 1


def test_with_tracebacks_all_is_written_and_no_line_of_it_looks_like_a_record() -> None:
    text = logs.make_formatter("text", with_tracebacks=True).format(record_of("it failed", fault=caught(_wrapped)))
    assert f"ValueError: {CANARY}" in text
    assert all(line.startswith("    ") for line in text.splitlines()[1:])
    line = logs.make_formatter("json", with_tracebacks=True).format(record_of("it failed", fault=caught(_wrapped)))
    assert f"ValueError: {CANARY}\nFORGED" in json.loads(line)["exception"]


@pytest.mark.parametrize(("level", "in_full"), [("info", False), ("debug", True)])
def test_a_thread_that_fails_is_logged_as_any_fault_and_in_full_only_for_debugging(
    level: str, in_full: bool, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    before = root.level
    try:
        logs.configure(level=level, line_format="json")
        thread = threading.Thread(target=_cause)
        thread.start()
        thread.join()
    finally:
        root.setLevel(before)
    (line,) = capfd.readouterr().err.splitlines()
    assert json.loads(line)["level"] == "ERROR"
    assert "OSError" in json.loads(line)["exception"]
    assert (CANARY in line) == in_full


def test_a_request_is_one_line_with_its_stages_its_size_and_the_memory(
    client: FlaskClient, log_lines: Callable[..., list[str]]
) -> None:
    with client.post(f"{PATH}?format=png", data=PHOTO, headers={"X-Request-ID": "order-17"}) as answer:
        size = len(answer.data)
    (told,) = requests_in(log_lines("json"))
    assert {name: told[name] for name in ("request_id", "method", "path", "route", "status", "bytes", "error")} == {
        "request_id": "order-17",
        "method": "POST",
        "path": PATH,
        "route": PATH,
        "status": 200,
        "bytes": size,
        "error": None,
    }
    assert set(told["stages_ms"]) == {"probe", "queue", "decode", "infer", "refine", "composite", "encode"}
    assert 0 < sum(told["stages_ms"].values()) <= told["ms"] + 1
    assert told["rss_mb"] > 20
    (line,) = log_lines("text")
    assert f"answered request_id=order-17 method=POST path={PATH} route={PATH} status=200 bytes={size} ms=" in line
    assert " stages_ms=probe:" in line
    assert "error=" not in line


def test_the_line_is_written_when_the_answer_was_sent_or_broken_off(
    client: FlaskClient, log_lines: Callable[..., list[str]]
) -> None:
    answer = client.post(PATH, data=encoded(picture(900, 900).effect_spread(300)), buffered=False)
    first = next(iter(answer.iter_encoded()))
    assert log_lines() == []
    answer.close()
    (told,) = requests_in(log_lines("json"))
    assert (told["status"], told["error"]) == (200, "client_closed_request")
    assert told["bytes"] <= len(first) < answer.content_length


def test_a_batch_whose_client_hangs_up_ends_and_its_line_says_so(
    client: FlaskClient, log_lines: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.routes.batch.is_gone", lambda _environ: True)
    client.post("/api/batch", data={"file": [(io.BytesIO(PHOTO), "a.png")]}).close()
    (told,) = requests_in(log_lines("json"))
    assert (told["status"], told["error"]) == (200, "client_closed_request")


def test_a_refusal_tells_its_code_and_the_stages_before_it(
    client: FlaskClient, service: TinyU2NetService, log_lines: Callable[..., list[str]]
) -> None:
    service.__dict__["settings"] = Settings(queue_size=0)
    service.admission.enter(Deadline(60))
    client.post(PATH, data=PHOTO).close()
    client.post("/", data={"format": "png"}).close()
    busy, page = requests_in(log_lines("json"))
    assert (busy["status"], busy["error"], set(busy["stages_ms"])) == (429, "busy", set())
    assert (page["status"], page["error"], page["stages_ms"]) == (400, "missing_file", {})


def test_what_machines_ask_for_is_told_only_when_it_fails(
    app: Flask, client: FlaskClient, log_lines: Callable[..., list[str]]
) -> None:
    app.extensions["tinycut"]._warm_up_begun = True
    for path in ("/health", "/metrics", "/api/progress/mine", page_file("style.css"), "/static/none.css", "/ready"):
        client.get(path).close()
    assert [(told["path"], told["status"]) for told in requests_in(log_lines("json"))] == [
        ("/static/none.css", 404),
        ("/ready", 503),
    ]


@bounded
@given(ANYTHING)
def test_no_path_can_forge_a_line_or_a_word_of_it(path: str) -> None:
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(logs.make_formatter("text"))
    record = logging.getLogger("app.routes.request_log")
    record.addHandler(handler)
    record.setLevel(logging.INFO)
    try:
        CLIENT.get("/nothing-" + quote(path.encode("utf-8", "surrogatepass"))).close()
    finally:
        record.removeHandler(handler)
        record.setLevel(logging.NOTSET)
    assert len(handler.stream.getvalue().splitlines()) == 1
    assert re.search(r" method=GET path=/nothing-\S* route=unknown status=404 ", handler.stream.getvalue())


@FORMATS
def test_what_a_client_sends_and_what_an_exception_says_is_in_no_line_and_no_metric(
    app: Flask,
    client: FlaskClient,
    models: FakeModels,
    line_format: str,
    monkeypatch: pytest.MonkeyPatch,
    log_lines: Callable[..., list[str]],
) -> None:
    def broken(*_words: object, **_how: object) -> None:
        raise KeyError(CANARY)

    headers = {"Authorization": f"Bearer {CANARY}", "Cookie": CANARY, "X-Request-ID": f"{CANARY} <", "Accept": CANARY}
    form = {"file": (io.BytesIO(PHOTO), f"{CANARY}.png")}
    models.unavailable = CANARY
    for data in ({"data": PHOTO}, {"data": form}, {"data": CANARY.encode()}, {"data": {CANARY: CANARY}}):
        for query in ("", f"?{CANARY}={CANARY}", f"?model={CANARY}", f"?background_color={CANARY}"):
            client.post(PATH + query, headers=headers, **data).close()
            form["file"] = (io.BytesIO(PHOTO), f"{CANARY}.png")
    monkeypatch.setattr(app.extensions["tinycut"], "cut_out", broken)
    assert client.post(PATH, data=PHOTO, headers=headers).status_code == 500
    told = log_lines(line_format)
    assert len(told) > 17
    assert not [line for line in told if CANARY in line]
    assert CANARY not in client.get("/metrics").text
