"""Every setting, in one registry: its name, type, default and a line of help.

A setting is an environment variable of the same name in capitals. `load` reads them all and reports every
fault at once, so that a deployer mends them in one go.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.hosting import FALSE_WORDS, ROUTER_HOPS, TRUE_WORDS, Host


class ConfigError(Exception):
    """One or more settings have values that cannot be used; the message lists them all."""


def _setting(
    default: Any, text: str, *, least: float | None = None, most: float | None = None, secret: bool = False
) -> Any:
    return field(
        default=default, repr=not secret, metadata={"help": text, "least": least, "most": most, "secret": secret}
    )


@dataclass(frozen=True)
class Settings:
    """The settings of one process; fields are in the order in which the documentation lists them."""

    model_name: str = _setting(
        "u2netp", "Model to serve: u2netp, tinycut (it comes with the app), or, on a large host, any of rembg's."
    )
    u2net_home: str = _setting("", "Folder of the model files, as in rembg. Empty: rembg's own default folders.")
    model_checksum_disabled: bool = _setting(False, "Take a model file whose checksum differs from the published one.")
    model_cache_dir: str = _setting(
        "", "Folder of the rewritten model. Empty: beside the model, else ~/.cache/tinycut."
    )
    precision: str = _setting(
        "auto", "Of u2netp: float, int8 (8-bit numbers), or auto: what is faster on this machine and finds the same."
    )
    auto_download: bool = _setting(
        True, "Download the model to serve (u2netp: 4.6 MB) in the background; tinycut serves until then."
    )
    memory_limit_mb: int = _setting(0, "Memory the app may use, in MB. 0: the least limit found on the host.", least=0)
    memory_constrained: str = _setting(
        "", "true: treat the host as small. false: a big Railway or Heroku host. Empty: find out."
    )
    omp_num_threads: int = _setting(0, "Threads of one inference. 0: the processors found.", least=0, most=256)
    max_upload_mb: float = _setting(10.0, "Largest photo taken, in MB (2^20 bytes).", least=0.001, most=1024)
    max_batch_mb: float = _setting(
        100.0, "Largest batch taken, in MB; it waits in a temporary file.", least=0.001, most=10240
    )
    max_batch_photos: int = _setting(50, "Most photos of one batch.", least=1, most=1000)
    allow_urls: bool = _setting(True, "Download pictures that a request names by URL, from public hosts only.")
    max_megapixels: float = _setting(
        25.0, "Largest photo worked on at its full size, in megapixels.", least=0.0001, most=1000
    )
    max_reduced_megapixels: float = _setting(
        50.0, "Largest photo taken, in megapixels: reduced to what fits.", least=0.0001, most=1000
    )
    max_inference_px: int = _setting(
        1024, "Photos with a longer side are inferred on a copy reduced to this.", least=32, most=8192
    )
    resize_mode: str = _setting(
        "dynamic", "How photos are brought to the network's size: dynamic (aspect kept), static (square) or hybrid."
    )
    concurrency: int = _setting(
        0, "Photos worked on at once. 0: one on a small host, else the processors found.", least=0, most=64
    )
    queue_size: int = _setting(8, "Requests that may wait for a slot; more are refused with 429.", least=0, most=1000)
    deadline_s: float = _setting(
        25.0, "Seconds a request may take, waiting included; later is 503.", least=0.1, most=600
    )
    result_cache_mb: int = _setting(
        0, "Results kept on disk, in MB, for those who send the same again. 0: none.", least=0, most=1_000_000
    )
    result_cache_dir: str = _setting("", "Folder of the result cache. Empty: one for temporary files.")
    api_keys: str = _setting(
        "", "Keys, apart by commas; a client must send one of them. Empty: everybody may use the API.", secret=True
    )
    rate_limit: str = _setting(
        "", "Photos that one client may send: 60/minute, or several rates: 5/second;500/day. Empty: any number."
    )
    rate_limit_storage: str = _setting(
        "memory://",
        "Where they are counted: memory:// (each worker alone) or redis://host:6379 (all together).",
        secret=True,
    )
    cors_origins: str = _setting(
        "", "Sites whose pages may call the API, apart by commas: https://shop.example. *: all. Empty: none."
    )
    proxy_hops: int = _setting(
        -1, "Routers in front, each adding to X-Forwarded-For. -1: as on this platform.", least=-1, most=10
    )
    metrics_token: str = _setting(
        "", "What /metrics asks for, as Authorization: Bearer. Empty: everybody may read it.", secret=True
    )
    log_level: str = _setting("info", "debug, info, warning or error.")
    log_format: str = _setting("text", "text or json: how a line of the log is written.")


@dataclass(frozen=True)
class Setting:
    """One entry of the registry: what a person needs to know to set it. What is `secret` is never shown."""

    name: str
    type: type
    default: Any
    help: str
    least: float | None
    most: float | None
    secret: bool


SETTINGS: tuple[Setting, ...] = tuple(
    Setting(item.name.upper(), type(item.default), item.default, **item.metadata) for item in fields(Settings)
)

CHOICES = {
    "PRECISION": ("auto", "float", "int8"),
    "RESIZE_MODE": ("dynamic", "static", "hybrid"),
    "LOG_LEVEL": ("debug", "info", "warning", "error"),
    "LOG_FORMAT": ("text", "json"),
    "MEMORY_CONSTRAINED": ("", *TRUE_WORDS, *FALSE_WORDS),
}


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read every setting from the environment (or the mapping given).

    Raises:
        ConfigError: some values cannot be used; all of them are named with what was expected.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    faults: list[str] = []
    for setting in SETTINGS:
        text = environ.get(setting.name, "").strip()
        if not text:
            continue
        try:
            values[setting.name.lower()] = _parse(setting, text)
        except ValueError as fault:
            shown = setting.name if setting.secret else f"{setting.name}={text!r}"
            faults.append(f"{shown}: {fault}. {setting.help}")
    if faults:
        raise ConfigError("These settings cannot be used:\n  " + "\n  ".join(faults))
    return Settings(**values)


@lru_cache(maxsize=1)
def current() -> Settings:
    """The settings of this process, read from the environment once, on first use."""
    return load()


def photos_at_once(settings: Settings, host: Host) -> int:
    """How many photos are worked on at once: CONCURRENCY, else one on a constrained host, one a processor elsewhere."""
    return settings.concurrency or (1 if host.constrained else host.cpu_count)


def routers_in_front(settings: Settings, host: Host) -> int:
    """How many routers stand in front and tell the client's address: PROXY_HOPS, else as the platform has them."""
    return settings.proxy_hops if settings.proxy_hops >= 0 else ROUTER_HOPS.get(host.platform, 0)


