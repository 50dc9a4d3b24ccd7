"""What every route that cuts out does: fetch, cut out before the deadline, and hold the memory that it takes."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response, current_app, g, request

from app.routes.connection import is_gone
from app.routes.forms import RemovalRequest
from app.services.admission import Deadline
from app.services.cutout import Cutout
from app.services.tiny_u2net_service import TinyU2NetService


def the_service() -> TinyU2NetService:
    """The service of this application."""
    service: TinyU2NetService = current_app.extensions["tinycut"]
    return service


def fetch(url: str) -> bytes:
    """The picture at an address, counted as memory that this request holds, and as time that it has."""
    deadline()
    return the_service().remote_images.fetch(url, hold=g.holding.add)


def deadline() -> Deadline:
    """When this request must be answered: it begins with the first work for it, be that a download."""
    if "deadline" not in g:
        g.deadline = the_service().new_deadline(lambda: is_gone(request.environ))
    found: Deadline = g.deadline
    return found


def answer(removal: RemovalRequest, reply: Callable[[Cutout], Response], *, kind: str) -> Response:
    """Cut out one photo and make the reply; 304 for a client that has it already (only with a result cache).

    `kind` tells apart the answers that are made of one result: JSON, or the picture itself.
    """
    key = the_service().result_key(removal.data, removal.options)
    etag = f"{key}-{kind}"
    if key and etag in request.if_none_match.as_set(include_weak=True):  # `*` is none
        response = Response(status=304)
        response.headers["Vary"] = "Accept"
    else:
        cutout = cut_out(removal)
        response = reply(cutout)
        if not key or not the_service().is_lasting(cutout, removal.options):
            return response
    response.set_etag(etag, weak=True)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def cut_out(removal: RemovalRequest) -> Cutout:
    """Cut out one photo; the result is held for this request until its client has it."""
    service = the_service()
    g.holding.shrink_to(removal.size_bytes)  # less came than was announced
    with service.progress.of(g.request_id, deadline(), g.record.stages_ms):
        cutout = service.cut_out(removal.data, removal.options, deadline=deadline())
    g.holding.add(len(cutout.image), exists=True)
    return cutout
