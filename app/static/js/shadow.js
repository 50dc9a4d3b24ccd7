/** @file A drop shadow: the subject's own shape, moved, blurred and coloured, made small as the server does
 * (app/imaging/shadow.py). */

import { clamp, round } from "./numbers.js";
import { strips } from "./pixels.js";
import { areaAxis, axisPart, gaussianAxis, linearAxis, part, resample, spread, toBytes } from "./planes.js";

// Offsets and radii are in pixels of a canvas whose longer side has so many; it is made on one of SHADOW_PX.
const SCALE_PX = 1024, SHADOW_PX = 512;

/** The layer (scene.js) with the shadow of an alpha plane that is placed on a canvas. */
export function shadowOf(shadow, alpha, placement) {
  const small = castShadow(shadow, alpha, placement), { canvasWidth: width, canvasHeight: height } = placement;
  const bitmap = Object.assign(document.createElement("canvas"), { width: small.width, height: small.height });
  bitmap.getContext("2d").putImageData(colored(small, shadow.color), 0, 0);
  return {
    isExact: false,
    paint(context) {
      const { imageSmoothingQuality } = context;
      context.imageSmoothingQuality = "low"; // bilinear
      context.drawImage(bitmap, 0, 0, width, height);
      context.imageSmoothingQuality = imageSmoothingQuality;
    },
    *strips() {
      const across = linearAxis(small.width, width, spread(small.width, width));
      const down = linearAxis(small.height, height, spread(small.height, height));
      for (const [top, last] of strips(width, height)) {
        const { axis, first, last: end } = axisPart(down, top, last);
        const opacity = resample(part(small, 0, first, small.width, end), across, axis);
        yield { image: colored(opacity, shadow.color), left: 0, top };
      }
    },
  };
}

/** The opacity, 0..255 as floats, of the small copy of the canvas. */
function castShadow({ offsetPx, blurPx, opacity }, alpha, placement) {
  const longer = Math.max(placement.canvasWidth, placement.canvasHeight);
  const unit = longer / SCALE_PX, scale = Math.min(1, SHADOW_PX / longer);
  const reach = unit * (Math.max(...offsetPx.map(Math.abs)) + blurPx);
  const [right, down] = offsetPx.map((offset) => offset * unit);
  const x = along(alpha.width, placement.width, placement.left, placement.canvasWidth, right, reach, scale);
  const y = along(alpha.height, placement.height, placement.top, placement.canvasHeight, down, reach, scale);
  const data = new Float32Array(x.canvasSide * y.canvasSide);
  const nothing = { data, width: x.canvasSide, height: y.canvasSide, channels: 1 };
  if (x.first >= x.last || y.first >= y.last) return nothing; // the photo is elsewhere
  // First about as small as it is needed, by area; then moved, by fractions of a pixel too.
  const seen = part(alpha, x.first, y.first, x.last, y.last);
  let small = toBytes(resample(seen, areaAxis(seen.width, x.side), areaAxis(seen.height, y.side)));
  const moved = ({ side, canvasSide, start, step }) => linearAxis(side, canvasSide, (at) => (at - start) / step, true);
  small = resample(small, moved(x), moved(y));
  const sigma = (blurPx / 2) * unit * scale;
  // What is cut off by the canvas would go on outside.
  const gaussian = (side) => gaussianAxis(side, sigma, true);
  if (sigma > 0.1) small = resample(small, gaussian(small.width), gaussian(small.height));
  small.data.forEach((value, at) => {
    small.data[at] = value * opacity;
  });
  return small;
}

function colored({ data, width, height }, color) {
  const image = new ImageData(width, height), pixels = new Uint32Array(image.data.buffer);
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  pixels.fill((blue << 16) | (green << 8) | red); // little-endian, as all of today's machines are
  data.forEach((value, at) => {
    image.data[at * 4 + 3] = value;
  });
  return image;
}

/** Down or across: which part of the photo is reduced to `side` pixels, and where these go on the small canvas. */
function along(own, drawn, at, canvas, offset, reach, scale) {
  const factor = drawn / own;
  const first = Math.max(0, Math.floor((-at - reach) / factor));
  const last = Math.min(own, Math.ceil((canvas - at + reach) / factor));
  const visible = Math.max(1, last - first), canvasSide = Math.max(1, round(canvas * scale));
  const side = clamp(round(visible * factor * scale), 1, visible);
  const step = (visible * factor * (canvasSide / canvas)) / side;
  const start = (at + first * factor + offset) * (canvasSide / canvas) + (step - 1) / 2;
  return { first, last, side, canvasSide, step, start };
}
