/** @file The files that leave the page. A photo's file is the server's, made of the photo and the panel's words; of a
 * photo that was touched up, it is what the page itself paints. */

import { toBlob } from "./files.js";
import { lookOf, wordsOf } from "./look.js";
import { Scene } from "./scene.js";
import { Refusal, send } from "./send.js";

const QUALITY = { webp: 0.9, jpeg: 0.92 }; // as app/imaging/encode.py

/** What the panel says at this moment, for files of this format: it may say another thing before they are made. */
export function wishOf(form, image, format) {
  return { format, image, look: lookOf(form, image, format), words: wordsOf(form, image, format) };
}

/** The file of a photo by a wish; `onState` hears of its way (send.js). `maxBytes` is what the server takes. */
export async function fileOf(photo, wish, { onState, maxBytes }) {
  if (photo.touchUp?.isTouched) return paintedFile(photo, wish);
  const { format, image, words } = wish;
  if (format === "png" && words.length === 1) return photo.cutoutBlob;
  const behindBytes = words.some(([, value]) => value === image?.file) ? image.file.size : 0;
  if (photo.file.size + behindBytes > maxBytes) throw new Refusal("together_too_large");
  if (!photo.latest || !areSame(photo.latest.words, words)) {
    const { blob } = await send("/api/remove-background", [["file", photo.file, photo.name], ...words], { onState });
    photo.latest = { words, blob };
  }
  return photo.latest.blob;
}

/** Whether two lists of words say the same; files are the same only if they are one. */
function areSame(some, others) {
  return some.length === others.length
    && some.every(([name, value], at) => name === others[at][0] && value === others[at][1]);
}

async function paintedFile(photo, { format, look }) {
  const { cutout, original } = await photo.pictures();
  const scene = new Scene(cutout, original);
  scene.look = look;
  await scene.settle();
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: scene.width, height: scene.height });
  const context = canvas.getContext("2d");
  if (format === "jpeg") {
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  scene.paint(context);
  return toBlob(canvas, format, QUALITY[format]).catch(() => {
    throw new Refusal("no_type");
  });
}
