"""POST /api/batch: many photos in, one ZIP out, a photo at a time."""

from __future__ import annotations

import errno
import time
from contextlib import ExitStack
from functools import partial
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.datastructures import FileStorage

from app.errors import BadRequest, Busy, TooLarge
from app.routes import guard, replies
from app.routes.bodies import Body, no_room, read_body
from app.routes.connection import is_gone
from app.routes.forms import IMAGE, IMAGE_URL, check_upload_size, content, no_photo, options_of, photo_files
from app.routes.work import fetch, the_service
from app.services import cutout_zip
from app.services.admission import Deadline, Holding
from app.services.cutout import Cutout
from app.services.cutout_zip import NamedPhoto
from app.services.options import CutoutOptions
from app.services.tiny_u2net_service import TinyU2NetService

batch_blueprint = Blueprint("batch", __name__, url_prefix="/api")

_LOOK_AGAIN_S = 0.5
_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


@batch_blueprint.post("/batch")
def batch() -> Response:
    """Answer several photos with a ZIP of their cut-outs and a manifest.json, sent while they are made."""
    with ExitStack() as stack:
        _enter(stack)  # before anything is read
        image_format = replies.wanted_image_format(request)
        try:
            body = read_body(request)
        except OSError as fault:
            if fault.errno not in _DISK_IS_FULL:
                raise
            raise no_room() from fault
        return _stream(photo_files(body), body, stack, image_format=image_format or "png")


def reply(photos: list[FileStorage], body: Body, *, image_format: str, needs_background: bool) -> Response:
    """Answer the several photos of a form that was sent to a path for one."""
    with ExitStack() as stack:
        _enter(stack)
        return _stream(photos, body, stack, image_format=image_format, needs_background=needs_background)


def _enter(stack: ExitStack) -> None:
    """Take one of the places of batches; it is given back when the stack, or the response that it went to, closes."""
    batches = the_service().batches
    batches.enter(Deadline(0))
    stack.callback(batches.leave)


def _stream(
    photos: list[FileStorage],
    body: Body,
    stack: ExitStack,
    *,
    image_format: str,
    needs_background: bool = False,
) -> Response:
    service = the_service()
    settings = service.settings
    if image_format == "zip":  # what is accepted is the answer, not a ZIP for each photo
        image_format = "png"
    options = options_of(body, settings, fetch=fetch, image_format=image_format, needs_background=needs_background)
    if body.raw or any(body.words.get(name) for name in (IMAGE, IMAGE_URL)):
        raise BadRequest("A batch takes its photos as files only, each as 'file'.", code="multiple_files")
    if not photos:
        raise no_photo()
    if len(photos) > settings.max_batch_photos:
        raise TooLarge(
            f"{len(photos)} photos were sent; this server takes up to {settings.max_batch_photos} at once.",
            code="too_many_photos",
        )
    guard.count_more(len(photos) - 1)
    request.keeps_files = True  # type: ignore[attr-defined]  # it is an UploadRequest
    for _name, part in request.files.items(multi=True):
        stack.callback(part.close)
    sending = service.budget.holding()
    stack.callback(sending.release)
    named = [
        NamedPhoto(part.filename or "", partial(_cut_out, service, part, options, sending, request.environ))
        for part in photos
    ]
    response = Response(cutout_zip.stream(named), mimetype="application/zip")
    response.headers["Content-Disposition"] = 'attachment; filename="cutouts.zip"'
    response.headers["Cache-Control"] = "no-store"
    response.call_on_close(stack.pop_all().close)
    return response


def _cut_out(
    service: TinyU2NetService, part: FileStorage, options: CutoutOptions, sending: Holding, environ: dict[str, Any]
) -> Cutout:
    """Cut out one photo of a batch, which waits its turn where others would be sent away. Of all batches one photo is
    in memory at a time, and none while the memory that it needs is not there.

    `sending` holds the memory of the result, and of its place in the ZIP, until the next photo is asked for.
    """
    sending.release()
    service.check_batches_go_on()
    deadline = service.new_deadline(partial(is_gone, environ))
    try:
        while True:
            service.batch_turns.enter(deadline, patient=True)
            try:
                cutout = _cut_out_now(service, part, options, deadline)
                sending.add(2 * len(cutout.image), exists=True)
                return cutout
            except Busy:  # other requests hold the memory
                deadline.check()
            finally:
                service.batch_turns.leave()
            time.sleep(min(_LOOK_AGAIN_S, deadline.remaining_s()))
    finally:
        part.close()


def _cut_out_now(service: TinyU2NetService, part: FileStorage, options: CutoutOptions, deadline: Deadline) -> Cutout:
    part.stream.seek(0)
    data = content(part)
    check_upload_size(len(data), service.settings)
    held = service.budget.holding()
    held.add(len(data), exists=True)
    try:
        return service.cut_out(data, options, deadline=deadline, patient=True)
    finally:
        held.release()
