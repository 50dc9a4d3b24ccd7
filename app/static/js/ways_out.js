/** @file The buttons by which pictures leave the page: download, copy, share, and all as a ZIP. */

import { canCopy, canShare, copy, nameFor, save, share } from "./files.js";
import { fileOf } from "./results.js";
import { Refusal } from "./send.js";
import { t } from "./strings.js";
import { zip } from "./zip.js";

const $ = (id) => document.getElementById(id);
const DONE_SHOWN_MS = 2000;

/**
 * Sets the buttons up. `current()` is the photo on the stage, `done()` all that are finished, `image()` what stands
 * behind; `say` hears a line about what was done, and `complain` the error that came instead, or null.
 */
export function offerWaysOut({ form, current, done, image, say, complain }) {
  const format = () => form.elements.format.value;
  const file = (photo, wanted = format()) => fileOf(photo, { form, image: image(), format: wanted });
  const named = async (photo) => {
    const blob = await file(photo);
    return new File([blob], nameFor(photo.name, format()), { type: blob.type });
  };

  /** Runs the work of a button, once at a time; the work may tell how far it is, and return what to say at its end. */
  function onClick(id, work) {
    const button = $(id), label = button.textContent;
    button.addEventListener("click", async () => {
      if (button.ariaDisabled === "true") return;
      button.ariaDisabled = "true";
      button.textContent = t("action.preparing");
      complain(null);
      try {
        const line = await work((progress) => { button.textContent = progress; });
        button.textContent = line ?? label;
        if (!line) return;
        say(line);
        setTimeout(() => { button.textContent = label; }, DONE_SHOWN_MS);
      } catch (error) {
        button.textContent = label;
        complain(error);
      } finally {
        button.ariaDisabled = "false";
      }
    });
  }

  onClick("download", async () => {
    const made = await named(current());
    save(made, made.name);
  });
  $("copy").hidden = !canCopy;
  onClick("copy", async () => {
    const blob = file(current(), "png");
    await copy(blob).catch(async () => {
      await blob; // its own error is the better one
      throw new Refusal("no_copy");
    });
    return t("action.copied");
  });
  $("share").hidden = !canShare(new File([""], "a.png", { type: "image/png" }));
  onClick("share", async () => {
    const made = await named(current());
    await share([made], made.name).catch((error) => {
      // The click was too long ago; the file is there by now.
      throw new Refusal(error.name === "NotAllowedError" ? "share_again" : "no_share");
    });
  });
  onClick("zip", async (tell) => {
    const files = [], all = done();
    for (const photo of all) {
      tell(t("action.zip.progress", { done: files.length, count: all.length }));
      files.push({ name: nameFor(photo.name, format()), blob: await file(photo) });
      if (photo !== current()) photo.close();
    }
    save(await zip(files), "tinycut.zip");
  });
}
