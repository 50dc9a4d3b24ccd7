/** @file A photo of this visit: its file, where it is on its way, and its pictures. */

import { decoded, readable } from "./pictures.js";
import { Refusal, send } from "./send.js";
import { TouchUp } from "./touchup.js";

const BUSY = ["fetching", "uploading", "sent", "queued", "working", "receiving", "retrying"];
const THUMB_PX = 144;

/** Tells "change" when its state or its thumbnail is another. */
export class Photo extends EventTarget {
  /** `file` is a File; or null, and `address` says where the server is to fetch it from. */
  constructor(file, { address = "", name = file.name, isSample = false } = {}) {
    super();
    Object.assign(this, { file, address, name, isSample });
    this.now = { state: "waiting" };
    this.thumb = null; // a small canvas
    this.facts = null; // {width, height, model, isFallback, seconds, isResized, confidence}
    this.error = null; // a Refusal
    this.cutoutBlob = null;
    this.copy = null; // of a photo that this browser cannot read: the server's
    this.latest = null; // {key, blob} of the last file that was made of it
    this.open = null; // a promise of the decoded pictures
    this.touchUp = null;
    this.run = null; // the AbortController of what is under way
    this.askedFor = null; // the opening for which the server was asked for a copy
    this.lacksOriginal = false; // it could not be had
  }

  get state() {
    return this.now.state;
  }

  get isBusy() {
    return BUSY.includes(this.state);
  }

  tell(now) {
    this.now = now;
    this.dispatchEvent(new Event("change"));
  }

  /** Has the photo cut out; ends in the state done, failed or cancelled. */
  async cutOut() {
    const { signal } = (this.run = new AbortController());
    this.error = null;
    this.tell(this.file ? { state: "uploading", share: 0 } : { state: "fetching" }); // at once: it waits no more
    try {
      if (!this.file) await this.#fetch(signal);
      this.#preview();
      const onState = (now) => this.tell(now);
      const fields = [["file", this.file, this.name]];
      const { blob, header } = await send("/api/remove-background", fields, { signal, onState });
      const isFallback = header("X-Method") === "opencv";
      this.facts = {
        width: header("X-Width"), height: header("X-Height"), isFallback,
        model: isFallback ? "OpenCV" : header("X-Model"), seconds: (header("X-Total-Ms") / 1000).toFixed(1),
        isResized: header("X-Resized") === "true", confidence: Number(header("X-Confidence")),
      };
      await this.finish(blob, signal);
    } catch (error) {
      if (signal.aborted) return this.tell({ state: "cancelled" });
      if (!(error instanceof Refusal)) console.error(error);
      this.error = error instanceof Refusal ? error : new Refusal("page");
      this.tell({ state: "failed" });
    } finally {
      this.run = null;
    }
  }

  /** Takes the cut-out, a PNG; a Refusal is thrown where it is none. */
  async finish(blob, signal) {
    const bitmap = await decoded(blob);
    signal?.throwIfAborted();
    if (!bitmap) throw new Refusal("bad_answer", "", { status: 200 });
    this.cutoutBlob = blob;
    this.#draw(bitmap);
    bitmap.close();
    this.tell({ state: "done" });
  }

  /** Draws the thumbnail anew, of the touched-up cut-out. */
  redraw(canvas) {
    this.#draw(canvas);
    this.tell(this.now);
  }

  /** The pictures of a finished photo, decoded: {cutout, original}. The original is null where this browser cannot read
   * the photo: then the server is asked for a copy, and "original" told when it has come, or cannot. */
  async pictures() {
    this.open ??= this.#decode();
    const { open } = this, opened = await open;
    if (this.open === open) this.touchUp = opened.touchUp;
    if (!opened.original) this.#fetchCopy(open);
    const { cutout, original, touchUp } = opened;
    return { cutout: touchUp.isTouched ? touchUp.canvas : cutout, original };
  }

  /** Gives the memory of the decoded pictures back, until they are wanted again; a touched-up photo keeps them. */
  close() {
    if (this.touchUp?.canUndo || this.touchUp?.canRedo) return;
    const { open } = this;
    this.open = this.touchUp = null;
    open?.then(({ cutout, original }) => {
      cutout.close();
      original?.close();
    }, () => {});
  }

  async #decode() {
    try {
      const cutout = await createImageBitmap(this.cutoutBlob), original = await decoded(this.copy ?? this.file);
      return { cutout, original, touchUp: new TouchUp(cutout, original) };
    } catch (error) {
      this.open = null;
      throw error;
    }
  }

  /** Asks the server for a copy to show, once for each time that the photo is opened. */
  async #fetchCopy(open) {
    if (this.askedFor === open) return;
    this.askedFor = open;
    this.copy = await readable(this.file).catch(() => null);
    this.lacksOriginal = !this.copy;
    if (this.copy && this.open === open) {
      const opened = await open;
      opened.original = await decoded(this.copy);
      opened.touchUp.takeOriginal(opened.original);
    }
    this.dispatchEvent(new Event("original"));
  }

  /** The photo as it came, decoded, or null: what is shown until the cut-out is there. */
  preview() {
    return decoded(this.file);
  }

  async #preview() {
    const bitmap = await this.preview();
    if (bitmap && !this.cutoutBlob) {
      this.#draw(bitmap);
      this.dispatchEvent(new Event("change"));
    }
    bitmap?.close();
  }

  /** Draws the thumbnail. */
  #draw(bitmap) {
    const scale = THUMB_PX / Math.max(bitmap.width, bitmap.height);
    const thumb = document.createElement("canvas");
    thumb.width = Math.max(1, Math.round(bitmap.width * scale));
    thumb.height = Math.max(1, Math.round(bitmap.height * scale));
    const context = thumb.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, thumb.width, thumb.height);
    this.thumb = thumb;
  }

  async #fetch(signal) {
    const onState = (now) => now.state === "retrying" && this.tell(now);
    const { blob } = await send("/api/fetch-photo", [["image_url", this.address]], { signal, onState });
    this.file = new File([blob], this.name, { type: blob.type });
  }
}
