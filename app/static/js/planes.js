// Planes of numbers, {data, width, height, channels}: data is a typed array of height × width × channels values, row by
// row. All that is done to them here is done along each axis by itself: every new sample is a weighted sum of old ones.

import { clamp } from "./numbers.js";

/** An axis: each of its `side` new samples is the sum of `taps` old ones, `indices` and `weights` of side × taps. */
function axis(side, taps, fill) {
  const made = { side, taps, indices: new Int32Array(side * taps), weights: new Float64Array(side * taps) };
  for (let at = 0; at < side; at++) {
    fill(at, (tap, index, weight) => {
      made.indices[at * taps + tap] = index;
      made.weights[at * taps + tap] = weight;
    });
  }
  return made;
}

/** Means of areas, for fewer samples than there were (OpenCV's INTER_AREA). */
export function areaAxis(own, side) {
  const scale = own / side;
  return axis(side, Math.ceil(scale) + 1, (at, put) => {
    const start = at * scale, end = Math.min(start + scale, own), first = Math.floor(start);
    for (let index = first; index < end; index++) {
      const share = Math.min(index + 1, end) - Math.max(index, start);
      put(index - first, index, share / (end - start));
    }
  });
}

/** Values of a line between samples, at places (a function of the new sample's number); beyond the first and the last
 * there are copies of them, or, with `isOutsideZero`, zeros. */
export function linearAxis(own, side, placeOf, isOutsideZero = false) {
  return axis(side, 2, (at, put) => {
    const place = placeOf(at), first = Math.floor(place);
    for (const tap of [0, 1]) {
      const index = first + tap, inside = clamp(index, 0, own - 1);
      put(tap, inside, isOutsideZero && index !== inside ? 0 : 1 - Math.abs(place - index));
    }
  });
}

/** Where each of `side` samples lies among `own` ones of the same whole. */
export const spread = (own, side) => (at) => ((at + 0.5) * own) / side - 0.5;

/** Weighted sums along both axes, rounded and held within 0..255 on the way too where `Data` is Uint8ClampedArray. */
export function resample({ data, width, channels = 1 }, across, down, Data = Float32Array) {
  const rowLength = across.side * channels;
  const first = down.indices.reduce((least, index) => Math.min(least, index), Infinity);
  const last = down.indices.reduce((most, index) => Math.max(most, index), 0);
  const rows = new Data((last - first + 1) * rowLength);
  for (let row = first; row <= last; row++) {
    sumAcross(data, row * width * channels, channels, across, rows, (row - first) * rowLength);
  }
  const result = new Data(down.side * rowLength), sums = new Float64Array(rowLength);
  for (let row = 0; row < down.side; row++) {
    sums.fill(0);
    for (let tap = row * down.taps; tap < (row + 1) * down.taps; tap++) {
      const weight = down.weights[tap];
      if (!weight) continue;
      const from = (down.indices[tap] - first) * rowLength;
      for (let at = 0; at < rowLength; at++) sums[at] += weight * rows[from + at];
    }
    result.set(sums, row * rowLength);
  }
  return { data: result, width: across.side, height: down.side, channels };
}

function sumAcross(data, from, channels, { side, taps, indices, weights }, into, to) {
  for (let at = 0; at < side; at++) {
    for (let channel = 0; channel < channels; channel++) {
      let sum = 0;
      for (let tap = at * taps; tap < (at + 1) * taps; tap++) {
        sum += weights[tap] * data[from + indices[tap] * channels + channel];
      }
      into[to + at * channels + channel] = sum;
    }
  }
}

/** The alpha of a picture that can be drawn, a plane of bytes; read in strips, since all its colours would be large. */
export function alphaOf(picture, stripPx = 1 << 20) {
  const { width, height } = picture;
  const data = new Uint8Array(width * height), canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = Math.min(height, Math.max(1, Math.floor(stripPx / width)));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  for (let top = 0; top < height; top += canvas.height) {
    context.clearRect(0, 0, width, canvas.height);
    context.drawImage(picture, 0, -top);
    const rows = Math.min(canvas.height, height - top), { data: pixels } = context.getImageData(0, 0, width, rows);
    for (let at = 0; at < width * rows; at++) data[top * width + at] = pixels[at * 4 + 3];
  }
  return { data, width, height, channels: 1 };
}