def listed(text: str) -> tuple[str, ...]:
    """The words of a setting that is a list, apart by commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


# What else may hold a thread of the server beside the photos at work or in the queue, each bounded by itself: clients
# that are slow to send, or to take an answer; downloads; batches. With some more, /health is always answered.
SLOW_BODIES, SLOW_ANSWERS, DOWNLOADS_AT_ONCE, BATCHES_AT_ONCE, FREE_THREADS = 12, 32, 8, 2, 8


def worker_processes(environ: Mapping[str, str] | None = None) -> int:
    """How many processes serve: WEB_CONCURRENCY where a person chose it, else one, for each holds a model.

    Heroku counts by its own rule (2 on 512 MB), and says so by a marker.

    Raises:
        ConfigError: WEB_CONCURRENCY is no number; gunicorn would not start.
    """
    environ = os.environ if environ is None else environ
    text = environ.get("WEB_CONCURRENCY", "1")
    try:
        asked = int(text)
    except ValueError:
        raise ConfigError(f"WEB_CONCURRENCY={text!r}: expected a whole number, such as 1.") from None
    return 1 if environ.get("WEB_CONCURRENCY_SET_BY", "").startswith("heroku") else max(asked, 1)


def address(environ: Mapping[str, str] | None = None) -> str:
    """Where the server listens: every host tells the PORT; without one this is somebody's own machine.

    Raises:
        ConfigError: PORT is no port; gunicorn would not start.
    """
    environ = os.environ if environ is None else environ
    if "PORT" not in environ:
        return "127.0.0.1:8000"
    text = environ["PORT"]
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**16):
        raise ConfigError(f"PORT={text!r}: expected a number from 1 to 65535.")
    return f"0.0.0.0:{text}"


def bodies_at_once(settings: Settings, host: Host) -> int:
    """How many requests may be read at once: those that may be let in, and some whose clients are slow."""
    return photos_at_once(settings, host) + settings.queue_size + SLOW_BODIES


def server_threads(settings: Settings, host: Host) -> int:
    """Threads of the server: for everything that may hold one at the same time. Each is made when first needed."""
    photos = photos_at_once(settings, host) + settings.queue_size
    others = SLOW_ANSWERS + DOWNLOADS_AT_ONCE + BATCHES_AT_ONCE + FREE_THREADS
    return photos + bodies_at_once(settings, host) + others


# Where a model lies that is deployed with the app (`warm --in-app`): a host that keeps nothing but the app's folder
# between build and start has it there, without a setting.
APP_MODEL_HOME = Path(__file__).resolve().parents[1] / ".rembg"


def model_homes(settings: Settings) -> tuple[Path, ...]:
    """The folders in which models are looked for: rembg's home, the flat folder of its old versions, the app's own."""
    if settings.u2net_home:
        return (Path(settings.u2net_home).expanduser(),)
    data_home = os.environ.get("XDG_DATA_HOME")
    home = os.environ.get("REMBG_HOME") or (f"{data_home}/rembg" if data_home else "~/.rembg")
    return (Path(home).expanduser(), Path(f"{data_home or '~'}/.u2net").expanduser(), APP_MODEL_HOME)


def user_cache_dir() -> Path:
    """The folder in which this user's programs keep what they can make again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "tinycut"


