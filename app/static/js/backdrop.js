// What stands behind the subject (app/imaging/backdrop.py). A backdrop has `paint(context)`, which fills the canvas at
// once, and `strips()`, which yields it as the server has it, {image: ImageData, left, top}, or nothing yet: there may
// be work between two strips. It is null where `paint` is that already.

import { fillGradient } from "./gradient.js";
import { round } from "./numbers.js";
import { resized } from "./pixels.js";

// The server keeps a picture with at most so many pixels for one of the canvas.
const SPARE = 2;

/** The backdrop of a look on a canvas of this size; `blurred` makes the small canvas of a blurred original. */
export function backdropOf(background, width, height, blurred) {
  if (background.kind === "blur") return pictureOf(blurred(), "cover", width, height);
  if (background.kind === "image") return pictureOf(background.bitmap, background.fit, width, height);
  return { paint: (context) => fill(context, background, width, height), strips: null };
}

function fill(context, { kind, color, css }, width, height) {
  if (kind === "gradient") fillGradient(context, css, width, height);
  if (kind === "color") {
    context.fillStyle = color;
    context.fillRect(0, 0, width, height);
  }
}

function pictureOf(picture, fit, width, height) {
  const kept = fit === "tile" ? picture : keptSize(picture, SPARE * width * height);
  const at = fitted(kept, fit, width, height);
  const paint = (context) => {
    fill(context, { kind: "color", color: "white" }, width, height);
    if (fit !== "tile") return context.drawImage(picture, at.left, at.top, at.width, at.height);
    context.fillStyle = context.createPattern(picture, "repeat");
    return context.fillRect(0, 0, width, height);
  };
  const isResized = fit !== "tile" && (at.width !== picture.width || at.height !== picture.height);
  return { paint, strips: isResized ? () => fittedStrips(picture, kept, at, width, height) : null };
}

/** The size in which the server keeps a picture, at most `mostPx` of it. */
function keptSize({ width, height }, mostPx) {
  const scale = Math.min(1, Math.sqrt(mostPx / (width * height)));
  return { width: Math.max(1, Math.floor(width * scale)), height: Math.max(1, Math.floor(height * scale)) };
}

/** Where a picture goes in the middle of a canvas, to "cover" it or be "contain"ed. */
function fitted(picture, fit, width, height) {
  const factors = [width / picture.width, height / picture.height];
  const factor = fit === "cover" ? Math.max(...factors) : Math.min(...factors);
  let newWidth = Math.max(1, round(picture.width * factor)), newHeight = Math.max(1, round(picture.height * factor));
  if (fit === "cover") [newWidth, newHeight] = [Math.max(newWidth, width), Math.max(newHeight, height)];
  const [left, top] = [Math.floor((width - newWidth) / 2), Math.floor((height - newHeight) / 2)];
  return { left, top, width: newWidth, height: newHeight };
}

function* fittedStrips(picture, kept, at, width, height) {
  let source = picture;
  if (kept.width !== picture.width || kept.height !== picture.height) {
    source = Object.assign(document.createElement("canvas"), kept);
    const context = source.getContext("2d"), whole = { left: 0, top: 0, right: kept.width, bottom: kept.height };
    for (const strip of resized(picture, kept.width, kept.height, whole)) {
      yield context.putImageData(strip.image, 0, strip.top);
    }
  }
  const part = { left: Math.max(0, -at.left), top: Math.max(0, -at.top) };
  part.right = Math.min(at.width, width - at.left);
  part.bottom = Math.min(at.height, height - at.top);
  for (const { image, top } of resized(source, at.width, at.height, part)) {
    yield { image, left: at.left + part.left, top: at.top + part.top + top };
  }
}
