/** @file Files as pictures that can be painted. */

import { send } from "./send.js";

const EXIF_FLAG = 0x08; // in the first byte after "VP8X" and its length: WebP Container Specification, "Extended"

/** The picture of a file, upright, or null where this browser cannot read it, or not upright. */
export async function decoded(blob) {
  if (!blob || await isWebpWithExif(blob)) return null;
  return createImageBitmap(blob).catch(() => null);
}

/** The server's copy of a photo that this browser cannot read (HEIC, TIFF), as a JPEG. */
export async function readable(file) {
  const fields = [["file", file, file.name], ["output", "photo"], ["format", "jpeg"]];
  return (await send("/api/remove-background", fields)).blob;
}

/** Browsers do not turn a WebP as its EXIF says; the server does. */
async function isWebpWithExif(blob) {
  const head = new Uint8Array(await blob.slice(0, 21).arrayBuffer().catch(() => new ArrayBuffer(0)));
  const text = String.fromCharCode(...head);
  return text.slice(8, 16) === "WEBPVP8X" && (head[20] & EXIF_FLAG) !== 0;
}
