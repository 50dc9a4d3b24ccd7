/** @file The files that leave the page. A photo's file is the server's, made of the photo and the panel's words; of a
 * photo that was touched up, it is what the page itself paints. */

import { toBlob } from "./files.js";
import { lookOf, wordsOf } from "./look.js";
import { Scene } from "./scene.js";
import { Refusal, send } from "./send.js";

const QUALITY = { webp: 0.9, jpeg: 0.92 }; // as app/imaging/encode.py

/** The file of a photo in a format, by what the panel says; `image` is that of the background, or null. */
export async function fileOf(photo, { form, image, format }) {
  if (photo.touchUp?.isTouched) return paintedFile(photo, { form, image, format });
  const words = wordsOf(form, image, format);
  if (format === "png" && words.length === 1) return photo.cutoutBlob;
  const key = words.map(([name, value]) => [name, value.name ? `${value.name} ${value.size}` : value]).join();
  if (photo.latest?.key !== key) {
    const { blob } = await send("/api/remove-background", [["file", photo.file, photo.name], ...words]);
    photo.latest = { key, blob };
  }
  return photo.latest.blob;
}

async function paintedFile(photo, { form, image, format }) {
  const { cutout, original } = await photo.pictures();
  const scene = new Scene(cutout, original);
  scene.look = lookOf(form, image);
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
