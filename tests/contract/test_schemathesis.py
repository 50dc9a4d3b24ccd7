"""The OpenAPI document against the live server, by Schemathesis: no 5xx, and no answer that the document does not have.

Each operation gets what the document allows and what it does not: every example, every bound and word of every field
(some 2,500 requests), and 20 at random. What is allowed may be refused (two backgrounds), and what is not may be taken
(an empty field): that is not looked at here, but in tests/services/test_option_schemas.py, field by field.
"""

from __future__ import annotations

import zlib

import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.config import Settings
from app.imaging.encode import FORMATS
from app.routes.openapi import document
from scripts.box import Server
from tests.support import encoded, picture

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ACCEPTED = ("application/json", "*/*", "image/*", "text/html", *(output.mimetype for output in FORMATS.values()))

for kind in ("png", "jpeg"):
    schemathesis.openapi.media_type(f"image/{kind}", st.just(encoded(picture(), kind.upper())))
DOCUMENT = document(Settings())
for path in ("/api/change-background", "/api/batch"):
    # Options in the address are hundreds of requests, and read by the same lines as those of /api/remove-background.
    del DOCUMENT["paths"][path]["post"]["parameters"]
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
SCHEMA.config.generation.update(deterministic=True)


def accepted(case: schemathesis.Case) -> str:
    """What a request accepts: anything of what there is, but the same for the same request."""
    return ACCEPTED[zlib.crc32(repr((case.query, case.body)).encode()) % len(ACCEPTED)]


def as_list_of_files(case: schemathesis.Case) -> None:
    """Have two photos where the document has a list of them, and Schemathesis made one."""
    if case.path == "/api/batch" and isinstance(case.body, dict) and isinstance(case.body.get("file"), bytes):
        case.body = {**case.body, "file": [case.body["file"]] * 2}


@SCHEMA.parametrize()
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_in_the_document(case: schemathesis.Case, server: Server) -> None:
    as_list_of_files(case)
    case.call_and_validate(base_url=server.url, headers={"Accept": accepted(case)}, checks=CHECKS)
