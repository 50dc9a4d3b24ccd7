"""Which models may serve, in which order, and the one session of each: the only importer of onnxruntime and rembg."""

from __future__ import annotations

import importlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app import config, hosting, metrics
from app.config import Settings
from app.errors import BadRequest, ModelUnavailable
from app.hosting import MIB, Host
from app.imaging import closer_look, preprocess
from app.imaging.preprocess import RESIZE_MODES
from app.services import memory, model_files, model_rewrites, shipped_model
from app.services.model_files import PUBLISHED, TINY_MODEL, NoUsableFile
from app.services.model_rewrites import FLOAT, INT8
from app.services.quality import DEFAULT_TIER, TIERS, Tier
from app.services.shipped_model import SHIPPED_MODEL

log = logging.getLogger(__name__)

BALANCED = TIERS[DEFAULT_TIER]

# What one inference of the area that a network was trained for takes on top of what is resident (of u2netp:
# scripts/optimize_models.py measures it, of the shipped one: scripts/measure.py first), and a larger one by its area;
# with less left than this, starting one would get the process killed.
PUBLISHED_FORM, SHIPPED_FORM = "published", "shipped"
INFERENCE_MB = {INT8: 65, FLOAT: 95, PUBLISHED_FORM: 300, SHIPPED_FORM: 25}
# The area of a second look, at the mirrored photo, over that of the first, for the forms that take one: the mean of
# both finds more than either, 0.01 of IoU more than the first (python -m training.looks).
MIRRORED_SHARE = {SHIPPED_FORM: 0.5625}
# These fit into a small host.
SMALL_MODELS = (TINY_MODEL, SHIPPED_MODEL)
# rembg with its own arena takes at most so much for a small model, and so many times the file's size more for a large.
REMBG_MB, REMBG_FILE_COPIES = 300, 3
# A failure is remembered this long: on a host without network no request waits for a second timeout.
RETRY_AFTER_S = 60.0
# How long a photo waits for a model that another thread is loading. To rewrite it takes longer: the next model serves.
LOAD_WAIT_S = 0.5
# A host may change the memory limit while we run; to look costs under a millisecond.
LOOK_AT_HOST_S = 1.0
# rembg's names that are no plain photo → mask models on this machine: they want a prompt, a path or a paid account.
_NOT_SERVED = ("sam", "u2net_custom", "dis_custom", "ben_custom", "withoutbg", "atlascloud")


@dataclass(frozen=True)
class ModelFacts:
    """A model that may be asked for: whether it is used by default, has a file here, has a session in this process."""

    name: str
    default: bool
    installed: bool
    loaded: bool


class Session(Protocol):
    """A loaded model. `name` is the model's; `method` is what an answer calls this way of cutting out."""

    name: str
    method: str

    def infer(
        self, rgb: NDArray[np.uint8], *, resize: str = RESIZE_MODES[0], tier: Tier = BALANCED
    ) -> NDArray[np.float32]:
        """Return the saliency map, float32 [h, w] in 0..1 at any size, of a photo uint8 [H, W, 3].

        `resize` is one of RESIZE_MODES.

        Raises:
            ModelUnavailable: not enough memory is left, or onnxruntime failed.
        """


