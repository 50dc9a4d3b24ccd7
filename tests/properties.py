"""How properties are tried: on the same few dozen examples each time, however long one takes."""

from __future__ import annotations

from hypothesis import settings

bounded = settings(max_examples=60, deadline=None, derandomize=True)
