"""Pictures by URL: downloaded from public hosts only, within bounds of time and size.

The host is looked up once; all its addresses must be public, and the connection goes to an address that was checked.
"""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPResponse

from app import __version__
from app.errors import BadRequest, TooLarge
from app.hosting import MIB
from app.services.admission import Admission, Deadline
from app.services.remote_url import RemoteUrl, invalid_url, is_public
from app.services.timed_socket import TimedSocket, TooManyBytes

MOST_REDIRECTS = 3
REDIRECTS = (301, 302, 303, 307, 308)
# A host with a hundred addresses is not worth a hundred attempts.
MOST_ATTEMPTS = 4
HEAD_BYTES = 64 * 1024
# The lines around the chunks of a body that comes in chunks.
FRAMING_BYTES = 64 * 1024
_CHUNK_BYTES = 16 * 1024


def look_up(host: str, port: int) -> list[str]:
    """The numeric addresses of a host, by the system's resolver. Raises OSError or UnicodeError where it has none."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _hold_nothing(_size_bytes: int) -> None:
    pass


class RemoteImages:
    """Downloads pictures that clients name by URL, at most `at_once` at a time.

    `most_bytes` bounds one picture and `limit_s` the whole of its download: look-up, connection, redirects and body.
    `resolve` gives the numeric addresses of a host and port; `connect` takes (address, port) and a limit in seconds.
    """

    def __init__(
        self,
        *,
        allowed: bool,
        most_bytes: int,
        limit_s: float = 10.0,
        resolve: Callable[[str, int], Iterable[str]] = look_up,
        connect: Callable[[tuple[str, int], float], socket.socket] = socket.create_connection,
        at_once: int = 8,
    ) -> None:
        self._allowed = allowed
        self._most_bytes = most_bytes
        self._limit_s = limit_s
        self._resolve = resolve
        self._connect = connect
        self._admission = Admission(slots=at_once, queue_size=0)
        # The system's look-up cannot be interrupted: it is left behind in one of these threads, and those are few.
        self._look_ups = ThreadPoolExecutor(at_once, thread_name_prefix="look-up")

    def fetch(self, url: str, *, hold: Callable[[int], None] = _hold_nothing) -> bytes:
        """Download a picture; `hold` is told of every few more bytes before they are kept, and may refuse by raising.

        Raises:
            BadRequest: URLs are switched off (`urls_not_allowed`), this one may not be fetched or its host is not
                found (`invalid_image_url`), nothing usable came (`image_download_failed`), or not in time
                (`image_download_timeout`).
            TooLarge: the picture has more than `most_bytes`.
            Busy: `at_once` downloads are under way.
        """
        if not self._allowed:
            raise BadRequest(
                "This server takes no pictures by URL; please send the file itself.", code="urls_not_allowed"
            )
        remote = RemoteUrl.parse(url)
        deadline = Deadline(self._limit_s)
        self._admission.enter(deadline)
        try:
            return self._follow(remote, deadline, hold)
        finally:
            self._admission.leave()

    def _follow(self, url: RemoteUrl, deadline: Deadline, hold: Callable[[int], None]) -> bytes:
        for _ in range(1 + MOST_REDIRECTS):
            with self._answer(url, deadline) as (response, wire):
                if response.status == 200:
                    return self._body(response, wire, hold)
                location = response.headers["Location"]
                if response.status not in REDIRECTS or not location:
                    raise _failed(f"its server answered with HTTP status {response.status}")
                url = url.redirected(location)
        raise _failed(f"it redirects more than {MOST_REDIRECTS} times")

    @contextmanager
    def _answer(self, url: RemoteUrl, deadline: Deadline) -> Iterator[tuple[HTTPResponse, TimedSocket]]:
        """Ask for a URL and give the answer, its body unread, with the connection that it comes by."""
        addresses = self._public_addresses(url, deadline)
        connected = self._connect_to(addresses, url.port, deadline)
        try:
            with TimedSocket(connected, deadline, most_bytes=HEAD_BYTES) as wire:
                if url.scheme == "https":
                    wire.start_tls(self._tls, url.host)
                yield _ask(wire, url), wire
        except TimeoutError as fault:
            raise BadRequest(
                f"The picture did not come from its URL within {self._limit_s:g} seconds; please send the file itself.",
                code="image_download_timeout",
            ) from fault
        except (OSError, HTTPException, ValueError) as fault:  # the last from http.client, of nonsense in chunks
            raise _failed() from fault

    def _public_addresses(self, url: RemoteUrl, deadline: Deadline) -> list[str]:
        """The addresses of the host, each once. Raises BadRequest if there is none, or one that is not public."""
        look_up = self._look_ups.submit(self._resolve, url.host, url.port)
        try:
            addresses = list(dict.fromkeys(look_up.result(timeout=deadline.remaining_s())))
        except (OSError, UnicodeError) as fault:  # TimeoutError is an OSError
            look_up.cancel()
            raise invalid_url() from fault
        if not addresses or not all(is_public(address) for address in addresses):
            raise invalid_url()
        return addresses

    def _connect_to(self, addresses: list[str], port: int, deadline: Deadline) -> socket.socket:
        """Connect to the first address that answers, each in its share of the time.

        A port that is closed and one that is silent get the same answer: this is no scanner.
        """
        attempts = addresses[:MOST_ATTEMPTS]
        for index, address in enumerate(attempts):
            try:
                return self._connect((address, port), deadline.remaining_s() / (len(attempts) - index))
            except OSError as fault:
                last_fault = fault
        raise _failed() from last_fault

    def _body(self, response: HTTPResponse, wire: TimedSocket, hold: Callable[[int], None]) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise _failed("its server compressed it, unasked")
        if (response.length or 0) > self._most_bytes:
            raise self._too_large()
        wire.left_bytes = self._most_bytes + FRAMING_BYTES
        body = io.BytesIO()
        try:
            while chunk := response.read(_CHUNK_BYTES):
                if body.tell() + len(chunk) > self._most_bytes:
                    raise self._too_large()
                hold(len(chunk))
                body.write(chunk)
        except TooManyBytes as fault:
            raise self._too_large() from fault
        if response.length or not body.tell():
            raise _failed("it is empty or did not come whole")
        return body.getvalue()

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"The picture at the URL has more than the {self._most_bytes / MIB:g} MB that this server takes; "
            "please give a smaller one."
        )

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()


def _ask(wire: TimedSocket, url: RemoteUrl) -> HTTPResponse:
    connection = HTTPConnection(url.host, url.port)
    connection.sock = wire  # all of a socket that http.client uses
    headers = {
        "Host": url.authority,
        "User-Agent": f"TinyCut/{__version__}",
        "Accept": "image/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    connection.request("GET", url.target, headers=headers)
    return connection.getresponse()


def _failed(reason: str = "its server could not be used") -> BadRequest:
    return BadRequest(
        f"The picture could not be downloaded, for {reason}; please check the URL, or send the file itself.",
        code="image_download_failed",
    )