class OnnxSession:
    """u2netp or the shipped network in onnxruntime, with memory that every run gives back.

    `form` is one of INFERENCE_MB; `area_px` is the input that the network was trained for, height times width.
    `keeps_memory` tells whether onnxruntime's growing arena is on, as it itself says.
    """

    def __init__(
        self, path: Path, *, name: str, method: str, form: str, area_px: int, host: Callable[[], Host], threads: int
    ) -> None:
        ort = _import_or_unavailable("onnxruntime")
        self.name = name
        self.method = method
        self._faults = _onnxruntime_faults(ort)
        self.form = form
        self._area_px = area_px
        self._mirrored_share = MIRRORED_SHARE.get(form, 0.0)
        self._host = host
        self._one_at_a_time = threading.Lock()
        try:
            self._session = ort.InferenceSession(
                str(path), session_options(ort, threads, keeps_memory=False), providers=["CPUExecutionProvider"]
            )
        except self._faults as fault:
            raise ModelUnavailable(f"onnxruntime cannot load the model file {path}: {fault}") from fault
        self.keeps_memory = bool(self._session.get_session_options().enable_cpu_mem_arena)
        self._input_name = self._session.get_inputs()[0].name
        output = self._session.get_outputs()[0]
        if len(output.shape) != 4:
            raise ModelUnavailable(f"The model file {path} makes no saliency map [1, 1, H, W] first: {output.shape}")
        self._output_name = output.name

    def infer(
        self, rgb: NDArray[np.uint8], *, resize: str = RESIZE_MODES[0], tier: Tier = BALANCED
    ) -> NDArray[np.float32]:
        """See `Session.infer`. The published graph takes its own square only."""
        # Tiers are given for u2netp.
        scale = self._area_px / preprocess.TRAINED_SIDE_PX**2
        area_px, closer_area_px = round(tier.area_px * scale), round(tier.closer_area_px * scale)
        raw = self._look(rgb, resize, area_px)
        if self._mirrored_share and tier.area_px >= BALANCED.area_px:
            mirrored = self._look(rgb, resize, round(area_px * self._mirrored_share), mirrored=True)
            raw = preprocess.mean_of_looks(raw, mirrored)
        saliency = preprocess.to_saliency(raw)
        if closer_area_px:
            height, width = rgb.shape[:2]
            # Of a larger part the second look would show less than the first.
            box = closer_look.subject_box(saliency, height, width, largest_share=closer_area_px / area_px)
            # What is much smaller than the network's input shows it nothing new, only blurred.
            if box is not None and box.area_px >= closer_area_px / 4:
                closer = preprocess.to_saliency(self._look(rgb[box.slices], resize, closer_area_px))
                saliency = closer_look.join(saliency, closer, box, height, width)
        return saliency

    def _look(
        self, rgb: NDArray[np.uint8], resize: str, area_px: int, *, mirrored: bool = False
    ) -> NDArray[np.float32]:
        """Run the network once; the raw map has the size of its input, and lies as the photo does."""
        height = width = preprocess.TRAINED_SIDE_PX
        if self.form != PUBLISHED_FORM:
            height, width = preprocess.network_size(*rgb.shape[:2], mode=resize, area_px=area_px)
        planes = preprocess.to_network_input(rgb, height, width)
        if mirrored:
            planes = np.ascontiguousarray(planes[..., ::-1])
        with self._one_at_a_time:
            self._check_memory(area_px=height * width)
            try:
                (raw,) = self._session.run([self._output_name], {self._input_name: planes})
            except self._faults as fault:
                raise ModelUnavailable(
                    f"onnxruntime failed while it ran {self.name}: {fault}",
                    advice="onnxruntime failed; it is tried again with each photo.",
                ) from fault
        found: NDArray[np.float32] = raw[0, 0]
        return found[:, ::-1] if mirrored else found

    def _check_memory(self, area_px: int) -> None:
        host = self._host()
        left_mb = memory.available_mb(host)
        needed_mb = INFERENCE_MB[self.form] * max(1.0, area_px / self._area_px)
        if left_mb < needed_mb:
            raise ModelUnavailable(
                f"An inference needs {needed_mb:.0f} MB and {left_mb:.0f} MB are left of the "
                f"{host.memory_limit_mb} MB limit ({host.memory_limit_source}).",
                advice=f"There is too little memory for the network: the limit is {host.memory_limit_mb} MB.",
            )


class RembgSession:
    """Any other model, through rembg's own session class; only on a host with memory to spare."""

    method = "rembg"

    def __init__(self, rembg_session: Any, *, name: str) -> None:
        self.name = name
        self._session = rembg_session
        self._one_at_a_time = threading.Lock()
        self._faults = _onnxruntime_faults(importlib.import_module("onnxruntime"))

    def infer(
        self, rgb: NDArray[np.uint8], *, resize: str = RESIZE_MODES[0], tier: Tier = BALANCED
    ) -> NDArray[np.float32]:
        """See `Session.infer`; each model has a size of its own. Several masks (clothes) are joined to one."""
        with self._one_at_a_time:
            try:
                masks = self._session.predict(Image.fromarray(rgb))
            except self._faults as fault:
                raise ModelUnavailable(f"rembg failed while it ran {self.name}: {fault}") from fault
        joined: NDArray[np.uint8] = np.maximum.reduce([np.asarray(mask.convert("L")) for mask in masks])
        return joined.astype(np.float32) / np.float32(255)


