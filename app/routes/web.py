"""The page at /: a plain form that also works without JavaScript."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePath

from flask import Blueprint, Response, g, render_template, request
from werkzeug.datastructures import FileStorage

from app import __version__
from app.errors import BadRequest
from app.imaging.encode import FORMATS
from app.imaging.layout import Layout
from app.routes import guard, language, replies
from app.routes.forms import RemovalRequest, check_upload_size, content
from app.routes.work import cut_out, the_service
from app.services.cutout import Cutout
from app.services.option_words import TRANSPARENT, read_options
from app.services.presets import PRESETS

web_blueprint = Blueprint("web", __name__)

SAMPLE_CREDIT = "Rachel Michetti, Pikolo Espresso Bar (CC0)"
# Suffixes too: not every system knows the types of a phone's photos.
ACCEPTED_TYPES = ",".join(
    [f"image/{kind}" for kind in ("jpeg", "png", "webp", "avif", "heic", "heif", "tiff", "bmp", "gif")]
    + [".heic", ".heif"]
)
# The page holds the picture twice as base64, and the whole of it is text, then bytes.
PAGE_COPIES = 8
PAGE_FORMATS = ("png", "webp", "jpeg")
BACKGROUNDS = (TRANSPARENT, "color", "gradient", "image", "blur")
SWATCHES = (("white", "#ffffff"), ("black", "#000000"), ("grey", "#c9ced6"), ("sky", "#a9d8ff"), ("green", "#00b140"))
# Name, direction and two colours.
GRADIENTS = (
    ("silver", "180deg", "#ffffff", "#c3c9d0"),
    ("sky", "180deg", "#6db3f2", "#eaf5ff"),
    ("sunset", "135deg", "#ff7e5f", "#feb47b"),
    ("mint", "135deg", "#d4fc79", "#96e6a1"),
    ("night", "round", "#4b6cb7", "#182848"),
)
ROUND = "round"
DIRECTIONS = (("180deg", "down"), ("90deg", "across"), ("135deg", "diagonal"), (ROUND, "round"))
EMPTY_FORM = {
    "background": TRANSPARENT,
    "background_color": "#ffffff",
    "gradient_direction": "180deg",
    "gradient_from": "#ffffff",
    "gradient_to": "#c3c9d0",
    "background_blur": "20",
    "shadow": "",
    "shadow_opacity": "40",
    "preset": "",
    "crop": "",
    "crop_margin": "8",
    "format": "png",
}
MODULES = sorted(path.name for path in Path(__file__).parents[1].glob("static/js/*.js"))


@web_blueprint.get("/")
def show_page() -> Response:
    """Show the page with an empty form."""
    return _page()


@web_blueprint.post("/")
def cut_out_by_form() -> Response:
    """Cut out the photo of a plain form post and show the page with the result, or with what is wrong."""
    form = g.form = {**EMPTY_FORM, **request.form}  # shown again, whatever comes of it
    if guard.needs_key():
        guard.admit(form.get("api_key", ""))
    upload = request.files.get("file")
    data = content(upload) if upload else b""
    if not data or upload is None:
        raise BadRequest("Please choose a photo first.", code="missing_file")
    behind = request.files.get("background_image") if form["background"] == "image" else None
    options = read_options(words_of(form), background_image=_image(behind))
    removal = RemovalRequest(data, options)
    check_upload_size(removal.size_bytes, the_service().settings)
    cutout = cut_out(removal)
    g.holding.add((PAGE_COPIES - 1) * len(cutout.image))
    return _page(form=form, result=_result(cutout, PurePath(upload.filename or "photo").stem))


def words_of(form: Mapping[str, str]) -> dict[str, str]:
    """The API's options that the fields of the page say; app/static/js/look.js says them likewise."""
    words = {"format": form["format"], "preset": form["preset"]}
    if form["background"] == "color":
        words["background_color"] = form["background_color"]
    elif form["background"] == "gradient":
        direction = form["gradient_direction"]
        shape = "radial-gradient(" if direction == ROUND else f"linear-gradient({direction}, "
        words["background_gradient"] = f"{shape}{form['gradient_from']}, {form['gradient_to']})"
    elif form["background"] == "blur":
        words["background_blur"] = form["background_blur"]
    if form["shadow"]:
        words |= {"shadow": "true", "shadow_opacity": f"{form['shadow_opacity']}%"}
    if form["crop"]:
        words |= {"crop": "true", "crop_margin": f"{form['crop_margin']}%"}
    return words


def page_with_error(status: int, code: str, message: str) -> Response:
    """Show the form again, as it was sent, with what is wrong."""
    sentence = language.error_sentence(code, message, max_mb=_max_mb())
    response = _page(form=g.get("form", EMPTY_FORM), error={"code": code, "message": sentence})
    response.status_code = status
    return response


def _image(upload: FileStorage | None) -> bytes | None:
    """The image to put behind; the field is there, and empty, where none was chosen."""
    return (content(upload) or None) if upload else None


def _result(cutout: Cutout, stem: str) -> dict[str, object]:
    return {
        "data_url": replies.data_url(cutout),
        "download_name": f"{stem}{FORMATS[cutout.format].suffix}",
        "width": cutout.width,
        "height": cutout.height,
        "method": cutout.method,
        "model_name": "OpenCV" if cutout.method == "opencv" else cutout.model,
        "seconds": f"{cutout.timings_ms['total'] / 1000:.1f}",
    }


def _page(**context: object) -> Response:
    page = render_template(
        "index.html",
        **{
            "t": language.strings(),
            "language": language.chosen(),
            "languages": [(code, strings["language.name"]) for code, strings in language.STRINGS.items()],
            "modules": MODULES,
            "max_upload_mb": _max_mb(),
            "accepted": ACCEPTED_TYPES,
            "backgrounds": BACKGROUNDS,
            "swatches": SWATCHES,
            "gradients": GRADIENTS,
            "directions": DIRECTIONS,
            "presets": [{"name": preset.name, "layout": _layout_json(preset.layout)} for preset in PRESETS.values()],
            "formats": PAGE_FORMATS,
            "form": EMPTY_FORM,
            "result": None,
            "error": None,
            "needs_key": guard.needs_key(),
            "sample_credit": SAMPLE_CREDIT,
            "version": __version__,
            **context,
        },
    )
    text = page.encode()
    response = Response(replies.in_pieces(text), mimetype="text/html")
    response.content_length = len(text)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Language"] = language.chosen()
    response.vary.add("Accept-Language")
    return response


def _layout_json(layout: Layout) -> str:
    """A preset's layout for layout.js, whose names are JavaScript's."""
    canvas = layout.canvas
    return json.dumps(
        {
            "crop": layout.crop,
            "margin": [{"value": length.value, "isPercent": length.is_percent} for length in layout.margin],
            "canvas": canvas and {"width": canvas.width, "height": canvas.height, "isShape": canvas.is_shape},
            "scale": layout.scale,
            "position": layout.position,
        }
    )


def _max_mb() -> str:
    return f"{the_service().settings.max_upload_mb:g}"
