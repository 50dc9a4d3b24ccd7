"""How many photos a client may send: who is counted, what is counted, and where."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import config, hosting
from scripts.box import free_port
from tests.support import app_with, encoded, need_program, page_file, picture

PATH = "/api/remove-background"
PHOTO = encoded(picture())
ADDRESS = "203.0.113.7"
KEYS = ("canary-first-key", "canary-second-key")


class Redis:
    """A Redis of our own on a free port of the loopback, with nothing on the disk; a context manager."""

    def __init__(self) -> None:
        program, port = need_program("redis-server"), free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Redis:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "Ready to accept connections" in line:
                return self
        raise RuntimeError("redis-server ended before it was ready")

    def __exit__(self, *_error: object) -> None:
        self.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.kill()
        self.process.wait()


@pytest.fixture
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


def send(client: FlaskClient, *, address: str = ADDRESS, path: str = PATH, **headers: str) -> TestResponse:
    """Post a photo to the API."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(path, data=PHOTO, headers=names, environ_overrides={"REMOTE_ADDR": address})


def send_form(client: FlaskClient, *, address: str = ADDRESS, **fields: str) -> TestResponse:
    """Post a photo by the plain form of the page."""
    form = {"file": (io.BytesIO(PHOTO), "photo.png"), **fields}
    return client.post("/", data=form, environ_overrides={"REMOTE_ADDR": address})


def test_over_the_rate_is_a_429_with_a_code_a_sentence_and_when_to_come_back() -> None:
    client = app_with(rate_limit="2/minute").test_client()
    for left in (1, 0):
        answer = send(client)
        assert answer.status_code == 200
        assert answer.headers["X-RateLimit-Limit"] == "2"
        assert answer.headers["X-RateLimit-Remaining"] == str(left)
        assert time.time() < int(answer.headers["X-RateLimit-Reset"]) <= time.time() + 61
        assert "Retry-After" not in answer.headers
    answer = send(client)
    assert answer.status_code == 429
    assert answer.get_json()["error"]["code"] == "rate_limit_exceeded"
    assert "2/minute" in answer.get_json()["error"]["message"]
    assert answer.get_json()["request_id"] == answer.headers["X-Request-ID"]
    assert 1 <= int(answer.headers["Retry-After"]) <= 61
    assert answer.headers["X-RateLimit-Remaining"] == "0"


def test_retry_after_is_a_second_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    client = app_with(rate_limit="1/hour").test_client()
    assert send(client).status_code == 200
    monkeypatch.setattr("app.routes.rate_limit.time", SimpleNamespace(time=lambda: 1e12))
    assert send(client).headers["Retry-After"] == "1", "though by the clock it is long over"


def test_of_several_rates_each_holds_and_the_one_that_was_met_is_told() -> None:
    client = app_with(rate_limit="100/second;2/hour").test_client()
    assert [send(client).status_code for _ in range(3)] == [200, 200, 429]
    answer = send(client)
    assert answer.headers["X-RateLimit-Limit"] == "2"
    assert int(answer.headers["Retry-After"]) > 60


def test_every_way_to_a_photo_counts_together_and_nothing_else_counts() -> None:
    client = app_with(rate_limit="3/hour").test_client()
    for path in ("/", "/health", "/ready", page_file("style.css"), "/api/nothing"):
        answer = client.get(path, environ_overrides={"REMOTE_ADDR": ADDRESS})
        assert "X-RateLimit-Limit" not in answer.headers
    assert client.options(PATH, environ_overrides={"REMOTE_ADDR": ADDRESS}).status_code == 200
    assert send(client).headers["X-RateLimit-Remaining"] == "2"
    assert send_form(client).headers["X-RateLimit-Remaining"] == "1"
    assert send(client, path=f"{PATH}?format=nonsense").status_code == 400, "a bad request counts as well"
    page = send_form(client)
    assert page.status_code == 429
    assert "You have sent as many photos as this server takes" in page.text
    assert 'type="file"' in page.text, "the form is there again"
    assert send(client).status_code == 429


def test_a_photo_asked_for_by_get_or_head_counts() -> None:
    app = app_with(rate_limit="2/hour")
    if "/api/remove" not in {rule.rule for rule in app.url_map.iter_rules()}:
        app.get("/api/remove")(lambda: "a photo")
    client = app.test_client()
    assert client.get("/api/remove").headers["X-RateLimit-Remaining"] == "1"
    assert client.head("/api/remove").headers["X-RateLimit-Remaining"] == "0"
    assert client.get("/api/remove").status_code == 429


