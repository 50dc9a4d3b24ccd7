/** @file Where the subject stands: the server's own arithmetic (app/imaging/layout.py), so that sizes and places are
 * equal. */

import { clamp, round } from "./numbers.js";
import { areaAxis, resample, toBytes } from "./planes.js";

// Alpha up to this is noise to a crop, not a part of the subject.
const FAINT_ALPHA = 10, SOLID_ALPHA = 127;
const SMALL_PX = 512;
// Most that a margin adds at each side of the subject, of its own size.
const MOST_MARGIN = 0.5, MOST_MARGIN_PX = 500;

/** Whether anything is other than in the photo. */
export const moves = ({ crop, canvas, scale, position }) => Boolean(crop || canvas || scale || position);

/** The box around the subject, {left, top, right, bottom} in pixels of an alpha plane (Uint8, one channel), its right
 * and bottom the first outside; null where nothing is solid. A part that is nowhere solid counts for nothing. */
export function subjectOf(alpha) {
  const scale = Math.min(1, SMALL_PX / Math.max(alpha.width, alpha.height));
  const width = Math.max(1, round(alpha.width * scale)), height = Math.max(1, round(alpha.height * scale));
  const small = scale < 1
    ? toBytes(resample(alpha, areaAxis(alpha.width, width), areaAxis(alpha.height, height)))
    : alpha;
  const found = boxAround(small, solidParts(small), 0);
  if (!found) return boxAround(alpha, alpha.data, SOLID_ALPHA); // but for what is too thin for the small copy
  const across = alpha.width / small.width, down = alpha.height / small.height;
  return boxAround(alpha, alpha.data, FAINT_ALPHA, {
    left: Math.max(0, Math.floor((found.left - 1) * across)),
    top: Math.max(0, Math.floor((found.top - 1) * down)),
    right: Math.min(alpha.width, Math.ceil((found.right + 1) * across)),
    bottom: Math.min(alpha.height, Math.ceil((found.bottom + 1) * down)),
  });
}

/** Marks, in a Uint8Array, the pixels above FAINT_ALPHA that hang together (corners do) with one above SOLID_ALPHA. */
function solidParts({ data, width, height }) {
  const marks = new Uint8Array(data.length), todo = [];
  const mark = (at) => {
    if (marks[at] || data[at] <= FAINT_ALPHA) return;
    marks[at] = 1;
    todo.push(at);
  };
  data.forEach((value, at) => {
    if (value > SOLID_ALPHA) mark(at);
  });
  while (todo.length) {
    const at = todo.pop(), x = at % width, y = (at - x) / width;
    for (let row = Math.max(0, y - 1); row <= Math.min(height - 1, y + 1); row++) {
      for (let column = Math.max(0, x - 1); column <= Math.min(width - 1, x + 1); column++) mark(row * width + column);
    }
  }
  return marks;
}

function boxAround({ width, height }, data, above, within = { left: 0, top: 0, right: width, bottom: height }) {
  let left = within.right, right = within.left, top = within.bottom, bottom = within.top;
  for (let row = within.top; row < within.bottom; row++) {
    for (let column = within.left; column < within.right; column++) {
      if (data[row * width + column] <= above) continue;
      left = Math.min(left, column);
      right = Math.max(right, column + 1);
      top = Math.min(top, row);
      bottom = row + 1;
    }
  }
  return left < right ? { left, top, right, bottom } : null;
}

/** The placement {canvasWidth, canvasHeight, left, top, width, height} of a photo of this size whose subject has this
 * box (null: the whole photo). Of a photo that the server reduced to a part of its width, `reducedTo`, lengths in
 * pixels are that much shorter. */
export function place(layout, width, height, subject, reducedTo = 1) {
  if (!moves(layout)) return { canvasWidth: width, canvasHeight: height, left: 0, top: 0, width, height };
  subject ??= { left: 0, top: 0, right: width, bottom: height };
  const subjectWidth = subject.right - subject.left, subjectHeight = subject.bottom - subject.top;
  const margin = layout.crop ? marginsPx(layout.margin, subjectWidth, subjectHeight, reducedTo) : [0, 0, 0, 0];
  const content = layout.crop ? subject : { left: 0, top: 0, right: width, bottom: height };
  const left = content.left - margin[3], top = content.top - margin[0];
  const contentWidth = content.right + margin[1] - left, contentHeight = content.bottom + margin[2] - top;
  const isExact = Boolean(layout.canvas && !layout.canvas.isShape);
  const [canvasWidth, canvasHeight] = canvasOf(layout.canvas, contentWidth, contentHeight);
  const factor = layout.scale ? layout.scale * Math.min(canvasWidth / subjectWidth, canvasHeight / subjectHeight)
    : isExact ? Math.min(canvasWidth / contentWidth, canvasHeight / contentHeight)
    : 1;
  const drawnWidth = Math.max(1, round(width * factor)), drawnHeight = Math.max(1, round(height * factor));
  const across = drawnWidth / width, down = drawnHeight / height;
  let x = (canvasWidth - contentWidth * across) / 2 - left * across;
  let y = (canvasHeight - contentHeight * down) / 2 - top * down;
  if (layout.scale || layout.position) {
    const own = (start, length, whole) => (whole > length ? start / (whole - length) : 0.5);
    const [xShare, yShare] = layout.position
      ?? [own(subject.left, subjectWidth, width), own(subject.top, subjectHeight, height)];
    x = (canvasWidth - subjectWidth * across) * xShare - subject.left * across;
    y = (canvasHeight - subjectHeight * down) * yShare - subject.top * down;
  }
  return { canvasWidth, canvasHeight, left: round(x), top: round(y), width: drawnWidth, height: drawnHeight };
}

function canvasOf(canvas, contentWidth, contentHeight) {
  let size = [contentWidth, contentHeight];
  if (canvas?.isShape) {
    const ratio = canvas.width / canvas.height, width = Math.max(contentWidth, contentHeight * ratio);
    size = [width, width / ratio];
  } else if (canvas) {
    size = [canvas.width, canvas.height];
  }
  return size.map((side) => Math.max(1, round(side)));
}

function marginsPx(margin, width, height, reducedTo) {
  return margin.map(({ value, isPercent }, number) => {
    const side = number % 2 ? width : height; // top, right, bottom, left
    const lengthPx = isPercent ? (value * side) / 100 : value * reducedTo;
    return clamp(lengthPx, 0, Math.min(MOST_MARGIN * side, MOST_MARGIN_PX * reducedTo));
  });
}
