"""Pictures by URL, from hostile servers: nothing private is reached, and nothing is endless."""

from __future__ import annotations

import gzip
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from itertools import repeat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import __version__
from app.config import Settings
from app.errors import AppError, Busy
from app.hosting import MIB
from app.services.remote_image import RemoteImages
from app.services.tiny_u2net_service import TinyU2NetService
from tests.fake_internet import PUBLIC, PUBLIC_V6, FakeInternet, FakeServer, head, page, redirect, serving
from tests.properties import bounded
from tests.support import FakeModels

MOST_BYTES = MIB // 8
PHOTO = bytes(range(256)) * 20
URL = "http://photos.example/photo"
Fetch = Callable[..., bytes]


def remote_images(internet: FakeInternet, **settings: object) -> RemoteImages:
    how = {"allowed": True, "most_bytes": MOST_BYTES, "limit_s": 10.0, **settings}
    return RemoteImages(resolve=internet.resolve, connect=internet.connect, **how)  # type: ignore[arg-type]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving() as server:
        server.answer("/photo", page(PHOTO))
        yield server


@pytest.fixture
def internet(server: FakeServer) -> FakeInternet:
    """photos.example on its public address, ports 80 and 8080, is the server."""
    internet = FakeInternet()
    internet.doors = {(PUBLIC, port): server.server_port for port in (80, 8080)}
    return internet


@pytest.fixture
def fetch(internet: FakeInternet) -> Fetch:
    return remote_images(internet).fetch


def refusal(fetch: Fetch, url: str = URL) -> tuple[int, str, str]:
    """Status, code and message of the error that a URL is answered with."""
    with pytest.raises(AppError) as caught:
        fetch(url)
    return caught.value.status, caught.value.code, caught.value.message


# What works


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        (URL, "photos.example"),
        ("HTTP://Photos.Example./photo#part", "photos.example"),
        ("http://photos.example:8080/photo", "photos.example:8080"),
        (f"http://{PUBLIC}/photo", PUBLIC),
        ("http://1572395042/photo", "1572395042"),  # public all the same
    ],
)
def test_a_picture_is_fetched_from_the_address_that_was_checked_under_its_own_name(
    fetch: Fetch, internet: FakeInternet, server: FakeServer, url: str, authority: str
) -> None:
    assert fetch(url) == PHOTO
    assert [address for address, _ in internet.dialled] == [PUBLIC]
    assert server.requests[0][1]["Host"] == authority


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_V6, "64:ff9b::5db8:d822"])
def test_public_addresses_of_every_kind_are_fetched_from(
    fetch: Fetch, internet: FakeInternet, server: FakeServer, address: str
) -> None:
    internet.names["photos.example"] = [address]
    internet.doors[address, 80] = server.server_port
    assert fetch(URL) == PHOTO
    assert internet.dialled == [(address, 80)]


def test_an_address_in_brackets_is_named_in_brackets(fetch: Fetch, internet: FakeInternet, server: FakeServer) -> None:
    internet.doors[PUBLIC_V6, 8080] = server.server_port
    assert fetch(f"http://[{PUBLIC_V6}]:8080/photo") == PHOTO
    assert server.requests[0][1]["Host"] == f"[{PUBLIC_V6}]:8080"


