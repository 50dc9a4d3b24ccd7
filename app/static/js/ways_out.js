/** @file The buttons by which pictures leave the page: download, copy, share, and all as a ZIP. */

import { canCopy, canShare, copy, nameFor, save, share } from "./files.js";
import { stateLine } from "./list.js";
import { fileOf, wishOf } from "./results.js";
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
  const maxBytes = form.dataset.maxMb * 2 ** 20;
  const onState = (now) => now.state === "retrying" && say(stateLine({ now, state: now.state }));
  // What the panel says at the click: it may say another thing before the files are there.
  const wish = (format = form.elements.format.value) => wishOf(form, image(), format);
  const file = (photo, wanted) => fileOf(photo, wanted, { onState, maxBytes });
  const named = async (photo, wanted) => {
    const blob = await file(photo, wanted);
    return new File([blob], nameFor(photo.name, wanted.format), { type: blob.type });
  };

  /** Runs the work of a button, once at a time; the work may tell how far it is, and return what to say at its end. */
  function onClick(id, work) {
    const button = $(id), label = button.textContent;
    let shown = 0;
    button.addEventListener("click", async () => {
      if (button.ariaDisabled === "true") return;
      clearTimeout(shown);
      button.ariaDisabled = "true";
      button.textContent = t("action.preparing");
      complain(null);
      try {
        const line = await work((progress) => { button.textContent = progress; });
        button.textContent = line ?? label;
        say(line ?? "");
        if (line) shown = setTimeout(() => { button.textContent = label; }, DONE_SHOWN_MS);
      } catch (error) {
        button.textContent = label;
        complain(error);
      } finally {
        button.ariaDisabled = "false";
      }
    });
  }

  onClick("download", async () => {
    const made = await named(current(), wish());
    save(made, made.name);
  });
  $("copy").hidden = !canCopy;
  onClick("copy", async () => {
    const blob = file(current(), wish("png"));
    await copy(blob).catch(async () => {
      await blob; // its own error is the better one
      throw new Refusal("no_copy");
    });
    return t("action.copied");
  });
  $("share").hidden = !canShare(new File([""], "a.png", { type: "image/png" }));
  onClick("share", async () => {
    const made = await named(current(), wish());
    await share([made], made.name).catch((error) => {
      // The click was too long ago; the file is there by now.
      throw new Refusal(error.name === "NotAllowedError" ? "share_again" : "no_share");
    });
  });
  onClick("zip", async (tell) => {
    const wanted = wish(), all = done(), files = [], missing = [];
    for (const [at, photo] of all.entries()) {
      tell(t("action.zip.progress", { done: at, count: all.length }));
      const blob = await file(photo, wanted).catch(() => null);
      if (blob) files.push({ name: nameFor(photo.name, wanted.format), blob });
      else missing.push(photo.name);
      if (photo !== current()) photo.close();
    }
    if (files.length) save(await zip(files), "tinycut.zip");
    if (missing.length) throw new Refusal("not_in_zip", "", { names: missing.join(", ") });
  });
}
