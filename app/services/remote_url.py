"""Which URLs and addresses may be fetched for a client: the rules that keep it out of our own network."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Network, ip_address, ip_network
from urllib.parse import quote, urljoin, urlsplit

from app.errors import BadRequest

MOST_CHARACTERS = 2000
DEFAULT_PORTS = {"http": 80, "https": 443}
FIRST_FREE_PORT = 1024

_HOST = re.compile(r"[a-z0-9._:-]{1,253}")  # a name, or a numeric address; the colons of IPv6 had brackets
# All of IPv6 that is given to networks; outside it are loopback, link-local, private, mapped and multicast addresses.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# An IPv4 host as a network without IPv4 sees it.
_NAT64 = IPv6Network("64:ff9b::/96")
_REFUSED = tuple(
    ip_network(text)
    for text in (
        "2002::/16",  # 6to4 leads to an IPv4 address inside; global to Python before 3.11.10
        "192.0.0.0/24",  # holds a cloud's metadata service; the same
        "168.63.129.16/32",  # another cloud's, on a public address
    )
)


def invalid_url() -> BadRequest:
    """The error of a URL that is not fetched: the same whether its host is private, unknown or not even named."""
    return BadRequest(
        "Please give the URL of a picture on the public internet, with http or https, at most "
        f"{MOST_CHARACTERS} characters, no spaces, no user name, and port 80, 443 or above 1023.",
        code="invalid_image_url",
    )


@dataclass(frozen=True)
class RemoteUrl:
    """A URL that may be fetched if the addresses of its host are public.

    `host` is an ASCII name or a numeric address without brackets; `target` is path and query as they are sent.
    """

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, text: str) -> RemoteUrl:
        """Read a URL strictly. Raises BadRequest where it may not be fetched, or is none."""
        # Before urlsplit, which drops tabs and line breaks in silence.
        if len(text) > MOST_CHARACTERS or " " in text or not text.isprintable():
            raise invalid_url()
        try:
            parts = urlsplit(text)
            host = (parts.hostname or "").removesuffix(".").encode("idna").decode()
            default_port = DEFAULT_PORTS[parts.scheme]
            port = default_port if parts.port is None else parts.port
        except (ValueError, KeyError):
            raise invalid_url() from None
        port_allowed = port in DEFAULT_PORTS.values() or port >= FIRST_FREE_PORT
        if "@" in parts.netloc or not _HOST.fullmatch(host) or not port_allowed:
            raise invalid_url()
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme, host, port, quote(target, safe=string.punctuation))

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def redirected(self, location: str) -> RemoteUrl:
        """The URL that a Location header leads to from here, checked as the first one was.

        Raises:
            BadRequest: it may not be fetched, or would go on without the encryption that this one has.
        """
        # http.client reads headers as Latin-1; servers that do not encode their paths write UTF-8.
        location = location.encode("latin-1").decode("utf-8", "replace")
        try:
            following = self.parse(urljoin(f"{self.scheme}://{self.authority}{self.target}", location))
        except ValueError:
            raise invalid_url() from None
        if self.scheme == "https" and following.scheme == "http":
            raise invalid_url()
        return following


def is_public(text: str) -> bool:
    """Whether a numeric address is one of the public internet; False for anything that is no such address."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if address in _NAT64:
        address = IPv4Address(int(address) & 0xFFFFFFFF)
    if address.version == 6 and (address not in _GLOBAL_UNICAST or address.scope_id):
        return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _REFUSED)
