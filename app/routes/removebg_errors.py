"""Errors as remove.bg's clients know them: `{"errors": [{"title", "code", "detail"}]}`."""

from __future__ import annotations

from flask import Response, jsonify

_NO_READING = (400, "failed_to_read_image", "There was an error reading the image.")
_NO_DOWNLOAD = (400, "failed_image_download", "Failed to download image from given image_url: {}")
_UNKNOWN_FOREGROUND = (
    "Could not identify foreground in image. For details and recommendations see "
    "https://www.remove.bg/supported-images."
)

# Our code → their status, code and title, {} for our message; all others keep their own status and code.
_THEIRS = {
    "missing_source": (400, "missing_source", "No image given"),
    "file_too_large": (400, "file_too_large", "File too large"),
    "too_many_pixels": (400, "resolution_too_high", "Image resolution too high"),
    "unsupported_format": (400, "invalid_file_type", "Invalid file type"),
    "failed_to_read_image": _NO_READING,
    "unreadable_image": _NO_READING,
    "invalid_image_file_b64": _NO_READING,
    "invalid_background_image": _NO_READING,
    "urls_not_allowed": _NO_DOWNLOAD,
    "image_download_failed": _NO_DOWNLOAD,
    "image_download_timeout": _NO_DOWNLOAD,
    "failed_bg_download": (400, "failed_bg_download", "Failed to download image from given bg_image_url: {}"),
    "invalid_image_url": (400, "invalid_image_url", "Invalid image_url: Please provide a valid URL."),
    "invalid_bg_image_url": (400, "invalid_bg_image_url", "Invalid bg_image_url: Please provide a valid URL."),
    "invalid_size": (400, "invalid_size", "Invalid value for parameter 'size'"),
    "invalid_channels": (400, "invalid_channels", "Invalid value for parameter 'channels'"),
    "roi_region_empty": (400, "roi_region_empty", "ROI region is empty"),
    "roi_exceeds_bounds": (400, "roi_exceeds_bounds", "ROI exceeds image bounds"),
    "unknown_foreground": (400, "unknown_foreground", _UNKNOWN_FOREGROUND),
    "invalid_api_key": (403, "auth_failed", "API Key invalid"),
    "busy": (429, "rate_limit_exceeded", "Rate limit exceeded"),
    "rate_limit_exceeded": (429, "rate_limit_exceeded", "Rate limit exceeded"),
}
_INVALID = "invalid_"
PARAMETERS = (
    *("format", "roi", "scale", "position", "crop", "crop_margin", "type", "type_level", "bg_color"),
    *("add_shadow", "shadow_type", "shadow_opacity", "semitransparency"),
)
_THEIRS |= {_INVALID + name: (400, _INVALID + name, f"Invalid {name} parameter given") for name in PARAMETERS}


def error_reply(status: int, code: str, message: str) -> Response:
    """An error of ours, by its code, in remove.bg's shape; the message is its detail, or the title of one that they
    do not have."""
    if code in _THEIRS:
        status, code, title = _THEIRS[code]
        error = {"title": title.format(message), "code": code, "detail": message}
    else:
        error = {"title": message, "code": code}
    response = jsonify(errors=[error])
    response.status_code = status
    response.content_type = "application/json; charset=utf-8"
    return response
