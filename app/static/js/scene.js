/** @file The cut-out on what the panel says, painted as the server would compose it. */

import { backdropOf } from "./backdrop.js";
import { behindOf, blurred } from "./blur.js";
import { Kept } from "./kept.js";
import { place, subjectOf } from "./layout.js";
import { PLAIN } from "./look.js";
import { alphaOf, putOver, resized } from "./pixels.js";
import { shadowOf } from "./shadow.js";

const TRANSPARENT = { kind: "transparent" };
const WORK_MS = 10; // at a time, so that the page answers

// A layer of a scene has `paint(context)`, which draws it at once, and `isExact`, which tells whether that is what the
// server has. If not, `strips()` yields that in parts {image: ImageData, left, top}, or nothing yet where there is work
// to do.

/** A cut-out on its background, as the server would compose it: app/imaging/composite.py. */
export class Scene {
  #cutout;
  #original;
  #look = PLAIN;
  #kept = new Kept();
  #isDisposed = false;
  #settled = null; // what `settle` worked out, as a layer, and the `layers` it is made of
  #settling = null;

  /** Both are bitmaps or canvases; `original` is upright, of the same shape but perhaps of another size, or null where
   * the browser cannot read it. */
  constructor(cutout, original) {
    this.#cutout = cutout;
    this.#original = original;
  }

  /** What to make of it (look.js). */
  set look(look) {
    this.#look = look;
  }

  /** Takes a cut-out of the same size whose alpha was changed, perhaps the same canvas as before. */
  replaceCutout(cutout) {
    this.#cutout = cutout;
    this.#kept = new Kept();
  }

  /** The result's width in pixels. */
  get width() {
    return this.placement.canvasWidth;
  }

  /** The result's height in pixels. */
  get height() {
    return this.placement.canvasHeight;
  }

  /** Whether there is an original to paint. */
  get hasOriginal() {
    return Boolean(this.#original);
  }

  /** The subject's box {left, top, right, bottom} in the cut-out's pixels; null where nothing is solid. */
  get subject() {
    return this.#kept.get("subject", [], () => subjectOf(this.#alpha));
  }

  /** Where the photo is drawn on the result's canvas: {canvasWidth, canvasHeight, left, top, width, height}. */
  get placement() {
    const { layout } = this.#look, { width, height } = this.#cutout;
    return this.#kept.get("placement", [JSON.stringify(layout)], () => {
      const needsSubject = layout.crop || layout.scale || layout.position;
      const reducedTo = this.#original ? Math.min(1, width / this.#original.width) : 1;
      return place(layout, width, height, needsSubject ? this.subject : null, reducedTo);
    });
  }

  /** Paints the result in its own pixels, under the context's transform and clip: at once, though where anything is
   * resized not yet as the server does it: see `settle`. */
  paint(context) {
    const painted = this.#isSettled ? [this.#settled] : this.#layers;
    this.#paintIn(context, () => painted.forEach((layer) => layer.paint(context)));
  }

  /** Paints the original as large and in the place that the subject has, and the background around it. */
  paintOriginal(context) {
    this.#paintIn(context, () => {
      this.#backdrop.paint(context);
      if (this.#original) this.#paintPhoto(context, this.#original);
    });
  }

  /** Works out, a little at a time, the result as the server has it; resolves when the next `paint` will show that. A
   * look that is set meanwhile is begun anew. */
  settle() {
    this.#settling ??= this.#settle().finally(() => {
      this.#settling = null;
    });
    return this.#settling;
  }

  /** Ends what is being worked out: the pictures may be closed from now on, and nothing painted any more. */
  dispose() {
    this.#isDisposed = true;
  }

  get #alpha() {
    return this.#kept.get("alpha", [], () => alphaOf(this.#cutout));
  }

  #paintIn(context, paint) {
    context.save();
    context.beginPath();
    context.rect(0, 0, this.width, this.height);
    context.clip();
    context.imageSmoothingQuality = "high";
    paint();
    context.restore();
  }

  get #backdrop() {
    const { width, height } = this, { bitmap, ...words } = this.#look.background;
    // Without the original there is nothing to blur.
    const background = words.kind === "blur" && !this.#original ? TRANSPARENT : this.#look.background;
    const of = [JSON.stringify(words), bitmap, width, height];
    return this.#kept.get("backdrop", of, () => backdropOf(background, width, height, () => this.#blurred));
  }

  get #blurred() {
    const behind = this.#kept.get("behind", [], () => behindOf(this.#original, this.#alpha));
    return blurred(behind, this.#look.background.radiusPx);
  }

  get #shadow() {
    const { shadow } = this.#look, { placement } = this;
    return this.#kept.get("shadow", [JSON.stringify(shadow), placement], () => (
      shadow && shadowOf(shadow, this.#alpha, placement)
    ));
  }

  get #subjectLayer() {
    const { placement } = this, { canvasWidth, canvasHeight, width, height } = placement;
    const isResized = width !== this.#cutout.width || height !== this.#cutout.height;
    return this.#kept.get("subject layer", [placement], () => ({
      isExact: !isResized,
      paint: (context) => this.#paintPhoto(context, this.#cutout),
      strips: () => resized(this.#cutout, placement, canvasWidth, canvasHeight),
    }));
  }

  /** The hindmost first. */
  get #layers() {
    return [this.#backdrop, this.#shadow, this.#subjectLayer].filter(Boolean);
  }

  get #isSettled() {
    return this.#settled !== null && areSame(this.#settled.layers, this.#layers);
  }

  async #settle() {
    while (!this.#isDisposed && this.#layers.some((layer) => !layer.isExact) && !this.#isSettled) {
      this.#settled = null; // it holds as many pixels as the result
      const layers = this.#layers, canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [this.width, this.height];
      const work = paintFinely(layers, canvas);
      let pauseAt = performance.now() + WORK_MS, step = work.next();
      for (; !step.done && areSame(layers, this.#layers); step = work.next()) {
        if (performance.now() < pauseAt) continue;
        await new Promise((resolve) => setTimeout(resolve));
        if (this.#isDisposed) return;
        pauseAt = performance.now() + WORK_MS;
      }
      if (step.done) this.#settled = { layers, paint: (context) => context.drawImage(canvas, 0, 0) };
    }
  }

  #paintPhoto(context, picture) {
    const { left, top, width, height } = this.placement;
    context.drawImage(picture, left, top, width, height);
  }
}

const areSame = (some, others) => some.length === others.length && some.every((one, at) => one === others[at]);

/** Paints layers on a canvas as the server has them, some rows at a time. */
function* paintFinely(layers, canvas) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  for (const layer of layers) {
    if (!layer.strips) layer.paint(context);
    for (const strip of layer.strips?.() ?? []) {
      if (strip) putOver(context, strip);
      yield;
    }
  }
}