class _Failure(NamedTuple):
    """Why a model could not be had, and what its file was then.

    No exception: one that is raised again holds on to every photo on its way.
    """

    at_s: float
    detail: str
    advice: str
    file: object


class ModelManager:
    """Hands out one session per model and process, made on first use; safe to call from many threads.

    Sessions do not survive a fork (onnxruntime's threads are not copied): a child makes its own.
    `photo_place` is entered for work that takes as much memory as a photo: whoever serves photos sets it.
    """

    def __init__(self, settings: Settings | None = None, host: Host | None = None) -> None:
        self._given_settings = settings
        self._given_host = host
        self._found_host: Host | None = None
        self._found_host_s = 0.0
        self.photo_place: Callable[[], AbstractContextManager[None]] = nullcontext
        self._start_over()

    def _start_over(self) -> None:
        self._pid = os.getpid()
        self._locks: dict[str, threading.Lock] = {}
        self._sessions: dict[str, Session] = {}
        self._failures: dict[str, _Failure] = {}
        self._downloading: set[str] = set()
        self._told_forced = False

    @cached_property
    def settings(self) -> Settings:
        """The settings given, else those of the environment, read on first use."""
        return self._given_settings or config.current()

    @property
    def host(self) -> Host:
        """The host given, else what is found, with the memory limit that it has now."""
        if self._given_host:
            return self._given_host
        if self._found_host is None or time.monotonic() - self._found_host_s > LOOK_AT_HOST_S:
            self._found_host, self._found_host_s = hosting.detect(), time.monotonic()
        return self._found_host

    @property
    def threads(self) -> int:
        """Threads of one inference: OMP_NUM_THREADS, else the processors found."""
        return self.settings.omp_num_threads or self.host.cpu_count

    def served_name(self, name: str | None = None) -> str:
        """The model that is to serve a request for `name` (default: MODEL_NAME): on a constrained host a small one,
        whatever is asked."""
        asked = name or self.settings.model_name
        if not self.host.constrained or asked in SMALL_MODELS:
            return asked
        served = self.settings.model_name if self.settings.model_name in SMALL_MODELS else TINY_MODEL
        if not self._told_forced:
            self._told_forced = True
            because = self.host.constrained_because
            log.warning("another model was asked for; %s is served to all, for %s", served, because)
        return served

    def order(self, name: str | None = None) -> tuple[str, ...]:
        """The models that may serve a request for `name`, the best first: the one that is to, and the one that is
        always here."""
        return tuple(dict.fromkeys((self.served_name(name), SHIPPED_MODEL)))

    def get_session(self, name: str | None = None) -> Session:
        """Return the session of the first model in the order for `name` that can be had now; waits for no download.

        Raises:
            ModelUnavailable: there is none, not even of the network that comes with the app.
        """
        try:
            return self.load(self.served_name(name))
        except ModelUnavailable:
            return self.load(SHIPPED_MODEL)

    def fetch(self, name: str | None = None) -> Session:
        """Return the session of the very model that is to serve a request for `name`, after downloading its file where
        that is needed and AUTO_DOWNLOAD is on.

        Raises:
            ModelUnavailable: it cannot be had; `detail` says why.
        """
        served = self.served_name(name)
        try:
            if served != SHIPPED_MODEL:
                model_files.usable(served, self.settings)
        except NoUsableFile:
            if not self.settings.auto_download:
                raise
            self._download(served)
        return self.load(served)

    def load(self, name: str, *, may_download: bool = True) -> Session:
        """Return the session of this very model, made now if there is none yet.

        A file that is missing or altered is downloaded in the background when `may_download` and AUTO_DOWNLOAD both say
        so: the model is unavailable until then.

        Raises:
            BadRequest: the model is none of the server's own, not installed, and may not be downloaded.
            ModelUnavailable: the session cannot be had; `detail` says why. Remembered for a minute, or until
                there is another file.
        """
        if self._pid != os.getpid():
            self._start_over()
        if name in self._sessions:
            return self._sessions[name]
        if not may_download:
            self._check_installed(name)
        with self._turn(name):
            if name not in self._sessions:
                self._check_no_failure(name)
                self._sessions[name] = self._load_or_download(name, may_download)
            return self._sessions[name]

    def _check_installed(self, name: str) -> None:
        if name in (*SMALL_MODELS, self.settings.model_name):
            return
        if name in _NOT_SERVED or model_files.state_of(name, self.settings) is None:
            raise BadRequest(
                f"The model {name!r} is not installed on this server. Leave the field out to use its own.",
                code="model_not_installed",
            )

    @contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        """Let one thread at a time load a model."""
        lock = self._locks.setdefault(name, threading.Lock())
        if not lock.acquire(timeout=LOAD_WAIT_S):
            raise ModelUnavailable(f"The model {name} is still being loaded.", advice="")
        try:
            yield
        finally:
            lock.release()

    def _check_no_failure(self, name: str) -> None:
        if name in self._downloading:
            raise _on_its_way(name)
        failure = self._failures.get(name)
        if failure and self._still_holds(failure, name):
            raise ModelUnavailable(failure.detail, advice=failure.advice)

    def _still_holds(self, failure: _Failure, name: str) -> bool:
        is_recent = time.monotonic() - failure.at_s < RETRY_AFTER_S
        return is_recent and failure.file == model_files.state_of(name, self.settings)

    def _remember(self, name: str, fault: ModelUnavailable) -> None:
        file = model_files.state_of(name, self.settings)
        self._failures[name] = _Failure(time.monotonic(), fault.detail, fault.advice, file)

    def _load_or_download(self, name: str, may_download: bool) -> Session:
        try:
            return self._make(name)
        except ModelUnavailable as fault:
            would_be_mended = isinstance(fault, NoUsableFile) and self.settings.auto_download
            if may_download or not would_be_mended:
                self._remember(name, fault)
            if may_download and would_be_mended:
                self._downloading.add(name)
                threading.Thread(target=self._run_download, args=(name,), name="model-download", daemon=True).start()
                raise _on_its_way(name) from fault
            raise

    def _make(self, name: str) -> Session:
        started_s = time.perf_counter()
        if name == SHIPPED_MODEL:
            session = self._load_shipped()
        else:
            source = model_files.usable(name, self.settings)
            session = self._load_tiny(source) if name == TINY_MODEL else self._load_rembg(name, source)
        load_s = time.perf_counter() - started_s
        metrics.MODEL_LOAD_SECONDS.labels(model=name).set(load_s)
        log.info("loaded the model %s in %.2f s", name, load_s)
        return session

    def _run_download(self, name: str) -> None:
        try:
            self._download(name)
        except ModelUnavailable as fault:
            self._remember(name, fault)
        finally:
            self._downloading.discard(name)

    def _download(self, name: str) -> None:
        """Download a model's file, and rewrite it where it is u2netp; in the place of a photo, for it takes 110 MB.

        Raises:
            ModelUnavailable: the network, the disk or the checksum says no, or nobody knows the model.
        """
        if name in PUBLISHED:
            source = model_files.download(PUBLISHED[name], self.settings)
            with self.photo_place():
                model_rewrites.make(source, self.settings)
        else:
            try:
                _rembg_kind(name).download_models()
            except (OSError, ValueError) as fault:
                raise ModelUnavailable(f"rembg cannot download the model {name}: {fault}") from fault
        self._failures.pop(name, None)

    def list_models(self) -> list[ModelFacts]:
        """The models that are here, and the one that is to serve by default, here or not."""
        default, installed = self.served_name(), {SHIPPED_MODEL, *model_files.installed_models(self.settings)}
        served = SMALL_MODELS if self.host.constrained else installed.difference(_NOT_SERVED)
        return [
            ModelFacts(name, name == default, name in installed, name in self._sessions)
            for name in sorted({default, *installed.intersection(served)})
        ]

    def loaded_models(self) -> list[str]:
        """Names of the models that have a session in this process."""
        return sorted(self._sessions)

    def clear(self) -> None:
        """Drop every session and every remembered failure; the next request starts afresh."""
        self._sessions.clear()
        self._failures.clear()

    def _load_shipped(self) -> Session:
        model = shipped_model.find()
        return self._open(model.path, SHIPPED_FORM, name=SHIPPED_MODEL, method=SHIPPED_MODEL, area_px=model.area_px)

    def _load_tiny(self, source: Path) -> Session:
        session = self._open_rewritten(source) or self._open(source, PUBLISHED_FORM)
        log.info("the model is served in its %s form", session.form)
        return session

    def _open_rewritten(self, source: Path) -> OnnxSession | None:
        for attempt in (1, 2):
            rewrites = model_rewrites.make(source, self.settings)
            if rewrites is None:
                return None
            try:
                form = model_rewrites.choose(
                    rewrites, self.settings, threads=self.threads, available_mb=memory.available_mb(self.host)
                )
            except RuntimeError as fault:
                log.warning("the 8-bit network could not be tried", exc_info=fault)
                if attempt == 1:
                    rewrites.discard()  # damaged on its disk: made anew, once
                    continue
                form = FLOAT
            try:
                return self._open(rewrites.path(form), form)
            except ModelUnavailable as fault:
                log.warning("the rewritten model is dropped", exc_info=fault)
                rewrites.discard()
        return None

    def _open(
        self,
        path: Path,
        form: str,
        *,
        name: str = TINY_MODEL,
        method: str = "tiny_u2net",
        area_px: int = preprocess.TRAINED_SIDE_PX**2,
    ) -> OnnxSession:
        memory.tune_allocator()
        host, threads = lambda: self.host, self.threads
        return OnnxSession(path, name=name, method=method, form=form, area_px=area_px, host=host, threads=threads)

    def _load_rembg(self, name: str, source: Path) -> Session:
        kind = _rembg_kind(name)
        self._make_room(name, source)
        ort = _import_or_unavailable("onnxruntime")
        faults: tuple[type[Exception], ...] = (OSError, *_onnxruntime_faults(ort))
        # rembg looks in fewer places than it did, and downloads what it does not find there.
        here = type(kind.__name__, (kind,), {"download_models": classmethod(lambda *_words, **_how: str(source))})
        try:
            made = here(name, session_options(ort, self.threads, keeps_memory=True))
        except faults as fault:
            raise ModelUnavailable(f"rembg cannot load the model {name}: {fault}") from fault
        return RembgSession(made, name=name)

    def _make_room(self, name: str, source: Path) -> None:
        """Drop the model that another client asked for by name; there is one such beside the server's own."""
        for other, session in list(self._sessions.items()):
            if isinstance(session, RembgSession) and other != self.settings.model_name:
                del self._sessions[other]
        memory.give_back()
        needed_mb = REMBG_MB + REMBG_FILE_COPIES * source.stat().st_size / MIB
        left_mb = memory.available_mb(self.host)
        if left_mb < needed_mb:
            raise ModelUnavailable(f"The model {name} may need {needed_mb:.0f} MB and {left_mb:.0f} MB are left.")


