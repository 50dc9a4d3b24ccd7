"""remove.bg's API, over HTTP with the fake model: a bright disc in the middle of every photo."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from werkzeug.test import TestResponse

from app import create_app
from app.config import Settings
from app.errors import BadRequest, Busy, ModelUnavailable, Unavailable
from app.routes import removebg
from app.routes.removebg import CREDITS
from app.routes.removebg_errors import PARAMETERS
from app.services.admission import Deadline
from app.services.tiny_u2net_service import TinyU2NetService
from scripts.bad_input import JPEG, SVG, png_with_size
from tests.properties import bounded
from tests.support import FakeModels, FakeSession, encoded, opened, picture

PATH = "/v1.0/removebg"
WIDTH, HEIGHT = 160, 120
PHOTO = encoded(picture(WIDTH, HEIGHT))
SUBJECT = (220, 30, 20)
MIDDLE, CORNER = (HEIGHT // 2, WIDTH // 2), (0, 0)
FAINT_ALPHA = 10

Send = Callable[[FlaskClient], TestResponse]


def post(
    client: FlaskClient, photo: bytes = PHOTO, *, name: str = "photo.png", accept: str = "*/*", **fields: object
) -> TestResponse:
    return client.post(PATH, data={"image_file": (io.BytesIO(photo), name), **fields}, headers={"Accept": accept})


def pixels_of(answer: TestResponse) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.asarray(opened(answer.data))


def foreground_of(answer: TestResponse) -> tuple[int, int, int, int]:
    """Left, top, width, height."""
    left, top, width, height = (
        int(answer.headers[f"X-Foreground-{side}"]) for side in ("Left", "Top", "Width", "Height")
    )
    return left, top, width, height


def box_of(alpha: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, width, height of all that is not faint."""
    rows, columns = (np.flatnonzero((alpha > FAINT_ALPHA).any(axis=axis)) for axis in (1, 0))
    return int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1


def size_of(answer: TestResponse) -> tuple[int, int]:
    return int(answer.headers["X-Width"]), int(answer.headers["X-Height"])


def members_of(answer: TestResponse) -> dict[str, bytes]:
    assert answer.mimetype == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.data)) as members:
        assert all(member.compress_type == zipfile.ZIP_STORED for member in members.infolist())
        return {name: members.read(name) for name in members.namelist()}


def error_of(answer: TestResponse) -> dict[str, str]:
    """The one error of an answer, in the shape that remove.bg's clients parse."""
    assert answer.content_type == "application/json; charset=utf-8"
    body = answer.get_json()
    assert set(body) == {"errors"}
    (error,) = body["errors"]
    assert {"title", "code"} <= set(error) <= {"title", "code", "detail"}
    assert error["title"]
    return dict(error)


# What comes back


def test_a_photo_comes_back_as_a_png_with_every_header(client: FlaskClient) -> None:
    answer = post(client)
    assert answer.mimetype == "image/png"
    pixels = pixels_of(answer)
    assert pixels.shape == (HEIGHT, WIDTH, 4)
    assert pixels[MIDDLE].tolist() == [*SUBJECT, 255]
    assert pixels[CORNER].tolist() == [0, 0, 0, 0]
    wanted = {
        "X-Width": str(WIDTH),
        "X-Height": str(HEIGHT),
        "X-Max-Width": str(WIDTH),
        "X-Max-Height": str(HEIGHT),
        "X-Type": "other",
        "X-Credits-Charged": "0",
        "X-Method": "tiny_u2net",
        "X-Model": "u2netp",
    }
    assert {name: answer.headers[name] for name in wanted} == wanted
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    assert foreground_of(answer) == box_of(pixels[:, :, 3])


def test_an_answer_tells_how_many_may_still_come(client: FlaskClient, service: TinyU2NetService) -> None:
    before_s = int(time.time())
    for answer in (post(client), client.get("/v1.0/account"), post(client, b"no photo")):
        assert answer.headers["X-RateLimit-Limit"] == str(service.admission.slots + service.admission.queue_size)
        assert answer.headers["X-RateLimit-Remaining"] == answer.headers["X-RateLimit-Limit"]
        assert before_s < int(answer.headers["X-RateLimit-Reset"]) <= int(time.time()) + 60
    service.admission.enter(Deadline(60))
    answer = client.get("/v1.0/account")
    assert int(answer.headers["X-RateLimit-Remaining"]) == int(answer.headers["X-RateLimit-Limit"]) - 1
    service.admission.leave()


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        ("", False),
        ("*/*", False),
        ("image/png", False),
        ("image/png, application/json", False),
        ("image/*, application/json", False),
        ("*/*, application/json", False),
        ("application/json;q=0.5, image/png", False),
        ("application/json", True),
        ("Application/JSON", True),
        ("application/json, image/png", True),
    ],
)
def test_json_is_sent_where_it_is_the_only_or_the_first_type_asked_for(
    client: FlaskClient, accept: str, is_json: bool
) -> None:
    assert (post(client, accept=accept).mimetype == "application/json") == is_json


