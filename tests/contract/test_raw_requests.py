"""Whatever bytes come to the live server: an answer in HTTP that is no 5xx, and the same worker answers after them."""

from __future__ import annotations

import base64
import http.client
import json
import socket
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.services.option_words import OPTION_FIELDS
from scripts.box import Server
from tests.support import encoded, page_file, picture

# Of two tests: 1,000 requests.
fuzzed = settings(
    max_examples=500, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

PHOTO_PATHS = (
    *("/api/remove-background", "/api/change-background", "/api/batch"),
    *("/api/remove", "/v1.0/removebg", "/"),
)
OTHER_PATHS = (
    *("/api/fetch-photo", "/api/progress/mine", "/api/models", "/v1.0/account"),
    *("/health", "/ready", "/metrics", "/docs", "/openapi.json", page_file("style.css"), "/static/../a", "*"),
)
MULTIPART = "multipart/form-data; boundary=edge"
BODY_TYPES = (
    MULTIPART,
    "multipart/form-data",
    "application/json",
    "application/x-www-form-urlencoded",
    "image/png",
    "",
)


@pytest.fixture(autouse=True)
def unharmed(server: Server) -> Iterator[None]:
    """After all requests of a test the same worker answers, and its log tells of no bug."""
    workers = server.worker_pids()
    yield
    assert server.worker_pids() == workers
    assert requests.get(f"{server.url}/health", timeout=5).status_code == 200
    assert server.log is not None
    assert "Traceback" not in server.log.read_text(errors="replace")


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Bytes of which some were changed, left out at the end, or added there."""
    data = bytearray(draw(whole))
    for place in draw(st.lists(st.integers(0, len(data) - 1), max_size=4)):
        data[place] = draw(st.integers(0, 255))
    kept = draw(st.just(len(data)) | st.integers(0, len(data)))
    return bytes(data[:kept]) + draw(st.just(b"") | st.binary(max_size=9))


def form(photo_name: str, photo: bytes, fields: list[tuple[str, str]]) -> bytes:
    """The body of a form, with a photo."""
    parts = [(f'name="{name}"', value.encode("utf-8", "replace")) for name, value in fields]
    parts.append((f'name="{photo_name}"; filename="a.png"', photo))
    heads = [
        f"--edge\r\nContent-Disposition: form-data; {said}\r\n\r\n".encode("utf-8", "replace") for said, _ in parts
    ]
    return b"".join(head + value + b"\r\n" for head, (_, value) in zip(heads, parts, strict=True)) + b"--edge--\r\n"


def json_object(photo_name: str, photo: bytes, fields: list[tuple[str, object]]) -> bytes:
    """The body of a request in JSON, with a photo."""
    return json.dumps({**dict(fields), photo_name: base64.b64encode(photo).decode()}).encode()


WHOLE_PHOTOS = st.sampled_from([encoded(picture(), kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "AVIF")])
PHOTOS = WHOLE_PHOTOS | damaged(WHOLE_PHOTOS)
NAMES = st.sampled_from([*OPTION_FIELDS, "url", "image", "bgc", "bg_color", "type", "api_key"]) | st.text(max_size=9)
WORDS = st.sampled_from(["", "true", "1", "50%", "10 10", "red", "webp", "mask", "4:5", "nan", "9" * 5000])
VALUES = WORDS | st.text(max_size=20)
JSON_VALUES = VALUES | st.none() | st.booleans() | st.integers() | st.floats() | st.lists(st.text(), max_size=2)
# In the words of this API, and of remove.bg's.
FILE_NAMES, TEXT_NAMES = st.sampled_from(["file", "image_file"]), st.sampled_from(["image", "image_file_b64"])
FORMS = st.builds(form, FILE_NAMES, PHOTOS, st.lists(st.tuples(NAMES, VALUES), max_size=2))
OBJECTS = st.builds(json_object, TEXT_NAMES, PHOTOS, st.lists(st.tuples(NAMES, JSON_VALUES), max_size=2))
BODIES = st.one_of(
    st.tuples(st.just("image/png"), PHOTOS),
    st.tuples(st.just(MULTIPART), FORMS | damaged(FORMS)),
    st.tuples(st.just("application/json"), OBJECTS | damaged(OBJECTS)),
    st.tuples(st.sampled_from(BODY_TYPES), st.binary(max_size=60)),
)
HEADER_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=20)
ACCEPTS = st.sampled_from(["*/*", "image/*", "image/webp;q=0.3, application/json;q=0.2", "text/html"]) | HEADER_TEXT


@fuzzed
@given(path=st.sampled_from(PHOTO_PATHS), body=BODIES, accept=ACCEPTS, request_id=HEADER_TEXT, is_chunked=st.booleans())
def test_any_body_gets_an_answer(
    server: Server, path: str, body: tuple[str, bytes], accept: str, request_id: str, is_chunked: bool
) -> None:
    kind, data = body
    headers = {"Content-Type": kind, "Accept": accept, "X-Request-ID": request_id}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request("POST", path, iter([data]) if is_chunked else data, headers, encode_chunked=is_chunked)
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    assert answer.status < 500
    if answer.status >= 400 and answer.headers.get_content_type() == "application/json":
        found = json.loads(text)
        error = found["error"] if "error" in found else found["errors"][0]  # remove.bg's
        assert error["code"]


NONSENSE = st.binary(max_size=12)
METHODS = st.sampled_from([b"GET", b"GET", b"POST", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"TRACE"])
ODD_METHODS = st.sampled_from([b"CONNECT", b"get", b"A-METHOD"]) | NONSENSE
TARGETS = st.sampled_from([path.encode() for path in (*PHOTO_PATHS, *OTHER_PATHS)])
QUERIES = st.just(b"") | st.text(max_size=9).map(lambda text: b"?crop=" + quote(text).encode())
VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b""])
BYTES = st.sampled_from([b"", b"5\r\nabcde\r\n0\r\n\r\n"]) | st.binary(max_size=40)
HEADERS = st.dictionaries(
    st.sampled_from(
        [b"Accept", b"X-Request-ID", b"Authorization", b"X-Api-Key", b"Origin", b"If-None-Match", b"Range"]
    ),
    HEADER_TEXT.map(lambda text: text.encode("latin-1")),
    max_size=3,
).flatmap(lambda free: st.sampled_from(BODY_TYPES).map(lambda kind: [*free.items(), (b"Content-Type", kind.encode())]))
ODD_HEADERS = st.one_of(
    st.tuples(st.just(b"Content-Length"), st.integers(-1, 70).map(lambda size: b"%d" % size)),
    st.tuples(
        st.just(b"Transfer-Encoding"), st.sampled_from([b"chunked", b"gzip, chunked", b"gzip", b"identity", b"x"])
    ),
    st.tuples(st.just(b"Expect"), st.sampled_from([b"100-continue", b"x"])),
    st.tuples(NONSENSE, NONSENSE | st.just(b"x" * 4000)),
)


def request(
    method: bytes, target: bytes, query: bytes, version: bytes, headers: list[tuple[bytes, bytes]], body: bytes
) -> bytes:
    """A request as it goes over the wire."""
    lines = [b" ".join([method, target + query, version]), b"Host: a", *(b": ".join(header) for header in headers)]
    return b"\r\n".join([*lines, b"", body])


def sound_request(method: bytes, target: bytes, query: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    """A request that says the length of its body."""
    headers = [*headers, (b"Content-Length", b"%d" % len(body))]
    return request(method, target, query, b"HTTP/1.1", headers, body)


SOUND = st.builds(sound_request, METHODS, TARGETS, QUERIES, HEADERS, BYTES)
ODD = st.builds(
    request,
    METHODS | ODD_METHODS,
    TARGETS | NONSENSE,
    QUERIES | NONSENSE,
    VERSIONS,
    st.lists(ODD_HEADERS, max_size=3),
    BYTES,
)


@fuzzed
@given(SOUND | ODD | damaged(SOUND) | st.binary(min_size=1, max_size=200))
def test_any_bytes_get_an_answer_but_half_a_request(server: Server, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(connection, method=sent.partition(b" ")[0].decode("latin-1"))
        try:
            answer.begin()
        except http.client.RemoteDisconnected:
            assert b"\r\n\r\n" not in sent
            return
        answer.read()
    # A transfer coding that is not known is 501, by RFC 9112 (§6.1) and gunicorn.
    assert answer.status < 500 or (answer.status == 501 and b"transfer-encoding:" in sent.lower())