def test_nothing_of_us_is_sent_but_the_name_and_version_of_the_program(
    fetch: Fetch, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://user:secret@127.0.0.1:9")
    server.answer("/start", head("302 Found", "Location: /photo", "Set-Cookie: id=7; Path=/", "Content-Length: 0"))
    fetch("http://photos.example/start")
    headers = {
        "Host": "photos.example",
        "User-Agent": f"TinyCut/{__version__}",
        "Accept": "image/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    assert server.requests == [("/start", headers), ("/photo", headers)]


def test_names_and_paths_in_any_script_are_sent_as_ascii(
    fetch: Fetch, internet: FakeInternet, server: FakeServer
) -> None:
    internet.names["xn--bcher-kva.example"] = [PUBLIC]
    server.answer("/b%C3%BCcher/a%20b?q=%C3%9F&r=1", page(PHOTO))
    assert fetch("http://bücher.example/bücher/a%20b?q=ß&r=1") == PHOTO
    assert server.requests[0][1]["Host"] == "xn--bcher-kva.example"


@pytest.mark.parametrize(
    "answer",
    [
        head("200 OK", "Connection: close") + PHOTO,
        head("200 OK", "Transfer-Encoding: chunked") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(PHOTO), PHOTO),
        page(PHOTO, "200 OK", "Content-Encoding: Identity"),
        head("100 Continue") + page(PHOTO),
    ],
    ids=["until the end", "in chunks", "said to be as it is", "after a hundred"],
)
def test_every_way_to_send_a_body_is_read(fetch: Fetch, server: FakeServer, answer: bytes) -> None:
    server.answer("/photo", answer)
    assert fetch(URL) == PHOTO


def test_a_picture_of_exactly_the_limit_is_taken_and_every_byte_is_held_before_it_is_kept(
    fetch: Fetch, server: FakeServer
) -> None:
    server.answer("/photo", page(b"x" * MOST_BYTES))
    held: list[int] = []
    assert len(fetch(URL, hold=held.append)) == MOST_BYTES
    assert sum(held) == MOST_BYTES


def test_an_address_that_does_not_answer_is_passed_over_for_the_next(fetch: Fetch, internet: FakeInternet) -> None:
    internet.names["photos.example"] = [PUBLIC_V6, PUBLIC_V6, PUBLIC]
    internet.faults[PUBLIC_V6] = OSError("no route")
    assert fetch(URL) == PHOTO
    assert internet.dialled == [(PUBLIC_V6, 80), (PUBLIC, 80)]


def test_of_many_addresses_a_few_are_tried_and_none_may_use_up_the_time(fetch: Fetch, internet: FakeInternet) -> None:
    addresses = [f"93.184.216.{number}" for number in range(100)]
    internet.names["photos.example"] = addresses
    internet.faults = {address: TimeoutError("silent") for address in addresses}
    assert refusal(fetch)[1] == "image_download_failed"
    assert len(internet.dialled) == 4
    assert internet.limits_s[0] <= 2.5


# What is never asked for

PRIVATE_HOSTS = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f.1",
    "0x7f000001",
    "017700000001",
    "0177.0.0.1",
    "127.0.0.1.",
    "１２７.0.0.1",
    "127。0。0。1",
    "0",
    "0.0.0.0",
    "10.0.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.168.1.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::808:808]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "inside.example",
    "unknown.example",
]


@pytest.mark.parametrize("host", PRIVATE_HOSTS)
@pytest.mark.parametrize("start", ["here", "by a redirect"])
def test_private_and_unknown_hosts_get_one_answer_and_no_packet(
    fetch: Fetch, internet: FakeInternet, server: FakeServer, host: str, start: str
) -> None:
    internet.names |= {"localhost": ["127.0.0.1", "::1"], "inside.example": ["10.1.2.3"], "nowhere.example": []}
    nowhere = refusal(fetch, "http://nowhere.example/")
    server.answer("/start", redirect(f"http://{host}/photo"))
    url = "http://photos.example/start" if start == "by a redirect" else f"http://{host}/photo"
    assert refusal(fetch, url) == nowhere
    assert nowhere[:2] == (400, "invalid_image_url")
    assert internet.dialled == ([(PUBLIC, 80)] if start == "by a redirect" else [])


def assert_never_dialled(address: IPv4Address | IPv6Address) -> None:
    internet = FakeInternet()
    internet.names |= {"alone.example": [str(address)], "mixed.example": [PUBLIC, str(address)]}
    literal = f"[{address}]" if address.version == 6 else str(address)
    images = remote_images(internet)
    for host in ("alone.example", "mixed.example", literal):
        assert refusal(images.fetch, f"http://{host}/")[1] == "invalid_image_url"
    assert internet.dialled == []


@bounded
@given(st.ip_addresses().filter(lambda address: not address.is_global or address.is_multicast))
def test_no_address_that_is_not_global_is_ever_dialled(address: IPv4Address | IPv6Address) -> None:
    assert_never_dialled(address)


@bounded
@given(
    st.ip_addresses(v=4).filter(lambda address: not address.is_global or address.is_multicast),
    st.sampled_from(
        [
            lambda bits: 0xFFFF << 32 | bits,  # mapped
            lambda bits: 0x64FF9B << 96 | bits,  # NAT64
            lambda bits: 0x2002 << 112 | bits << 80 | 1,  # 6to4
            lambda bits: 0x20010000 << 96 | 0x5DB8D822 << 64 | bits ^ 0xFFFFFFFF,  # Teredo's client
        ]
    ),
)
def test_nor_is_one_inside_an_address_of_ipv6(private: IPv4Address, inside: Callable[[int], int]) -> None:
    assert_never_dialled(IPv6Address(inside(int(private))))


