"""Pages and their text files, compressed for clients that read gzip. Answers of the API never are: pictures cannot be
made smaller, and JSON is mostly a picture."""

from __future__ import annotations

import gzip

from flask import Flask, Response, request


def register(app: Flask) -> None:
    """Compress the pages of an application, but for the answer to a form, which holds a picture."""
    app.after_request(_compress_page)


def is_wanted() -> bool:
    """Whether the client of this request reads gzip."""
    return request.accept_encodings["gzip"] > 0


def compress(text: bytes) -> bytes:
    """The same bytes for the same text, at any time."""
    return gzip.compress(text, mtime=0)


def _compress_page(response: Response) -> Response:
    if response.mimetype != "text/html" or request.method not in ("GET", "HEAD"):
        return response
    response.vary.add("Accept-Encoding")
    if is_wanted():
        response.set_data(compress(response.get_data()))
        response.content_encoding = "gzip"
    return response
