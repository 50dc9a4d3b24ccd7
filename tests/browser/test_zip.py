"""The page's ZIP, made in a real browser and read by Python's zipfile."""

from __future__ import annotations

import base64
import io
import string
import zipfile
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Error, Page

from tests.properties import bounded

RUN = """async (files) => {
  const { zip } = await load("zip.js");
  const blob = (text) => new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))]);
  const packed = await zip(files.map(([name, content]) => ({ name, blob: blob(content) })));
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.readAsDataURL(packed);
  });
}"""
NAMES = st.text(st.sampled_from(string.ascii_letters + string.digits + " .()-_äßñ写真🙂"), min_size=1, max_size=20)


def packed(blank: Page, files: Sequence[tuple[str, bytes]]) -> zipfile.ZipFile:
    """The archive that the page makes of these files, found whole by zipfile."""
    url = blank.evaluate(RUN, [(name, base64.b64encode(data).decode()) for name, data in files])
    kind, _, content = url.partition(",")
    assert kind == "data:application/zip;base64"
    archive = zipfile.ZipFile(io.BytesIO(base64.b64decode(content)))
    assert archive.testzip() is None
    return archive


@settings(bounded, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(st.tuples(NAMES, st.binary(max_size=200)), min_size=1, max_size=8))
def test_every_file_is_in_the_archive_under_a_name_of_its_own(blank: Page, files: list[tuple[str, bytes]]) -> None:
    archive = packed(blank, files)
    names = archive.namelist()
    assert [archive.read(name) for name in names] == [content for _, content in files]
    assert len({name.lower() for name in names}) == len(files)
    assert [name for name, (given, _) in zip(names, files, strict=True) if name == given][:1] == [files[0][0]]


@pytest.mark.parametrize(
    ("given_names", "names"),
    [
        (["Grüße 写真 🙂.png"], ["Grüße 写真 🙂.png"]),
        (["photo.png"] * 3, ["photo.png", "photo (2).png", "photo (3).png"]),
        (["photo.png", "photo (2).png", "photo.png"], ["photo.png", "photo (2).png", "photo (3).png"]),
        (["Photo.PNG", "photo.png"], ["Photo.PNG", "photo (2).png"]),  # one file on most people's disks
        (["a.b.jpg", "a.b.jpg"], ["a.b.jpg", "a.b (2).jpg"]),
        (["plain", "plain"], ["plain", "plain (2)"]),
    ],
)
def test_names_stay_as_they_are_unless_they_are_equal(blank: Page, given_names: list[str], names: list[str]) -> None:
    assert packed(blank, [(name, b"photo") for name in given_names]).namelist() == names


def test_a_large_photo_is_stored_as_it_is_with_the_time_of_now(blank: Page) -> None:
    photo = bytes(range(256)) * 8_000  # 2 MB: a browser reads that in many pieces
    began = datetime.now()
    (entry,) = packed(blank, [("photo.png", photo)]).infolist()
    assert entry.compress_type == zipfile.ZIP_STORED
    assert entry.file_size == entry.compress_size == len(photo)
    assert timedelta(seconds=-2) <= datetime(*entry.date_time) - began < timedelta(minutes=1)


def test_without_a_file_there_is_no_archive_but_a_clear_error(blank: Page) -> None:
    with pytest.raises(Error, match="RangeError: There is no file to put into the ZIP"):
        packed(blank, [])


@pytest.mark.parametrize(
    ("count", "size_bytes", "sentence"),
    [(2, 2**31, "more than 4 GB: too much for one ZIP"), (2**16, 1, "A ZIP holds at most 65535 files")],
)
def test_more_than_a_zip_can_hold_is_refused_before_anything_is_read(
    blank: Page, count: int, size_bytes: int, sentence: str
) -> None:
    run = """async ([count, size]) => {
      const { zip } = await load("zip.js");
      await zip(Array.from({ length: count }, (_, number) => ({ name: `${number}`, blob: { size } })));
    }"""
    with pytest.raises(Error, match=sentence):
        blank.evaluate(run, [count, size_bytes])
