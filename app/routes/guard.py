"""Who may send photos: one of the keys is asked for, and the client's rate counted, before a body is read."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress

from flask import Flask, Response, current_app, g, request

from app.config import Settings, listed
from app.errors import Unauthorized

GUARDED_PATHS = ("/api/", "/v1.0/")
FORM_ENDPOINT = "web.cut_out_by_form"
_KEYS, _COUNT = "api_key_digests", "count_photo"


def register(app: Flask, settings: Settings) -> None:
    """Guard the application with the keys and the rate of its settings."""
    app.extensions[_KEYS] = tuple(_digest(key) for key in listed(settings.api_keys))
    app.extensions[_COUNT] = None
    if settings.rate_limit:
        from app.routes import rate_limit  # 4 MB: only where a rate is set

        app.extensions[_COUNT] = rate_limit.register(app, settings.rate_limit, storage=settings.rate_limit_storage)
    app.before_request(_check)
    app.after_request(_name_the_scheme)


def needs_key() -> bool:
    """Whether the server has keys."""
    return bool(current_app.extensions[_KEYS])


def bearer_token() -> str:
    """What the client sent as `Authorization: Bearer …`, else nothing. (Werkzeug's parser fails at some headers.)"""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def admit(key: str) -> None:
    """Let this request on if the server has no keys or `key` is one of them; a photo counts to its client's rate.

    Raises:
        Unauthorized: the key is missing or wrong.
        TooManyRequests: the client has sent as many photos as it may (Werkzeug's, answered as 429).
    """
    if needs_key():
        g.client = _digest_of_known(key).hex()
    else:
        g.client = _network(request.remote_addr or "")
    count_photo = current_app.extensions[_COUNT]
    if count_photo and _makes_photo():
        count_photo()


def count_more(photos: int) -> None:
    """Count photos beside the first of this request.

    Raises:
        TooManyRequests: as `admit` does.
    """
    count_photo = current_app.extensions[_COUNT]
    if count_photo and photos > 0:
        g.photos = photos
        count_photo()


def _check() -> None:
    if request.method == "OPTIONS":  # a browser's preflight has no key, and makes no photo
        return
    if request.path.startswith(GUARDED_PATHS):
        admit(_sent_key())
    elif request.endpoint == FORM_ENDPOINT and not needs_key():  # with keys the form holds one: see web.py
        admit("")


def _sent_key() -> str:
    return request.headers.get("X-Api-Key") or bearer_token()


def _digest_of_known(key: str) -> bytes:
    """The digest of a key, if it is one of the server's; every one is compared, so that time tells nothing."""
    digest = _digest(key)
    if not any([hmac.compare_digest(digest, known) for known in current_app.extensions[_KEYS]]):  # noqa: C419
        raise Unauthorized(
            "Please send an API key of this server: in the field of the page, or as header X-Api-Key "
            "or Authorization: Bearer."
        )
    return digest


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.strip().encode()).digest()


def _network(address: str) -> str:
    """Whom an address belongs to: of IPv6 one client has a whole /64 to choose from."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # not an address, but what a router in front calls the client
        return address or "unknown"
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return address


def _makes_photo() -> bool:
    return request.method == "POST" or (request.path == "/api/remove" and request.method in ("GET", "HEAD"))


def _name_the_scheme(response: Response) -> Response:
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