@pytest.mark.parametrize("side", range(120, 126))
def test_json_holds_the_same_picture_and_box_and_the_same_headers(client: FlaskClient, side: int) -> None:
    photo = encoded(picture(side, 100))
    plain, answer = post(client, photo), post(client, photo, accept="application/json")
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    data = answer.get_json()["data"]
    assert base64.b64decode(data.pop("result_b64"), validate=True) == plain.data
    sides = ("left", "top", "width", "height")
    assert tuple(data.pop(f"foreground_{side}") for side in sides) == foreground_of(plain)
    assert not data
    theirs = re.compile("X-(Width|Height|Max|Type|Credits|Foreground|RateLimit-Limit)")
    assert {name: value for name, value in answer.headers if theirs.match(name)} == {
        name: value for name, value in plain.headers if theirs.match(name)
    }


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ({}, "PNG"),
        ({"format": "auto"}, "PNG"),
        ({"format": "png"}, "PNG"),
        ({"format": "jpg"}, "JPEG"),
        ({"format": "jpeg"}, "JPEG"),
        ({"format": "webp"}, "WEBP"),
        ({"bg_color": "red"}, "JPEG"),
        ({"bg_color": "red", "format": "png"}, "PNG"),
    ],
)
def test_the_format_is_the_one_asked_for_whatever_accept_says(
    client: FlaskClient, words: dict[str, str], kind: str
) -> None:
    for accept in ("image/webp", "*/*"):
        answer = post(client, accept=accept, **words)
        assert opened(answer.data).format == kind
        assert answer.mimetype == f"image/{kind.lower()}"


def test_a_jpeg_without_a_background_stands_on_white(client: FlaskClient) -> None:
    pixels = pixels_of(post(client, format="jpg"))
    assert pixels[CORNER].tolist() == [255, 255, 255]
    assert pixels[MIDDLE].tolist() == pytest.approx([*SUBJECT], abs=6)


# Sources


def as_json(**fields: object) -> Send:
    return lambda client: client.post(PATH, json=fields)


def as_form(**fields: str) -> Send:
    return lambda client: client.post(PATH, data=fields, content_type="application/x-www-form-urlencoded")


def as_parts(**fields: object) -> Send:
    return lambda client: client.post(PATH, data=fields, content_type="multipart/form-data")


B64 = base64.b64encode(PHOTO).decode()
B64_LINES = base64.encodebytes(PHOTO).decode()


@pytest.mark.parametrize(
    "send",
    [
        as_parts(image_file=(io.BytesIO(PHOTO), "photo.png")),
        as_parts(image_file=(io.BytesIO(PHOTO), "image_file")),
        as_parts(image_file=(io.BytesIO(PHOTO), "../a b/é.PNG?.exe")),
        as_parts(image_file_b64=B64),
        as_form(image_file_b64=B64),
        as_form(image_file_b64=B64_LINES),
        as_json(image_file_b64=B64),
        as_json(image_file_b64=B64_LINES),
        as_json(image_file_b64=f"data:image/png;base64,{B64}"),
        as_json(image_file_b64=B64, image_url="", image_file=None),
    ],
)
def test_a_photo_comes_as_a_file_of_any_name_or_in_base64(client: FlaskClient, send: Send) -> None:
    assert pixels_of(send(client))[MIDDLE].tolist() == [*SUBJECT, 255]


def test_a_file_may_have_an_empty_name(client: FlaskClient) -> None:
    head = '--x\r\nContent-Disposition: form-data; name="image_file"; filename=""\r\n\r\n'
    answer = client.post(
        PATH, data=head.encode() + PHOTO + b"\r\n--x--\r\n", content_type="multipart/form-data; boundary=x"
    )
    assert pixels_of(answer).shape == (HEIGHT, WIDTH, 4)


