"""The page at /: a plain form that also works without JavaScript."""

from __future__ import annotations

from pathlib import PurePath

from flask import Blueprint, Response, g, render_template, request

from app import __version__
from app.errors import BadRequest
from app.imaging.encode import FORMATS
from app.routes import guard, replies
from app.routes.forms import RemovalRequest, check_upload_size
from app.routes.work import cut_out, the_service
from app.services.option_words import TRANSPARENT, read_options

web_blueprint = Blueprint("web", __name__)

SAMPLE_CREDIT = "Photo: Rachel Michetti, Pikolo Espresso Bar (CC0)"
ACCEPTED_TYPES = ",".join(
    f"image/{kind}" for kind in ("jpeg", "png", "webp", "avif", "heic", "heif", "tiff", "bmp", "gif")
)
# The page holds the picture twice as base64, and the whole of it is text, then bytes.
PAGE_COPIES = 8
PAGE_FORMATS = ("png", "jpeg", "webp")
EMPTY_FORM = {"background": TRANSPARENT, "background_color": "#ffffff", "format": "png"}


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
    data = upload.read() if upload else b""
    if not data:
        raise BadRequest("Please choose a photo first.", code="missing_file")
    check_upload_size(len(data), the_service().settings)
    color = form["background_color"] if form["background"] == "color" else TRANSPARENT
    options = read_options({"background_color": color, "format": form["format"]})
    cutout = cut_out(RemovalRequest(data, options))
    g.holding.add((PAGE_COPIES - 1) * len(cutout.image))
    stem = PurePath(upload.filename or "photo").stem if upload else "photo"
    return _page(
        form=form,
        result={
            "data_url": replies.data_url(cutout),
            "download_name": f"{stem}-cutout{FORMATS[cutout.format].suffix}",
            "width": cutout.width,
            "height": cutout.height,
            "method": cutout.method,
            "model": cutout.model,
            "total_ms": round(cutout.timings_ms["total"]),
        },
    )


def page_with_error(status: int, code: str, message: str) -> Response:
    """Show the form again, as it was sent, with what is wrong."""
    response = _page(form=g.get("form", EMPTY_FORM), error={"code": code, "message": message})
    response.status_code = status
    return response


def _page(**context: object) -> Response:
    service = the_service()
    page = render_template(
        "index.html",
        **{
            "max_upload_mb": f"{service.settings.max_upload_mb:g}",
            "formats": PAGE_FORMATS,
            "accepted": ACCEPTED_TYPES,
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
    return response
