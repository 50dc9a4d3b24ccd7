"""Who may work now, who waits, and who is sent away: slots, a bounded queue, a memory budget and a deadline."""

from __future__ import annotations

import threading
import time

from app.errors import Busy, DeadlineExceeded


class Deadline:
    """The moment by which a request must be answered; waiting in the queue counts."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._ends_s = time.monotonic() + limit_s

    def remaining_s(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self._ends_s - time.monotonic())

    def check(self) -> None:
        """Raise DeadlineExceeded once the time is up."""
        if self.remaining_s() <= 0:
            raise self.exceeded()

    def exceeded(self) -> DeadlineExceeded:
        """The error of a request that is late."""
        return DeadlineExceeded(
            f"The photo was not done within {self.limit_s:g} seconds. Please try again, or send a smaller one.",
            retry_after_s=5,
        )


class Admission:
    """At most `slots` photos are worked on, at most `queue_size` more wait; all others are refused at once."""

    def __init__(self, *, slots: int, queue_size: int) -> None:
        self.slots = slots
        self.queue_size = queue_size
        self._places = threading.BoundedSemaphore(slots + queue_size)
        self._slots = threading.BoundedSemaphore(slots)

    def enter(self, deadline: Deadline) -> None:
        """Take a slot, after waiting for one until the deadline; `leave` must follow.

        Raises:
            Busy: the queue is full.
            DeadlineExceeded: no slot came free in time.
        """
        if not self._places.acquire(blocking=False):
            raise Busy(
                "The server is working on as many photos as it can. Please try again.",
                retry_after_s=3,
            )
        if not self._slots.acquire(timeout=deadline.remaining_s()):
            self._places.release()
            raise deadline.exceeded()

    def leave(self) -> None:
        """Give the slot to the next in the queue."""
        self._slots.release()
        self._places.release()


class MemoryBudget:
    """Bytes that all requests may hold at once: their uploads, their working copies, their unsent results."""

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes = total_bytes
        self._lock = threading.Lock()
        self._held_bytes = 0

    def holding(self) -> Holding:
        """Return an empty share for one request."""
        return Holding(self)

    def take(self, size_bytes: int, *, exists: bool = False) -> None:
        """Hold more bytes; `give` must follow. What `exists` already is counted, and others find less.

        Raises:
            Busy: they would not fit beside what is held already.
        """
        with self._lock:
            if not exists and self._held_bytes + size_bytes > self.total_bytes:
                raise Busy("The server's memory is in use by other photos. Please try again.", retry_after_s=3)
            self._held_bytes += size_bytes

    def give(self, size_bytes: int) -> None:
        """Hold so many bytes less."""
        with self._lock:
            self._held_bytes -= size_bytes


class Holding:
    """One request's share of the budget; `release` gives all of it back, once."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._size_bytes = 0

    def add(self, size_bytes: int, *, exists: bool = False) -> None:
        """Hold more bytes for this request. Raises Busy as `MemoryBudget.take` does."""
        self._budget.take(size_bytes, exists=exists)
        self._size_bytes += size_bytes

    def shrink_to(self, size_bytes: int) -> None:
        """Hold only so many bytes: less came than was announced."""
        spare_bytes = max(0, self._size_bytes - size_bytes)
        self._size_bytes -= spare_bytes
        self._budget.give(spare_bytes)

    def release(self) -> None:
        """Give everything back."""
        size_bytes, self._size_bytes = self._size_bytes, 0
        self._budget.give(size_bytes)
