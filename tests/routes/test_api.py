"""POST /api/remove-background, over HTTP with the fake model: a bright disc in the middle of every photo."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.test import TestResponse

from app.config import Settings
from app.errors import Busy
from app.logs import make_formatter
from app.services import tiny_u2net_service
from app.services.admission import Deadline
from app.services.tiny_u2net_service import TinyU2NetService
from tests.support import FakeModels, FakeSession, encoded, opened, picture

PATH = "/api/remove-background"
PNG = encoded(picture(80, 60))


def post(
    client: FlaskClient, photo: bytes = PNG, *, field: str = "file", accept: str = "", **options: str
) -> TestResponse:
    return client.post(
        PATH,
        data={field: (io.BytesIO(photo), "photo.png"), **options},
        headers={"Accept": accept} if accept else {},
    )


def picture_in(answer: TestResponse) -> np.ndarray:
    """The pixels of the data URL in a JSON answer."""
    url = answer.get_json()["image"]
    return np.asarray(opened(base64.b64decode(url.split(",", 1)[1])))


def test_the_envelope_holds_the_cut_out_and_the_facts(client: FlaskClient) -> None:
    answer = post(client)
    body = answer.get_json()
    assert answer.status_code == 200
    assert body["success"] is True
    assert body["image"].startswith("data:image/png;base64,")
    assert (body["width"], body["height"], body["format"]) == (80, 60, "png")
    assert (body["method"], body["model"]) == ("tiny_u2net", "u2netp")
    assert set(body["timings_ms"]) == {"probe", "queue", "decode", "infer", "refine", "composite", "encode", "total"}
    assert body["memory"]["limit_mb"] == 512
    assert body["memory"]["rss_mb"] > 0
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    pixels = picture_in(answer)
    assert pixels.shape == (60, 80, 4)
    assert pixels[30, 40, 3] == 255, "the subject is in the middle"
    assert pixels[0, 0].tolist() == [0, 0, 0, 0], "the background is gone, its colours too"
    assert pixels[30, 40, :3].tolist() == [220, 30, 20], "the subject keeps its colours"


@pytest.mark.parametrize("size", range(1, 8))
def test_the_pieces_of_base64_join_whatever_the_length(size: int, client: FlaskClient) -> None:
    assert picture_in(post(client, encoded(picture(200 + size, 200)))).shape == (200, 200 + size, 4)


def test_the_field_may_be_called_image(client: FlaskClient) -> None:
    assert post(client, field="image").status_code == 200


@pytest.mark.parametrize(
    "content_type", ["image/png", "application/octet-stream", "application/x-www-form-urlencoded", ""]
)
def test_the_raw_image_may_be_the_body_whatever_the_client_calls_it(client: FlaskClient, content_type: str) -> None:
    answer = client.post(f"{PATH}?format=jpeg", data=PNG, content_type=content_type)
    assert answer.status_code == 200
    assert answer.get_json()["format"] == "jpeg"


def test_accept_image_answers_the_bytes_and_the_facts_in_headers(client: FlaskClient) -> None:
    answer = post(client, accept="image/*")
    assert answer.mimetype == "image/png"
    assert opened(answer.data).size == (80, 60)
    assert answer.headers["X-Width"] == "80"
    assert answer.headers["X-Height"] == "60"
    assert answer.headers["X-Format"] == "png"
    assert answer.headers["X-Method"] == "tiny_u2net"
    assert answer.headers["X-Model"] == "u2netp"
    assert float(answer.headers["X-Total-Ms"]) > 0
    assert answer.headers["X-Memory-Limit-MB"] == "512"
    assert re.search(r"infer;dur=[\d.]+", answer.headers["Server-Timing"])


@pytest.mark.parametrize(
    ("accept", "mimetype"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("image/webp", "image/webp"),
        ("image/jpeg", "image/jpeg"),
        ("image/png, application/json", "image/png"),
        ("application/json, image/png;q=0.5", "application/json"),
        ("image/*;q=0", "application/json"),
    ],
)
def test_the_client_chooses_by_accept(client: FlaskClient, accept: str, mimetype: str) -> None:
    assert post(client, accept=accept).mimetype == mimetype


def test_format_outranks_the_type_that_accept_names(client: FlaskClient) -> None:
    assert post(client, accept="image/png", format="webp").mimetype == "image/webp"


@pytest.mark.parametrize("format_name", ["png", "jpeg", "jpg", "webp", "PNG"])
def test_every_format_is_what_it_says(client: FlaskClient, format_name: str) -> None:
    answer = post(client, accept="image/*", format=format_name)
    name = {"jpg": "jpeg"}.get(format_name, format_name.lower())
    assert answer.mimetype == f"image/{name}"
    assert opened(answer.data).format == name.upper()


@pytest.mark.parametrize("color", ["#00ff00", "00ff00", "#0f0", "lime", "0,255,0"])
def test_the_background_is_the_colour_asked_for(client: FlaskClient, color: str) -> None:
    pixels = picture_in(post(client, background_color=color))
    assert pixels.shape == (60, 80, 3), "nothing is see-through any more"
    assert pixels[0, 0].tolist() == [0, 255, 0]
    assert pixels[30, 40].tolist() == [220, 30, 20]


@pytest.mark.parametrize("nothing", ["", "transparent", " "])
def test_no_colour_is_transparent(client: FlaskClient, nothing: str) -> None:
    assert picture_in(post(client, background_color=nothing))[0, 0, 3] == 0


def test_a_jpeg_without_a_colour_stands_on_white(client: FlaskClient) -> None:
    pixels = picture_in(post(client, format="jpeg"))
    assert pixels.shape == (60, 80, 3)
    assert pixels[0, 0].min() > 250


def test_what_was_see_through_stays_see_through(client: FlaskClient) -> None:
    image = picture(80, 60, "RGBA")
    image.paste((9, 9, 9, 0), (36, 26, 44, 34))
    pixels = picture_in(post(client, encoded(image)))
    assert pixels[30, 40, 3] == 0
    assert pixels[30, 50, 3] == 255


def test_a_named_model_is_asked_for_and_never_downloaded(client: FlaskClient, models: FakeModels) -> None:
    assert post(client, model="silueta").status_code == 200
    assert models.asked == ["silueta"]


def test_without_the_network_the_photo_is_cut_out_by_opencv_and_the_log_says_why_once(
    client: FlaskClient, models: FakeModels, caplog: pytest.LogCaptureFixture
) -> None:
    models.unavailable = "/models/u2netp.onnx is gone"
    for _ in range(3):
        body = post(client).get_json()
        assert (body["success"], body["method"], body["model"]) == (True, "opencv", "grabcut")
    lines = [make_formatter("text").format(record) for record in caplog.records if record.levelname == "ERROR"]
    assert len(lines) == 1
    assert "photos are cut out by opencv, for u2netp cannot be had" in lines[0]
    assert "ModelUnavailable in app.services.tiny_u2net_service:" in lines[0]
    assert "/models" not in lines[0]


@pytest.mark.parametrize(("told_after_s", "told"), [(1000, 1), (-1, 4)])
def test_a_network_that_comes_and_goes_is_told_of_once_a_minute_at_most(
    client: FlaskClient,
    models: FakeModels,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    told_after_s: int,
    told: int,
) -> None:
    monkeypatch.setattr(tiny_u2net_service, "TELL_RECOVERY_S", told_after_s)
    caplog.set_level("INFO")
    for unavailable in ("too little memory", "") * 2:
        models.unavailable = unavailable
        post(client)
    lines = [record.getMessage() for record in caplog.records if "photos are cut out by" in record.getMessage()]
    assert len(lines) == told


@pytest.mark.parametrize("size", [(1, 1), (33, 7), (1, 4000), (4000, 1), (31, 31)])
@pytest.mark.parametrize("unavailable", ["", "no network"])
def test_odd_sizes_are_answered_at_their_own_size(
    client: FlaskClient, models: FakeModels, size: tuple[int, int], unavailable: str
) -> None:
    models.unavailable = unavailable
    answer = post(client, encoded(picture(*size)), accept="image/*", on_unknown="pass")
    assert answer.status_code == 200
    assert opened(answer.data).size == size


def test_a_large_photo_is_inferred_on_a_reduced_copy_and_answered_at_its_own_size(
    client: FlaskClient, models: FakeModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []
    infer = models.session.infer
    monkeypatch.setattr(models.session, "infer", lambda rgb, **how: (seen.append(rgb.shape), infer(rgb))[1])
    answer = post(client, encoded(picture(2048, 1024), "JPEG"), accept="image/*")
    assert seen == [(512, 1024, 3)]
    assert opened(answer.data).size == (2048, 1024)


def test_every_answer_has_a_request_id_and_a_sound_one_of_the_client_is_kept(client: FlaskClient) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", post(client).headers["X-Request-ID"])
    assert client.get("/health", headers={"X-Request-ID": "order-17"}).headers["X-Request-ID"] == "order-17"
    assert client.get("/health", headers={"X-Request-ID": "a b<c>"}).headers["X-Request-ID"] != "a b<c>"


def test_a_full_server_says_429_and_when_to_come_back(app: Flask, client: FlaskClient, models: FakeModels) -> None:
    service = TinyU2NetService(Settings(queue_size=0), models)  # type: ignore[arg-type]
    app.extensions["tinycut"] = service
    service.admission.enter(Deadline(60))
    answer = post(client)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.get_json()["error"]["code"] == "busy"
    service.admission.leave()
    assert post(client).status_code == 200


def test_memory_that_others_hold_is_never_taken_twice(client: FlaskClient, service: TinyU2NetService) -> None:
    others = service.budget.holding()
    others.add(service.budget.total_bytes - 1000)
    answer = post(client)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    others.release()
    answer.close()
    for _ in range(3):
        with post(client) as answer:
            assert answer.status_code == 200
    others.add(service.budget.total_bytes)  # everything was given back
    others.release()


def test_a_result_is_held_until_the_client_has_it(client: FlaskClient, service: TinyU2NetService) -> None:
    answer = client.post(PATH, data=PNG, buffered=False)
    with pytest.raises(Busy):
        service.budget.holding().add(service.budget.total_bytes)
    answer.close()
    service.budget.holding().add(service.budget.total_bytes)


def test_a_photo_that_is_late_says_503_and_the_next_one_works(
    client: FlaskClient, service: TinyU2NetService, models: FakeModels
) -> None:
    from dataclasses import replace

    settings = service.settings
    service.__dict__["settings"] = replace(settings, deadline_s=0.0)
    answer = post(client)
    assert answer.status_code == 503
    assert answer.get_json()["error"]["code"] == "deadline_exceeded"
    service.__dict__["settings"] = settings
    assert post(client).status_code == 200


def test_a_photo_without_a_subject_is_refused_or_given_back_whole(client: FlaskClient, models: FakeModels) -> None:
    class SeesNothing(FakeSession):
        def infer(self, rgb: np.ndarray, **_how: object) -> np.ndarray:
            return np.full((64, 64), 0.3, np.float32)

    models.session = SeesNothing()
    refused = post(client)
    assert refused.status_code == 422
    assert refused.get_json()["error"]["code"] == "unknown_foreground"
    assert "Please send one" in refused.get_json()["error"]["message"]
    whole = post(client, on_unknown="pass")
    assert whole.get_json()["confidence"] == 0
    assert np.array_equal(picture_in(whole)[:, :, :3], np.asarray(opened(PNG).convert("RGB")))
    assert (picture_in(whole)[:, :, 3] == 255).all()
    models.session = FakeSession()
    assert post(client).status_code == 200


def test_an_answer_tells_how_sure_it_is_and_that_an_animation_lost_its_other_frames(client: FlaskClient) -> None:
    animation = encoded(picture(), "GIF", save_all=True, append_images=[Image.new("RGB", (64, 48), "blue")])
    answer = post(client, animation)
    assert answer.get_json()["animated"] is True
    assert 0.5 < answer.get_json()["confidence"] <= 0.9
    image = post(client, accept="image/*")
    assert image.headers["X-Animated"] == "false"
    assert 0.5 < float(image.headers["X-Confidence"]) <= 0.9


def test_the_same_map_is_as_sure_as_the_network_that_made_it(client: FlaskClient, models: FakeModels) -> None:
    by_u2netp = post(client).get_json()["confidence"]
    models.session.method = "tinycut"
    assert post(client).get_json()["confidence"] < by_u2netp == 0.9


def test_private_exif_is_never_passed_on_and_the_resolution_is(client: FlaskClient) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    photo = encoded(picture(), "JPEG", exif=exif, dpi=(300, 300))
    for image_format in ("png", "jpeg", "webp"):
        answer = post(client, photo, format=image_format, accept="image/*")
        assert answer.status_code == 200
        with opened(answer.data) as result:
            assert not result.getexif()
            assert b"secret" not in answer.data
            if image_format != "webp":
                assert result.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_a_photo_that_is_all_see_through_has_no_subject(client: FlaskClient) -> None:
    image = Image.new("RGBA", (60, 60), (200, 10, 10, 0))
    answer = post(client, encoded(image))
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (422, "unknown_foreground")


def test_a_whole_photo_is_given_whatever_is_in_it_upright_and_placed_as_a_whole(client: FlaskClient) -> None:
    def asked(data: bytes, **words: str) -> Image.Image:
        answer = post(client, data, accept="image/png", output="photo", **words)
        assert answer.status_code == 200, answer.text
        return opened(answer.data)

    nothing = encoded(Image.new("RGBA", (40, 30), (9, 9, 9, 0)))
    for words in ({}, {"crop": "true"}, {"size": "60x60"}):
        assert np.asarray(asked(nothing, **words))[:, :, 3].max() == 0

    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    turned = asked(encoded(picture(80, 60), "JPEG", exif=exif, quality=95))
    assert turned.size == (60, 80)
    gap = np.abs(np.asarray(turned.convert("RGB")).astype(int) - np.asarray(picture(80, 60).rotate(-90, expand=True)))
    assert gap.mean() < 6

    square = np.asarray(asked(encoded(picture(80, 60)), size="100x100"))
    assert (square[:12, :, 3] == 0).all(), "all of it is in the middle, as large as it fits"
    assert (square[13:87, :, 3] == 255).all()


def test_a_blurred_photo_behind_shows_no_colour_that_the_photo_hides(client: FlaskClient) -> None:
    image = picture(80, 60, "RGBA")
    image.paste((0, 255, 0, 0), (0, 0, 20, 60))
    pixels = picture_in(post(client, encoded(image), background_blur="20")).astype(int)
    assert (pixels[:, :20, 1] - pixels[:, :20, 0]).max() < 140, "the hidden green is nowhere"


def test_a_passport_photo_tells_its_300_dpi(client: FlaskClient) -> None:
    image = opened(post(client, accept="image/jpeg", preset="passport").data)
    assert (image.size, image.info["dpi"]) == ((600, 600), (300, 300))


def test_gradients_with_line_breaks_are_css_too(client: FlaskClient) -> None:
    pixels = picture_in(post(client, background_gradient="linear-gradient(red\n50%,\n blue)"))
    assert pixels[0, 0].tolist() == [255, 0, 0]