def _parse(setting: Setting, text: str) -> Any:
    if setting.type is bool:
        return _parse_bool(text)
    if setting.type is str:
        choices = CHOICES.get(setting.name)
        if choices and text.lower() not in choices:
            raise ValueError(f"expected one of {', '.join(word for word in choices if word)}")
        if setting.name in CHECKS:
            CHECKS[setting.name](text)
        return text.lower() if choices else text
    return _parse_number(setting, text)


def _parse_bool(text: str) -> bool:
    if text.lower() in TRUE_WORDS:
        return True
    if text.lower() in FALSE_WORDS:
        return False
    raise ValueError("expected true or false")


def _parse_number(setting: Setting, text: str) -> float:
    kind = "a whole number" if setting.type is int else "a number"
    try:
        number: float = setting.type(text)
    except ValueError:
        raise ValueError(f"expected {kind}") from None
    least = float("-inf") if setting.least is None else setting.least
    most = float("inf") if setting.most is None else setting.most
    if not least <= number <= most:  # also false for NaN
        bounds = [f"from {setting.least}"] if setting.least is not None else []
        bounds += [f"to {setting.most}"] if setting.most is not None else []
        raise ValueError(f"expected {' '.join([kind, *bounds])}")
    return number


def _check_api_keys(text: str) -> None:
    keys = listed(text)
    if not keys or not all(_API_KEY.fullmatch(key) for key in keys):
        raise ValueError("expected keys of 8 or more letters, digits or signs, without spaces, apart by commas")


def _check_rate_limit(text: str) -> None:
    from limits import parse_many  # 3 MB: only where a rate is set

    try:
        sound = all(rate.amount > 0 for rate in parse_many(text))
    except ValueError:
        sound = False
    if not sound:
        raise ValueError("expected a rate such as 60/minute, or several: 5/second;500/day")


def _check_rate_limit_storage(text: str) -> None:
    try:
        url = urlsplit(text)
        sound = text == "memory://" or (url.scheme in ("redis", "rediss") and bool(url.hostname) and url.port != 0)
    except ValueError:  # a port that is no number; its text could be part of a password
        sound = False
    if not sound:
        raise ValueError("expected memory://, or an address such as redis://host:6379")


def _check_cors_origins(text: str) -> None:
    if text != "*" and not (listed(text) and all(_ORIGIN.fullmatch(origin) for origin in listed(text))):
        raise ValueError("expected * alone, or origins such as https://shop.example, without a path, apart by commas")


_API_KEY = re.compile(r"[!-~]{8,}")
_ORIGIN = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
CHECKS: dict[str, Callable[[str], None]] = {
    "API_KEYS": _check_api_keys,
    "RATE_LIMIT": _check_rate_limit,
    "RATE_LIMIT_STORAGE": _check_rate_limit_storage,
    "CORS_ORIGINS": _check_cors_origins,
}
