/** @file The touch-up brush as a tool of the viewer: pointers and keys become strokes. */

const STEP_PX = 8;

/** Tells "stroke" when something was painted. */
export class Brush extends EventTarget {
  /** `touchUp` takes the strokes, `mode` is "erase" or "keep", `sizePx` the brush's diameter on the screen. */
  constructor(viewer, touchUp, { mode, sizePx }) {
    super();
    Object.assign(this, { viewer, touchUp, mode, sizePx });
    this.at = null; // where the brush is, in the photo's pixels
    this.isDown = false;
  }

  down(point) {
    this.at = this.viewer.toResult(point);
    this.#begin();
  }

  move(point) {
    this.at = this.viewer.toResult(point);
    if (this.isDown) this.#extend();
    this.viewer.repaint();
  }

  hover(point) {
    if (this.isDown) return;
    this.at = point && this.viewer.toResult(point);
    this.viewer.repaint();
  }

  up() {
    if (this.isDown) this.touchUp.end();
    this.isDown = false;
    this.#painted();
  }

  /** A second finger came: this was no stroke. */
  cancel() {
    if (!this.isDown) return;
    this.isDown = false;
    this.touchUp.cancel();
    this.#painted();
  }

  /** Arrows move the brush, the space bar puts it down and lifts it. Tells whether the key was its own. */
  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === " ") {
      if (event.repeat) return true;
      this.at ??= this.#middle();
      if (this.isDown) this.up();
      else this.#begin();
    } else if (event.key === "Escape" && this.isDown) this.up();
    else if (event.key in moves) {
      const [right, down] = moves[event.key];
      const step = (STEP_PX * devicePixelRatio) / this.viewer.shownScale;
      const { scene } = this.viewer;
      this.at ??= this.#middle();
      this.at = {
        x: Math.min(Math.max(this.at.x + right * step, 0), scene.width),
        y: Math.min(Math.max(this.at.y + down * step, 0), scene.height),
      };
      if (this.isDown) this.#extend();
      this.viewer.repaint();
    } else return false;
    return true;
  }

  /** What is gone shows through, so that it can be found again. */
  under(context, scene) {
    context.globalAlpha = 0.3;
    scene.paintOriginal(context);
    context.globalAlpha = 1;
  }

  /** The brush's rim. */
  paint(context) {
    if (!this.at) return;
    const { x, y } = this.viewer.toView(this.at);
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    for (const [color, width] of [["#000", 3], ["#fff", 1.5]]) {
      context.beginPath();
      context.arc(x, y, this.sizePx / 2, 0, 2 * Math.PI);
      context.strokeStyle = color;
      context.lineWidth = width;
      context.stroke();
    }
  }

  get #radiusPx() {
    return (this.sizePx / 2) * devicePixelRatio / this.viewer.shownScale;
  }

  #middle() {
    const { view } = this.viewer;
    return this.viewer.toResult({ x: view.clientWidth / 2, y: view.clientHeight / 2 });
  }

  #begin() {
    this.isDown = true;
    this.touchUp.begin({ mode: this.mode, radiusPx: this.#radiusPx, ...this.at });
    this.#painted();
  }

  #extend() {
    this.touchUp.extend(this.at.x, this.at.y);
    this.#painted();
  }

  #painted() {
    this.dispatchEvent(new Event("stroke"));
  }
}
