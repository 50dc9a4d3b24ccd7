"""Who may work now, who waits, and who is sent away: slots, a bounded queue, a memory budget and a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from app.errors import Busy, ClientGone, DeadlineExceeded

# How often a request that waits looks whether its client is still there.
_LOOK_S = 0.25


def _never() -> bool:
    return False


class Deadline:
    """The moment by which a request must be answered, waiting in the queue included; sooner if nobody wants the answer
    any more, as `abandoned` tells, and never after the server's `last` one."""

    def __init__(self, limit_s: float, *, abandoned: Callable[[], bool] = _never, last: Deadline | None = None) -> None:
        self.limit_s = limit_s
        self._abandoned = abandoned
        self._last = last
        self._ends_s = time.monotonic() + limit_s

    def move(self, limit_s: float) -> None:
        """Let it end so many seconds from now."""
        self._ends_s = time.monotonic() + limit_s

    def remaining_s(self) -> float:
        """Seconds left, never below 0."""
        left_s = max(0.0, self._ends_s - time.monotonic())
        return min(left_s, self._last.remaining_s()) if self._last else left_s

    def check(self) -> None:
        """Raise DeadlineExceeded once the time is up, ClientGone once the client hung up."""
        if self._abandoned():
            raise ClientGone("The client hung up before its photo was done.")
        if self._last and not self._last.remaining_s():
            raise DeadlineExceeded(
                "The server was being restarted, and the photo was not done before. Please send it again.",
                retry_after_s=5,
            )
        if self.remaining_s() <= 0:
            raise DeadlineExceeded(
                f"The photo was not done within {self.limit_s:g} seconds. Please try again, or send a smaller one.",
                retry_after_s=5,
            )


class Admission:
    """At most `slots` photos are worked on, at most `queue_size` more wait, first come, first served; all others are
    refused at once."""

    def __init__(self, *, slots: int, queue_size: int) -> None:
        self.slots = slots
        self.queue_size = queue_size
        self._busy = 0
        self._line: list[Deadline] = []  # of those who wait, the first at the front
        self._changed = threading.Condition()

    @property
    def busy(self) -> int:
        """Slots that are taken."""
        return self._busy

    @property
    def waiting(self) -> int:
        """Requests that wait for a slot."""
        return len(self._line)

    def place_of(self, deadline: Deadline) -> int:
        """The place in the queue of who waits until this deadline, 1 for the next; 0 of who does not wait."""
        with self._changed:
            return self._line.index(deadline) + 1 if deadline in self._line else 0

    def check_room(self) -> None:
        """Raise Busy where the queue is full."""
        if self._busy + len(self._line) >= self.slots + self.queue_size:
            raise Busy(
                "The server is working on as many photos as it can. Please try again.",
                retry_after_s=3,
            )

    def enter(self, deadline: Deadline, *, patient: bool = False) -> None:
        """Take a slot, after waiting for one until the deadline; `leave` must follow. A `patient` request waits even
        where the queue is full: a batch, which has been let in already.

        Raises:
            Busy: the queue is full.
            DeadlineExceeded, ClientGone: no slot came free in time, or for anybody.
        """
        with self._changed:
            if not patient:
                self.check_room()
            self._line.append(deadline)
            try:
                while self._busy >= self.slots or self._line[0] is not deadline:
                    deadline.check()
                    self._changed.wait(min(_LOOK_S, deadline.remaining_s()))
                self._busy += 1
            finally:
                self._line.remove(deadline)
                self._changed.notify_all()

    def leave(self) -> None:
        """Give the slot to the first in the queue."""
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()


class MemoryBudget:
    """Bytes that all requests may hold at once: their uploads, their working copies, their unsent results."""

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes = total_bytes
        self._lock = threading.Lock()
        self._held_bytes = 0

    @property
    def held_bytes(self) -> int:
        """Bytes that requests hold now."""
        return self._held_bytes

    def holding(self) -> Holding:
        """Return an empty share for one request."""
        return Holding(self)

    def take(self, size_bytes: int, *, exists: bool = False) -> None:
        """Hold more bytes; `give` must follow. What `exists` already is counted, and others find less.

        Raises:
            Busy: they would not fit beside what is held already.
        """
        with self._lock:
            if not exists:
                self.check_room(size_bytes)
            self._held_bytes += size_bytes

    def check_room(self, size_bytes: int) -> None:
        """Raise Busy where so many bytes would not fit beside what is held."""
        if size_bytes and self._held_bytes + size_bytes > self.total_bytes:
            raise Busy("The server's memory is in use by other photos. Please try again.", retry_after_s=3)

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
