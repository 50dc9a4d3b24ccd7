/** @file Pictures leave the page: as a download, by the clipboard, by the phone's share sheet. */

const SUFFIXES = { png: "png", webp: "webp", jpeg: "jpg" };
const LONGEST_STEM = 100; // characters
const REVOKE_AFTER_MS = 60_000; // a download reads the URL after the click, in some browsers much later

// Path and wildcard signs, control characters, and marks that turn the direction of what is read.
const UNSAFE = /[\\/:*?"<>|\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/** The name of a result's file: "IMG_1.HEIC" as "jpeg" is "IMG_1.jpg"; without a name, "photo.jpg". */
export function nameFor(fileName, format) {
  const stem = (fileName ?? "").replace(/\.\w{1,5}$/, "").replace(UNSAFE, "_").replace(/^[\s.]+|[\s.]+$/g, "");
  return `${[...stem].slice(0, LONGEST_STEM).join("") || "photo"}.${SUFFIXES[format]}`;
}

/** Downloads a Blob under a name. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), REVOKE_AFTER_MS);
}

/** Whether this browser can put a picture on the clipboard; not all can, and none can without HTTPS. */
export const canCopy = Boolean(globalThis.ClipboardItem && navigator.clipboard?.write);

/** Puts a PNG on the clipboard. Call it in the click itself: Safari takes the promise then, and nothing later. */
export function copy(blobPromise) {
  return navigator.clipboard.write([new ClipboardItem({ "image/png": blobPromise })]);
}

/** Whether this browser can hand a file on to other apps. */
export function canShare(file) {
  return Boolean(navigator.canShare?.({ files: [file] }));
}

/** Opens the share sheet; returns whether something was shared, which a person may also decide against. */
export async function share(files, title) {
  try {
    await navigator.share({ files, title });
    return true;
  } catch (error) {
    if (error.name === "AbortError") return false;
    throw error;
  }
}

/**
 * The bytes of a canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {"png"|"webp"|"jpeg"} format
 * @param {number} [quality] 0..1, not for PNG
 * @returns {Promise<Blob>}
 * @throws {Error} the browser cannot write this format (it would give a PNG in its place), or not at this size
 */
export async function toBlob(canvas, format, quality) {
  const type = `image/${format}`;
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, type, quality));
  if (!blob) throw new Error("This browser could not write so large a picture.");
  if (blob.type !== type) throw new Error(`This browser cannot write ${format.toUpperCase()} files. Choose PNG.`);
  return blob;
}
