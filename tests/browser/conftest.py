"""A real server with the real model, and a real browser on its page."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from scripts.box import Server
from tests.support import need_program

# As root, in a container without a GPU.
CHROMIUM_ARGS = ["--no-sandbox", "--disable-gpu"]
OWN_SCHEMES = ("data", "blob")


@pytest.fixture(scope="package")
def server(model_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server by the Procfile with the real model."""
    with Server(env=model_env, log=tmp_path_factory.mktemp("server") / "log") as server:
        server.wait_for("/ready")
        yield server


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. It ends with the tests of this folder: while it runs, Playwright holds this thread's event
    loop, and no other test could start one."""
    chromium = need_program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A page of its own context, which reads `/` as the server's; at its end it must have logged no error and asked no
    other origin for anything."""
    wrong: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            wrong.append(f"console: {message.text}")

    def on_request(request: Request) -> None:
        if not request.url.startswith(f"{server.url}/") and urlsplit(request.url).scheme not in OWN_SCHEMES:
            wrong.append(f"request to {request.url}")

    with browser.new_context(base_url=server.url) as context:
        context.on("request", on_request)
        page = context.new_page()
        page.on("console", on_console)
        page.on("pageerror", lambda error: wrong.append(f"error: {error.message}"))
        yield page
    assert not wrong


@pytest.fixture
def home(page: Page) -> Page:
    """A page that is at `/`, maybe still loading: a test of single modules imports them there."""
    page.goto("/", wait_until="commit")
    return page
