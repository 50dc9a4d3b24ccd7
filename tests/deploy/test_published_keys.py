"""Every file that a host reads, against the keys that the host publishes: another key would be an error or ignored.

A table has a dict for an object, a list for a list of objects, a type for a value, and "*" for names of one's own.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.box import REPO
from tests.deploy.dockerfile import stages, words_of
from tests.deploy.hosts import HOSTS, SECRET

# devcenter.heroku.com/articles/app-json-schema
HEROKU: dict[str, Any] = {
    "name": str, "description": str, "keywords": list, "website": str, "repository": str, "logo": str,
    "success_url": str, "stack": str, "image": str, "addons": list,
    "scripts": {"postdeploy": str, "pr-predestroy": str},
    "env": {"*": {"description": str, "value": str, "required": bool, "generator": str}},
    "formation": {"*": {"quantity": int, "size": str}},
    "buildpacks": [{"url": str}],
    "environments": {"*": dict},
}  # fmt: skip
# docs.railway.com/reference/config-as-code, railway.com/railway.schema.json
RAILWAY: dict[str, Any] = {
    "$schema": str,
    "build": {
        "builder": str, "buildCommand": str, "watchPatterns": list, "dockerfilePath": str, "railpackVersion": str,
    },
    "deploy": {
        "startCommand": str, "preDeployCommand": list, "healthcheckPath": str, "healthcheckTimeout": int,
        "restartPolicyType": str, "restartPolicyMaxRetries": int, "multiRegionConfig": dict, "cronSchedule": str,
        "overlapSeconds": int, "drainingSeconds": int,
    },
}  # fmt: skip
# railpack.com/config/file, schema.railpack.com
RAILPACK: dict[str, Any] = {
    "$schema": str, "provider": str, "buildAptPackages": list, "packages": dict, "caches": dict, "secrets": list,
    "steps": {
        "*": {
            "inputs": list, "commands": list, "secrets": list, "assets": dict, "variables": dict, "caches": list,
            "deployOutputs": list,
        }
    },
    "deploy": {
        "base": dict, "inputs": list, "startCommand": str, "variables": dict, "paths": list, "aptPackages": list,
    },
}  # fmt: skip
# render.com/docs/blueprint-spec, render.com/schema/render.yaml.json: those for a web service from a Git repository
RENDER: dict[str, Any] = {
    "services": [
        {
            "type": str, "name": str, "runtime": str, "plan": str, "region": str, "repo": str, "branch": str,
            "rootDir": str, "buildCommand": str, "preDeployCommand": str, "startCommand": str, "healthCheckPath": str,
            "autoDeployTrigger": str, "maxShutdownDelaySeconds": int, "numInstances": int, "scaling": dict,
            "domains": list, "disk": dict, "buildFilter": dict, "previews": dict,
            "envVars": [{
                "key": str, "value": str, "generateValue": bool, "sync": bool,
                "fromService": dict, "fromDatabase": dict, "fromGroup": str,
            }],
        }
    ],
    "databases": list, "envVarGroups": list, "projects": list, "ungrouped": dict, "previews": dict, "version": str,
}  # fmt: skip
# fly.io/docs/reference/configuration; superfly/flyctl, internal/appconfig/config.go
FLY: dict[str, Any] = {
    "app": str, "primary_region": str, "kill_signal": str, "kill_timeout": str, "swap_size_mb": int,
    "console_command": str, "env": dict, "processes": dict, "deploy": dict, "checks": dict, "mounts": list,
    "services": list, "files": list, "statics": list, "metrics": list, "restart": list,
    "build": {
        "builder": str, "args": dict, "buildpacks": list, "image": str, "settings": dict, "builtin": str,
        "dockerfile": str, "ignorefile": str, "build-target": str,
    },
    "http_service": {
        "internal_port": int, "force_https": bool, "auto_stop_machines": str, "auto_start_machines": bool,
        "min_machines_running": int, "processes": list, "tls_options": dict, "http_options": dict,
        "machine_checks": list,
        "concurrency": {"type": str, "soft_limit": int, "hard_limit": int},
        "checks": [{
            "grace_period": str, "interval": str, "method": str, "timeout": str, "path": str, "protocol": str,
            "tls_skip_verify": bool, "tls_server_name": str, "headers": dict,
        }],
    },
    "vm": [{
        "size": str, "memory": str, "cpus": int, "cpu_kind": str, "gpus": int, "gpu_kind": str, "kernel_args": list,
        "host_dedication_id": str, "processes": list,
    }],
}  # fmt: skip


def read(name: str) -> Any:
    """A file of the repo as its host reads it."""
    text = (REPO / name).read_text()
    reader = {".json": json.loads, ".yaml": yaml.safe_load, ".toml": tomllib.loads}[Path(name).suffix]
    return reader(text)


def faults(value: Any, table: Any, where: str) -> list[str]:
    """What of a value is not in the table."""
    if isinstance(table, type):
        right = isinstance(value, table) and not (table is int and isinstance(value, bool))
        return [] if right else [f"{where} is {value!r}, no {table.__name__}"]
    if isinstance(table, list):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        return [fault for item in value for fault in faults(item, table[0], f"{where}[]")]
    if not isinstance(value, dict):
        return [f"{where} is no object"]
    unknown = [f"{where} has {key!r}" for key in value if key not in table and "*" not in table]
    known = [key for key in value if key in table or "*" in table]
    return unknown + [
        fault for key in known for fault in faults(value[key], table.get(key, table.get("*")), f"{where}.{key}")
    ]


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("app.json", HEROKU),
        ("railway.json", RAILWAY),
        ("railpack.json", RAILPACK),
        ("render.yaml", RENDER),
        ("fly.toml", FLY),
    ],
)
def test_a_host_accepts_every_key_of_its_file_and_the_kind_of_every_value(name: str, table: dict[str, Any]) -> None:
    assert faults(read(name), table, name) == []


def test_the_tables_find_what_is_wrong() -> None:
    found = faults({"env": {"PORT": {"value": 1}}, "color": "red", "buildpacks": {}}, HEROKU, "app.json")
    assert found == [
        "app.json has 'color'",
        "app.json.env.PORT.value is 1, no str",
        "app.json.buildpacks is no list",
    ]


def test_heroku_starts_one_worker_and_makes_up_the_secret() -> None:
    env = read("app.json")["env"]
    assert env["WEB_CONCURRENCY"]["value"] == "1"
    assert env["OMP_NUM_THREADS"]["value"] == "1", "a dyno shows the processors of the whole machine"
    assert env["METRICS_TOKEN"]["generator"] == "secret"


def test_nothing_of_the_start_on_railway_rests_on_railway_json() -> None:
    manifest = read("railway.json")
    assert manifest["build"] == {"builder": "RAILPACK"}
    assert manifest["deploy"]["restartPolicyType"] in ("ON_FAILURE", "NEVER"), "ALWAYS is refused on the free plan"
    assert "startCommand" not in manifest["deploy"]


def test_railways_template_leaves_the_time_that_gunicorn_needs_to_finish_its_work() -> None:
    assert int(HOSTS["railway"].variables["RAILWAY_DEPLOYMENT_DRAINING_SECONDS"]) > 25
    assert HOSTS["railway"].variables["METRICS_TOKEN"] == SECRET


def test_railpacks_own_steps_are_kept_and_the_model_is_fetched_after_them() -> None:
    step = read("railpack.json")["steps"]["build"]
    assert step["commands"] == ["...", "bin/post_compile"], "... stands for what Railpack would do anyway"
    assert "inputs" not in step, "those given would replace Railpack's own"


def test_render_builds_by_hashes_with_the_model_and_its_free_plan_names_no_time_to_end() -> None:
    (service,) = read("render.yaml")["services"]
    assert service["buildCommand"] == "pip install --require-hashes -r requirements.lock && bin/post_compile"
    assert (service["plan"], "maxShutdownDelaySeconds" in service) == ("free", False)


def test_fly_sends_the_signal_and_leaves_the_time_that_gunicorn_needs_to_finish_its_work() -> None:
    manifest = read("fly.toml")
    assert manifest["kill_signal"] == "SIGTERM"
    assert int(manifest["kill_timeout"].removesuffix("s")) > 25


def test_fly_reaches_the_port_of_the_image_and_finds_the_files_that_it_names() -> None:
    manifest = read("fly.toml")
    _, image = stages(REPO / manifest["build"]["dockerfile"])
    assert words_of(image, "EXPOSE") == str(manifest["http_service"]["internal_port"])
    assert (REPO / manifest["build"]["ignorefile"]).is_file()
    assert manifest["vm"][0]["memory"] == "512mb"
