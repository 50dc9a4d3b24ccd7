/** @file What stands behind the subject: app/imaging/backdrop.py. */

import { fillGradient } from "./gradient.js";
import { round } from "./numbers.js";
import { resized, strips } from "./pixels.js";

// The server keeps a picture with at most so many pixels for one of the canvas.
const SPARE = 2;

/** The layer (scene.js) that fills a canvas of this size; `blurred` makes the small canvas of a blurred original. */
export function backdropOf(background, width, height, blurred) {
  if (background.kind === "blur") return pictureOf(blurred(), "cover", width, height);
  if (background.kind === "image") return pictureOf(background.bitmap, background.fit, width, height);
  return { paint: (context) => fill(context, background, width, height), isExact: true };
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
  if (fit === "tile" || (at.width === picture.width && at.height === picture.height)) return { paint, isExact: true };
  return { paint, isExact: false, strips: () => fittedStrips(picture, kept, at, width, height) };
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
    const context = source.getContext("2d");
    for (const strip of resized(picture, { left: 0, top: 0, ...kept }, kept.width, kept.height, "white")) {
      yield context.putImageData(strip.image, 0, strip.top);
    }
  }
  if (at.width < width || at.height < height) {
    for (const [top, last] of strips(width, height)) {
      const image = new ImageData(width, last - top);
      image.data.fill(255);
      yield { image, left: 0, top };
    }
  }
  yield* resized(source, at, width, height, "white");
}