@pytest.mark.parametrize("address", ["fe80::1%1", f"{PUBLIC_V6}%1", "localhost", ""])
def test_what_a_resolver_may_not_answer_is_refused(fetch: Fetch, internet: FakeInternet, address: str) -> None:
    internet.names["photos.example"] = [address]
    assert refusal(fetch)[1] == "invalid_image_url"
    assert internet.dialled == []


def test_one_private_address_among_public_ones_is_enough_to_refuse(fetch: Fetch, internet: FakeInternet) -> None:
    internet.names["photos.example"] = [PUBLIC, "192.168.0.1", PUBLIC_V6]
    assert refusal(fetch)[1] == "invalid_image_url"
    assert internet.dialled == []


def test_a_name_that_changes_its_address_is_asked_once_and_the_checked_address_is_dialled(
    internet: FakeInternet,
) -> None:
    answers = iter([[PUBLIC], ["127.0.0.1"], ["127.0.0.1"]])
    images = RemoteImages(
        allowed=True, most_bytes=MOST_BYTES, resolve=lambda _host, _port: next(answers), connect=internet.connect
    )
    assert images.fetch(URL) == PHOTO
    assert internet.dialled == [(PUBLIC, 80)]
    assert list(answers) == [["127.0.0.1"], ["127.0.0.1"]]


def test_a_name_that_changes_its_address_between_redirects_is_checked_again(
    internet: FakeInternet, server: FakeServer
) -> None:
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    images = RemoteImages(
        allowed=True, most_bytes=MOST_BYTES, resolve=lambda _host, _port: next(answers), connect=internet.connect
    )
    server.answer("/start", redirect("/photo"))
    assert refusal(images.fetch, "http://photos.example/start")[1] == "invalid_image_url"
    assert internet.dialled == [(PUBLIC, 80)]


BAD_URLS = [
    "",
    "photo.jpg",
    "//photos.example/photo",
    "http:///photo",
    "http://",
    "http://./",
    "http://photos..example/",
    "file:///etc/passwd",
    "ftp://photos.example/photo",
    "gopher://photos.example:8080/",
    "data:image/png;base64,AAAA",
    "http+unix://photos.example/",
    "http://user:secret@photos.example/photo",
    "http://user@photos.example/photo",
    "http://@photos.example/photo",
    "http://photos.example:80@127.0.0.1/",
    "http://photos.example\\@127.0.0.1/",
    "http://127.0.0.1\\.photos.example/",
    "http://photos.example%2f@127.0.0.1/",
    "http://photos.example%00/",
    "http://photos.example:0/photo",
    "http://photos.example:22/photo",
    "http://photos.example:1023/photo",
    "http://photos.example:65536/photo",
    "http://photos.example:-80/photo",
    "http://photos.example:８０/photo",
    "http://photos.example:80:80/photo",
    "http://[::1/",
    "http://[fe80::1%25eth0]/",
    "http://[2606:2800:220:1:248:1893:25c8:1946%251]/",
    " http://photos.example/photo",
    "http://photos.example/photo ",
    "http://photos.example/a b",
    "http://photos.example/a\r\nHost: inside.example",
    "http://photos.example\t/photo",
    "http://photos.example/\x00",
    "http://photos.example/\u2028",
    "http://photos.example/\ud800",
    "http://photos.example\u2100/",
    "http://" + "a" * 64 + ".example/",
    "http://" + "a." * 130 + "example/",
    "http://photos.example/" + "a" * 2000,
]


@pytest.mark.parametrize("url", BAD_URLS, ids=ascii)
def test_what_is_no_plain_http_url_is_refused_before_anything_is_looked_up(
    fetch: Fetch, internet: FakeInternet, url: str
) -> None:
    status, code, message = refusal(fetch, url)
    assert (status, code) == (400, "invalid_image_url")
    assert "http or https" in message
    assert internet.looked_up == []


