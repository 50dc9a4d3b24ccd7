"""What the doctor finds wrong, each caused by itself on a host that is otherwise sound."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from app.config import APP_MODEL_HOME, Settings
from app.services.doctor import Finding, judge
from app.services.doctor_report import Report
from app.services.examination import Disk, Examination, Machine, Model, Packages, Server, Trial
from tests.support import REPO

SMALL = "the memory limit is 512 MB"
SOUND_SETTINGS = Settings(api_keys="a-long-secret-key", metrics_token="another-secret")
SOUND = Examination(
    machine=Machine(
        platform="fly",
        system="Linux x86_64",
        python=(3, 13, 0),
        glibc="2.41",
        cpu_count=2,
        memory_limit_mb=512,
        memory_limit_source="/sys/fs/cgroup/memory.max",
        memory_left_mb=400,
        constrained_because=SMALL,
        malloc_arenas_limited=True,
        disks=(Disk("batches that are read", "/tmp", 5000, 200),),
    ),
    server=Server(
        address="0.0.0.0:5000",
        workers=1,
        threads=33,
        photos_at_once=1,
        queue_size=8,
        inference_threads=2,
        onnxruntime="1.31.1",
        routers=2,
    ),
    model=Model(
        name="u2netp",
        asked="u2netp",
        path="/models/u2netp.onnx",
        size_bytes=4_574_861,
        checksum="right",
        form="int8",
        keeps_memory=False,
        rewritten="before",
        rewritten_folder="/models",
    ),
    packages=Packages(pinned=20),
    load_s=0.2,
    trial=Trial(
        method="tiny_u2net",
        model="u2netp",
        first_ms=300,
        timings_ms={"decode": 3.1, "infer": 120.4, "total": 140.2},
        peak_rss_mb=150,
        rss_mb=110,
    ),
)
NO_FILE = {"path": "", "checksum": "unknown", "unavailable": "not here", "form": "", "rewritten": ""}
ALTERED = {"checksum": "wrong", "unavailable": "cut short or altered", "form": "", "rewritten": ""}
BY_TINYCUT, BY_OPENCV = {"method": "tinycut", "model": "tinycut"}, {"method": "opencv", "model": "grabcut"}
TINYCUT = {
    "name": "tinycut",
    "asked": "tinycut",
    "path": "/app/weights/tinycut.onnx",
    "form": "shipped",
    "rewritten": "",
}
LOST = "The manifest in /app/weights cannot be read: FileNotFoundError."


def host(**changes: dict[str, Any]) -> Examination:
    """The sound host with some facts of its parts changed."""
    return replace(SOUND, **{part: replace(getattr(SOUND, part), **facts) for part, facts in changes.items()})


def test_a_sound_host_has_no_findings_and_is_fit() -> None:
    report = Report(SOUND, judge(SOUND_SETTINGS, SOUND))
    assert report.findings == []
    assert report.as_text().splitlines()[-1] == "Fit for production."


@pytest.mark.parametrize(
    ("code", "found", "settings"),
    [
        ("python_too_old", host(machine={"python": (3, 10, 12)}), {}),
        ("packages_missing", host(packages={"missing": ("psutil",)}), {}),
        ("no_glibc", host(machine={"glibc": ""}), {}),
        ("memory_too_small", host(machine={"memory_limit_mb": 160}), {"max_megapixels": 1, "max_upload_mb": 1}),
        ("too_many_workers", host(server={"workers": 2}), {}),
        ("too_many_workers", host(machine={"constrained_because": ""}, server={"workers": 4}), {}),
        ("uploads_too_large", SOUND, {"max_upload_mb": 500}),
        ("shipped_model_damaged", replace(SOUND, shipped_fault=LOST), {}),
        (
            "shipped_model_damaged",
            replace(host(model={**TINYCUT, "path": "", "unavailable": LOST}, trial=BY_OPENCV), shipped_fault=LOST),
            {"model_name": "tinycut"},
        ),
        ("model_altered", host(model=ALTERED, trial=BY_TINYCUT), {"auto_download": False}),
        (
            "model_altered",
            host(model={**ALTERED, "checksum": "unreadable"}, trial=BY_TINYCUT),
            {"auto_download": False},
        ),
        (
            "model_unusable",
            host(model={"unavailable": "onnxruntime cannot load it", "rewritten": ""}, trial=BY_TINYCUT),
            {},
        ),
        ("model_not_rewritten", host(model={"rewritten": "never", "form": "published"}), {}),
        ("cutout_failed", replace(SOUND, trial=Trial(fault="The photo was not done within 25 seconds.")), {}),
        ("served_by_another", host(trial=BY_TINYCUT), {}),
        ("served_by_another", host(trial=BY_OPENCV), {}),
        ("served_by_another", host(model=TINYCUT, trial=BY_OPENCV), {"model_name": "tinycut"}),
        ("deadline_too_late", host(machine={"platform": "heroku"}), {"deadline_s": 60}),
        (
            "rate_counted_apart",
            host(machine={"memory_limit_mb": 4096, "constrained_because": ""}, server={"workers": 2}),
            {"rate_limit": "60/minute"},
        ),
        ("disk_low", host(machine={"disks": (Disk("batches that are read", "/tmp", 20, 200),)}), {}),
        ("disk_low", host(machine={"disks": (Disk("batches that are read", "", 0, 200),)}), {}),
        ("files_in_memory", host(machine={"disks": (Disk("batches that are read", "/tmp", 900, 200, True),)}), {}),
        ("files_in_memory", host(machine={"disks": (Disk("batches that are read", "/tmp", 100, 200, True),)}), {}),
        (
            "disk_low",
            host(machine={"constrained_because": "", "disks": (Disk("the result cache", "/tmp", 20, 200, True),)}),
            {},
        ),
    ],
)
def test_a_fault_is_found_says_what_to_do_and_makes_the_host_unfit(
    code: str, found: Examination, settings: dict[str, Any]
) -> None:
    findings = judge(replace(SOUND_SETTINGS, **settings), found)
    faults = [finding for finding in findings if finding.is_fault]
    assert [finding.code for finding in faults] == [code]
    assert findings[0] == faults[0], "faults come first"
    assert not Report(found, findings).is_sound
    assert "Not fit for production: 1 fault, " in Report(found, findings).as_text().splitlines()[-1]


@pytest.mark.parametrize(
    ("code", "found", "settings"),
    [
        ("python_too_new", host(machine={"python": (3, 15, 0)}), {}),
        ("packages_differ", host(packages={"differing": ("numpy 2.4.6 (pinned ==2.5.5)",)}), {}),
        ("no_glibc", host(machine={"glibc": "", "constrained_because": ""}), {}),
        (
            "several_workers",
            host(machine={"memory_limit_mb": 4096, "constrained_because": ""}, server={"workers": 2}),
            {},
        ),
        ("malloc_arenas", host(machine={"malloc_arenas_limited": False}), {}),
        ("memory_too_small", host(machine={"memory_limit_mb": 200}), {"max_megapixels": 1, "max_upload_mb": 1}),
        ("photos_reduced", host(machine={"memory_limit_mb": 256}), {}),
        ("model_not_served", host(model={"asked": "isnet-general-use"}), {"model_name": "isnet-general-use"}),
        ("model_not_here", host(model=NO_FILE, trial=BY_TINYCUT), {}),
        ("model_not_here", host(model=NO_FILE, trial=BY_TINYCUT), {"auto_download": False}),
        ("model_altered", host(model=ALTERED, trial=BY_TINYCUT), {}),
        ("checksum_disabled", SOUND, {"model_checksum_disabled": True}),
        (
            "model_not_rewritten",
            host(machine={"constrained_because": ""}, model={"rewritten": "never", "form": "published"}),
            {},
        ),
        ("model_rewritten_now", host(model={"rewritten": "now"}), {}),
        ("precision_not_kept", host(model={"choice_is_kept": False}), {}),
        ("disk_low", host(machine={"disks": (Disk("batches that are read", "/tmp", 64, 200, True),)}), {}),
        ("too_many_threads", host(server={"inference_threads": 8}), {}),
        ("proxy_hops_unknown", host(server={"routers": None}), {}),
        ("api_open", SOUND, {"api_keys": ""}),
        ("cors_any", SOUND, {"cors_origins": "*"}),
        ("metrics_open", SOUND, {"metrics_token": ""}),
    ],
)
def test_advice_is_given_and_the_host_is_fit_all_the_same(
    code: str, found: Examination, settings: dict[str, Any]
) -> None:
    findings = judge(replace(SOUND_SETTINGS, **settings), found)
    assert [(finding.is_fault, finding.code) for finding in findings] == [(False, code)]
    report = Report(found, findings)
    assert report.is_sound
    assert report.as_text().splitlines()[-1] == "Fit for production, with 1 piece of advice."


@pytest.mark.parametrize(
    "found",
    [
        host(model=TINYCUT, trial=BY_TINYCUT),
        host(model={"choice_is_kept": False, "rewritten_folder": str(APP_MODEL_HOME / "models/u2netp")}),
        host(machine={"disks": (Disk("batches that are read", "/tmp", 900, 40, True),)}),
        host(machine={"constrained_because": "", "disks": (Disk("the result cache", "/tmp", 900, 200, True),)}),
    ],
    ids=[
        "tinycut by choice",
        "a deployed model, for another processor to compare",
        "batches of 20 MB in memory",
        "a large host's memory",
    ],
)
def test_what_is_as_it_was_meant_to_be_is_not_found_fault_with(found: Examination) -> None:
    assert judge(SOUND_SETTINGS, found) == []


def test_every_finding_is_in_the_documentation() -> None:
    tree = ast.parse((REPO / "app/services/doctor.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    makers = [call for call in calls if ast.unparse(call.func) in ("_fault", "_advice", "Finding")]
    words = {word.value for call in makers for word in call.args if isinstance(word, ast.Constant)}
    codes = {word for word in words if isinstance(word, str) and word.isidentifier()}
    assert len(codes) > 25
    documented = set(re.findall(r"`([a-z_]+)`", (REPO / "docs/operations.md").read_text()))
    assert codes <= documented


def test_no_line_is_wider_than_a_terminal_and_every_one_is_aligned() -> None:
    found = host(machine={"constrained_because": "", "memory_limit_mb": 4096}, server={"workers": 2}, model=ALTERED)
    lines = Report(found, judge(Settings(rate_limit="1/day"), found)).as_text().splitlines()
    body = [line for line in lines[1:-1] if line]
    assert len(body) > 15
    assert all(len(line) <= 100 for line in body)
    assert all(line[13] == " " and line[14] != " " for line in body)


def test_as_json_it_has_every_fact_and_finding_and_no_secret() -> None:
    finding = Finding(True, "disk_low", "Make room.")
    report = Report(SOUND, [finding])
    told = json.loads(report.as_json())
    assert told["sound"] is False
    assert told["findings"] == [{"is_fault": True, "code": "disk_low", "message": "Make room."}]
    assert told["machine"]["memory_limit_source"] == "/sys/fs/cgroup/memory.max"
    assert told["trial"]["timings_ms"]["infer"] == 120.4
    assert set(told) == {"version", "sound", "findings", *vars(SOUND)}


def test_of_a_photo_that_was_not_cut_out_no_time_or_memory_is_told() -> None:
    text = Report(replace(SOUND, trial=Trial(fault="No.")), []).as_text()
    assert "not cut out" in text
    assert "resident" not in text
