"""A real server with the real model, and a real browser on its page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from scripts.box import Server
from tests.support import need, need_program, page_file

# As root, in a container without a GPU.
CHROMIUM_ARGS = ["--no-sandbox", "--disable-gpu"]
OWN_SCHEMES = ("data", "blob")
# What Chromium itself writes to the console for an answer that is an error, or for none.
NO_RESOURCE = "Failed to load resource"

# Imports a module of the page by its name.
LOAD = f"window.load = (name) => import(`{page_file('js/')}${{name}}`);"

# As long as Playwright waits for all else: a machine may be busy.
expect.set_options(timeout=30_000)

Visit = Callable[..., Page]


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
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    """Opens pages, each in a context of its own with these options of Playwright's, which read `/` as the server's (or
    as that of `url`). At the end they must have logged no error and asked no other origin for anything; with
    `may_fail`, answers that are errors are expected."""
    wrong: list[str] = []
    contexts: list[BrowserContext] = []

    def open_page(*, url: str = server.url, may_fail: bool = False, **options: Any) -> Page:
        def on_console(message: ConsoleMessage) -> None:
            if message.type == "error" and not (may_fail and message.text.startswith(NO_RESOURCE)):
                wrong.append(f"console: {message.text}")

        def on_request(request: Request) -> None:
            if not request.url.startswith(f"{url}/") and urlsplit(request.url).scheme not in OWN_SCHEMES:
                wrong.append(f"request to {request.url}")

        context = browser.new_context(base_url=url, **{"locale": "en-GB", **options})
        contexts.append(context)
        context.on("request", on_request)
        page = context.new_page()
        page.on("console", on_console)
        page.on("pageerror", lambda error: wrong.append(f"error: {error.message}"))
        page.on("filechooser", lambda _chooser: None)  # Chromium takes a moment until it hands its dialogs over
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong


@pytest.fixture
def page(visit: Visit) -> Page:
    """A page on a large screen."""
    return visit()


@pytest.fixture(scope="session")
def photos(data_dir: Path) -> dict[str, Path]:
    """Real photos, a name → its file: small enough to be seen whole at 100 %, but for the last."""
    folders = {"girl": "u2net-author/images/girl.png", "hockey": "u2net-author/images/hockey.png"}
    folders |= {"whisk": "u2net-author/images/whisk.png", "car": "rembg-peer/car-1.jpg"}
    folders |= {"bike": "u2net-author/images/bike.jpg"}
    return {name: need(data_dir / path) for name, path in folders.items()}


@pytest.fixture
def blank(page: Page) -> Page:
    """A file of the page, shown as text, for tests of single modules, which `load` them by name: the page itself would
    be at work on its example beside them."""
    page.add_init_script(LOAD)
    # Chromium asks for one where no page names it; a 404 would be logged as an error.
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    page.goto(page_file("style.css"))
    return page
