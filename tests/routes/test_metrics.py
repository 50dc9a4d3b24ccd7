"""GET /metrics, as a scraper sees it, and the dashboard that is drawn from it."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from app import create_app
from app.config import Settings
from app.errors import ClientGone
from app.hosting import MIB, Host
from app.services import model_files
from app.services.admission import Deadline
from app.services.model_manager import ModelManager
from app.services.tiny_u2net_service import TinyU2NetService
from scripts.box import REPO
from tests.support import FakeModels, FakeSession, encoded, picture

PATH = "/api/remove-background"
PHOTO = encoded(picture())
DASHBOARD = json.loads((REPO / "deploy/grafana.json").read_text())
OPERATIONS = (REPO / "docs/operations.md").read_text()
TARGETS = [target for panel in DASHBOARD["panels"] for target in panel["targets"]]


class Scrape:
    """The samples of one look at /metrics."""

    def __init__(self, client: FlaskClient) -> None:
        answer = client.get("/metrics")
        assert answer.status_code == 200
        self.families = list(parser.text_string_to_metric_families(answer.text))
        self.samples = [sample for family in self.families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels."""
        return sum(one.value for one in self.samples if one.name == name and labels.items() <= one.labels.items())

    def labels(self, label: str) -> set[str]:
        """Every value that a label has."""
        return {sample.labels[label] for sample in self.samples if label in sample.labels}


def growth(client: FlaskClient, before: Scrape, name: str, **labels: str) -> float:
    return Scrape(client).value(name, **labels) - before.value(name, **labels)


def test_a_cut_out_is_counted_by_route_by_what_made_it_and_by_stage(client: FlaskClient) -> None:
    before = Scrape(client)
    assert client.post(PATH, data=PHOTO).status_code == 200
    after = Scrape(client)
    for name, labels in (
        ("tinycut_requests_total", {"route": PATH, "method": "POST", "status": "200"}),
        ("tinycut_request_seconds_count", {"route": PATH, "status": "200"}),
        ("tinycut_cutouts_total", {"method": "tiny_u2net", "model": "u2netp"}),
        *(
            ("tinycut_stage_seconds_count", {"stage": stage})
            for stage in ("probe", "queue", "decode", "infer", "refine", "composite", "encode")
        ),
    ):
        assert after.value(name, **labels) - before.value(name, **labels) == 1, (name, labels)
    assert after.value("tinycut_fallbacks_total") == before.value("tinycut_fallbacks_total")


def test_a_photo_as_it_is_counts_as_no_cut_out(client: FlaskClient) -> None:
    before = Scrape(client)
    assert client.post(PATH, data=PHOTO, query_string={"output": "photo"}).status_code == 200
    assert growth(client, before, "tinycut_cutouts_total") == 0
    assert growth(client, before, "tinycut_stage_seconds_count", stage="infer") == 0


def test_a_photo_that_opencv_gets_is_a_fallback(client: FlaskClient, models: FakeModels) -> None:
    models.unavailable = "no file"
    before = Scrape(client)
    client.post(PATH, data=PHOTO)
    assert growth(client, before, "tinycut_fallbacks_total") == 1
    assert growth(client, before, "tinycut_cutouts_total", method="opencv", model="grabcut") == 1


@pytest.mark.parametrize(
    ("method", "path", "data", "reason"),
    [
        ("POST", PATH, {"data": b"no photo"}, "unsupported_format"),
        ("POST", PATH, {"data": b""}, "missing_file"),
        ("POST", f"{PATH}?format=gif", {"data": PHOTO}, "invalid_format"),
        ("POST", PATH, {"data": bytes(12 * MIB)}, "file_too_large"),
        ("POST", "/", {"data": {"format": "png"}}, "missing_file"),
        ("POST", "/api/batch", {"data": {"file": [(io.BytesIO(b"no photo"), "a")]}}, "unsupported_format"),
        ("GET", "/nothing", {}, "not_found"),
        ("GET", "/api/batch", {}, "method_not_allowed"),
    ],
)
def test_a_rejection_is_counted_by_its_reason(
    client: FlaskClient, method: str, path: str, data: dict[str, object], reason: str
) -> None:
    before = Scrape(client)
    with client.open(path, method=method, **data) as answer:
        assert answer.data
    assert growth(client, before, "tinycut_rejections_total", reason=reason) == 1
    assert growth(client, before, "tinycut_rejections_total") == 1


