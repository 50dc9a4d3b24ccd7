/** @file Files as pictures that can be painted. */

import { send } from "./send.js";

/** The picture of a file, upright, or null where this browser cannot read it. */
export async function decoded(blob) {
  return blob ? createImageBitmap(blob).catch(() => null) : null;
}

/** The server's copy of a photo that this browser cannot read (HEIC, TIFF), as a JPEG. */
export async function readable(file) {
  const fields = [["file", file, file.name], ["output", "photo"], ["format", "jpeg"]];
  return (await send("/api/remove-background", fields)).blob;
}
