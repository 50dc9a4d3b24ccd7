"""What the image's HEALTHCHECK runs: exit status 0 where /health answers 200 on $PORT, else 1 and why.

Standard library only, for a slim image has no curl; http.client, for no proxy stands in between.
"""

import http.client
import os
import sys


def fault() -> str | None:
    """Ask once; None where all is well."""
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["PORT"]), timeout=4)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as reason:
        return f"/health does not answer: {type(reason).__name__}"
    finally:
        connection.close()
    return None if status == 200 else f"/health answers {status}"


if __name__ == "__main__":
    sys.exit(fault())