# Redirects


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
)
def test_redirects_are_followed(fetch: Fetch, server: FakeServer, status: str) -> None:
    server.answer("/start", redirect("http://photos.example:8080/photo", status))
    assert fetch("http://photos.example/start") == PHOTO


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("other?size=1", "/album/other?size=1"),
        ("/photo", "/photo"),
        ("../photo", "/photo"),
        ("?q=1", "/album/start?q=1"),
    ]
    + [("//photos.example:8080/photo", "/photo"), ("größe", "/album/gr%C3%B6%C3%9Fe")],
)
def test_redirects_may_be_relative(fetch: Fetch, server: FakeServer, location: str, path: str) -> None:
    server.answer("/album/start", redirect(location))
    server.answer(path, page(PHOTO))
    assert fetch("http://photos.example/album/start") == PHOTO
    assert [asked for asked, _ in server.requests] == ["/album/start", path]


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://photos.example/photo", "http://user:secret@photos.example/photo", "http://[::1/"]
    + ["http://photos.example:22/photo", "//127.0.0.1/photo", "javascript:alert(1)", "http://photos.example/a b"],
)
def test_a_redirect_may_lead_nowhere_that_a_url_may_not(
    fetch: Fetch, internet: FakeInternet, server: FakeServer, location: str
) -> None:
    server.answer("/start", redirect(location))
    assert refusal(fetch, "http://photos.example/start")[1] == "invalid_image_url"
    assert internet.dialled == [(PUBLIC, 80)]


def test_three_redirects_are_followed_and_not_a_fourth(fetch: Fetch, server: FakeServer) -> None:
    for number in range(1, 4):
        server.answer(f"/{number}", redirect(f"/{number - 1}" if number > 1 else "/photo"))
    assert fetch("http://photos.example/3") == PHOTO
    server.answer("/4", redirect("/3"))
    status, code, message = refusal(fetch, "http://photos.example/4")
    assert (status, code) == (400, "image_download_failed")
    assert "redirects more than 3 times" in message


def test_a_redirect_to_itself_ends(fetch: Fetch, server: FakeServer) -> None:
    server.answer("/loop", redirect("/loop"))
    assert refusal(fetch, "http://photos.example/loop")[1] == "image_download_failed"
    assert len(server.requests) == 4


# Servers that send too much, too slowly, or nonsense


def test_more_bytes_than_announced_as_the_limit_are_refused_before_the_body(fetch: Fetch, server: FakeServer) -> None:
    server.answer("/photo", head("200 OK", f"Content-Length: {10**15}"))
    held: list[int] = []
    status, code, message = refusal(lambda url: fetch(url, hold=held.append))
    assert (status, code) == (413, "file_too_large")
    assert "0.125 MB" in message
    assert held == []


@pytest.mark.parametrize("chunk", [b"", b"1\r\nx\r\n" * 1000, b"4000\r\n" + b"x" * 0x4000 + b"\r\n"], ids=len)
def test_a_body_without_an_end_is_given_up_at_the_limit(fetch: Fetch, server: FakeServer, chunk: bytes) -> None:
    coding = ["Transfer-Encoding: chunked"] if chunk else []
    server.answers["/photo"] = lambda: [head("200 OK", *coding), *repeat(chunk or b"x" * 0x4000, 10_000)]
    held: list[int] = []
    assert refusal(lambda url: fetch(url, hold=held.append))[:2] == (413, "file_too_large")
    assert sum(held) <= MOST_BYTES


@pytest.mark.parametrize(
    "pieces",
    [
        [head("200 OK")[:-2], *repeat(b"X-Header: " + b"x" * 1000 + b"\r\n", 100_000)],
        [head("200 OK")[:-2] + b"X-Header: ", *repeat(b"x" * 1000, 100_000)],
        [b"HTTP/1.1 ", *repeat(b"x" * 1000, 100_000)],
        repeat(head("100 Continue") * 100, 100_000),
        [head("200 OK", "Transfer-Encoding: chunked"), *repeat(b"0" * 1000, 100_000)],
        [head("200 OK", "Transfer-Encoding: chunked") + b"-1\r\n", *repeat(b"x" * 1000, 100_000)],
        [head("200 OK", "Transfer-Encoding: chunked") + b"-5\r\n", *repeat(b"x" * 1000, 100_000)],
        [head("200 OK", "Transfer-Encoding: chunked") + b"0\r\n", *repeat(b"X-Trailer: y\r\n" * 100, 100_000)],
    ],
    ids=["headers", "a header", "a status line", "hundreds", "a size", "minus one", "minus five", "trailers"],
)
def test_no_other_part_of_an_answer_may_be_endless(fetch: Fetch, server: FakeServer, pieces: list[bytes]) -> None:
    server.answers["/photo"] = lambda: pieces
    assert refusal(fetch)[1] in ("image_download_failed", "file_too_large")
    assert server.sent_bytes < 50_000_000  # of a hundred million: some went into the system's buffers


