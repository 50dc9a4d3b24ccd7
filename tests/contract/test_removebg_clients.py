"""remove.bg's clients against our server and the real network: the two of PyPI as they are, and the traps of others.

A client is pointed at us as its users would do it; see docs/drop-ins.md.
"""

from __future__ import annotations

import base64
import io
import struct
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import requests

from scripts.box import REPO, Server
from tests.support import encoded, opened, picture

# Both clients leave the files that they read open.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")

SAMPLE = REPO / "app/static/sample.jpg"
PREVIEW_PX = 250_000
TIMEOUT_S = 60
KEY = {"X-Api-Key": "any"}


@pytest.fixture(scope="module")
def server(model_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server as it is deployed, with the real network."""
    with Server(env=model_env, log=tmp_path_factory.mktemp("server") / "log") as server:
        server.wait_for("/ready")
        yield server


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A real photo in a folder of its own: clients write beside it."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(SAMPLE.read_bytes())
    return path


def check_cut_out(data: bytes, *, most_px: int = PREVIEW_PX) -> None:
    """It is a PNG in which the subject is solid and something else is gone."""
    image = opened(data)
    assert (image.format, image.mode) == ("PNG", "RGBA")
    assert 0.9 * most_px < image.width * image.height <= most_px
    alpha = np.asarray(image)[:, :, 3]
    assert (alpha == 255).mean() > 0.05
    assert (alpha == 0).mean() > 0.05


def post(server: Server, *, accept: str = "*/*", json: object = None, **fields: object) -> requests.Response:
    """A form with the sample and these fields, or a body of JSON."""
    how: dict[str, object] = {"json": json} if json else {"files": {"image_file": SAMPLE.read_bytes()}, "data": fields}
    headers = {**KEY, "Accept": accept}
    return requests.post(f"{server.url}/v1.0/removebg", headers=headers, timeout=TIMEOUT_S, **how)


# PyPI: removebg 0.4


@pytest.fixture
def removebg(server: Server, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of PyPI's removebg, pointed at the server."""
    import removebg.removebg as module

    monkeypatch.setattr(module, "API_ENDPOINT", f"{server.url}/v1.0/removebg")
    return module


def test_pypi_removebg_cuts_out_a_file(removebg: ModuleType, photo: Path) -> None:
    removebg.RemoveBg("any-key", str(photo.with_name("error.log"))).remove_background_from_img_file(str(photo))
    check_cut_out(Path(f"{photo}_no_bg.png").read_bytes())


def test_pypi_removebg_cuts_out_base64(removebg: ModuleType, photo: Path) -> None:
    client = removebg.RemoveBg("any-key", str(photo.with_name("error.log")))
    target = photo.with_name("cutout.png")
    text = base64.b64encode(photo.read_bytes())
    client.remove_background_from_base64_img(text, size="regular", new_file_name=str(target))
    check_cut_out(target.read_bytes())


def test_pypi_removebg_puts_a_colour_behind(removebg: ModuleType, photo: Path) -> None:
    client = removebg.RemoveBg("any-key", str(photo.with_name("error.log")))
    client.remove_background_from_img_file(str(photo), size="hd", bg_color="0000ff")
    image = opened(Path(f"{photo}_no_bg.png").read_bytes())
    assert image.format == "JPEG", "nothing is see-through"
    pixels = np.asarray(image).astype(int)
    assert (np.abs(pixels - (0, 0, 255)).max(axis=2) < 6).mean() > 0.05


def test_pypi_removebg_raises_on_what_cannot_be_done(removebg: ModuleType, tmp_path: Path) -> None:
    client = removebg.RemoveBg("any-key", str(tmp_path / "error.log"))
    target = tmp_path / "cutout.png"
    text = base64.b64encode(b"this is no photo")
    with pytest.raises(requests.HTTPError) as refusal:
        client.remove_background_from_base64_img(text, new_file_name=str(target))
    assert refusal.value.response.json()["errors"][0]["code"] == "invalid_file_type"
    # Whether or not the server takes addresses, none is of its own network.
    with pytest.raises(requests.HTTPError) as refusal:
        client.remove_background_from_img_url("http://127.0.0.1/photo.jpg", new_file_name=str(target))
    assert refusal.value.response.json()["errors"][0]["code"] in ("failed_image_download", "invalid_image_url")
    assert not target.exists()


def test_the_words_that_other_versions_of_pypi_removebg_always_send_are_taken(server: Server) -> None:
    words = {"type": "auto", "type_level": "none", "format": "auto", "roi": "0 0 100% 100%", "crop_margin": "0"}
    words |= {"scale": "original", "position": "original", "channels": "rgba", "bg_color": ""}
    for crop in (False, True):
        answer = post(server, **words, crop=crop, add_shadow=False, semitransparency=True)
        assert answer.status_code == 200
        assert "X-Type" not in answer.headers


# PyPI: remove-bg-api 0.2.1


@pytest.fixture
def remove_bg_api(server: Server, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of PyPI's remove-bg-api, pointed at the server."""
    import remove_bg_api as module

    monkeypatch.setattr(module, "API_URL", f"{server.url}/v1.0")
    return module


def test_pypi_remove_bg_api_cuts_out_a_file_bytes_and_base64(remove_bg_api: ModuleType, photo: Path) -> None:
    client = remove_bg_api.RemoveBg("any-key")
    check_cut_out(client.remove_bg_file(str(photo)))
    check_cut_out(client.remove_bg_bytes(photo.read_bytes()))
    check_cut_out(client.remove_bg_base64(base64.b64encode(photo.read_bytes()).decode()))
    target = photo.with_name("cutout.png")
    assert client.remove_bg_file(str(photo), out_path=str(target), raw=False) == str(target)
    check_cut_out(target.read_bytes())


def test_pypi_remove_bg_api_hands_options_on(remove_bg_api: ModuleType, photo: Path) -> None:
    found = remove_bg_api.RemoveBg("any-key").remove_bg_file(
        str(photo), data={"size": "full", "format": "jpg", "bg_color": "ffffff", "crop": "true", "type": "product"}
    )
    image = opened(found)
    assert image.format == "JPEG"
    assert image.width * image.height < np.prod(opened(photo.read_bytes()).size)


def test_pypi_remove_bg_api_reads_an_account_of_which_nothing_is_charged(
    remove_bg_api: ModuleType, photo: Path
) -> None:
    account = remove_bg_api.RemoveBg("any-key")
    before = account.account.balance()
    assert before > 0
    account.remove_bg_file(str(photo))
    assert account.account.balance() == before
    assert account.account.get_balance_dict() == {"total": before, "subscription": before, "payg": 0, "enterprise": 0}
    assert account.account.free_api_calls() > 0


@pytest.mark.parametrize("data", [None, {"size": "huge"}, {"bg_color": "reddish"}, {"scale": "1%"}])
def test_pypi_remove_bg_api_raises_its_own_error(remove_bg_api: ModuleType, data: dict[str, str] | None) -> None:
    client = remove_bg_api.RemoveBg("any-key")
    bad = b"this is no photo" if data is None else encoded(picture())
    with pytest.raises(remove_bg_api.Errors.ApiErrorCode400):
        client.remove_bg_bytes(bad, data=data)
    with pytest.raises(remove_bg_api.Errors.ApiErrorCode400):
        client.remove_bg_url("http://127.0.0.1/photo.jpg")


# What others trip over


def test_the_ruby_gem_gets_a_zip_a_limit_that_ends_and_an_error_list_that_is_never_empty(server: Server) -> None:
    answer = post(server, format="zip", size="auto")
    assert answer.headers["Content-Type"] == "application/zip"
    for name in ("Limit", "Remaining", "Reset"):
        assert answer.headers[f"X-RateLimit-{name}"].isdigit()
    for name in ("X-Width", "X-Height", "X-Credits-Charged"):
        float(answer.headers[name])
    assert answer.headers["X-Type"]
    for refusal in (
        requests.get(f"{server.url}/v1.0/nothing", timeout=TIMEOUT_S),
        requests.get(f"{server.url}/v1.0/removebg", timeout=TIMEOUT_S),
        requests.post(f"{server.url}/v1.0/removebg", data=b"", timeout=TIMEOUT_S),
        requests.post(f"{server.url}/v1.0/removebg", data=bytes(20 << 20), timeout=TIMEOUT_S),
        requests.post(f"{server.url}/v1.0/improve", timeout=TIMEOUT_S),
    ):
        assert refusal.status_code >= 400
        assert refusal.headers["Content-Type"] == "application/json; charset=utf-8"
        assert refusal.json()["errors"][0]["title"]


def test_the_ruby_gem_takes_the_accounts_keys_for_arguments(server: Server) -> None:
    def account(*, credits: dict[str, int], api: dict[str, object]) -> None:
        def read_credits(*, total: int, subscription: int, payg: int, enterprise: int) -> None:
            assert total == subscription + payg + enterprise

        def read_api(*, free_calls: int, sizes: str) -> None:
            assert sizes == "all"

        read_credits(**credits)
        read_api(**api)  # type: ignore[arg-type]

    answer = requests.get(f"{server.url}/v1.0/account", headers=KEY, timeout=TIMEOUT_S)
    account(**answer.json()["data"]["attributes"])


def test_the_npm_client_sends_json_with_booleans_and_reads_headers_beside_the_json(server: Server) -> None:
    text = base64.b64encode(SAMPLE.read_bytes()).decode()
    words = {"image_file_b64": text, "size": "regular", "type": "auto", "format": "auto"}
    answer = post(server, accept="application/json", json={**words, "crop": False, "bg_color": "", "scale": "original"})
    assert answer.status_code == 200
    check_cut_out(base64.b64decode(answer.json()["data"]["result_b64"]))
    for name in ("x-credits-charged", "x-type", "x-width", "x-height", "x-ratelimit-limit", "x-ratelimit-remaining"):
        assert answer.headers[name]


def test_the_official_command_line_uploads_five_at_once_with_empty_words(server: Server) -> None:
    names = ("roi", "crop", "crop_margin", "scale", "position", "bg_color", "bg_image_url", "channels", "add_shadow")
    empty = {**dict.fromkeys(names, ""), "size": "auto", "type": "", "format": "zip", "image_url": ""}
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _turn: post(server, **empty), range(10)))
    assert [answer.status_code for answer in answers] == [200] * 10
    assert {answer.headers["Content-Type"] for answer in answers} == {"application/zip"}


