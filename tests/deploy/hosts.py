"""What each host starts, as its own file has it, and the variables that the file and the host set."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass

import yaml

from scripts.box import REPO
from tests.deploy.dockerfile import stages, words_of

SECRET = "what-the-host-made-up"


@dataclass(frozen=True)
class Host:
    """A start command and the variables that it finds, PORT aside."""

    command: str
    variables: dict[str, str]


def web_process() -> str:
    """The Procfile's command as a reader of YAML has it: Railway's is one."""
    command: str = yaml.safe_load((REPO / "Procfile").read_text())["web"]
    return command


def _heroku() -> Host:
    from_file = json.loads((REPO / "app.json").read_text())["env"]
    from_buildpack = {
        "DYNO": "web.1",
        "FORWARDED_ALLOW_IPS": "*",
        "GUNICORN_CMD_ARGS": "--access-logfile -",
        "PYTHONUNBUFFERED": "true",
    }
    return Host(web_process(), from_buildpack | {name: about.get("value", SECRET) for name, about in from_file.items()})


def _railway() -> Host:
    described = re.findall(r"^\| `([A-Z_]+)` \| `([^`]+)`", (REPO / "docs/deploying.md").read_text(), re.MULTILINE)
    from_template = {name: SECRET if "secret" in value else value for name, value in described}
    from_railpack = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONFAULTHANDLER": "1", "PYTHONHASHSEED": "random"}
    from_railway = {"RAILWAY_ENVIRONMENT_NAME": "production", "RAILWAY_SERVICE_ID": "0"}
    return Host(web_process(), from_template | from_railpack | from_railway)


def _render() -> Host:
    (service,) = yaml.safe_load((REPO / "render.yaml").read_text())["services"]
    from_file = {variable["key"]: variable.get("value", SECRET) for variable in service["envVars"]}
    return Host(service["startCommand"], from_file | {"RENDER": "true", "RENDER_CPU_COUNT": "0.5"})


def _docker() -> Host:
    _, image = stages(REPO / "deploy/Dockerfile")
    variables = dict(word.split("=", 1) for word in shlex.split(words_of(image, "ENV")))
    for of_the_image in ("PATH", "HOME", "PORT"):
        del variables[of_the_image]
    return Host(shlex.join(json.loads(words_of(image, "CMD"))), variables)


def _fly() -> Host:
    image = _docker()
    return Host(image.command, image.variables | {"FLY_APP_NAME": "tinycut", "FLY_REGION": "fra"})


HOSTS = {
    "heroku": _heroku(),
    "railway": _railway(),
    "render": _render(),
    "fly": _fly(),
    "docker": _docker(),
}