@pytest.mark.parametrize(
    "start",
    [b"", head("200 OK")[:-2] + b"X-Header: ", head("200 OK"), head("200 OK", "Content-Length: 5000")]
    + [head("200 OK", "Transfer-Encoding: chunked"), head("200 OK", "Transfer-Encoding: chunked") + b"1000\r\n"],
    ids=["status line", "header", "body", "body of known length", "size of a chunk", "chunk"],
)
def test_a_server_that_sends_a_byte_now_and_then_is_given_up_in_time(
    internet: FakeInternet, server: FakeServer, start: bytes
) -> None:
    server.answers["/photo"] = lambda: (piece for part in ([start], server.trickle(b"1")) for piece in part)
    status, code, message = refusal(remote_images(internet, limit_s=0.2).fetch)
    assert (status, code) == (400, "image_download_timeout")
    assert "0.2 seconds" in message


def test_the_time_limit_is_one_for_all_redirects(internet: FakeInternet, server: FakeServer) -> None:
    def late() -> Iterator[bytes]:
        server.stopped.wait(0.4)
        yield redirect("/loop")

    server.answers["/loop"] = late
    # In the middle of the third: between two, while a name is looked up, the limit is told of in other words.
    images = remote_images(internet, limit_s=1.0)
    assert refusal(images.fetch, "http://photos.example/loop")[1] == "image_download_timeout"


def test_a_look_up_that_hangs_is_not_waited_for_and_tells_nothing(internet: FakeInternet) -> None:
    answered = threading.Event()

    def resolve(host: str, port: int) -> list[str]:
        answered.wait(10)
        return internet.resolve(host, port)

    images = RemoteImages(
        allowed=True, most_bytes=MOST_BYTES, limit_s=0.1, resolve=resolve, connect=internet.connect, at_once=1
    )
    try:
        assert refusal(images.fetch) == refusal(remote_images(internet).fetch, "http://unknown.example/")
    finally:
        answered.set()
    assert internet.dialled == []


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "deflate", "identity, gzip"])
def test_a_compressed_body_is_refused_unread(fetch: Fetch, server: FakeServer, coding: str) -> None:
    bomb = gzip.compress(bytes(50_000_000), 9)
    server.answer("/photo", page(bomb, "200 OK", f"Content-Encoding: {coding}"))
    held: list[int] = []
    status, code, message = refusal(lambda url: fetch(url, hold=held.append))
    assert (status, code, held) == (400, "image_download_failed", [])
    assert "compressed" in message


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        PHOTO,
        b"HTTP/1.1 OK\r\n\r\n",
        b"SSH-2.0-Server\r\n",
        page(b""),
        page(PHOTO)[:-1],
        head("200 OK", "Transfer-Encoding: chunked") + b"5\r\nab",
        head("200 OK", "Transfer-Encoding: chunked") + b"none\r\n",
        redirect("/photo").replace(b"Location", b"X-Location"),
    ],
    ids=["nothing", "no head", "no status", "ssh", "empty", "cut off", "cut off chunk", "no chunk", "no location"],
)
def test_nonsense_is_a_download_that_failed(fetch: Fetch, server: FakeServer, answer: bytes) -> None:
    server.answer("/photo", answer)
    assert refusal(fetch)[:2] == (400, "image_download_failed")


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "401 Who", "204 No Content", "206 Partial Content"])
def test_only_a_200_is_a_picture_and_no_more_than_the_status_is_told(
    fetch: Fetch, server: FakeServer, status: str
) -> None:
    server.answer("/photo", page(b"a secret of the server", status, "X-Secret: yes", "Location: /missing"))
    number, reason = status.split(maxsplit=1)
    http_status, code, message = refusal(fetch)
    assert (http_status, code) == (400, "image_download_failed")
    assert f"HTTP status {number}" in message
    assert reason not in message
    assert "secret" not in message.lower()


def test_closed_ports_and_silent_ones_look_the_same(fetch: Fetch, internet: FakeInternet) -> None:
    answers = set()
    for fault in (ConnectionRefusedError("closed"), TimeoutError("silent"), OSError("no route")):
        internet.faults[PUBLIC] = fault
        answers.add(refusal(fetch))
    assert len(answers) == 1
    assert answers.pop()[:2] == (400, "image_download_failed")