def test_the_official_command_line_is_told_how_long_to_wait(model_env: dict[str, str], tmp_path: Path) -> None:
    with Server(env={**model_env, "QUEUE_SIZE": "0", "CONCURRENCY": "1"}, log=tmp_path / "log") as server:
        server.wait_for("/ready")
        with ThreadPoolExecutor(5) as pool:
            answers = list(pool.map(lambda _turn: post(server, size="auto"), range(25)))
    assert {answer.status_code for answer in answers} == {200, 429}
    for answer in answers:
        if answer.status_code == 429:
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.json()["errors"][0]["code"] == "rate_limit_exceeded"


def test_the_go_client_reads_an_alpha_of_8_bit_grey_and_the_titles_of_errors(server: Server) -> None:
    answer = post(server, format="zip", size="full")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as members:
        assert members.namelist() == ["color.jpg", "alpha.png"]
        assert {member.compress_type for member in members.infolist()} == {zipfile.ZIP_STORED}
        alpha, colors = members.read("alpha.png"), opened(members.read("color.jpg"))
    width, height, bits, color_type = struct.unpack(">IIBB", alpha[16:26])
    assert (width, height, bits, color_type) == (*colors.size, 8, 0)
    assert colors.size == opened(SAMPLE.read_bytes()).size
    refusal = post(server, size="huge")
    assert refusal.status_code == 400
    assert refusal.json()["errors"][0]["title"] == "Invalid value for parameter 'size'"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ({"format": "webp"}, "image/webp"),
        ({"format": "zip"}, "application/zip"),
        ({"bg_color": "green"}, "image/jpeg"),
        ({"add_shadow": "true", "shadow_type": "drop", "shadow_opacity": "50"}, "image/png"),
    ],
)
def test_removebg_cli_gets_every_format_and_option_of_its_own(server: Server, words: dict[str, str], kind: str) -> None:
    answer = post(server, **words)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind)


def test_removebg_cli_puts_an_image_behind(server: Server) -> None:
    behind = encoded(picture(300, 200), "JPEG")
    files = {"image_file": SAMPLE.read_bytes(), "bg_image_file": behind}
    answer = requests.post(f"{server.url}/v1.0/removebg", files=files, headers=KEY, timeout=TIMEOUT_S)
    assert answer.headers["Content-Type"] == "image/jpeg"
