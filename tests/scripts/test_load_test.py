"""The load test: what it counts, draws and keeps, and a short one of the real server in a hard limit."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, replace

import pytest
from PIL import Image

from scripts import load_test
from scripts.box import REPO, Box, BoxUnavailable
from scripts.load_report import Event, Run, Sample, draw, page, table
from scripts.load_test import PLANS, Plan

A_RUN = Run(
    **asdict(Plan("crowd", "tinycut", 512, 16, 10)),
    events=[
        Event(1000.0, 0.5, "answered", "tiny_u2net"),
        Event(1001.0, 1.5, "answered", "tiny_u2net"),
        Event(1010.0, 0.01, "refused", "429"),
        Event(1059.0, 1.0, "failed", "ConnectionError"),
    ],
    samples=[Sample(1000.0, 80.0, 0), Sample(1030.0, 140.0, 1), Sample(1059.0, 90.0, 1)],
    starts_s=[1031.0],
    final_mb=90.2,
    peak_mb=150.4,
    kills=1,
)


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_a_row_tells_what_came_of_every_photo():
    head, _, row = table([A_RUN])
    told = dict(zip(cells(head), cells(row), strict=True))
    assert (told["sent"], told["answered"], told["refused"], told["failed"]) == ("4", "2", "1", "1")
    assert (told["p50 s"], told["minutes"], told["kills"]) == ("1.00", "1.0", "1")
    assert (told["peak MB"], told["MB at the end"]) == ("150", "90")


def test_a_server_that_answered_nobody_has_no_latency():
    silent = replace(A_RUN, events=[event for event in A_RUN.events if event.outcome == "failed"])
    head, _, row = table([silent])
    told = dict(zip(cells(head), cells(row), strict=True))
    assert (told["answered"], told["p50 s"], told["p99 s"]) == ("0", "–", "–")


def test_the_page_has_both_servers_rows_beside_each_other_and_their_picture(tmp_path):
    text = page([A_RUN, replace(A_RUN, server="rembg", kills=7)], tmp_path)
    ours, theirs = (line for line in text.splitlines() if "| 512 MB |" in line)
    assert (cells(ours)[0], cells(theirs)[0]) == ("TinyCut", "rembg 2.0.86, `rembg s --no-ui`")
    assert "1 failed: ConnectionError" in text
    with Image.open(tmp_path / "reliability-crowd.png") as picture:
        assert picture.width > 1000


def test_the_kills_are_seen_in_the_picture(tmp_path):
    def red(run: Run) -> int:
        draw([run], tmp_path / "drawn.png")
        with Image.open(tmp_path / "drawn.png") as picture:
            return sum(r > g + 60 and r > b + 60 for r, g, b in picture.convert("RGB").get_flattened_data())

    unharmed = [sample._replace(kills=0) for sample in A_RUN.samples]
    assert red(A_RUN) > red(replace(A_RUN, samples=unharmed)) + 50


@pytest.mark.parametrize(
    ("change", "is_kept"),
    [
        ({}, False),
        ({"kills": 0}, False),
        ({"events": A_RUN.events[:3]}, False),
        ({"events": A_RUN.events[:3], "kills": 0}, True),
        ({"events": A_RUN.events[:3], "kills": 0, "count": 4}, False),
    ],
)
def test_the_promise_is_kept_where_each_photo_was_answered_or_refused_and_nothing_killed(change, is_kept):
    assert replace(A_RUN, **change).lost_nothing == is_kept


def test_a_run_that_was_kept_is_not_run_again(tmp_path, monkeypatch):
    ran = []

    def instead(plan: Plan) -> Run:
        ran.append(plan.name)
        return A_RUN

    monkeypatch.setattr(load_test, "run", instead)
    plan = Plan("crowd", "tinycut", 512, 16, 10)
    assert load_test.kept(plan, tmp_path) == load_test.kept(plan, tmp_path) == A_RUN
    assert ran == ["crowd"]


def test_every_run_of_ours_has_the_peers_beside_it():
    ours, theirs = (
        [replace(plan, server="", minutes=0) for plan in PLANS if plan.server == server]
        for server in ("tinycut", "rembg")
    )
    assert ours == theirs


def test_photos_of_a_run_are_many_and_of_many_sizes(data_dir):
    sizes = {(photo["width"], photo["height"]) for photo in load_test.photos()}
    assert len(load_test.photos()) > 80
    assert len(sizes) > 25
    assert max(width * height for width, height in sizes) == 3000 * 2000


@pytest.mark.heavy
def test_every_photo_sent_by_real_clients_is_answered_by_the_server_in_its_box(data_dir, tmp_path):
    try:
        with Box(512):
            pass
    except BoxUnavailable as fault:
        pytest.skip(f"SKIPPED: no load was sent in a hard limit, for {fault}")
    command = ["scripts/load_test.py", "run", "--clients", "3", "--photos", "24", "--picture", str(tmp_path / "p.png")]
    done = subprocess.run([sys.executable, *command], cwd=REPO, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    head, _, row = done.stdout.splitlines()[:3]
    told = dict(zip(cells(head), cells(row), strict=True))
    assert (told["sent"], told["answered"], told["failed"], told["kills"]) == ("24", "24", "0", "0")
    assert int(told["peak MB"]) < 256
    assert (tmp_path / "p.png").stat().st_size > 10_000
