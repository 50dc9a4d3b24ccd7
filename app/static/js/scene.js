import { fillGradient } from "./gradient.js";
import { Kept } from "./kept.js";
import { place, subjectOf } from "./layout.js";
import { alphaOf } from "./planes.js";

const PLAIN = {
  background: { kind: "transparent" },
  shadow: null,
  layout: { crop: false, margin: [], canvas: null, scale: null, position: null },
};

/** A cut-out on its background, as the server would compose it: app/imaging/composite.py. */
export class Scene {
  #cutout;
  #original;
  #look = PLAIN;
  #kept = new Kept();

  /** `cutout` has straight or premultiplied alpha, as its kind of picture does; `original` is upright, of the same shape
   * but perhaps of another size, or null where the browser cannot read it. */
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

  /** Paints the result in its own pixels, under the context's transform and clip. */
  paint(context) {
    this.#paintIn(context, () => {
      this.#paintBackground(context);
      this.#paintPhoto(context, this.#cutout);
    });
  }

  /** Paints the original as large and in the place that the subject has, and the background around it. */
  paintOriginal(context) {
    this.#paintIn(context, () => {
      this.#paintBackground(context);
      if (this.#original) this.#paintPhoto(context, this.#original);
    });
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

  #paintBackground(context) {
    const { background } = this.#look, { width, height } = this;
    if (background.kind === "gradient") fillGradient(context, background.css, width, height);
    if (background.kind === "color") {
      context.fillStyle = background.color;
      context.fillRect(0, 0, width, height);
    }
  }

  #paintPhoto(context, picture) {
    const { left, top, width, height } = this.placement;
    context.drawImage(picture, left, top, width, height);
  }
}