def test_without_a_rate_nothing_is_counted_and_flask_limiter_is_not_even_imported() -> None:
    answer = send(app_with().test_client())
    assert "X-RateLimit-Limit" not in answer.headers
    code = "import sys, app; app.create_app(); assert not {'flask_limiter', 'limits', 'redis'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_each_address_is_a_client_of_its_own() -> None:
    client = app_with(rate_limit="1/hour").test_client()
    assert [send(client, address=f"203.0.113.{n}").status_code for n in (1, 2, 1)] == [200, 200, 429]


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", 429),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", 200),
        ("::ffff:203.0.113.1", "::ffff:203.0.113.2", 200),
        ("a-router", "a-router", 429),
        ("", "", 429),
    ],
)
def test_a_network_of_ipv6_is_one_client_and_what_is_no_address_is_one_too(
    first: str, second: str, status: int
) -> None:
    client = app_with(rate_limit="1/hour").test_client()
    assert send(client, address=first).status_code == 200
    assert send(client, address=second).status_code == status


def test_with_keys_the_key_is_the_client_wherever_it_comes_from_and_however_it_is_sent() -> None:
    client = app_with(api_keys=",".join(KEYS), rate_limit="3/hour").test_client()
    assert send(client, X_Api_Key="canary-wrong-key").status_code == 401, "a refusal counts for nobody"
    assert send(client, address="203.0.113.1", X_Api_Key=KEYS[0]).status_code == 200
    assert send(client, address="203.0.113.2", Authorization=f"Bearer {KEYS[0]}").status_code == 200
    assert send_form(client, address="203.0.113.3", api_key=KEYS[0]).status_code == 200
    assert send(client, address="203.0.113.4", X_Api_Key=KEYS[0]).status_code == 429
    assert send_form(client, address="203.0.113.5", api_key=KEYS[0]).status_code == 429
    assert send(client, address="203.0.113.1", X_Api_Key=KEYS[1]).status_code == 200


def test_the_rate_is_asked_for_before_the_body_is_read_and_memory_is_held() -> None:
    app = app_with(rate_limit="1/hour")
    client = app.test_client()
    assert send(client).status_code == 200
    budget = app.extensions["tinycut"].budget
    everything = budget.holding()
    everything.add(budget.total_bytes, exists=True)

    class Unread:
        def read(self, *_size: int) -> bytes:
            raise AssertionError("the body was read")

    overrides = {"wsgi.input": Unread(), "CONTENT_LENGTH": "9000", "REMOTE_ADDR": ADDRESS}
    assert client.post(PATH, environ_overrides=overrides).get_json()["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("platform", "forwarded"),
    [
        ({}, "{forged}"),
        ({"DYNO": "web.1"}, "{forged}, 198.51.100.1"),
        ({"RAILWAY_ENVIRONMENT_NAME": "production"}, "{forged}, 198.51.100.1, 192.0.2.9"),
        ({"RENDER": "true"}, "{forged}, 198.51.100.1, 172.71.95.118, 10.19.64.237"),
        ({"FLY_APP_NAME": "tinycut"}, "{forged}, 198.51.100.1, 66.241.124.1"),
        ({"PROXY_HOPS": "4"}, "{forged}, 198.51.100.1, 10.0.0.3, 10.0.0.2, 10.0.0.1"),
        ({"DYNO": "web.1", "PROXY_HOPS": "0"}, "{forged}, {forged}"),
    ],
)
def test_a_forged_address_never_gives_a_client_a_fresh_count(
    monkeypatch: pytest.MonkeyPatch, platform: dict[str, str], forwarded: str
) -> None:
    for name in {marker for _, markers in hosting.PLATFORMS for marker in markers}:
        monkeypatch.delenv(name, raising=False)
    for name, value in platform.items():
        monkeypatch.setenv(name, value)
    client = app_with(rate_limit="1/hour", proxy_hops=int(platform.get("PROXY_HOPS", -1))).test_client()
    answers = [
        send(client, X_Forwarded_For=forwarded.format(forged=f"9.9.9.{n}"), X_Real_IP=f"9.9.9.{n}").status_code
        for n in range(3)
    ]
    assert answers == [200, 429, 429]


