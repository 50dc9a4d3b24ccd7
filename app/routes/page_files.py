"""The page's files, under addresses that change when any of them does: a browser may keep them for ever, and never has
modules of two versions together."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from flask import Flask, Response, abort, send_file

from app.routes import compression

# What is text, by the file's suffix; the system's own table of types differs from host to host.
_TEXT_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_YEAR_S = 365 * 24 * 3600


def register(app: Flask) -> None:
    """Serve the folder `static` of an application; `url_for("static", filename=…)` has the addresses."""
    files = PageFiles(Path(app.root_path) / "static")

    @app.get("/static/<version>/<path:filename>", endpoint="static")
    def send(version: str, filename: str) -> Response:
        return files.answer(version, filename)

    @app.url_defaults
    def name_version(endpoint: str, values: dict[str, object]) -> None:
        if endpoint == "static":
            values["version"] = files.version


class PageFiles:
    """The files of a folder as they are now. `version` is 8 digits that are others when any file is."""

    def __init__(self, folder: Path) -> None:
        self._paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        self._compressed: dict[str, bytes] = {}
        digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in self._paths.items()}
        self.version = hashlib.sha256(repr(sorted(digests.items())).encode()).hexdigest()[:8]

    def answer(self, version: str, name: str) -> Response:
        """A file, or a part of it, or 304, as the client asks; 404 for what is not there or of another version."""
        path = self._paths.get(name)
        if path is None or version != self.version:
            abort(404)
        text_type = _TEXT_TYPES.get(path.suffix)
        if text_type and compression.is_wanted():
            response = send_file(
                io.BytesIO(self._compress(name)), mimetype=text_type, etag=f"{version}-gzip", max_age=_YEAR_S
            )
            response.content_encoding = "gzip"
        else:
            response = send_file(path, mimetype=text_type, etag=version, max_age=_YEAR_S)
        response.cache_control.immutable = True
        if text_type:
            response.vary.add("Accept-Encoding")
        return response

    def _compress(self, name: str) -> bytes:
        """A file compressed, once for all time."""
        if name not in self._compressed:
            self._compressed[name] = compression.compress(self._paths[name].read_bytes())
        return self._compressed[name]
