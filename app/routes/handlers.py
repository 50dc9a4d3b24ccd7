"""What every answer gets: a request id, and one shape of error."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable

from flask import Flask, Response, current_app, g, make_response, render_template, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge

from app import config
from app.errors import AppError, Busy
from app.hosting import MIB
from app.routes import language, removebg_errors
from app.routes.bodies import held_bytes, limit_body, reading
from app.routes.connection import Answers, limit_answer, limit_silence, stop_reading
from app.routes.replies import error_reply
from app.routes.request_log import note_error
from app.routes.web import page_with_error
from app.routes.work import the_service
from app.services.admission import Deadline

log = logging.getLogger(__name__)

# Status, code and message → an answer.
ErrorShape = Callable[[int, str, str], Response]
HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 415: "unsupported_body", 429: "rate_limit_exceeded"}

# Where a photo is sent to find no place, its bytes are better not read: a crowd that comes back at once costs less.
REFUSED_UNREAD = ("api.remove_background", "api.change_background", "rembg.remove", "removebg.remove_background")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_RETRY_AFTER_S = 5  # where nothing better is known
_ANSWERS = "answers"
_DRAIN_BYTES, _DRAIN_S, _DRAIN_SILENCE_S = 64 * MIB, 10.0, 1.0


def register(app: Flask) -> None:
    """Attach the handlers to the application."""
    app.extensions[_ANSWERS] = Answers(config.SLOW_ANSWERS)
    app.before_request(_begin)
    app.after_request(_finish)
    app.register_error_handler(AppError, _on_app_error)
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(ParseException, _on_broken_body)
    app.register_error_handler(Exception, _on_bug)


def request_id() -> str:
    """The id of this request: the client's, where it sent a sound one, else a new one."""
    if "request_id" not in g:
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    return str(g.request_id)


def _begin() -> None:
    request_id()
    service = the_service()
    limit_silence(request.environ)
    if request.endpoint in REFUSED_UNREAD and not service.settings.result_cache_mb:  # a result may be there already
        service.admission.check_room()
    limit_body(request, service.settings)
    g.holding = service.budget.holding()
    service.budget.check_room(held_bytes(request))  # what cannot fit is better not read; held is only what comes


def _finish(response: Response) -> Response:
    if response.status_code >= 400:
        _drain()
    response.direct_passthrough = False  # Werkzeug never closes a file that it hands to the server as it is
    if "holding" in g:
        response.call_on_close(g.holding.release)
    limit_answer(request.environ, response.content_length or 0)
    if not response.is_streamed or response.content_length is not None:  # a batch has a place of its own
        if "end_answer" not in g:  # the answer that a fault after this takes the place of is never closed
            g.end_answer = current_app.extensions[_ANSWERS].begin(request.environ)
        response.call_on_close(g.end_answer)
    response.headers["X-Request-ID"] = request_id()
    return response


def _on_app_error(error: AppError) -> Response:
    return _reply(error.status, error.code, error.message, retry_after_s=error.retry_after_s)


def _on_http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if isinstance(error, RequestEntityTooLarge):
        return _on_too_large()
    if isinstance(error, ClientDisconnected):
        return _on_broken_body(error)
    if 300 <= status < 400:
        return make_response(error.get_response())
    code = HTTP_CODES.get(status, error.name.lower().replace(" ", "_"))
    reply = _reply(status, code, error.description or error.name)
    if status == 405:
        reply.headers["Allow"] = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
    return reply


def _on_broken_body(_error: Exception) -> Response:
    """The client hung up, fell silent, or sent chunks that gunicorn could not read."""
    return _reply(400, "incomplete_body", "The body did not arrive whole. Please send it again.")


def _on_too_large() -> Response:
    """Werkzeug stopped reading: the body is over the limit, or the form's fields are."""
    length = request.content_length
    if length is not None and length <= (request.max_content_length or 0):
        return _reply(413, "form_too_large", "The form has too many or too long fields beside the photo.")
    settings = the_service().settings
    is_batch = request.endpoint == "batch.batch"
    limit_mb, advice = (
        (settings.max_batch_mb, "fewer photos") if is_batch else (settings.max_upload_mb, "a smaller photo")
    )
    return _reply(
        413,
        "file_too_large",
        f"The upload is larger than the {limit_mb:g} MB that this server takes. Please send {advice}.",
    )


def _drain() -> None:
    """Read and drop what the client still sends, within bounds: one that is still sending when the connection
    closes would see a reset and never the answer."""
    if not request.environ.get("wsgi.input_terminated"):
        return  # Flask's own server: to read past the body would block
    limit_silence(request.environ, _DRAIN_SILENCE_S)
    left, deadline = _DRAIN_BYTES, Deadline(_DRAIN_S)
    try:
        with reading(request, hold=lambda _size_bytes: None, grace_s=_DRAIN_S):
            stream = request.environ["wsgi.input"]
            while left > 0 and deadline.remaining_s() and (chunk := stream.read(min(64 * 1024, left))):
                left -= len(chunk)
    except Busy:  # too many are slow already; gunicorn would wait for the rest as well
        stop_reading(request.environ)
    except (OSError, ParseException, ClientDisconnected):
        return  # the client is gone, silent, or sends nonsense
    finally:
        limit_silence(request.environ)


def _on_bug(error: Exception) -> Response:
    log.exception("request %s failed", request_id(), exc_info=error)
    return _reply(500, "internal_error", "Something went wrong on our side. It was logged; please try again.")


def _reply(status: int, code: str, message: str, *, retry_after_s: int | None = None) -> Response:
    note_error(code)
    response = _error_shape()(status, code, message)
    if response.status_code in (429, 503):  # some clients, told nothing, come back at once and for ever
        retry_after_s = retry_after_s or _RETRY_AFTER_S
    if retry_after_s is not None:
        response.headers["Retry-After"] = str(retry_after_s)
    return response


def _error_shape() -> ErrorShape:
    """What this request's errors look like: as the clients of its path know them."""
    if request.endpoint == "web.cut_out_by_form":
        return page_with_error
    for path, shape in ERROR_SHAPES.items():
        if request.path == path or (path.endswith("/") and request.path.startswith(path)):
            return shape
    return _error_page if request.accept_mimetypes.accept_html else _own_error


def _own_error(status: int, code: str, message: str) -> Response:
    return error_reply(status, code, message, request_id=request_id())


def _rembg_error(status: int, code: str, message: str) -> Response:
    return error_reply(status, code, message, request_id=request_id(), detail=message)


def _error_page(status: int, code: str, message: str) -> Response:
    max_mb = f"{the_service().settings.max_upload_mb:g}"
    page = render_template(
        "error.html",
        t=language.strings(),
        language=language.chosen(),
        error={"code": code, "message": language.error_sentence(code, message, max_mb=max_mb)},
    )
    return make_response(page, status)


# A path, or the folder that it is in → what its errors look like.
ERROR_SHAPES: dict[str, ErrorShape] = {
    "/v1.0/": removebg_errors.error_reply,
    "/api/remove": _rembg_error,
    **dict.fromkeys(("/api/", "/health", "/ready", "/metrics"), _own_error),
}
