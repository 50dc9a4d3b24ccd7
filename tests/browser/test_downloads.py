"""Ways out for pictures: files, the clipboard, a ZIP, other apps."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.people import cut_out, download, entries, open_part, pick
from tests.support import opened

READ_CLIPBOARD = """async () => {
  const [item] = await navigator.clipboard.read();
  return new Uint8Array(await (await item.getType("image/png")).arrayBuffer()).toBase64();
}"""
# A phone's share sheet, in which the person takes the first app, or none.
SHARE_SHEET = """window.shared = [];
navigator.canShare = () => true;
navigator.share = async ({ files }) => {
  if (window.dismisses) throw new DOMException("Share canceled", "AbortError");
  for (const file of files) window.shared.push({ name: file.name, type: file.type, size: file.size });
};"""


@pytest.mark.parametrize(
    ("value", "kind", "suffix"), [("png", "PNG", "png"), ("webp", "WEBP", "webp"), ("jpeg", "JPEG", "jpg")]
)
def test_a_file_is_of_its_format_and_has_the_photos_name(
    page: Page, photos: dict[str, Path], tmp_path: Path, value: str, kind: str, suffix: str
) -> None:
    photo = tmp_path / "My photo.of the girl.png"
    photo.write_bytes(photos["girl"].read_bytes())
    cut_out(page, photo)
    open_part(page, "File format")
    pick(page, "format", value)
    name, file = download(page)
    assert name == f"My photo.of the girl.{suffix}"
    picture = opened(file)
    assert (picture.format, picture.size) == (kind, (400, 267))
    assert ("A" in picture.getbands()) == (kind != "JPEG")


def test_a_picture_is_copied(visit: Visit, photos: dict[str, Path]) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    cut_out(page, photos["girl"])
    file = np.asarray(opened(download(page)[1]))
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#copy")).to_have_text("Copied")
    copied = np.asarray(opened(base64.b64decode(page.evaluate(READ_CLIPBOARD))).convert("RGBA"))
    assert (copied[:, :, 3] == file[:, :, 3]).all()


def test_what_cannot_be_copied_is_said(visit: Visit, photos: dict[str, Path]) -> None:
    page = visit(permissions=[])
    page.add_init_script(
        "navigator.clipboard.write = async () => { throw new DOMException('no', 'NotAllowedError'); };"
    )
    cut_out(page, photos["girl"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("alert")).to_contain_text("The picture could not be copied.")


def test_several_are_one_zip(page: Page, photos: dict[str, Path], tmp_path: Path) -> None:
    twin = tmp_path / "girl.png"
    twin.write_bytes(photos["hockey"].read_bytes())
    cut_out(page, photos["girl"], photos["whisk"], twin)
    open_part(page, "File format")
    pick(page, "format", "webp")
    name, file = download(page, "#zip")
    assert name == "tinycut.zip"
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert len({*names}) == 3
        assert {"girl.webp", "whisk.webp"} < {*names}
        assert {opened(archive.read(each)).format for each in names} == {"WEBP"}


def test_a_zip_is_offered_for_two_and_more(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"])
    expect(page.locator("#zip")).to_be_hidden()
    page.set_input_files("#file", photos["hockey"])
    expect(entries(page, "done")).to_have_count(2)
    expect(page.locator("#zip")).to_be_enabled()


@pytest.mark.parametrize("dismisses", [False, True])
def test_a_picture_is_shared_on_a_phone(visit: Visit, photos: dict[str, Path], dismisses: bool) -> None:
    page = visit(has_touch=True, is_mobile=True, viewport={"width": 360, "height": 740})
    page.add_init_script(f"window.dismisses = {str(dismisses).lower()};\n{SHARE_SHEET}")
    cut_out(page, photos["girl"])
    page.get_by_role("button", name="Share").tap()
    expect(page.locator("#share")).to_have_text("Share")
    expect(page.locator("#share")).not_to_have_attribute("aria-disabled", "true")
    _name, file = download(page)
    expected = [] if dismisses else [{"name": "girl.png", "type": "image/png", "size": len(file)}]
    assert page.evaluate("() => window.shared") == expected
    expect(page.locator("#alert")).to_be_hidden()


def test_where_nothing_can_be_shared_there_is_no_button(visit: Visit, photos: dict[str, Path]) -> None:
    page = visit()
    page.add_init_script("navigator.canShare = undefined;")
    cut_out(page, photos["girl"])
    expect(page.locator("#share")).to_be_hidden()
