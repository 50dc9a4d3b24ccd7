"""What is in the JSON of requests and answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.imaging.encode import FORMATS
from app.services.option_schemas import OPTION_SCHEMAS, Schema
from app.services.presets import PRESETS
from app.services.progress import STAGES

CUTTING_METHODS = ("tiny_u2net", "tinycut", "rembg", "opencv")
METHODS = (*CUTTING_METHODS, "none")

_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}
_SIDE_PX = {"type": "integer", "minimum": 1}
_MEGABYTES = {"type": "number"}


def ref(name: str) -> Schema:
    """A schema of this module by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def closed(properties: dict[str, Schema], **more: Any) -> Schema:
    """An object that has all of these properties, and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


def list_of(items: Schema) -> Schema:
    """A list of any length."""
    return {"type": "array", "items": items}


def error(codes: Iterable[str]) -> Schema:
    """The one body of errors, with one of these codes."""
    what = closed({"code": {"type": "string", "enum": list(codes)}, "message": _TEXT})
    return closed({"success": {"const": False}, "error": what, "request_id": _TEXT})


def option_properties() -> dict[str, Schema]:
    """Every option by its name."""
    return {name: ref(_option(name)) for name in OPTION_SCHEMAS}


def _option(name: str) -> str:
    return f"option.{name}"


SCHEMAS: dict[str, Schema] = {
    "Cutout": closed(
        {
            "success": {"const": True},
            "image": {
                "type": "string",
                "pattern": "^data:[a-z]+/[a-z]+;base64,",
                "description": "The file, as a data URL.",
                "examples": ["data:image/png;base64,iVBORw0KGgo…"],
            },
            "width": _SIDE_PX,
            "height": _SIDE_PX,
            "format": {"type": "string", "enum": list(FORMATS)},
            "method": {
                "type": "string",
                "enum": list(METHODS),
                "description": "tiny_u2net: u2netp; tinycut: the network that comes with the app; rembg: any other "
                "model; opencv: without a network; none: nothing "
                "was cut out.",
            },
            "model": _TEXT,
            "confidence": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "description": "The IoU with the true mask that such a result has on average.",
            },
            "animated": {**_FLAG, "description": "Whether the photo has several pictures: this is of the first."},
            "resized": {**_FLAG, "description": "Whether the result is smaller than it would have been."},
            "cached": {**_FLAG, "description": "Whether it was kept from an earlier request."},
            "timings_ms": {
                "type": "object",
                "description": "Milliseconds of each stage, and in total.",
                "additionalProperties": {"type": "number", "minimum": 0},
                "required": ["total"],
            },
            "memory": ref("Memory"),
        }
    ),
    "Memory": closed(
        {
            "rss_mb": _MEGABYTES,
            "peak_rss_mb": _MEGABYTES,
            "available_mb": _MEGABYTES,
            "limit_mb": _MEGABYTES,
            "limit_source": {**_TEXT, "description": "Where the limit was found."},
            "constrained": {**_FLAG, "description": "Whether the host is small: one photo is worked on at a time."},
        }
    ),
    "Models": closed(
        {
            "models": list_of(
                closed(
                    {
                        "name": _TEXT,
                        "default": {**_FLAG, "description": "Used where none is asked for."},
                        "installed": {**_FLAG, "description": "Its file is on this server."},
                        "loaded": {**_FLAG, "description": "It is in memory."},
                    }
                )
            )
        }
    ),
    "Presets": closed(
        {
            "presets": list_of(
                closed(
                    {
                        "name": {"type": "string", "enum": list(PRESETS)},
                        "title": _TEXT,
                        "options": {"type": "object", "additionalProperties": _TEXT},
                    }
                )
            )
        }
    ),
    "Progress": {
        "oneOf": [
            closed({"state": {"const": "unknown"}}, description="Not begun, done, or another worker's."),
            closed({"state": {"const": "queued"}, "place": {"type": "integer", "minimum": 1}}, description="1: next."),
            closed({"state": {"const": "working"}, "stage": {"type": "string", "enum": list(STAGES)}}),
        ]
    },
    "Health": closed({"status": {"const": "ok"}, "version": _TEXT}),
    "Readiness": closed(
        {
            "ready": _FLAG,
            "method": {"type": ["string", "null"], "enum": [*CUTTING_METHODS, None]},
            "models": list_of(_TEXT),
            "memory": ref("Memory"),
        }
    ),
    **{_option(name): schema for name, schema in OPTION_SCHEMAS.items()},
}
