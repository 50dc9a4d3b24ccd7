"""TinyU2NetService: the way of a photo from its bytes to the bytes of its cut-out.

Everything that cuts out (the page, the APIs, the command line, scripts) calls `cut_out` on one instance.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app import __version__, config, metrics
from app.config import Settings
from app.errors import AppError, BadRequest, ModelUnavailable, Unavailable, UnknownForeground
from app.files import write_whole
from app.hosting import MIB
from app.imaging import decode, encode, preprocess, refine
from app.imaging.backdrop import Plain
from app.imaging.color import RGB, parse_color
from app.imaging.confidence import TINYCUT, U2NETP
from app.imaging.confidence import confidence as confidence_of
from app.imaging.decode import Probe
from app.metrics import StageTimings
from app.services import bg_changer, memory, opencv_fallback, sizing, stages
from app.services.admission import Admission, Deadline, MemoryBudget
from app.services.cutout import Cutout
from app.services.model_manager import ModelManager, model_manager
from app.services.option_words import check_agreement
from app.services.options import CutoutOptions, ImageBehind
from app.services.progress import Progress
from app.services.quality import TIERS
from app.services.remote_image import RemoteImages
from app.services.shipped_model import SHIPPED_MODEL
from app.services.sizing import Plan

if TYPE_CHECKING:
    from app.services.result_cache import ResultCache

log = logging.getLogger(__name__)

# Where another way of cutting out stands in for the model, whoever asks /ready has that tried again after so long.
WARM_UP_AGAIN_S = 5.0
# What the program holds with its model loaded, gunicorn's master and the kernel's buffers counted in: 120 measured.
RESIDENT_MB = 128
# The upload is held as well, with what stands around it in its form.
UPLOAD_SLACK_BYTES = MIB
# Even the smallest box works on photos, of some megapixels.
LEAST_BUDGET_MB = 40
# Where memory just suffices, a network serves one photo and not the next: that fills no log.
TELL_RECOVERY_S = 60.0
OPENCV_METHOD = "opencv"
OPENCV_MODEL = "grabcut"
# Its masks are always sharp and tell nothing; this is their mean IoU on sod-dev (scripts/measure.py fallback).
OPENCV_CONFIDENCE = 0.5
# Of a photo that is asked for as it is: a saliency map without a subject, by no method and no model.
_NOTHING_LOOKED_FOR = np.zeros((1, 1), np.float32), "none", ""
SUFFIX_FORMATS = {**{output.suffix: name for name, output in encode.FORMATS.items()}, ".jpeg": "jpeg"}


class _Gates(NamedTuple):
    """What bounds a process, made once."""

    admission: Admission
    budget: MemoryBudget
    bodies: Admission
    batches: Admission
    batch_turns: Admission
    remote_images: RemoteImages


class TinyU2NetService:
    """Cuts subjects out of photos. One instance serves a process; see `tiny_u2net_service` below."""

    def __init__(self, settings: Settings | None = None, models: ModelManager | None = None) -> None:
        self._given_settings = settings
        self.models = models or model_manager
        self.progress = Progress()
        self._gates_lock = threading.Lock()
        self._made_gates: _Gates | None = None
        self._warm_up_lock = threading.Lock()
        self._warm_up_thread: threading.Thread | None = None
        self._warm_up_begun = False
        self._warmed_at_s = 0.0
        self._is_warm = False
        self._latest_method: str | None = None
        self._latest_model: str | None = None
        self._told: frozenset[tuple[str, str]] = frozenset()  # model, advice; other threads may be reading it
        self._told_at_s = 0.0
        self._batches_end, self._photos_end = Deadline(math.inf), Deadline(math.inf)
        self.models.photo_place = self._photo_place

    @cached_property
    def settings(self) -> Settings:
        """The settings given, else those of the environment, read on first use."""
        return self._given_settings or config.current()

    @property
    def admission(self) -> Admission:
        """Slots and queue: one slot on a constrained host."""
        return self._gates.admission

    @property
    def budget(self) -> MemoryBudget:
        """The bytes that requests may hold together: the host's limit, as it is now, less what the program needs."""
        budget = self._gates.budget
        budget.total_bytes = self._budget_bytes()
        return budget

    def _budget_bytes(self) -> int:
        return max(self.models.host.memory_limit_mb - RESIDENT_MB, LEAST_BUDGET_MB) * MIB

    @property
    def bodies(self) -> Admission:
        """The requests that are being read."""
        return self._gates.bodies

    @property
    def batches(self) -> Admission:
        """The batches that are under way."""
        return self._gates.batches

    @property
    def batch_turns(self) -> Admission:
        """Whose photo is worked on, of the batches: two that need all of the memory would starve each other."""
        return self._gates.batch_turns

    @property
    def remote_images(self) -> RemoteImages:
        """Downloads of pictures by URL: by ALLOW_URLS, of up to MAX_UPLOAD_MB each."""
        return self._gates.remote_images

    @property
    def _gates(self) -> _Gates:
        with self._gates_lock:  # two threads must not make two
            if self._made_gates is None:
                settings, host = self.settings, self.models.host
                self._made_gates = _Gates(
                    Admission(slots=config.photos_at_once(settings, host), queue_size=settings.queue_size),
                    MemoryBudget(self._budget_bytes()),
                    Admission(slots=config.bodies_at_once(settings, host), queue_size=0),
                    Admission(slots=config.BATCHES_AT_ONCE, queue_size=0),
                    Admission(slots=1, queue_size=config.BATCHES_AT_ONCE),
                    RemoteImages(
                        allowed=settings.allow_urls,
                        most_bytes=int(settings.max_upload_mb * MIB),
                        at_once=config.DOWNLOADS_AT_ONCE,
                    ),
                )
            return self._made_gates

    @contextmanager
    def _photo_place(self) -> Iterator[None]:
        """Take the place of a photo, once one is free: on a small host none is worked on meanwhile."""
        self.admission.enter(Deadline(math.inf), patient=True)
        try:
            yield
        finally:
            self.admission.leave()

    def cut_out(
        self,
        data: bytes,
        options: CutoutOptions | None = None,
        *,
        deadline: Deadline | None = None,
        patient: bool = False,
    ) -> Cutout:
        """Cut the subject out of the bytes of a photo; the way of design §3.

        Waits for a slot (a `patient` call even where the queue is full), checks the deadline (default: DEADLINE_S from
        now) between stages, and gives memory back at the end. When the model cannot be had another way stands in
        for it, and the answer says so.

        Raises:
            BadRequest, TooLarge, UnsupportedFormat, UnreadableImage: what was sent cannot be worked on.
            Busy, DeadlineExceeded, ClientGone: the server has too much to do, or nobody waits for it any more.
        """
        options = options or CutoutOptions()
        deadline = deadline or self.new_deadline()
        timings = StageTimings()
        if not data:
            raise BadRequest("The photo is empty: no bytes came.", code="empty_file")
        with timings.span("probe"):
            probe = decode.probe(data)
            plan = self._plan(probe, options, upload_bytes=len(data))
        key = self.result_key(data, options)
        if self._results and key:
            found = self._kept(key, timings)
            metrics.RESULT_CACHE_REQUESTS.labels(outcome="miss" if found is None else "hit").inc()
            if found is not None:
                return replace(found, timings_ms=timings.as_ms(), memory=memory.report(self.models.host))
        with timings.span("queue"):
            self.admission.enter(deadline, patient=patient)
        working = self.budget.holding()
        try:
            working.add(plan.working_bytes)
            cutout = self._cut_out_admitted(data, probe, plan, options, deadline, timings)
            if options.output != "photo":
                metrics.CUTOUTS.labels(method=cutout.method, model=cutout.model).inc()
            if self._results and key and self.is_lasting(cutout, options):
                self._results.put(key, cutout)
            return cutout
        finally:
            try:
                memory.give_back()  # first: the next photo starts with what this one leaves
            finally:
                working.release()
                self.admission.leave()

    def _kept(self, key: str, timings: StageTimings) -> Cutout | None:
        """The result that was kept under this key; while it is read its bytes are held, for many may read at once."""
        reading = self.budget.holding()
        try:
            with timings.span("cache"):
                return self._results.get(key, hold=reading.add) if self._results else None
        finally:
            reading.release()

    def result_key(self, data: bytes, options: CutoutOptions) -> str | None:
        """What is the same for the same photo, options and server; None without a result cache."""
        if self._results is None:
            return None
        settings, behind = self.settings, options.background
        server = (
            __version__,
            self.models.served_name(options.model),
            *(settings.precision, settings.resize_mode, settings.max_inference_px),
            *(settings.max_megapixels, settings.max_reduced_megapixels, self.budget.total_bytes),
        )
        digest = hashlib.sha256(repr((server, options, len(data))).encode())
        digest.update(data)
        if isinstance(behind, ImageBehind):  # its bytes are not in its repr
            digest.update(behind.data)
        return digest.hexdigest()

    @cached_property
    def _results(self) -> ResultCache | None:
        """The result cache, where one is set up and its folder can be used."""
        if not self.settings.result_cache_mb:
            return None
        from app.services.result_cache import ResultCache  # SQLite is not loaded where it is not used

        try:
            return ResultCache(self.settings.result_cache_dir, self.settings.result_cache_mb * MIB)
        except OSError as fault:
            log.warning("there is no result cache: its folder cannot be used (%s)", fault.strerror)
            return None

    def _cut_out_admitted(
        self, data: bytes, probe: Probe, plan: Plan, options: CutoutOptions, deadline: Deadline, timings: StageTimings
    ) -> Cutout:
        with timings.span("decode"):
            opened = bg_changer.open_background(options.background, plan.image)
            photo = decode.decode(
                data,
                keep_profile=options.color_profile == "keep",
                shrink=plan.photo.shrink,
                most_px=plan.photo.most_px,
            )
            background = bg_changer.take_photo(opened, photo.rgb, photo.alpha)
        height, width = photo.rgb.shape[:2]
        reduced_to = max(height, width) / max(probe.width, probe.height)
        region = stages.region_of(options.roi, height, width, reduced_to)
        deadline.check()
        if options.output == "photo":
            saliency, method, model = _NOTHING_LOOKED_FOR
        else:
            with timings.span("infer"):
                reduced = preprocess.reduce_to(photo.rgb[region.slices], self.settings.max_inference_px)
                saliency, method, model = self._infer(reduced, options)
            self._latest_method, self._latest_model = method, model
            deadline.check()
        confidence = _confidence(saliency, method)
        with timings.span("refine"):
            if confidence > 0:
                alpha = stages.make_matte(photo.rgb, saliency, region, reduced, options.matte)
            elif options.may_be_whole:
                alpha = np.full((height, width), 255, np.uint8)
            else:
                raise UnknownForeground(
                    "Nothing in the photo stands out as its subject. Please send one in which it is larger or clearer."
                )
            alpha = refine.multiply_alpha(alpha, photo.alpha)
            placement, foreground = stages.place_subject(options, alpha, plan, reduced_to)
        canvas = options.layout.canvas
        dpi = (canvas.dpi, canvas.dpi) if canvas and canvas.dpi else photo.dpi
        facts = encode.FileFacts(photo.icc_profile, dpi)
        deadline.check()
        with timings.span("composite"):
            pictures = stages.draw_pictures(
                photo.rgb, alpha, placement, options, background, icc_profile=photo.icc_profile
            )
        del photo, alpha, opened, background  # before the encoder takes its share
        deadline.check()
        with timings.span("encode"):
            image = stages.encode_pictures(pictures, options, facts)
        return Cutout(
            image=image,
            format=options.format,
            width=placement.canvas_width,
            height=placement.canvas_height,
            method=method,
            model=model,
            confidence=round(confidence, 3),
            animated=probe.animated,
            resized=not options.layout.is_exact and (plan.reduced or placement.is_reduced),
            full_size=stages.full_size(options, placement, probe, height, width),
            foreground=foreground,
            timings_ms=timings.as_ms(),
            memory=memory.report(self.models.host),
        )

    def _infer(self, reduced: NDArray[np.uint8], options: CutoutOptions) -> tuple[NDArray[np.float32], str, str]:
        """Return saliency map, method and model name, by the first network in the order that can be had; else by
        OpenCV."""
        order = self.models.order(options.model)
        resize = options.resize or self.settings.resize_mode
        for name, next_one in zip(order, (*order[1:], OPENCV_METHOD), strict=True):
            try:
                session = self.models.load(name, may_download=options.model is None)
                saliency = session.infer(reduced, resize=resize, tier=TIERS[options.quality])
            except ModelUnavailable as fault:
                self._tell_stand_in(next_one, name, fault)
            else:
                self._tell_recovery(name)
                return saliency, session.method, session.name
        metrics.FALLBACKS.inc()
        return opencv_fallback.estimate_saliency(reduced), OPENCV_METHOD, OPENCV_MODEL

    def _tell_stand_in(self, stand_in: str, name: str, fault: ModelUnavailable) -> None:
        """Log what to do, once until it is told that the model serves again."""
        if fault.advice and (name, fault.advice) not in self._told:
            self._told |= {(name, fault.advice)}
            self._told_at_s = time.monotonic()
            level = logging.ERROR if stand_in == OPENCV_METHOD else logging.WARNING
            log.log(
                level,
                "photos are cut out by %s, for %s cannot be had. %s",
                stand_in,
                name,
                fault.advice,
                exc_info=fault,
            )

    def _tell_recovery(self, name: str) -> None:
        of_others = frozenset(told for told in self._told if told[0] != name)
        if of_others != self._told and time.monotonic() - self._told_at_s > TELL_RECOVERY_S:
            self._told = of_others
            log.info("photos are cut out by %s again", name)

    def _plan(self, probe: Probe, options: CutoutOptions, *, upload_bytes: int) -> Plan:
        """Plan what the work takes; refuse what can never fit, before a pixel is decoded."""
        behind, image = options.background, None
        if isinstance(behind, ImageBehind):
            upload_bytes += len(behind.data)
            image = bg_changer.probe_image(behind)
        plan = sizing.plan(
            probe,
            options,
            image,
            room_bytes=max(0, self.budget.total_bytes - upload_bytes - UPLOAD_SLACK_BYTES),
            full_megapixels=self.settings.max_megapixels,
            most_megapixels=self.settings.max_reduced_megapixels,
            enough_megapixels=options.enough_megapixels,
        )
        if not options.layout.moves:
            stages.check_longest(max(probe.width, probe.height), options.format)
        return plan

    def remove_background(self, input_path: str | os.PathLike[str], output_path: str | os.PathLike[str]) -> bool:
        """Cut the subject out of a file into another; its suffix decides the format.

        Returns True, or logs the reason and returns False; a half-written file is never left behind.
        """
        return self.cut_out_file(input_path, output_path, CutoutOptions())

    def change_background_color(
        self,
        input_path: str | os.PathLike[str],
        output_path: str | os.PathLike[str],
        bg_color: RGB | str = (255, 255, 255),
    ) -> bool:
        """Put the subject of a file on a colour (RGB 0..255, or any word that the API takes) in another file.

        Returns True, or logs the reason and returns False; a half-written file is never left behind.
        """
        try:
            color = parse_color(bg_color if isinstance(bg_color, str) else ",".join(map(str, bg_color)))
        except (ValueError, TypeError):
            log.error("%s was not written: %r is no colour", output_path, bg_color)
            return False
        return self.cut_out_file(input_path, output_path, CutoutOptions(background=Plain(color)))

    def cut_out_file(
        self,
        input_path: str | os.PathLike[str],
        output_path: str | os.PathLike[str],
        options: CutoutOptions,
    ) -> bool:
        """Cut the subject out of a file into another, by the options but for their format: the suffix decides that.

        Returns True, or logs the reason and returns False; a half-written file is never left behind.
        """
        try:
            target = Path(output_path)
            format_name = SUFFIX_FORMATS.get(target.suffix.lower())
            if format_name is None:
                raise BadRequest(f"the name must end in {', '.join(SUFFIX_FORMATS)}")
            options = replace(options, format=format_name)
            check_agreement(options)
            cutout = self.cut_out(Path(input_path).read_bytes(), options)
            write_whole(target, cutout.image)
        except (AppError, OSError) as fault:
            log.error("%s was not written: %s", output_path, fault)
            return False
        return True

    @property
    def result_cache_bytes(self) -> int:
        """Size of the result cache on disk; 0 without one."""
        return self._results.size_bytes if self._results else 0

    def get_memory_usage(self) -> dict[str, float | int | str | bool]:
        """Facts about memory: rss, peak and available in MB, the limit, where it was found, constrained or not."""
        return memory.report(self.models.host)

    def clear_memory(self) -> None:
        """Drop the loaded models and give every free page back; the next photo loads its model again."""
        self.models.clear()
        memory.give_back()

    def warm_up(self) -> None:
        """Load the model and cut out a 32×32 photo, so that the first visitor does not wait for either."""
        checkered = np.indices((32, 32)).sum(axis=0) // 8 % 2 * np.uint8(255)
        photo = encode.encode(np.dstack([checkered.astype(np.uint8)] * 3), "png")
        host, was_warm, before = self.models.host, self._is_warm, self._latest_method
        try:
            warmed = self.cut_out(photo, CutoutOptions(on_unknown="pass"))
            self._is_warm = True
            if was_warm and warmed.method == before:
                return
            log.info(
                "ready after %.1f s: %s by %s, memory limit %d MB (%s), %d photos at once",
                warmed.timings_ms["total"] / 1000,
                warmed.method,
                warmed.model,
                host.memory_limit_mb,
                host.memory_limit_source,
                self.admission.slots,
            )
        except AppError as fault:  # all slots are busy with real photos: they warm the model themselves
            log.info("the warm-up gave way: %s", fault.code)
        finally:
            if not was_warm:
                memory.settle()
            with self._warm_up_lock:
                self._warm_up_begun = self._is_warm
                self._warmed_at_s = time.monotonic()

    def start_warm_up(self) -> None:
        """Warm up in a thread of its own, once per process; again if it failed, or now and then for want of the
        model: it may have come since."""
        with self._warm_up_lock:
            if self._warm_up_thread and self._warm_up_thread.is_alive():
                return
            is_old = time.monotonic() - self._warmed_at_s > WARM_UP_AGAIN_S
            may_have_come = self._latest_model not in (None, self.models.served_name()) and is_old
            if self._warm_up_begun and not may_have_come:
                return
            self._warm_up_begun = True
            self._warmed_at_s = time.monotonic()
            self._warm_up_thread = threading.Thread(target=self.warm_up, name="warm-up", daemon=True)
            self._warm_up_thread.start()

    def new_deadline(self, abandoned: Callable[[], bool] = lambda: False) -> Deadline:
        """When a photo that begins now must be answered: within DEADLINE_S, and before the process ends."""
        return Deadline(self.settings.deadline_s, abandoned=abandoned, last=self._photos_end)

    def end(self, *, batches_go_on_s: float, photos_go_on_s: float) -> None:
        """Let no photo of a batch begin, and no photo be worked on, after so long, for the process is about to end.
        The client of a batch then gets a whole ZIP, which says what is missing."""
        self._batches_end.move(batches_go_on_s)
        self._photos_end.move(photos_go_on_s)

    def check_batches_go_on(self) -> None:
        """Raise Unavailable where no photo of a batch may begin any more."""
        if not self._batches_end.remaining_s():
            raise Unavailable("The server was being restarted. Please send this photo again.")

    def finish_warm_up(self, limit_s: float) -> None:
        """Wait for a warm-up that is under way: a process must not end in the middle of an inference."""
        if self._warm_up_thread is not None:
            self._warm_up_thread.join(limit_s)

    @property
    def latest_method(self) -> str | None:
        """The method that cut out the latest photo, be it the warm-up's; None before that one is done."""
        return self._latest_method if self._is_warm else None

    def is_lasting(self, cutout: Cutout, options: CutoutOptions) -> bool:
        """Whether the same photo would be cut out the same way later: by its model, not by what stood in for that."""
        return cutout.model in (_NOTHING_LOOKED_FOR[2], self.models.served_name(options.model))


def _confidence(saliency: NDArray[np.float32], method: str) -> float:
    sure = confidence_of(saliency, TINYCUT if method == SHIPPED_MODEL else U2NETP)
    return min(sure, OPENCV_CONFIDENCE) if method == OPENCV_METHOD else sure


tiny_u2net_service = TinyU2NetService()
