"""A connection to a peer that cannot be trusted to end: bounded in time and in bytes, whatever it sends."""

from __future__ import annotations

import io
import socket
import ssl
from http.client import HTTPException
from typing import TYPE_CHECKING

from app.services.admission import Deadline

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class TooManyBytes(HTTPException):
    """The peer sent as many bytes as it may, and has not ended."""


class TimedSocket:
    """A connected socket as http.client uses one: each wait ends at the deadline, so that one byte a second is no way
    around it, and nothing more is read once `left_bytes` have come. Leaving the context closes it.
    """

    def __init__(self, connected: socket.socket, deadline: Deadline, *, most_bytes: int) -> None:
        self._socket = connected
        self._deadline = deadline
        self.left_bytes = most_bytes

    def __enter__(self) -> TimedSocket:
        return self

    def __exit__(self, *_fault: object) -> None:
        self._socket.close()

    def start_tls(self, context: ssl.SSLContext, server_name: str) -> None:
        """Encrypt from here on. Raises OSError where the peer's certificate is not one of that name."""
        self._socket = context.wrap_socket(self._in_time(), server_hostname=server_name)

    def sendall(self, data: bytes) -> None:
        """Send all of it. Raises TimeoutError at the deadline."""
        self._in_time().sendall(data)

    def receive_into(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer with what has come; 0 at the end. Raises TimeoutError at the deadline, or TooManyBytes."""
        if self.left_bytes <= 0:
            raise TooManyBytes
        size_bytes = self._in_time().recv_into(buffer)
        self.left_bytes -= size_bytes
        return size_bytes

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What comes, as a file."""
        return io.BufferedReader(_Incoming(self))

    def close(self) -> None:
        """Do nothing: http.client closes its socket while the answer's body is still to be read."""

    def _in_time(self) -> socket.socket:
        remaining_s = self._deadline.remaining_s()
        if not remaining_s:
            raise TimeoutError
        self._socket.settimeout(remaining_s)
        return self._socket


class _Incoming(io.RawIOBase):
    def __init__(self, timed: TimedSocket) -> None:
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._timed.receive_into(buffer)
