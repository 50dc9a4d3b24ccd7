"""Ask /health of a server over and over, each time by a new connection, until the input ends; then print the seconds
that each answer took, as JSON. In a process of its own: its clock must not wait for the clients'.

python scripts/watch_health.py PORT
"""

from __future__ import annotations

import http.client
import json
import select
import sys
import time

PAUSE_S = 0.05


def answer_s(port: int) -> float:
    """Seconds from opening a connection to the whole answer.

    Raises:
        OSError: there was none, or it was no 200.
    """
    began_s = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise OSError(f"/health answered {answer.status}")
    return time.perf_counter() - began_s


def main() -> None:
    """Watch the port that was named."""
    seconds = []
    while not select.select([sys.stdin], [], [], PAUSE_S)[0]:
        seconds.append(answer_s(int(sys.argv[1])))
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
