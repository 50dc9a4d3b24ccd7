// Pixels of pictures that can be drawn (bitmaps, canvases), read and written in strips: all of a large photo's at once
// would fill a phone.

import { areaAxis, axisPart, bicubicAxis, resample } from "./planes.js";

const STRIP_PX = 1 << 19;

/** The rows of so wide a picture, strip by strip: yields [first, last], `last` the first not in it. */
export function* strips(width, height) {
  const rows = Math.max(1, Math.floor(STRIP_PX / width));
  for (let first = 0; first < height; first += rows) yield [first, Math.min(first + rows, height)];
}

/** Makes a function that reads a part of a picture as a plane of RGBA bytes; on `color` where it is see-through. */
function reader(picture, color) {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  return (left, top, right, bottom) => {
    const width = right - left, height = bottom - top;
    [canvas.width, canvas.height] = [width, height]; // which clears it
    context.fillStyle = color;
    context.fillRect(0, 0, width, height);
    context.drawImage(picture, -left, -top);
    return { data: context.getImageData(0, 0, width, height).data, width, height, channels: 4 };
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
  for (const [first, last] of strips(picture.width * Math.ceil(picture.height / height), height)) {
    const rows = axisPart(down, first, last);
    const strip = resample(read(0, rows.first, picture.width, rows.last), across, rows.axis);
    data.set(strip.data, first * width * 4);
  }
  return { data, width, height, channels: 4 };
}

/** A part {left, top, right, bottom} of a picture that is resized to width × height, as Pillow's bicubic does it: yields
 * strips of it, opaque (on white), as {image: ImageData, top}, `top` counted from the part's own. */
export function* resized(picture, width, height, { left, top, right, bottom }) {
  const columns = axisPart(bicubicAxis(picture.width, width), left, right), down = bicubicAxis(picture.height, height);
  const read = reader(picture, "white");
  for (const [first, last] of strips(Math.max(right - left, columns.last - columns.first), bottom - top)) {
    const rows = axisPart(down, top + first, top + last);
    const source = read(columns.first, rows.first, columns.last, rows.last);
    const { data } = resample(source, columns.axis, rows.axis, Uint8ClampedArray);
    yield { image: new ImageData(data, right - left), top: first };
  }
}

/** Puts a strip {image, left, top} on what is there, opaque or nothing at all: with the server's own roundings. */
export function putOver(context, { image, left = 0, top }) {
  const behind = context.getImageData(left, top, image.width, image.height).data, { data } = image;
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3];
    if (alpha === 255 || !behind[at + 3]) continue;
    for (let channel = at; channel < at + 3; channel++) {
      data[channel] = (data[channel] * alpha + behind[channel] * (255 - alpha) + 127) / 255 | 0;
    }
    data[at + 3] = 255;
  }
  context.putImageData(image, left, top);
}