def test_an_empty_file_beside_a_photo_counts_as_absent(client: FlaskClient) -> None:
    empty = {"image_file": (io.BytesIO(b""), ""), "bg_image_file": (io.BytesIO(b""), "")}
    answer = client.post(PATH, data={**empty, "image_file_b64": B64, "bg_color": "00f"})
    assert pixels_of(answer)[CORNER].tolist() == pytest.approx([0, 0, 255], abs=6)


def test_photo_and_background_may_be_addresses(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    behind = encoded(Image.new("RGB", (WIDTH, HEIGHT), (0, 255, 0)))
    pictures = {"https://a.example/photo": PHOTO, "https://a.example/behind": behind}
    monkeypatch.setattr(removebg, "fetch", pictures.__getitem__)
    pixels = pixels_of(
        as_form(image_url="https://a.example/photo", bg_image_url="https://a.example/behind", format="png")(client)
    )
    assert pixels[CORNER].tolist() == [0, 255, 0]
    assert pixels[MIDDLE].tolist() == [*SUBJECT]


@pytest.mark.parametrize(
    ("ours", "theirs", "of_background"),
    [
        ("invalid_image_url", "invalid_image_url", "invalid_bg_image_url"),
        ("image_download_failed", "failed_image_download", "failed_bg_download"),
        ("image_download_timeout", "failed_image_download", "failed_bg_download"),
        ("urls_not_allowed", "failed_image_download", "failed_bg_download"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_as_they_do(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, ours: str, theirs: str, of_background: str
) -> None:
    def refuse(_url: str) -> bytes:
        raise BadRequest("It is not so.", code=ours)

    monkeypatch.setattr(removebg, "fetch", refuse)
    for answer, code in (
        (as_form(image_url="http://a.example")(client), theirs),
        (post(client, bg_image_url="http://a.example"), of_background),
    ):
        assert answer.status_code == 400
        assert error_of(answer)["code"] == code
        assert error_of(answer)["detail"] == "It is not so."


# Parameters


@pytest.mark.parametrize(
    ("size", "photo_size", "wanted"),
    [
        ("", (1000, 800), (559, 447)),
        ("preview", (1000, 800), (559, 447)),
        ("regular", (400, 300), (400, 300)),  # never enlarged
        ("medium", (2000, 1000), (1732, 866)),
        ("hd", (2400, 2000), (2190, 1825)),
        ("full", (1500, 1000), (1500, 1000)),
        ("auto", (1500, 1000), (1500, 1000)),
    ],
)
def test_a_size_is_the_most_pixels_and_the_answer_tells_what_full_would_give(
    client: FlaskClient, size: str, photo_size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    answer = post(client, encoded(picture(*photo_size), "JPEG"), size=size)
    assert size_of(answer) == wanted
    assert opened(answer.data).size == wanted
    assert (int(answer.headers["X-Max-Width"]), int(answer.headers["X-Max-Height"])) == photo_size


def test_a_png_has_at_most_10_megapixels_and_says_so_where_a_jpeg_has_them_all(client: FlaskClient) -> None:
    photo = encoded(Image.new("RGB", (4000, 3000), SUBJECT), "JPEG")
    for file_format, most in (("png", (3651, 2738)), ("jpg", (4000, 3000))):
        answer = post(client, photo, size="preview", format=file_format)
        assert size_of(answer) == (577, 433)
        assert (int(answer.headers["X-Max-Width"]), int(answer.headers["X-Max-Height"])) == most
    answer = post(client, photo, size="full")
    assert size_of(answer) == (3651, 2738)


def test_a_photo_that_exif_turns_is_told_upright(client: FlaskClient) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    answer = post(client, encoded(picture(1000, 800), "JPEG", exif=exif))
    assert size_of(answer) == (447, 559)
    assert (int(answer.headers["X-Max-Width"]), int(answer.headers["X-Max-Height"])) == (800, 1000)


@pytest.mark.parametrize(
    ("roi", "left_is_seen"),
    [
        ("0% 0% 100% 100%", True),
        ("0 0 100% 100%", True),
        ("0 0 160 120", True),
        ("50% 0% 100% 100%", False),
        ("80px 0px 160px 120px", False),
        ("80 0 100% 120px", False),
    ],
)
def test_all_outside_of_the_roi_is_background(client: FlaskClient, roi: str, left_is_seen: bool) -> None:
    pixels = pixels_of(post(client, roi=roi))
    assert bool(pixels[:, : WIDTH // 2, 3].any()) == left_is_seen
    assert pixels[HEIGHT // 2, WIDTH * 3 // 4 - 10, 3] == 255


def test_a_crop_is_as_large_as_the_subject(client: FlaskClient) -> None:
    whole = pixels_of(post(client))
    left, top, width, height = box_of(whole[:, :, 3])
    answer = post(client, crop="true")
    assert np.array_equal(pixels_of(answer), whole[top : top + height, left : left + width])
    assert foreground_of(answer) == (0, 0, *size_of(answer)) == (0, 0, width, height)


@pytest.mark.parametrize(
    ("margin", "sides"),  # top, right, bottom, left
    [
        ("10px", (10, 10, 10, 10)),
        ("10", (10, 10, 10, 10)),
        ("4px 8px", (4, 8, 4, 8)),
        ("1px 2px 3px 4px", (1, 2, 3, 4)),
        ("10%", (0.1, 0.1, 0.1, 0.1)),
        ("80%", (0.5, 0.5, 0.5, 0.5)),  # at most a half
    ],
)
def test_a_margin_stays_around_the_crop(
    client: FlaskClient, margin: str, sides: tuple[float, float, float, float]
) -> None:
    width, height = size_of(post(client, crop="true"))
    top, right, bottom, left = (
        side * whole if side < 1 else side for side, whole in zip(sides, (height, width) * 2, strict=True)
    )
    answer = post(client, crop="true", crop_margin=margin)
    assert size_of(answer) == pytest.approx((width + left + right, height + top + bottom), abs=1)
    assert foreground_of(answer) == pytest.approx((left, top, width, height), abs=1)


def test_a_margin_without_a_crop_is_nothing(client: FlaskClient) -> None:
    assert size_of(post(client, crop_margin="10px")) == (WIDTH, HEIGHT)


def test_a_scale_is_the_subjects_part_of_the_canvas_in_its_middle(client: FlaskClient) -> None:
    answer = post(client, scale="50%")
    assert size_of(answer) == (WIDTH, HEIGHT)
    left, top, width, height = foreground_of(answer)
    assert max(width / WIDTH, height / HEIGHT) == pytest.approx(0.5, abs=0.02)
    assert (left + width / 2, top + height / 2) == pytest.approx((WIDTH / 2, HEIGHT / 2), abs=1)


@pytest.mark.parametrize(
    ("position", "x_share", "y_share"),
    [("center", 0.5, 0.5), ("0%", 0, 0), ("100%", 1, 1), ("100% 0%", 1, 0), ("original", 0.5, 0.5)],
)
def test_a_position_is_where_the_subject_stands(
    client: FlaskClient, position: str, x_share: float, y_share: float
) -> None:
    answer = post(client, position=position)
    left, top, width, height = foreground_of(answer)
    assert (left, top) == pytest.approx((x_share * (WIDTH - width), y_share * (HEIGHT - height)), abs=1)
    alpha = pixels_of(answer)[:, :, 3]
    assert alpha[top + height // 2, left + width // 2] == 255


def test_channels_alpha_is_the_matte_in_grey_without_a_background(client: FlaskClient) -> None:
    answer = post(client, channels="alpha", bg_color="red", add_shadow="true")
    image = opened(answer.data)
    assert (image.format, image.mode) == ("PNG", "L")
    assert np.array_equal(np.asarray(image), pixels_of(post(client))[:, :, 3])


@pytest.mark.parametrize("words", [{"add_shadow": "true"}, {"shadow_type": "drop"}, {"shadow_type": "car"}])
def test_a_shadow_lies_behind_the_subject(client: FlaskClient, words: dict[str, str]) -> None:
    plain, shaded = pixels_of(post(client))[:, :, 3], pixels_of(post(client, **words))[:, :, 3]
    assert (shaded >= plain).all()
    assert ((plain == 0) & (shaded > 0)).sum() > 100


def test_the_opacity_of_a_shadow_is_kept(client: FlaskClient) -> None:
    alphas = [pixels_of(post(client, shadow_type="drop", shadow_opacity=share))[:, :, 3] for share in ("0", "20", "90")]
    none, light, dark = (alpha.astype(int).sum() for alpha in alphas)
    assert none < light < dark
    assert np.array_equal(alphas[0], pixels_of(post(client))[:, :, 3])


@pytest.mark.parametrize("word", ["true", "false", "TRUE", "1", "0", "yes", "No"])
def test_semitransparency_may_be_said_and_changes_nothing(client: FlaskClient, word: str) -> None:
    assert post(client, semitransparency=word).data == post(client).data


@pytest.mark.parametrize(
    ("color", "rgb"),
    [("81d4fa", (129, 212, 250)), ("#81D4FA", (129, 212, 250)), ("0f0", (0, 255, 0)), ("green", (0, 128, 0))],
)
def test_a_colour_stands_behind(client: FlaskClient, color: str, rgb: tuple[int, int, int]) -> None:
    pixels = pixels_of(post(client, bg_color=color, format="png"))
    assert pixels[CORNER].tolist() == [*rgb]
    assert pixels[MIDDLE].tolist() == [*SUBJECT]


def test_a_colour_of_8_digits_lets_through_as_much_as_it_says(client: FlaskClient) -> None:
    answer = post(client, bg_color="0000ff33")
    assert answer.mimetype == "image/png"
    pixels = pixels_of(answer)
    assert pixels[CORNER].tolist() == [0, 0, 255, 51]
    assert pixels[MIDDLE].tolist() == [*SUBJECT, 255]
    assert pixels_of(post(client, bg_color="00f0"))[CORNER].tolist() == [0, 0, 0, 0]
    assert pixels_of(post(client, bg_color="0000ff33", format="jpg"))[CORNER].tolist() == pytest.approx(
        [204, 204, 255], abs=4
    )


def test_an_image_behind_covers_the_canvas_and_is_untouched_at_its_own_size(client: FlaskClient) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    behind = encoded(Image.fromarray(noise))
    hidden = pixels_of(post(client))[:, :, 3] == 0
    pixels = pixels_of(post(client, bg_image_file=(io.BytesIO(behind), "b"), format="png"))
    assert np.array_equal(pixels[hidden], noise[hidden])
    wide = Image.new("RGB", (900, 100), "red")
    wide.paste("blue", (400, 0, 500, 100))
    pixels = pixels_of(post(client, bg_image_file=(io.BytesIO(encoded(wide)), "b"), format="png"))
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert pixels[5, WIDTH // 2].tolist() == [0, 0, 255]
    assert pixels[5, 5].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("words", "subject_type"),
    [
        ({"type": "person"}, "person"),
        ({"type": "car", "type_level": "2"}, "car"),
        ({"type_level": "latest"}, "other"),
        ({"type": "person", "type_level": "none"}, None),
    ],
)
def test_the_type_is_what_was_said_and_is_left_out_at_level_none(
    client: FlaskClient, words: dict[str, str], subject_type: str | None
) -> None:
    assert post(client, **words).headers.get("X-Type") == subject_type


# The ZIP


def test_a_zip_holds_full_colours_and_a_grey_8_bit_alpha_of_the_same_size_stored(client: FlaskClient) -> None:
    members = members_of(post(client, format="zip"))
    assert list(members) == ["color.jpg", "alpha.png"]
    colors, alpha = (np.asarray(opened(data)) for data in members.values())
    assert colors.shape == (HEIGHT, WIDTH, 3)
    assert np.array_equal(alpha, pixels_of(post(client))[:, :, 3])
    assert colors[MIDDLE].tolist() == pytest.approx([*SUBJECT], abs=6)
    assert colors[CORNER].tolist() == pytest.approx([0, 128, 0], abs=6), "the photo's own background is still there"
    assert header_of_png(members["alpha.png"]) == (WIDTH, HEIGHT, 8, 0)


def header_of_png(data: bytes) -> tuple[int, ...]:
    """Width, height, bits and colour type."""
    assert data[12:16] == b"IHDR"
    return struct.unpack(">IIBB", data[16:26])


@pytest.mark.parametrize("words", [{"crop": "true"}, {"scale": "40%"}, {"position": "0%"}, {"roi": "0 0 50% 100%"}])
def test_a_zip_is_placed_as_the_picture_would_be(client: FlaskClient, words: dict[str, str]) -> None:
    answer = post(client, format="zip", **words)
    members = members_of(answer)
    size = opened(members["color.jpg"]).size
    assert header_of_png(members["alpha.png"]) == (*size, 8, 0)
    assert size_of(answer) == size
    png = pixels_of(post(client, format="png", **words))
    assert np.array_equal(np.asarray(opened(members["alpha.png"])), png[:, :, 3])
    solid = png[:, :, 3] == 255
    gap = np.abs(np.asarray(opened(members["color.jpg"])).astype(int) - png[:, :, :3])[solid]
    assert gap.mean() < 5, "the subject's colours stand where its alpha does"


@pytest.mark.parametrize(
    "words",
    [{"bg_color": "00f"}, {"bg_color": "0000ff80"}, {"add_shadow": "true"}, {"bg_color": "00f", "add_shadow": "1"}],
)
def test_a_zip_put_together_is_the_picture_with_its_background(client: FlaskClient, words: dict[str, str]) -> None:
    members = members_of(post(client, format="zip", **words))
    png = np.asarray(opened(post(client, format="png", **words).data).convert("RGBA")).astype(int)
    colors, alpha = (np.asarray(opened(members[name])).astype(int) for name in ("color.jpg", "alpha.png"))
    assert header_of_png(members["alpha.png"])[2:] == (8, 0)
    assert np.array_equal(alpha, png[:, :, 3])
    shown = alpha > 200
    assert np.abs(colors - png[:, :, :3])[shown].mean() < 5


def test_colours_of_a_zip_keep_their_resolution_and_their_profile(client: FlaskClient) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = encoded(picture(WIDTH, HEIGHT), "JPEG", dpi=(300, 300), icc_profile=profile)
    colors = opened(members_of(post(client, photo, format="zip"))["color.jpg"])
    assert colors.info["jfif_density"] == (300, 300)
    assert colors.info["icc_profile"] == profile


def test_a_zip_of_the_alpha_is_the_zip_that_has_it(client: FlaskClient) -> None:
    assert post(client, format="zip", channels="alpha").data == post(client, format="zip").data


# The account


def test_the_account_has_exactly_their_keys(client: FlaskClient) -> None:
    answer = client.get("/v1.0/account")
    assert answer.status_code == 200
    assert answer.get_json() == {
        "data": {
            "attributes": {
                "credits": {"total": CREDITS, "subscription": CREDITS, "payg": 0, "enterprise": 0},
                "api": {"free_calls": CREDITS, "sizes": "all"},
            }
        }
    }


# Errors

SOURCE_TITLE = "No image given"
NOT_READ = "There was an error reading the image."
ERRORS: dict[str, tuple[Send, int, str, str]] = {
    "an empty body": (lambda client: client.post(PATH), 400, "missing_source", SOURCE_TITLE),
    "an empty form": (as_parts(), 400, "missing_source", SOURCE_TITLE),
    "an empty file": (lambda client: post(client, b""), 400, "missing_source", SOURCE_TITLE),
    "empty words": (as_form(image_url="", image_file_b64=" "), 400, "missing_source", SOURCE_TITLE),
    "a raw photo": (lambda client: client.post(PATH, data=PHOTO), 400, "missing_source", SOURCE_TITLE),
    "two sources": (
        lambda client: post(client, image_url="http://a.example"),
        *(400, "multiple_sources", "Multiple image sources given: Please provide either"),
    ),
    "two files": (
        as_parts(image_file=[(io.BytesIO(PHOTO), "a"), (io.BytesIO(PHOTO), "b")]),
        *(400, "multiple_sources", "Multiple image sources given"),
    ),
    "two backgrounds": (
        lambda client: post(client, bg_color="red", bg_image_url="http://a.example"),
        *(400, "multiple_bg_sources", "Multiple background sources given: Please provide either"),
    ),
    "a file as text": (as_form(image_file="photo.png"), 400, "failed_to_read_image", NOT_READ),
    "a background as text": (lambda client: post(client, bg_image_file="b"), 400, "failed_to_read_image", NOT_READ),
    "no base64": (as_json(image_file_b64="photo!"), 400, "failed_to_read_image", NOT_READ),
    "too many bytes": (
        lambda client: post(client, PHOTO + bytes(11 << 20)),
        *(400, "file_too_large", "File too large"),
    ),
    "far too many bytes": (
        lambda client: post(client, PHOTO + bytes(17 << 20)),
        *(400, "file_too_large", "File too large"),
    ),
    "too many bytes in base64": (
        as_json(image_file_b64=base64.b64encode(PHOTO + bytes(11 << 20)).decode()),
        *(400, "file_too_large", "File too large"),
    ),
    "a background of too many bytes": (
        lambda client: post(client, bg_image_file=(io.BytesIO(bytes(11 << 20)), "b")),
        *(400, "file_too_large", "File too large"),
    ),
    "too many pixels": (
        lambda client: post(client, png_with_size(9000, 9000)),
        *(400, "resolution_too_high", "Image resolution too high"),
    ),
    "text": (lambda client: post(client, b"this is text"), 400, "invalid_file_type", "Invalid file type"),
    "an SVG": (lambda client: post(client, SVG), 400, "invalid_file_type", "Invalid file type"),
    "half a photo": (lambda client: post(client, JPEG[: len(JPEG) // 2]), 400, "failed_to_read_image", NOT_READ),
    "no pixels": (lambda client: post(client, png_with_size(0, 0)), 400, "failed_to_read_image", NOT_READ),
    "a background that is text": (
        lambda client: post(client, bg_image_file=(io.BytesIO(b"text"), "b.png")),
        *(400, "failed_to_read_image", NOT_READ),
    ),
    "an address where none is taken": (
        as_form(image_url="http://a.example/b.jpg"),
        *(400, "failed_image_download", "Failed to download image from given image_url: "),
    ),
    "a size": (lambda client: post(client, size="huge"), 400, "invalid_size", "Invalid value for parameter 'size'"),
    "channels": (
        lambda client: post(client, channels="rgb"),
        *(400, "invalid_channels", "Invalid value for parameter 'channels'"),
    ),
    **{
        name: (
            lambda client, name=name, word=word: post(client, **{name: word}),
            *(400, f"invalid_{name}", f"Invalid {name} parameter given"),
        )
        for name, word in {
            "format": "gif",
            "roi": "here",
            "scale": "5%",
            "position": "left",
            "crop": "maybe",
            "crop_margin": "wide",
            "bg_color": "reddish",
            "semitransparency": "half",
            "type": "cat",
            "type_level": "9",
            "add_shadow": "maybe",
            "shadow_type": "long",
            "shadow_opacity": "101",
        }.items()
    },
    "an empty roi": (
        lambda client: post(client, roi="50% 50% 50% 50%"),
        *(400, "roi_region_empty", "ROI region is empty"),
    ),
    "a roi outside": (
        lambda client: post(client, roi="0 0 9999 10"),
        *(400, "roi_exceeds_bounds", "ROI exceeds image bounds"),
    ),
    "a webp that is too long": (
        lambda client: post(client, encoded(picture(17000, 1)), format="webp"),
        *(400, "invalid_format", "Invalid format parameter given"),
    ),
    "broken JSON": (
        lambda client: client.post(PATH, data=b"{", content_type="application/json"),
        *(400, "invalid_json", "The body is no JSON"),
    ),
    "too many fields": (
        lambda client: post(client, **dict.fromkeys(map(str, range(100)), "1")),
        *(413, "form_too_large", "The form has too many"),
    ),
    "improve": (lambda client: client.post("/v1.0/improve", data={}), 404, "not_found", ""),
    "another path, of a browser": (
        lambda client: client.get("/v1.0/nothing", headers={"Accept": "text/html"}),
        *(404, "not_found", ""),
    ),
    "another method": (lambda client: client.get(PATH), 405, "method_not_allowed", ""),
    "another method of the account": (lambda client: client.post("/v1.0/account"), 405, "method_not_allowed", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_every_error_has_their_status_code_and_title(client: FlaskClient, case: str) -> None:
    send, status, code, title = ERRORS[case]
    answer = send(client)
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (status, code)
    assert error["title"].startswith(title)
    assert post(client).status_code == 200, "the next request works"


def test_a_photo_without_a_subject_is_an_unknown_foreground(client: FlaskClient, models: FakeModels) -> None:
    class SeesNothing(FakeSession):
        def infer(self, rgb: np.ndarray, **_how: object) -> np.ndarray:
            return np.zeros((64, 64), np.float32)

    models.session = SeesNothing()
    answer = post(client)
    assert answer.status_code == 400
    error = error_of(answer)
    assert error["code"] == "unknown_foreground"
    assert error["title"].startswith("Could not identify foreground in image.")


def test_a_full_server_is_a_rate_limit_and_says_when_to_come_back(app: Flask, models: FakeModels) -> None:
    service = TinyU2NetService(Settings(queue_size=0), models)  # type: ignore[arg-type]
    app.extensions["tinycut"] = service
    service.admission.enter(Deadline(60))
    answer = post(app.test_client())
    assert answer.status_code == 429
    assert error_of(answer)["code"] == "rate_limit_exceeded"
    assert re.fullmatch(r"[1-9]\d*", answer.headers["Retry-After"])
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    service.admission.leave()


def test_a_form_whose_parts_may_be_base64_is_counted_with_its_copies(
    client: FlaskClient, service: TinyU2NetService
) -> None:
    photo = PHOTO + bytes(100_000)
    others = service.budget.holding()
    others.add(service.budget.total_bytes - 3 * len(photo))
    answer = post(client, photo, size="huge")
    assert answer.status_code == 429
    others.release()
    answer.close()
    assert post(client, photo).status_code == 200


def test_a_photo_that_is_late_says_503_and_when_to_come_back(client: FlaskClient, service: TinyU2NetService) -> None:
    service.__dict__["settings"] = replace(service.settings, deadline_s=0.0)
    answer = post(client)
    assert answer.status_code == 503
    assert error_of(answer)["code"] == "deadline_exceeded"
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("error", [Busy(""), Unavailable("Not now."), ModelUnavailable("/secret/path")])
def test_every_429_and_503_says_when_to_come_back(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_words: object, **_how: object) -> None:
        raise error

    monkeypatch.setattr(app.extensions["tinycut"], "cut_out", refuse)
    answer = post(client)
    assert answer.status_code in (429, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert "secret" not in answer.text
    error_of(answer)


def test_a_bug_has_their_shape_too_and_tells_nothing(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_words: object, **_how: object) -> None:
        raise KeyError("/secret/path")

    monkeypatch.setattr(app.extensions["tinycut"], "cut_out", broken)
    answer = post(client)
    assert answer.status_code == 500
    assert error_of(answer)["code"] == "internal_error"
    assert "secret" not in answer.text


# Anything

CLIENT = create_app({"queue_size": 8})
CLIENT.extensions["tinycut"] = TinyU2NetService(Settings(), FakeModels())  # type: ignore[arg-type]
LISTED_CODES = {
    *(f"invalid_{name}" for name in (*PARAMETERS, "size", "channels")),
    *("roi_region_empty", "roi_exceeds_bounds", "unknown_foreground"),
}
PERCENT = st.integers(-5, 120).map("{}%".format)
LENGTH = st.one_of(st.integers(-5, 200).map(str), st.integers(0, 200).map("{}px".format), PERCENT)
FLAG = st.sampled_from(["true", "False", "1", "no", "", "maybe"])
WORDS: dict[str, st.SearchStrategy[str]] = {
    "size": st.sampled_from(["", "preview", "4k", "50MP", "auto", "large"]),
    "type": st.sampled_from(["auto", "person", "graphics", "cat"]),
    "type_level": st.sampled_from(["none", "1", "latest", "0"]),
    "format": st.sampled_from(["auto", "png", "jpg", "webp", "zip", "bmp"]),
    "roi": st.lists(LENGTH, min_size=3, max_size=5).map(" ".join),
    "crop": FLAG,
    "crop_margin": st.lists(LENGTH, min_size=1, max_size=4).map(" ".join),
    "scale": st.one_of(PERCENT, st.just("original")),
    "position": st.one_of(st.sampled_from(["center", "original", "left"]), st.tuples(PERCENT, PERCENT).map(" ".join)),
    "channels": st.sampled_from(["rgba", "alpha", "rgb"]),
    "add_shadow": FLAG,
    "shadow_type": st.sampled_from(["none", "auto", "car", "3D", "drop", "long"]),
    "shadow_opacity": st.integers(-5, 110).map(str),
    "semitransparency": FLAG,
    "bg_color": st.text("0123456789abcdef#", max_size=9),
    "anything": st.text(max_size=20),
}


@bounded
@given(
    names=st.lists(st.sampled_from(sorted(WORDS)), max_size=5, unique=True),
    data=st.data(),
    size=st.tuples(st.integers(1, 200), st.integers(1, 200)),
)
def test_any_parameters_give_a_picture_as_its_headers_say_or_an_error_of_theirs(
    names: list[str], data: st.DataObject, size: tuple[int, int]
) -> None:
    words = {name: data.draw(WORDS[name], label=name) for name in names}
    answer = post(CLIENT.test_client(), encoded(picture(*size)), **words)
    if answer.status_code == 400:
        assert error_of(answer)["code"] in LISTED_CODES
        return
    assert answer.status_code == 200
    picture_bytes = members_of(answer)["alpha.png"] if answer.mimetype == "application/zip" else answer.data
    width, height = opened(picture_bytes).size
    assert (width, height) == size_of(answer)
    left, top, box_width, box_height = foreground_of(answer)
    assert 0 <= left <= left + box_width <= width
    assert 0 <= top <= top + box_height <= height
    assert json.loads(answer.headers["X-Credits-Charged"]) == 0