def test_who_finds_the_queue_full_is_counted_as_busy(client: FlaskClient, service: TinyU2NetService) -> None:
    service.__dict__["settings"] = Settings(queue_size=0)
    service.admission.enter(Deadline(60))
    before = Scrape(client)
    assert client.post(PATH, data=PHOTO).status_code == 429
    assert growth(client, before, "tinycut_rejections_total", reason="busy") == 1
    assert growth(client, before, "tinycut_stage_seconds_count", stage="queue") == 0, "it did not wait"


def test_no_client_can_make_a_label_up(client: FlaskClient) -> None:
    client.get("/one")
    client.open("/", method="ONE")
    before = Scrape(client)
    for word in ("two", "three", "%0a", "static/1/none"):
        client.get(f"/{word}?{word}")
        client.open("/", method=word.strip("%/").upper().replace("/", ""))
        client.post(f"{PATH}?{word}={word}&format=png", data=PHOTO)
        client.post(f"{PATH}?model={word}", data=PHOTO, headers={"X-Request-ID": word})
    after = Scrape(client)
    assert after.labels("route") - before.labels("route") <= {PATH, "/static/<version>/<path:filename>"}
    assert after.labels("method") == before.labels("method") | {"POST", "tiny_u2net"}
    assert after.labels("model") <= {"u2netp", "tinycut", "grabcut", "isnet-anime"}


def test_states_are_those_of_the_moment_of_the_scrape(client: FlaskClient, service: TinyU2NetService) -> None:
    admission, seen = service.admission, list[Scrape]()

    def scrape_once() -> bool:
        seen.append(Scrape(client))
        return True

    admission.enter(Deadline(60))
    service.budget.holding().add(12345)
    with pytest.raises(ClientGone):  # who waits looks at its client, which tells us that it waits
        admission.enter(Deadline(60, abandoned=scrape_once))
    busy, idle = seen[0], Scrape(client)
    assert (busy.value("tinycut_queue_depth"), idle.value("tinycut_queue_depth")) == (1, 0)
    assert busy.value("tinycut_busy_slots") == busy.value("tinycut_slots") == 1
    admission.leave()
    assert Scrape(client).value("tinycut_busy_slots") == 0
    assert busy.value("tinycut_memory_held_bytes") == 12345
    assert busy.value("tinycut_memory_limit_bytes") == 512 * MIB
    assert 20 * MIB < busy.value("tinycut_memory_resident_bytes") < 4096 * MIB


