"""How pictures leave the page: downloads, clipboard and share sheet, in a real browser."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import numpy as np
import pytest
from playwright.sync_api import Error, Page

from tests.support import encoded, opened, picture

FILES = 'const files = await load("files.js");'


def in_page(blank: Page, code: str, given: object = None) -> object:
    """Run the body of a function of `files` (the module) and `given` in the page; bytes go in as base64."""
    helpers = """
      const blobOf = (text, type) => new Blob([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], { type });
      const textOf = async (blob) => btoa(String.fromCharCode(...new Uint8Array(await blob.arrayBuffer())));
    """
    return blank.evaluate(f"async (given) => {{ {FILES} {helpers} {code} }}", given)


def test_a_result_is_named_after_its_photo(blank: Page) -> None:
    names = {
        ("IMG_1.HEIC", "jpeg"): "IMG_1.jpg",
        ("Grüße 写真.v2.jpeg", "png"): "Grüße 写真.v2.png",
        ("no suffix", "webp"): "no suffix.webp",
        ("Dr. Who at home", "png"): "Dr. Who at home.png",
        ("", "png"): "photo.png",
        (None, "png"): "photo.png",
        (".png", "png"): "photo.png",
        ("  .. .png", "png"): "photo.png",
        ("../../etc/passwd", "png"): "_.._etc_passwd.png",
        ('a<b>c:d"e|f?g*h\\i\n.png', "png"): "a_b_c_d_e_f_g_h_i_.png",
        ("photo\u202egnp.exe", "png"): "photo_gnp.png",
        ("🙂" * 300 + ".png", "png"): "🙂" * 100 + ".png",
    }
    given = in_page(blank, "return given.map(([name, format]) => files.nameFor(name, format));", list(names))
    assert given == list(names.values())


def test_a_saved_picture_is_downloaded_whole_under_its_name(blank: Page) -> None:
    content = encoded(picture())
    with blank.expect_download() as downloading:
        in_page(blank, 'files.save(blobOf(given, "image/png"), "Grüße 写真.png");', base64.b64encode(content).decode())
    download = downloading.value
    assert download.suggested_filename == "Grüße 写真.png"
    assert download.path().read_bytes() == content


def test_a_copied_picture_is_on_the_clipboard(blank: Page) -> None:
    blank.context.grant_permissions(["clipboard-read", "clipboard-write"])
    photo = picture(mode="RGBA")
    photo.putpixel((3, 3), (0, 0, 0, 0))
    copied = in_page(
        blank,
        """
        if (!files.canCopy) return null;
        await files.copy(Promise.resolve(blobOf(given, "image/png")));
        const [item] = await navigator.clipboard.read();
        return textOf(await item.getType("image/png"));
        """,
        base64.b64encode(encoded(photo)).decode(),
    )
    assert isinstance(copied, str)
    assert (np.asarray(opened(base64.b64decode(copied)).convert("RGBA")) == np.asarray(photo)).all()


def test_a_browser_that_cannot_copy_is_known(blank: Page) -> None:
    blank.add_init_script("delete globalThis.ClipboardItem;")
    blank.reload()
    assert in_page(blank, "return files.canCopy;") is False


# Debian's Chromium has no navigator.share: a stub stands for the phone's share sheet and notes what it is given.
SHARE_SHEET = """
  globalThis.shared = [];
  navigator.canShare = ({ files }) => files.every(({ type }) => type.startsWith("image/"));
  navigator.share = async ({ files, title }) => {
    if (title !== "A photo") throw new DOMException("", title);
    for (const file of files) shared.push([title, file.name, file.type]);
  };
"""
SHARE = """
  const file = new File(["photo"], "photo.png", { type: "image/png" });
  const text = new File(["words"], "words.txt", { type: "text/plain" });
  if (!files.canShare(file)) return { can: false };
  return { can: true, canText: files.canShare(text), done: await files.share([file], given), shared };
"""


@pytest.mark.parametrize(
    ("title", "answer"),
    [
        ("A photo", {"can": True, "canText": False, "done": True, "shared": [["A photo", "photo.png", "image/png"]]}),
        ("AbortError", {"can": True, "canText": False, "done": False, "shared": []}),
    ],
)
def test_a_share_sheet_gets_the_file_and_may_be_dismissed(
    blank: Page, title: str, answer: Mapping[str, object]
) -> None:
    blank.add_init_script(SHARE_SHEET)
    blank.reload()
    assert in_page(blank, SHARE, title) == answer


def test_a_share_sheet_that_fails_says_so(blank: Page) -> None:
    blank.add_init_script(SHARE_SHEET)
    blank.reload()
    with pytest.raises(Error, match="NotAllowedError"):
        in_page(blank, SHARE, "NotAllowedError")


def test_a_browser_without_a_share_sheet_is_known(blank: Page) -> None:
    blank.add_init_script("delete Navigator.prototype.canShare;")
    blank.reload()
    assert in_page(blank, SHARE) == {"can": False}


CANVAS = """
  const canvas = Object.assign(document.createElement("canvas"), { width: given.width, height: given.height });
  const context = canvas.getContext("2d");
  if (context) {
    context.fillStyle = "#c81e14";
    context.fillRect(0, 0, 64, 48);
  }
  const blob = await files.toBlob(canvas, given.format, given.quality);
  return [blob.type, await textOf(blob)];
"""


@pytest.mark.parametrize("image_format", ["png", "webp", "jpeg"])
def test_a_canvas_is_written_in_the_format_that_was_asked_for(blank: Page, image_format: str) -> None:
    answer = in_page(blank, CANVAS, {"width": 64, "height": 48, "format": image_format, "quality": 0.9})
    assert isinstance(answer, list)
    written = opened(base64.b64decode(answer[1]))
    assert answer[0] == f"image/{image_format}"
    assert written.format == image_format.upper()
    assert written.size == (64, 48)
    assert np.abs(np.asarray(written.convert("RGB")).astype(int) - (0xC8, 0x1E, 0x14)).max() <= 3


@pytest.mark.parametrize(
    ("width", "image_format", "sentence"),
    [(64, "avif", "This browser cannot write AVIF files. Choose PNG."), (0, "png", "could not write so large")],
)
def test_a_canvas_that_cannot_be_written_is_a_clear_error(
    blank: Page, width: int, image_format: str, sentence: str
) -> None:
    with pytest.raises(Error, match=sentence):
        in_page(blank, CANVAS, {"width": width, "height": 48, "format": image_format})