def _on_its_way(name: str) -> ModelUnavailable:
    return ModelUnavailable(f"The model {name} is being downloaded.", advice="Its file is being downloaded.")


def _rembg_kind(name: str) -> Any:
    """rembg's class for a model; importing rembg takes seconds, and half a minute the first time."""
    rembg = _import_or_unavailable("rembg")
    kinds = {kind.name(): kind for kind in rembg.sessions.sessions_class if kind.name() not in _NOT_SERVED}
    if name not in kinds:
        raise ModelUnavailable(f"There is no model {name!r}. Known are: {', '.join(sorted(kinds))}.")
    return kinds[name]


def _import_or_unavailable(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except (ImportError, OSError, MemoryError) as fault:  # OSError: a shared library that cannot be mapped
        raise ModelUnavailable(f"The package {package} cannot be imported: {fault}") from fault


def _onnxruntime_faults(ort: Any) -> tuple[type[Exception], ...]:
    """onnxruntime's exceptions have no common parent, and its allocator's failures come as others."""
    native = vars(ort.capi.onnxruntime_pybind11_state).values()
    own = (kind for kind in native if isinstance(kind, type) and issubclass(kind, Exception))
    return (*own, RuntimeError, ValueError, MemoryError)


def session_options(ort: Any, threads: int, *, keeps_memory: bool) -> Any:
    """Options of a session for one onnxruntime module, `ort`.

    One that keeps no memory has every large tensor mapped and unmapped by malloc (see memory.tune_allocator).
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    # The arena only grows: 320 MB for good instead of 190 for a moment (scripts/optimize_models.py measures it).
    # The memory pattern stays on: one block a run instead of hundreds of page faults.
    options.enable_cpu_mem_arena = keeps_memory
    # Waiting threads would otherwise spin, and take the processor from the other stages.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


model_manager = ModelManager()
