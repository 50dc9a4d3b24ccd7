"""Every error a client can meet: an HTTP status, a code for programs and a sentence for people.

The message is public: it says what is wrong and what to do, and never holds a path, a secret or another
library's exception text. The cause's type and place go to the log by `raise … from cause`.
"""

from __future__ import annotations


class AppError(Exception):
    """An error with the status, the code and the public message of its answer."""

    status = 500
    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.retry_after_s = retry_after_s


class BadRequest(AppError):
    """A field is missing or has a value that is not known."""

    status = 400
    code = "bad_request"


class Unauthorized(AppError):
    """The server has keys, and the client sent none of them."""

    status = 401
    code = "invalid_api_key"


class TooLarge(AppError):
    """The upload has more bytes than the server takes."""

    status = 413
    code = "file_too_large"


class UnsupportedFormat(AppError):
    """The bytes are no image of a format that the server reads."""

    status = 415
    code = "unsupported_format"


class UnreadableImage(AppError):
    """The image is damaged, empty, or has more pixels than the server works on."""

    status = 422
    code = "unreadable_image"


class UnknownForeground(AppError):
    """Nothing in the photo stands out as its subject."""

    status = 422
    code = "unknown_foreground"


class Busy(AppError):
    """Every slot and every place in the queue is taken."""

    status = 429
    code = "busy"


class DeadlineExceeded(AppError):
    """The work, waiting included, took longer than the deadline."""

    status = 503
    code = "deadline_exceeded"


class Unavailable(AppError):
    """The server lacks something that it needs for this."""

    status = 503
    code = "unavailable"


class ClientGone(AppError):
    """The client hung up; nobody reads the answer. The status is nginx's for it."""

    status = 499
    code = "client_closed_request"


class ModelUnavailable(AppError):
    """The network cannot be had: no file, no memory, or onnxruntime failed.

    `detail` says why, with file names and checksums: it is for the command line, never for a client or the log.
    `advice` is for the log: a sentence without any of that, on what to do; empty where there is nothing but to wait.
    """

    status = 503
    code = "model_unavailable"

    def __init__(self, detail: str, *, advice: str = "To learn why: python -m app.cli warm.") -> None:
        super().__init__("The neural network is not available on this server right now.")
        self.detail = detail
        self.advice = advice

    def __str__(self) -> str:
        return self.detail
