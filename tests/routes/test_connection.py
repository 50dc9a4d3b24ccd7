"""How long a client may take for an answer, and how many may be slow at once."""

from __future__ import annotations

import socket
from contextlib import ExitStack

from flask import Flask, Response, g
from flask.testing import FlaskClient

from app.config import SLOW_ANSWERS
from app.routes.connection import SILENCE_LIMIT_S, Answers, limit_answer


def test_a_large_answer_has_the_time_that_a_slow_phone_needs() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        limits = []
        for size_bytes in (0, 100_000, 15_000_000):
            limit_answer({"gunicorn.socket": ours}, size_bytes)
            limits.append(ours.gettimeout())
        assert limits == [SILENCE_LIMIT_S, SILENCE_LIMIT_S + 2, SILENCE_LIMIT_S + 300]


def test_of_more_answers_than_may_be_under_way_the_first_is_broken_off() -> None:
    answers = Answers(2)
    pairs = [socket.socketpair() for _ in range(4)]
    ends = [answers.begin({"gunicorn.socket": ours}) for ours, _ in pairs[:2]]
    ends[0]()
    ends.append(answers.begin({"gunicorn.socket": pairs[2][0]}))
    for ours, _ in pairs[:3]:
        ours.sendall(b"x")
    ends.append(answers.begin({"gunicorn.socket": pairs[3][0]}))
    broken = []
    for ours, theirs in pairs:
        try:
            ours.sendall(b"x")
        except BrokenPipeError:
            broken.append(ours)
        theirs.close()
    assert broken == [pairs[1][0]], "of those that are under way the one that began first"
    for end in ends:
        end()
    for ours, _ in pairs:
        ours.close()
    assert answers.begin({}) is not None, "and without a real connection nothing is done"


def test_an_answer_that_a_fault_took_the_place_of_is_no_longer_counted(app: Flask, client: FlaskClient) -> None:
    failed: set[str] = set()

    def fail_once(response: Response) -> Response:
        if g.request_id not in failed:
            failed.add(g.request_id)
            raise RuntimeError("a fault of the test")
        return response

    app.after_request_funcs[None].insert(0, fail_once)  # the first is done last
    with ExitStack() as stack:
        pairs = [[stack.enter_context(end) for end in socket.socketpair()] for _ in range(SLOW_ANSWERS + 1)]
        for ours, _ in pairs:
            with client.get("/health", environ_overrides={"gunicorn.socket": ours}) as answer:
                assert answer.status_code == 500
        pairs[0][0].sendall(b"x")  # it was not broken off for the others
        assert len(failed) == len(pairs)
