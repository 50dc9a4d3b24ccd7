/** @file The panel's part for the brush: what it does, its size, and steps back and forth. */

import { Brush } from "./brush.js";
import { t } from "./strings.js";

const $ = (id) => document.getElementById(id);
const STEPS = ["undo", "redo", "reset"];

/** Puts the brush into the viewer's hand and takes it away. */
export class TouchPanel {
  /** `onTool` hears that the brush was taken up or put away, `onStroke` that the cut-out's canvas is another. */
  constructor(form, viewer, { onTool, onStroke }) {
    Object.assign(this, { form, viewer, onTool, onStroke, photo: null });
    $("brushes").addEventListener("change", () => this.take(form.elements.brush.value));
    $("brush-size").addEventListener("input", () => {
      if (viewer.tool) viewer.tool.sizePx = $("brush-size").valueAsNumber;
      viewer.repaint();
    });
    for (const step of STEPS) $(step).addEventListener("click", () => this.#step(step));
    addEventListener("keydown", (event) => {
      if (event.target.matches("[type=url], [type=password]")) return; // its own text
      if (!viewer.tool || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
      event.preventDefault();
      this.#step(event.shiftKey ? "redo" : "undo");
    });
  }

  /** The photo to work on, or null while it is not ready; the brush is put away. */
  work(photo) {
    this.take("off");
    this.photo = photo;
    this.render();
  }

  /** Takes up a brush, "erase" or "keep", or puts it away, "off". */
  take(mode) {
    const { form, viewer, photo } = this, was = Boolean(viewer.tool);
    form.elements.brush.value = mode;
    form.dataset.mode = mode === "off" ? "look" : "touch";
    viewer.tool = null;
    if (was) photo.redraw(photo.touchUp.canvas);
    if (mode !== "off" && photo?.touchUp) {
      viewer.tool = new Brush(viewer, photo.touchUp, { mode, sizePx: $("brush-size").valueAsNumber });
      viewer.tool.addEventListener("stroke", () => this.#changed());
    }
    $("view").ariaLabel = t(viewer.tool ? "stage.label.brush" : "stage.label");
    if (was !== Boolean(viewer.tool)) this.onTool();
    this.render();
  }

  render() {
    const touchUp = this.photo?.touchUp;
    const can = { undo: touchUp?.canUndo, redo: touchUp?.canRedo, reset: touchUp?.isTouched };
    const held = document.activeElement;
    for (const step of STEPS) $(step).disabled = !can[step];
    // Who has undone the last stroke is not sent to the top of the page.
    if (STEPS.includes(held?.id) && held.disabled) {
      (STEPS.map($).find((button) => !button.disabled) ?? $("view")).focus();
    }
    this.form.querySelector('[name="brush"][value="keep"]').disabled = touchUp ? !touchUp.canKeep : false;
  }

  #step(name) {
    const { touchUp } = this.photo ?? {};
    if (!touchUp) return;
    touchUp[name]();
    this.#changed();
    if (!this.viewer.tool) this.photo.redraw(touchUp.canvas);
  }

  #changed() {
    this.onStroke(this.photo.touchUp.canvas);
    this.render();
  }
}
