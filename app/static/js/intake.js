/** @file Ways in for photos: chosen, taken, dropped anywhere, pasted, or an address. */

import { t } from "./strings.js";

/** `onFiles` hears File[], `onAddress` the address of a photo. */
export function takePhotos({ form, onFiles, onAddress }) {
  const address = document.getElementById("address");
  for (const id of ["file", "camera"]) {
    const input = document.getElementById(id);
    input.required = false;
    input.multiple = id === "file";
    input.addEventListener("change", () => {
      const files = [...input.files];
      input.value = ""; // so that the same photo can be chosen again
      if (files.length) onFiles(files);
    });
  }
  const fetchIt = () => {
    const text = address.value.trim();
    const found = addressIn(/^[\w-]+(\.[\w-]+)+\//.test(text) ? `https://${text}` : text);
    if (!found) {
      address.setCustomValidity(t("error.invalid_image_url"));
      return address.reportValidity();
    }
    address.value = "";
    onAddress(found);
  };
  document.getElementById("fetch").addEventListener("click", fetchIt);
  address.addEventListener("input", () => address.setCustomValidity(""));
  address.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    fetchIt();
  });

  const isWanted = ({ dataTransfer }) => ["Files", "text/uri-list"].some((kind) => dataTransfer?.types.includes(kind));
  addEventListener("dragover", (event) => {
    if (!isWanted(event)) return;
    event.preventDefault();
    form.toggleAttribute("data-drag", true);
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) form.removeAttribute("data-drag");
  });
  addEventListener("drop", (event) => {
    if (!isWanted(event)) return;
    event.preventDefault();
    form.removeAttribute("data-drag");
    take(event.dataTransfer, "text/uri-list");
  });
  addEventListener("paste", (event) => {
    const isTyping = event.target.matches?.("input[type=url], input[type=password]");
    if (!isTyping || event.clipboardData.files.length) take(event.clipboardData, "text/plain");
  });

  function take(data, kind) {
    const files = [...data.files];
    const found = files.length ? null : addressIn(data.getData(kind));
    if (files.length) onFiles(files);
    else if (found) onAddress(found);
  }
}

/** The first web address of a text of one on each line, or null. */
function addressIn(text) {
  const line = text.split("\n").map((each) => each.trim()).find((each) => /^https?:\/\/\S+$/i.test(each));
  // This page's own links and pictures may be dropped on it by mistake.
  try {
    return line && new URL(line).origin !== location.origin ? line : null;
  } catch {
    return null;
  }
}

/** A name for the photo at an address: the last part of its path. */
export function nameOf(address) {
  const last = new URL(address).pathname.split("/").pop();
  try {
    return decodeURIComponent(last) || "photo";
  } catch {
    return last;
  }
}
