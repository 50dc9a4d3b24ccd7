"""A connection with an end."""

from __future__ import annotations

import socket

import pytest

from app.services.admission import Deadline
from app.services.timed_socket import TimedSocket, TooManyBytes


def test_after_the_deadline_nothing_is_sent_or_read_even_if_it_could_be_at_once() -> None:
    ours, theirs = socket.socketpair()
    with theirs, TimedSocket(ours, Deadline(0), most_bytes=100) as late:
        theirs.sendall(b"here already")
        with pytest.raises(TimeoutError):
            late.makefile("rb").read(1)
        with pytest.raises(TimeoutError):
            late.sendall(b"x")


def test_no_more_bytes_are_read_than_allowed_but_for_the_last_buffer() -> None:
    ours, theirs = socket.socketpair()
    with theirs, TimedSocket(ours, Deadline(10), most_bytes=4) as bounded:
        theirs.sendall(b"123456")
        incoming = bounded.makefile("rb")
        assert incoming.read(6) == b"123456"
        with pytest.raises(TooManyBytes):
            incoming.read(1)
        bounded.left_bytes = 1
        theirs.sendall(b"7")
        assert incoming.read(1) == b"7"


def test_the_connection_ends_with_the_block_and_not_before() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        with TimedSocket(ours, Deadline(10), most_bytes=4) as timed:
            timed.close()
            timed.sendall(b"x")
        assert theirs.recv(10) == b"x"
        assert theirs.recv(10) == b""
