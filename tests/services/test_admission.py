"""Slots, queue and deadline."""

from __future__ import annotations

import math
import threading

import pytest

from app.errors import Busy, ClientGone, DeadlineExceeded
from app.services.admission import Admission, Deadline, MemoryBudget


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    admission = Admission(slots=1, queue_size=0)
    admission.enter(Deadline(5))
    with pytest.raises(Busy) as caught:
        admission.enter(Deadline(5))
    assert caught.value.status == 429
    assert caught.value.retry_after_s


def test_a_slot_that_was_left_is_free_again() -> None:
    admission = Admission(slots=1, queue_size=0)
    for _ in range(3):
        admission.enter(Deadline(5))
        admission.leave()


def test_who_waits_past_the_deadline_gets_503_and_its_place_is_free_again() -> None:
    admission = Admission(slots=1, queue_size=1)
    admission.enter(Deadline(5))
    for _ in range(3):
        with pytest.raises(DeadlineExceeded) as caught:
            admission.enter(Deadline(0))
        assert caught.value.status == 503
    admission.leave()
    admission.enter(Deadline(5))


def test_no_deadline_is_later_than_the_last_one_of_a_server_that_ends_not_even_one_that_was_set_before() -> None:
    last = Deadline(math.inf)
    before = Deadline(1000, last=last)
    before.check()
    assert 900 < before.remaining_s() <= 1000
    last.move(100)
    assert before.remaining_s() <= 100
    assert Deadline(1000, last=last).remaining_s() <= 100
    assert Deadline(10, last=last).remaining_s() <= 10
    last.move(0)
    with pytest.raises(DeadlineExceeded, match="Please send it again"):
        before.check()


def test_who_waits_is_let_in_when_the_slot_comes_free() -> None:
    admission = Admission(slots=1, queue_size=1)
    admission.enter(Deadline(5))
    came_in = threading.Event()

    def wait() -> None:
        admission.enter(Deadline(30))
        came_in.set()
        admission.leave()

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert not came_in.is_set()
    admission.leave()
    waiter.join(timeout=30)
    assert came_in.is_set()


def test_never_more_are_at_work_than_there_are_slots() -> None:
    admission = Admission(slots=2, queue_size=20)
    counter, at_work, most = threading.Lock(), [0], [0]

    def work() -> None:
        admission.enter(Deadline(30))
        with counter:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        sum(range(50_000))
        with counter:
            at_work[0] -= 1
        admission.leave()

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert most[0] <= 2
    assert at_work[0] == 0


def test_what_one_request_holds_others_cannot_and_what_it_gives_back_they_can() -> None:
    budget = MemoryBudget(100)
    first, second = budget.holding(), budget.holding()
    first.add(80)
    with pytest.raises(Busy):
        second.add(30)
    first.shrink_to(60)
    second.add(30)
    first.release()
    first.release()  # once more gives nothing more
    with pytest.raises(Busy):
        second.add(71)
    second.add(70)


def test_bytes_that_exist_already_are_counted_but_never_refused() -> None:
    budget = MemoryBudget(100)
    result = budget.holding()
    result.add(150, exists=True)
    with pytest.raises(Busy):
        budget.holding().add(1)
    result.release()
    budget.holding().add(100)


def test_who_came_first_is_let_in_first() -> None:
    admission = Admission(slots=1, queue_size=5)
    admission.enter(Deadline(5))
    order: list[int] = []

    def wait(number: int) -> None:
        admission.enter(Deadline(30))
        order.append(number)
        admission.leave()

    waiters = []
    for number in range(5):
        waiters.append(threading.Thread(target=wait, args=(number,)))
        waiters[-1].start()
        while admission.waiting <= number:
            pass
    admission.leave()
    for waiter in waiters:
        waiter.join(timeout=30)
    assert order == [0, 1, 2, 3, 4]
    assert (admission.busy, admission.waiting) == (0, 0)


def test_a_patient_request_waits_where_the_queue_is_full_and_leaves_no_room_to_others() -> None:
    admission = Admission(slots=1, queue_size=0)
    admission.enter(Deadline(5))
    patient = threading.Thread(target=lambda: admission.enter(Deadline(30), patient=True))
    patient.start()
    while not admission.waiting:
        pass
    with pytest.raises(Busy):
        admission.enter(Deadline(5))
    admission.leave()
    patient.join(timeout=30)
    assert (admission.busy, admission.waiting) == (1, 0)


def test_who_hung_up_is_not_waited_for_and_its_place_is_free_again() -> None:
    admission = Admission(slots=1, queue_size=1)
    admission.enter(Deadline(5))
    for _ in range(3):
        with pytest.raises(ClientGone):
            admission.enter(Deadline(5, abandoned=lambda: True))
    assert admission.waiting == 0