@pytest.mark.parametrize("platform", hosting.ROUTER_HOPS)
def test_behind_the_routers_of_each_platform_clients_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    chains = {
        "heroku": "{client}",
        "railway": "{client}, 192.0.2.9",
        "render": "{client}, 172.71.95.118, 10.19.64.237",
        "fly": "{client}, 66.241.124.1",
    }
    for _name, markers in hosting.PLATFORMS:
        for marker in markers:
            monkeypatch.delenv(marker, raising=False)
    monkeypatch.setenv(dict(hosting.PLATFORMS)[platform][0], "set")
    client = app_with(rate_limit="1/hour").test_client()
    for number in (1, 2):
        chain = chains[platform].format(client=f"198.51.100.{number}")
        assert send(client, X_Forwarded_For=chain).status_code == 200
    assert send(client, X_Forwarded_For=chain).status_code == 429


def test_two_servers_count_together_in_redis(redis: Redis) -> None:
    first, second = (app_with(rate_limit="2/hour", rate_limit_storage=redis.url).test_client() for _ in range(2))
    assert send(first).headers["X-RateLimit-Remaining"] == "1"
    assert send(second).headers["X-RateLimit-Remaining"] == "0"
    assert send(first).status_code == 429
    assert send(second).status_code == 429


def test_when_redis_dies_photos_go_on_are_still_counted_and_the_log_says_so_once(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = app_with(rate_limit="2/hour", rate_limit_storage=redis.url).test_client()
    assert send(client).status_code == 200
    redis.kill()
    answers = [send(client) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429], "each process counts by itself now"
    assert answers[0].headers["X-RateLimit-Remaining"] == "1"
    lines = [record for record in caplog.records if record.name == "flask-limiter"]
    assert [record.getMessage() for record in lines] == [
        "Rate limit storage unreachable - falling back to in-memory storage"
    ]
    assert "Traceback" not in caplog.text
    assert redis.url not in caplog.text


def test_a_redis_that_was_never_there_keeps_nobody_from_starting_and_its_password_is_not_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"redis://:canary-password@127.0.0.1:{free_port()}/0"
    client = app_with(rate_limit="1/hour", rate_limit_storage=url).test_client()
    answers = [send(client), send(client)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert "canary" not in caplog.text + "".join(answer.text + str(answer.headers) for answer in answers)


def test_who_was_refused_is_not_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = app_with(rate_limit="1/hour").test_client()
    assert [send(client).status_code for _ in range(2)] == [200, 429]
    assert ADDRESS not in caplog.text


def test_the_busy_servers_own_429_keeps_its_own_time() -> None:
    app = app_with(rate_limit="100/hour")
    app.extensions["tinycut"].budget.holding().add(app.extensions["tinycut"].budget.total_bytes)
    answer = send(app.test_client())
    assert answer.get_json()["error"]["code"] == "busy"
    assert answer.headers["Retry-After"] == "3"


@pytest.mark.parametrize("rate", ["60", "60/lightyear", "many/minute", "0/minute", "-1/minute", "5/minute and more"])
def test_a_rate_that_is_none_ends_the_start_with_an_example(rate: str) -> None:
    with pytest.raises(config.ConfigError, match=r"RATE_LIMIT=.*expected a rate such as 60/minute"):
        config.load({"RATE_LIMIT": rate})


@pytest.mark.parametrize("rate", ["60/minute", "5 per second; 500 per day", "10/5minutes", "1/second,2/hour"])
def test_every_way_to_write_a_rate_is_taken(rate: str) -> None:
    assert config.load({"RATE_LIMIT": rate}).rate_limit == rate


@pytest.mark.parametrize(
    "url", ["redis", "redis://", "http://store:6379", "redis://:canary@store:pass", "memory", "redis://[::1"]
)
def test_a_store_that_is_none_ends_the_start_with_an_example_and_is_not_shown(url: str) -> None:
    with pytest.raises(config.ConfigError, match="RATE_LIMIT_STORAGE: expected memory://") as caught:
        config.load({"RATE_LIMIT_STORAGE": url})
    assert "canary" not in str(caught.value)


def test_each_photo_of_a_batch_counts() -> None:
    client = app_with(rate_limit="5/hour").test_client()

    def send(count: int) -> TestResponse:
        files = [(io.BytesIO(encoded(picture())), f"{number}.png") for number in range(count)]
        return client.post("/api/batch", data={"file": files})

    with closing(send(3)) as answer:
        assert (answer.status_code, answer.headers["X-RateLimit-Remaining"]) == (200, "2")
    over = send(3)
    assert (over.status_code, over.get_json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert int(over.headers["Retry-After"]) >= 1
    assert client.application.extensions["tinycut"].batches.busy == 0
