/** @file Planes of numbers, {data, width, height, channels}: data is a typed array of height × width × channels
 * values, row by row, of one or four channels. All is done along each axis by itself: every new sample is a weighted
 * sum of old ones. */

import { clamp, round } from "./numbers.js";

/** An axis: each of its `side` new samples is the weighted sum of at most `taps` old ones; `indices` and `weights` hold
 * side × taps numbers. `fill` puts, for one sample, each tap's index and weight; the first tap is always put. */
function axis(side, taps, fill) {
  const made = { side, taps, indices: new Int32Array(side * taps), weights: new Float64Array(side * taps) };
  for (let at = 0; at < side; at++) {
    const from = at * taps;
    fill(at, (tap, index, weight) => {
      if (tap === 0) made.indices.fill(index, from, from + taps); // taps that are not put point at no stranger
      made.indices[from + tap] = index;
      made.weights[from + tap] = weight;
    });
  }
  return made;
}

/** Some new samples of an axis, and which old ones they are made of: {axis, first, last}, `last` the first not needed;
 * the axis' indices count from `first`. */
export function axisPart({ taps, indices, weights }, start, end) {
  const some = indices.slice(start * taps, end * taps);
  const first = some.reduce((least, index) => Math.min(least, index), Infinity);
  const last = some.reduce((most, index) => Math.max(most, index), 0) + 1;
  const part = { side: end - start, taps, indices: some.map((index) => index - first) };
  return { axis: { ...part, weights: weights.subarray(start * taps, end * taps) }, first, last };
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

/** A smooth curve through the samples, for more of them (OpenCV's INTER_CUBIC: Keys, 1981, with a of -0.75). */
export function cubicAxis(own, side) {
  const placeOf = spread(own, side);
  return axis(side, 4, (at, put) => {
    const place = placeOf(at), first = Math.floor(place) - 1;
    for (const tap of [0, 1, 2, 3]) put(tap, clamp(first + tap, 0, own - 1), cubic(place - first - tap, -0.75));
  });
}

/** A smooth curve that is widened for fewer samples, so that every old one counts (Pillow's bicubic: a of -0.5). */
export function bicubicAxis(own, side) {
  const scale = own / side, width = Math.max(1, scale), reach = 2 * width;
  return axis(side, 2 * Math.ceil(reach) + 1, (at, put) => {
    const center = (at + 0.5) * scale;
    const first = Math.max(0, Math.floor(center - reach + 0.5)), end = Math.min(own, Math.floor(center + reach + 0.5));
    const weights = Array.from({ length: end - first }, (_, tap) => cubic((first + tap + 0.5 - center) / width, -0.5));
    const total = weights.reduce((sum, weight) => sum + weight);
    weights.forEach((weight, tap) => put(tap, first + tap, weight / total));
  });
}

/** Keys' cubic (1981) of a distance in samples, 0 from 2 on. */
export function cubic(distance, a) {
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/** A Gaussian of this standard deviation, as long as OpenCV's for floats; at the border the samples are mirrored about
 * the last one, or, with `isReplicated`, that is copied. */
export function gaussianAxis(side, sigma, isReplicated = false) {
  const reach = round(sigma * 8 + 1) >> 1; // OpenCV makes it odd
  const weights = Array.from({ length: 2 * reach + 1 }, (_, tap) => Math.exp(-((tap - reach) ** 2) / (2 * sigma ** 2)));
  const total = weights.reduce((sum, weight) => sum + weight);
  const inside = isReplicated ? (index) => clamp(index, 0, side - 1) : (index) => mirrored(index, side);
  return axis(side, weights.length, (at, put) => {
    weights.forEach((weight, tap) => put(tap, inside(at + tap - reach), weight / total));
  });
}

function mirrored(index, side) {
  const period = Math.max(1, 2 * (side - 1)), at = ((index % period) + period) % period;
  return Math.min(at, period - at);
}

/** Where each of `side` samples lies among `own` ones of the same whole. */
export const spread = (own, side) => (at) => ((at + 0.5) * own) / side - 0.5;

/** Weighted sums along both axes, rounded and held within 0..255 on the way too where `Data` is Uint8ClampedArray. */
export function resample({ data, width, height, channels }, across, down, Data = Float32Array) {
  const rowLength = across.side * channels;
  const rows = new Data(height * rowLength);
  for (let row = 0; row < height; row++) {
    sumAcross(data, row * width * channels, channels, across, rows, row * rowLength);
  }
  const result = new Data(down.side * rowLength), sums = new Float64Array(rowLength);
  for (let row = 0; row < down.side; row++) {
    sums.fill(0);
    for (let tap = row * down.taps; tap < (row + 1) * down.taps; tap++) {
      const weight = down.weights[tap];
      if (!weight) continue;
      const from = down.indices[tap] * rowLength;
      for (let at = 0; at < rowLength; at++) sums[at] += weight * rows[from + at];
    }
    result.set(sums, row * rowLength);
  }
  return { data: result, width: across.side, height: down.side, channels };
}

function sumAcross(data, from, channels, { side, taps, indices, weights }, into, to) {
  for (let at = 0; at < side; at++) {
    let [first, second, third, fourth] = [0, 0, 0, 0];
    for (let tap = at * taps; tap < (at + 1) * taps; tap++) {
      const weight = weights[tap], index = from + indices[tap] * channels;
      first += weight * data[index];
      if (channels === 1) continue;
      second += weight * data[index + 1];
      third += weight * data[index + 2];
      fourth += weight * data[index + 3];
    }
    const place = to + at * channels;
    into[place] = first;
    if (channels === 1) continue;
    into[place + 1] = second;
    into[place + 2] = third;
    into[place + 3] = fourth;
  }
}

/** A plane's values as bytes, rounded to the even one where there are two, as OpenCV does. */
export const toBytes = (plane) => ({ ...plane, data: new Uint8ClampedArray(plane.data) });

/** A part of a plane, a copy. */
export function part({ data, width, channels }, left, top, right, bottom) {
  const rowLength = (right - left) * channels, copy = new data.constructor(rowLength * (bottom - top));
  for (let row = top; row < bottom; row++) {
    const from = (row * width + left) * channels;
    copy.set(data.subarray(from, from + rowLength), (row - top) * rowLength);
  }
  return { data: copy, width: right - left, height: bottom - top, channels };
}
