"""How long a client may take for an answer, and how many may be slow at once."""

from __future__ import annotations

import socket

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