def test_the_time_that_a_model_took_to_load_is_told(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = ModelManager(Settings(), Host("local", 8192, "a test", 2, False, ""))
    monkeypatch.setattr(model_files, "usable", lambda *_: Path("isnet-anime.onnx"))
    monkeypatch.setattr(manager, "_load_rembg", lambda *_: FakeSession())
    manager.load("isnet-anime")
    loaded = [one for one in Scrape(client).samples if one.name == "tinycut_model_load_seconds"]
    assert [one for one in loaded if one.labels == {"model": "isnet-anime"} and one.value > 0]


def test_hits_and_misses_of_the_result_cache_and_its_size_are_told(
    app: Flask, client: FlaskClient, models: FakeModels, tmp_path: Path
) -> None:
    assert Scrape(client).value("tinycut_result_cache_bytes") == 0
    settings = Settings(result_cache_mb=5, result_cache_dir=str(tmp_path))
    service = app.extensions["tinycut"] = TinyU2NetService(settings, models)  # type: ignore[arg-type]
    before = Scrape(client)
    for _ in range(3):
        assert client.post(PATH, data=PHOTO).status_code == 200
    assert growth(client, before, "tinycut_result_cache_requests_total", outcome="miss") == 1
    assert growth(client, before, "tinycut_result_cache_requests_total", outcome="hit") == 2
    assert Scrape(client).value("tinycut_result_cache_bytes") > 0
    service._results._entries.close()


def test_two_applications_of_one_process_tell_the_same_metrics_each_with_its_own_states() -> None:
    first, second = (create_app({"concurrency": slots}).test_client() for slots in (3, 4))
    assert (Scrape(first).value("tinycut_slots"), Scrape(second).value("tinycut_slots")) == (3, 4)
    names = [{family.name for family in Scrape(client).families} for client in (first, second)]
    assert names[0] == names[1]


def test_nothing_is_told_that_nobody_draws(client: FlaskClient) -> None:
    names = {sample.name for sample in Scrape(client).samples}
    assert "process_cpu_seconds_total" in names
    assert not [name for name in names if name.startswith("python_") or name.endswith("_created")]


@pytest.mark.parametrize("token", ["correct horse", "pässwörd"])
@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer {}", 200),
        ("bearer {}", 200),
        ("", 401),
        ("Bearer", 401),
        ("Bearer {}x", 401),
        ("Bearer x", 401),
        ("Basic {}", 401),
        ("{}", 401),
    ],
)
def test_with_a_token_only_who_sends_it_may_read(token: str, header: str, status: int) -> None:
    client = create_app({"metrics_token": token}).test_client()
    sent = header.format(token).encode().decode("latin-1")  # as the bytes of a header come in WSGI
    answer = client.get("/metrics", headers={"Authorization": sent} if sent else {})
    assert answer.status_code == status
    assert token not in answer.text
    if status == 401:
        assert answer.get_json()["error"]["code"] == "invalid_token"
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert client.get("/health").status_code == 200


def test_a_scraper_that_accepts_openmetrics_gets_it(client: FlaskClient) -> None:
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0,*/*;q=0.1"})
    assert answer.mimetype == "application/openmetrics-text"
    assert {family.name for family in openmetrics_parser.text_string_to_metric_families(answer.text)}
    assert client.get("/metrics").mimetype == "text/plain"
    assert answer.headers["Cache-Control"] == "no-store"


def test_every_metric_is_documented_with_its_labels_and_its_help(client: FlaskClient) -> None:
    client.post(PATH, data=PHOTO)
    rows = dict(re.findall(r"^\| `(tinycut_\w+)` \| (.*) \|$", OPERATIONS, re.MULTILINE))
    told = Scrape(client)
    ours = {family.name + "_total" * (family.type == "counter"): family for family in told.families}
    ours = {name: family for name, family in ours.items() if name.startswith("tinycut_")}
    assert set(rows) == set(ours)
    for name, family in ours.items():
        labels, text = rows[name].split(" | ")
        assert text == family.documentation
        used = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert not used or used == set(re.findall(r"\w+", labels)), name


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    assert DASHBOARD["schemaVersion"] >= 39
    assert "id" not in DASHBOARD
    assert [variable["type"] for variable in DASHBOARD["templating"]["list"]] == ["datasource"]
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for part in (*panels, *TARGETS):
        assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    cells = [
        (panel["gridPos"]["x"] + across, panel["gridPos"]["y"] + down)
        for panel in panels
        for across in range(panel["gridPos"]["w"])
        for down in range(panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells)), "no panel lies on another"
    assert max(across for across, _ in cells) < 24


def test_the_dashboard_draws_what_is_exported(client: FlaskClient) -> None:
    client.post(PATH, data=PHOTO)
    suffixes = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",), "gauge": ("",)}
    families = [family for family in Scrape(client).families if family.name.startswith("tinycut_")]
    exported = {family.name + suffix for family in families for suffix in suffixes[family.type]}
    drawn = {name for target in TARGETS for name in re.findall(r"tinycut_\w+", target["expr"])}
    assert drawn <= exported