# Encryption


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of photos.example, signed by itself, and its key."""
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("the openssl command is not there: a certificate is made with it")
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout {key}"
    names = "-subj /CN=photos.example -addext subjectAltName=DNS:photos.example"
    command = f"{openssl} {command} -out {certificate} {names}"
    subprocess.run(command.split(), check=True, capture_output=True, timeout=60)
    return certificate, key


@pytest.fixture
def names_asked() -> list[str]:
    """The names that clients asked the encrypted server for."""
    return []


@pytest.fixture
def https_server(
    certificate: tuple[Path, Path], internet: FakeInternet, names_asked: list[str]
) -> Iterator[FakeServer]:
    """Port 443 of photos.example."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.sni_callback = lambda _socket, name, _context: names_asked.append(name)
    with serving(context) as server:
        server.answer("/photo", page(PHOTO))
        internet.doors[PUBLIC, 443] = server.server_port
        yield server


@pytest.fixture
def trusted(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate is one that the system trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))


@pytest.mark.usefixtures("trusted")
def test_an_encrypted_picture_is_asked_for_by_name_at_the_checked_address(
    fetch: Fetch, internet: FakeInternet, https_server: FakeServer, names_asked: list[str]
) -> None:
    assert fetch("https://photos.example/photo") == PHOTO
    assert internet.dialled == [(PUBLIC, 443)]
    assert names_asked == ["photos.example"]
    assert https_server.requests[0][1]["Host"] == "photos.example"


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("host", ["other.example", PUBLIC])
def test_a_certificate_of_another_name_is_refused(
    fetch: Fetch, internet: FakeInternet, https_server: FakeServer, host: str
) -> None:
    internet.names["other.example"] = [PUBLIC]
    assert refusal(fetch, f"https://{host}/photo")[:2] == (400, "image_download_failed")
    assert https_server.requests == []


def test_a_certificate_that_nobody_vouches_for_is_refused(fetch: Fetch, https_server: FakeServer) -> None:
    assert refusal(fetch, "https://photos.example/photo")[:2] == (400, "image_download_failed")
    assert https_server.requests == []


def test_a_server_that_does_not_encrypt_is_no_https_server(
    fetch: Fetch, internet: FakeInternet, server: FakeServer
) -> None:
    internet.doors[PUBLIC, 443] = server.server_port
    assert refusal(fetch, "https://photos.example/photo")[:2] == (400, "image_download_failed")


@pytest.mark.usefixtures("trusted")
def test_a_redirect_may_begin_to_encrypt_but_not_cease_to(
    fetch: Fetch, server: FakeServer, https_server: FakeServer
) -> None:
    server.answer("/start", redirect("https://photos.example/photo"))
    assert fetch("http://photos.example/start") == PHOTO
    https_server.answer("/start", redirect(URL))
    assert refusal(fetch, "https://photos.example/start")[1] == "invalid_image_url"
    assert [path for path, _ in server.requests] == ["/start"]


# What the server gives for it


def test_switched_off_it_does_nothing_at_all(internet: FakeInternet) -> None:
    status, code, message = refusal(remote_images(internet, allowed=False).fetch)
    assert (status, code) == (400, "urls_not_allowed")
    assert "send the file" in message
    assert (internet.looked_up, internet.dialled) == ([], [])


def test_one_download_too_many_is_sent_away_and_the_place_is_free_again(
    internet: FakeInternet, server: FakeServer
) -> None:
    images = remote_images(internet, at_once=1)
    began, go_on = threading.Event(), threading.Event()
    fetched: list[bytes] = []

    def slowly() -> Iterator[bytes]:
        began.set()
        go_on.wait(10)
        yield page(PHOTO)

    server.answers["/slow"] = slowly
    first = threading.Thread(target=lambda: fetched.append(images.fetch("http://photos.example/slow")))
    first.start()
    try:
        assert began.wait(10)
        assert refusal(images.fetch)[:2] == (429, "busy")
    finally:
        go_on.set()
        first.join()
    assert fetched == [PHOTO]
    assert images.fetch(URL) == PHOTO


def test_memory_that_is_not_there_ends_the_download_and_frees_its_place(internet: FakeInternet) -> None:
    def hold(_size_bytes: int) -> None:
        raise Busy("no memory")

    images = remote_images(internet, at_once=1)
    with pytest.raises(Busy, match="no memory"):
        images.fetch(URL, hold=hold)
    assert images.fetch(URL) == PHOTO


def test_the_service_fetches_by_its_settings_with_the_same_guard(server: FakeServer) -> None:
    url = f"http://127.0.0.1:{server.server_port}/photo"
    for settings, code in ((Settings(), "invalid_image_url"), (Settings(allow_urls=False), "urls_not_allowed")):
        service = TinyU2NetService(settings, FakeModels())  # type: ignore[arg-type]
        assert service.remote_images is service.remote_images
        assert refusal(service.remote_images.fetch, url)[1] == code
    assert server.requests == []
