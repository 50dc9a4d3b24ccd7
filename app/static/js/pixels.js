/** @file Pixels of pictures that can be drawn (bitmaps, canvases), read and written in strips: all of a large photo's
 * at once would fill a phone. */

import { areaAxis, axisPart, bicubicAxis, resample } from "./planes.js";

const STRIP_PX = 1 << 17; // some milliseconds' work

/** The rows of a picture, strip by strip, of which each costs so many pixels' work: yields [first, last], `last` the
 * first not in it. */
export function* strips(rowPx, height) {
  const rows = Math.max(1, Math.floor(STRIP_PX / rowPx));
  for (let first = 0; first < height; first += rows) yield [first, Math.min(first + rows, height)];
}

/** Makes a function that reads a part of a picture as a plane of RGBA bytes, and as `image`; it lies on `color`. */
function reader(picture, color) {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  return (left, top, right, bottom) => {
    const width = right - left, height = bottom - top;
    [canvas.width, canvas.height] = [width, height]; // which clears it
    context.fillStyle = color;
    context.fillRect(0, 0, width, height);
    context.drawImage(picture, -left, -top);
    const image = context.getImageData(0, 0, width, height);
    return { image, data: image.data, width, height, channels: 4 };
  };
}

/** The alpha of a picture, a plane of bytes. */
export function alphaOf(picture) {
  const { width, height } = picture, read = reader(picture, "transparent"), alpha = new Uint8Array(width * height);
  for (const [first, last] of strips(width, height)) {
    const { data } = read(0, first, width, last);
    for (let at = 0; at < width * (last - first); at++) alpha[width * first + at] = data[at * 4 + 3];
  }
  return { data: alpha, width, height, channels: 1 };
}

/** The colours of a picture reduced by area, a plane of RGBA as floats in 0..255; on white where it is see-through. */
export function reduced(picture, width, height) {
  const down = areaAxis(picture.height, height), across = areaAxis(picture.width, width);
  const read = reader(picture, "white"), data = new Float32Array(width * height * 4);
  for (const [first, last] of strips((picture.width * picture.height) / height, height)) {
    const rows = axisPart(down, first, last);
    const strip = resample(read(0, rows.first, picture.width, rows.last), across, rows.axis);
    data.set(strip.data, first * width * 4);
  }
  return { data, width, height, channels: 4 };
}

/** A picture resized as Pillow's bicubic does it, to {left, top, width, height} of a canvas of this size: yields strips
 * of what is seen of it there, {image: ImageData, left, top}; on `color` where it is see-through. */
export function* resized(picture, at, width, height, color = "transparent") {
  const left = Math.max(0, -at.left), right = Math.min(at.width, width - at.left);
  const top = Math.max(0, -at.top), bottom = Math.min(at.height, height - at.top);
  if (left >= right || top >= bottom) return; // it is elsewhere
  const read = reader(picture, color), isOwnSize = at.width === picture.width && at.height === picture.height;
  const columns = axisPart(bicubicAxis(picture.width, at.width), left, right);
  const down = bicubicAxis(picture.height, at.height);
  const sourceRowPx = ((columns.last - columns.first) * picture.height) / at.height;
  for (const [first, last] of strips(Math.max(right - left, sourceRowPx), bottom - top)) {
    const place = { left: at.left + left, top: at.top + top + first };
    if (isOwnSize) {
      yield { image: read(left, top + first, right, top + last).image, ...place };
      continue;
    }
    const rows = axisPart(down, top + first, top + last);
    const source = weighted(read(columns.first, rows.first, columns.last, rows.last));
    const { data } = unweighted(resample(source, columns.axis, rows.axis, Uint8ClampedArray));
    yield { image: new ImageData(data, right - left), ...place };
  }
}

/** Colours times their alpha, in place: what is hidden has no say in a mean. Roundings are Pillow's. */
function weighted(plane) {
  const { data } = plane;
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3];
    if (alpha === 255) continue;
    for (let channel = at; channel < at + 3; channel++) data[channel] = (data[channel] * alpha) / 255;
  }
  return plane;
}

function unweighted(plane) {
  const { data } = plane;
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3];
    if (!alpha || alpha === 255) continue;
    for (let channel = at; channel < at + 3; channel++) data[channel] = Math.floor((data[channel] * 255) / alpha);
  }
  return plane;
}

/** Puts a strip {image, left, top} over what is there (Porter and Duff, 1984), rounded once, which a canvas is not. */
export function putOver(context, { image, left, top }) {
  const behind = context.getImageData(left, top, image.width, image.height).data, { data } = image;
  for (let at = 0; at < data.length; at += 4) {
    const front = data[at + 3], back = (behind[at + 3] * (255 - front)) / 255;
    if (!back) continue;
    for (let channel = at; channel < at + 3; channel++) {
      data[channel] = (data[channel] * front + behind[channel] * back) / (front + back);
    }
    data[at + 3] = front + back;
  }
  context.putImageData(image, left, top);
}
