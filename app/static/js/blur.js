/** @file The original out of focus, without the subject's own colours around it: `blurred` of app/imaging/backdrop.py. */

import { reduced } from "./pixels.js";
import { clamp, round } from "./numbers.js";
import { areaAxis, cubicAxis, gaussianAxis, resample, toBytes } from "./planes.js";

// The longer side of the copy on which it is made; and of a photo in whose pixels a radius is.
const GUIDE_PX = 384, SCALE_PX = 1024;
// Where the subject hides all that was behind, means of wide surroundings stand in: of a tiny copy, the widest first.
const TINY_PX = 64, TINY_SIGMAS = [16, 4];
const RIM_SHARE = 1 / 128, LITTLE = 0.02, NOTHING = 1e-4;

/** What is known of what is behind: two planes of four floats, `seen` (colours in 0..1 times the share of them that is
 * not the subject, and that share) and `far` (means of wide surroundings). `alpha` is a plane of bytes. */
export function behindOf(original, alpha) {
  const scale = Math.min(1, GUIDE_PX / Math.max(alpha.width, alpha.height));
  const width = Math.max(1, round(alpha.width * scale)), height = Math.max(1, round(alpha.height * scale));
  const colors = toBytes(reduced(original, width, height)).data;
  const rim = round(RIM_SHARE * Math.max(width, height)); // there the colours of both are mixed
  const hidden = dilated(toBytes(resample(alpha, areaAxis(alpha.width, width), areaAxis(alpha.height, height))), rim);
  const seen = { data: new Float32Array(width * height * 4), width, height, channels: 4 };
  for (let at = 0; at < seen.data.length; at++) {
    const share = 1 - hidden[at >> 2] / 255;
    seen.data[at] = at % 4 === 3 ? share : (colors[at] / 255) * share;
  }
  return { seen, far: farOf(seen, colors) };
}

/** A small canvas of what is behind, blurred by a radius of two standard deviations, as in CSS. */
export function blurred({ seen, far }, radiusPx) {
  const { width, height } = seen;
  const sigma = Math.max(0.5, ((radiusPx / 2) * Math.max(width, height)) / SCALE_PX);
  const mean = meanOf(seen, sigma, far);
  const image = new ImageData(width, height);
  mean.data.forEach((value, at) => {
    image.data[at] = at % 4 === 3 ? 255 : value * 255;
  });
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function farOf(seen, colors) {
  const [width, height] = [seen.width, seen.height].map(
    (side) => Math.max(1, round((side * TINY_PX) / Math.max(seen.width, seen.height))),
  );
  const tiny = resample(seen, areaAxis(seen.width, width), areaAxis(seen.height, height));
  const share = channelMean(tiny.data, 3);
  // Somewhere there is a background, or else its colour does not matter.
  const means = [0, 1, 2].map(
    (channel) => (share > NOTHING ? channelMean(tiny.data, channel) / share : channelMean(colors, channel) / 255),
  );
  let far = { ...tiny, data: tiny.data.map((_, at) => means[at % 4] ?? 1) };
  for (const sigma of TINY_SIGMAS) far = meanOf(tiny, sigma, far);
  return resample(far, cubicAxis(width, seen.width), cubicAxis(height, seen.height));
}

/** Blurred colours: where next to nothing is seen, `otherwise` stands in. */
function meanOf(seen, sigma, otherwise) {
  const total = resample(seen, gaussianAxis(seen.width, sigma), gaussianAxis(seen.height, sigma));
  const { data } = total;
  for (let at = 0; at < data.length; at += 4) {
    const weight = data[at + 3] + LITTLE;
    for (let channel = at; channel < at + 3; channel++) {
      data[channel] = clamp((data[channel] + LITTLE * otherwise.data[channel]) / weight, 0, 1);
    }
  }
  return total;
}

function channelMean(data, channel) {
  let sum = 0;
  for (let at = channel; at < data.length; at += 4) sum += data[at];
  return sum / (data.length / 4);
}

/** The largest value of the square around each, so many pixels to each side. */
function dilated({ data, width, height }, reach) {
  const along = (values, length, step, starts) => {
    const largest = new Uint8Array(values.length);
    for (const start of starts) {
      for (let at = 0; at < length; at++) {
        for (let near = Math.max(0, at - reach); near <= Math.min(length - 1, at + reach); near++) {
          largest[start + at * step] = Math.max(largest[start + at * step], values[start + near * step]);
        }
      }
    }
    return largest;
  };
  const rows = Array.from({ length: height }, (_, row) => row * width);
  return along(along(data, width, 1, rows), height, width, Array(width).keys());
}
