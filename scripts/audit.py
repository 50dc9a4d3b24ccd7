"""Ask whether a hole is known in a package that is shipped: `pip-audit` on requirements.lock.

A known one is exit status 1, and so is a pip-audit that breaks down. Where the data cannot be had (no network, a mirror
without it) that is said aloud, as SKIPPED, and is no failure: a build must not hang on somebody else's server.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
_LIMIT_S, _ANSWER_LIMIT_S = 30, 5
# pip-audit's own exit statuses: nothing found; something found, or no data.
_ORDERLY_ENDS = (0, 1)
_COMMAND = [
    *("pip-audit", "--requirement", str(LOCK), "--require-hashes", "--disable-pip", "--format", "json"),
    *("--progress-spinner", "off", "--timeout", str(_ANSWER_LIMIT_S)),
]


def main() -> None:
    """Audit the lock; exit with 1 where a hole is known, or where nobody could tell because pip-audit broke down."""
    try:
        done = subprocess.run(_COMMAND, capture_output=True, text=True, timeout=_LIMIT_S)
    except subprocess.TimeoutExpired:
        print(f"pip-audit: SKIPPED, its data did not come within {_LIMIT_S} s")
        return
    except FileNotFoundError:
        print("pip-audit: SKIPPED, it is not installed (scripts/setup requirements-test.txt)")
        return
    reason = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
    if done.returncode not in _ORDERLY_ENDS:
        sys.exit(f"pip-audit: broke down with exit status {done.returncode}: {reason}")
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:  # it printed no JSON
        print(f"pip-audit: SKIPPED, its data cannot be had: {reason}")
        return
    verdict, is_sound = judge(packages)
    print(verdict)
    sys.exit(0 if is_sound else 1)


def judge(packages: list[dict[str, Any]]) -> tuple[str, bool]:
    """What to print of pip-audit's `dependencies`, and whether no hole is known."""
    skipped = [package for package in packages if "skip_reason" in package]
    holes = [(package, hole) for package in packages for hole in package.get("vulns", [])]
    lines = [
        f"pip-audit: {package['name']} {package['version']} has {hole['id']}, "
        f"mended in {', '.join(hole['fix_versions']) or 'no version yet'}"
        for package, hole in holes
    ]
    if skipped:
        which = "all of them" if len(skipped) == len(packages) else ", ".join(package["name"] for package in skipped)
        lines.append(f"pip-audit: SKIPPED {len(skipped)} of {len(packages)} packages, no data on {which}")
    if not lines:
        lines.append(f"pip-audit: no hole is known in any of {len(packages)} packages")
    return "\n".join(lines), not holes


if __name__ == "__main__":
    main()
