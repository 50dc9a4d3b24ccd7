// The page without this file is a plain form. This file sends the same form in the background.

const $ = (id) => document.getElementById(id);
const form = $("cut"), file = $("file"), color = $("color"), actions = $("actions"), compare = $("compare");
const { api, accepted, sample } = form.dataset;
const maxMb = Number(form.dataset.maxMb);
const LONGEST_WAIT_S = 60, REPLY_TIMEOUT_MS = 120_000, SETTLE_MS = 200;
const intro = `JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF or BMP, up to ${maxMb} MB.`;

let photo = null; // the File being worked on
let photoUrl = "";
let result = null; // what is shown: {url, name, key, seeThrough, line, fallback}
let run = null; // the AbortController of the request under way
let settle = 0;

/** An error whose message is a sentence for the person at the page. */
class Sorry extends Error {}

const options = () => {
  const format = form.elements.format.value;
  const plain = form.elements.background.value === "transparent";
  return { format, background: plain ? (format === "jpeg" ? "#ffffff" : "") : color.value };
};

const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

/** Shows a state and its line; keeps keyboard focus among the buttons when the focused one goes. */
function show(state, line) {
  const held = actions.contains(document.activeElement) && document.activeElement;
  form.dataset.state = state;
  $("stage").ariaBusy = ["uploading", "working", "waiting"].includes(state);
  $("status").textContent = line;
  if (state !== "error") $("alert").textContent = "";
  $("notice").hidden = !result?.fallback;
  $("retry").hidden = !photo;
  compare.hidden = !(photo && result);
  if (held && !held.offsetParent) [...actions.children].find((button) => button.offsetParent)?.focus();
}

/** Puts the photo ("before") or the result ("after") on the stage, once it can be painted at once. */
async function place(kind, src, alt) {
  const image = new Image();
  image.src = src;
  image.alt = alt;
  image.className = `photo ${kind}`;
  const drawn = await image.decode().then(() => true, () => false);
  return () => {
    $("view").querySelector(`.${kind}`)?.remove();
    if (drawn) $("view").append(image);
    return drawn;
  };
}

function view(which) {
  form.dataset.view = which;
  const original = which === "original" && Boolean(result);
  compare.ariaPressed = String(original);
}

function progress(share) {
  if (share === null) $("progress").removeAttribute("value");
  else $("progress").value = share;
}

function fail(sentence) {
  show("error", photo ? "Your photo was not cut out." : intro);
  $("alert").textContent = sentence;
}

function forgetResult() {
  if (result) URL.revokeObjectURL(result.url);
  result = null;
  $("view").querySelector(".after")?.remove();
}

function forgetPhoto() {
  run?.abort();
  run = null;
  forgetResult();
  URL.revokeObjectURL(photoUrl);
  photo = null;
  photoUrl = "";
  $("view").querySelector(".before")?.remove();
  view("none");
}

/** Takes a photo that was chosen, dropped, pasted or fetched, and starts on it. */
async function take(chosen) {
  forgetPhoto();
  const sentence = !chosen ? "That was not a photo file."
    : chosen.size === 0 ? "This file is empty."
    : chosen.size > maxMb * 1024 * 1024 ? `This photo has ${(chosen.size / 1024 / 1024).toFixed(1)} MB. The limit here is ${maxMb} MB.`
    : chosen.type && !accepted.split(",").includes(chosen.type) ? "This is not a photo we can read: send JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF or BMP."
    : "";
  if (sentence) {
    file.value = "";
    return fail(sentence);
  }
  photo = chosen;
  photoUrl = URL.createObjectURL(chosen);
  const box = new DataTransfer();
  box.items.add(chosen);
  file.files = box.files; // the form shows the name, however the photo came
  place("before", photoUrl, "The original photo").then((put) => {
    if (photo === chosen && put() && !result) view("original");
  });
  return cutOut();
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const timer = setInterval(() => {
      const share = (performance.now() - started) / ms;
      progress(Math.min(share, 1));
      if (share >= 1) {
        clearInterval(timer);
        resolve();
      }
    }, 100);
    signal.addEventListener("abort", () => {
      clearInterval(timer);
      reject(signal.reason);
    });
  });
}

/** One POST. XMLHttpRequest, because fetch cannot tell how much of an upload is done. */
function send(body, signal) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open("POST", api);
    xhr.setRequestHeader("Accept", "image/*");
    const key = form.elements.api_key?.value;
    if (key) xhr.setRequestHeader("X-Api-Key", key);
    xhr.responseType = "blob";
    xhr.timeout = REPLY_TIMEOUT_MS;
    xhr.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    xhr.upload.onload = () => {
      show("working", "Cutting out…");
      progress(null);
    };
    xhr.onload = () => resolve(xhr);
    xhr.onerror = () => reject(new Sorry("The server could not be reached. Check your connection and try again."));
    xhr.ontimeout = () => reject(new Sorry("The server took too long. Please try again."));
    xhr.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => xhr.abort());
    xhr.send(body);
  });
}

/** Seconds the server asks us to wait, or 0. The header is seconds or a date. */
function waitAsked(xhr) {
  const header = xhr.getResponseHeader("Retry-After");
  if (!header || ![429, 503].includes(xhr.status)) return 0;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return seconds > 0 ? Math.ceil(seconds) : 1;
}

async function sentenceOf(xhr) {
  const answer = await xhr.response?.text().then(JSON.parse).catch(() => null);
  const seconds = waitAsked(xhr);
  return (answer?.error?.message || `The server gave no usable answer (${xhr.status}).`)
    + (seconds ? ` You can try again in ${plural(seconds, "second")}.` : "");
}

async function cutOut() {
  run?.abort();
  clearTimeout(settle);
  const { signal } = (run = new AbortController());
  const { format, background } = options();
  const chosen = photo;
  const body = new FormData();
  body.append("file", chosen, chosen.name);
  body.append("format", format);
  if (background) body.append("background_color", background);
  try {
    let xhr;
    for (let attempt = 1; ; attempt++) {
      show("uploading", "Uploading…");
      progress(0);
      xhr = await send(body, signal);
      const seconds = waitAsked(xhr);
      if (attempt > 1 || !seconds || seconds > LONGEST_WAIT_S) break;
      show("waiting", `The server is busy. Trying again in ${plural(seconds, "second")}.`);
      await pause(seconds * 1000, signal);
    }
    if (xhr.status !== 200 || !xhr.response?.type.startsWith("image/")) throw new Sorry(await sentenceOf(xhr));

    const fact = (name) => xhr.getResponseHeader(name) ?? "";
    const fallback = fact("X-Method") === "opencv";
    const url = URL.createObjectURL(xhr.response);
    const put = await place("after", url, `${chosen.name} with its background ${background ? "replaced" : "removed"}`);
    if (signal.aborted) return URL.revokeObjectURL(url);
    forgetResult();
    result = {
      url, fallback, key: background + format, seeThrough: !background,
      name: `${chosen.name.replace(/\.[^.]*$/, "") || "photo"}-cutout.${format === "jpeg" ? "jpg" : format}`,
      line: `${fact("X-Width")} × ${fact("X-Height")} px · ${fallback ? "OpenCV" : fact("X-Model")} · ${Math.round(fact("X-Total-Ms"))} ms`,
    };
    put();
    finish();
  } catch (error) {
    if (signal.aborted) return;
    run = null;
    if (!(error instanceof Sorry)) console.error(error);
    fail(error instanceof Sorry ? error.message : "Something went wrong on this page. Please try again.");
  }
}

function finish() {
  run = null;
  $("download").href = result.url;
  $("download").download = result.name;
  view("result");
  show("done", result.line);
}

/** The chosen colour shows at once behind a see-through result, before the server's answer. */
function paint() {
  const { background } = options();
  const isColor = form.elements.background.value === "color";
  for (const swatch of form.querySelectorAll(".swatch")) swatch.ariaPressed = String(isColor && swatch.value === color.value);
  color.parentElement.classList.toggle("chosen", isColor && !form.querySelector('.swatch[aria-pressed="true"]'));
  const after = $("view").querySelector(".after");
  if (after && result?.seeThrough) after.style.background = background;
}

function changed() {
  paint();
  clearTimeout(settle);
  const { format, background } = options();
  if (!photo || (!run && form.dataset.state === "done" && result?.key === background + format)) return;
  settle = setTimeout(cutOut, SETTLE_MS);
}

form.noValidate = true;
file.required = false;
$("submit").hidden = true;
for (const swatch of form.querySelectorAll(".swatch")) {
  swatch.style.backgroundColor = swatch.value;
  swatch.addEventListener("click", () => {
    color.value = swatch.value;
    $("background-color").checked = true;
    changed();
  });
}
color.addEventListener("input", () => {
  $("background-color").checked = true;
  paint();
});
form.addEventListener("change", (event) => {
  if (event.target !== file) changed();
  else if (file.files.length) take(file.files[0]);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (photo) cutOut();
  else file.click();
});
file.addEventListener("click", () => { file.value = ""; }); // so that the same photo can be chosen again
file.addEventListener("cancel", () => {
  if (!photo || file.files.length) return;
  const box = new DataTransfer();
  box.items.add(photo);
  file.files = box.files;
});
$("cancel").addEventListener("click", () => {
  run?.abort();
  if (result) return finish();
  forgetPhoto();
  file.value = "";
  show("empty", "Cancelled.");
});
$("retry").addEventListener("click", () => photo && cutOut());
compare.addEventListener("click", () => view(form.dataset.view === "original" ? "result" : "original"));
$("try").addEventListener("click", async () => {
  const reply = await fetch(sample).catch(() => null);
  if (!reply?.ok) return fail("The example photo could not be loaded.");
  const blob = await reply.blob();
  return take(new File([blob], "sample.jpg", { type: "image/jpeg" }));
});

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  form.toggleAttribute("data-drag", true);
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) form.removeAttribute("data-drag");
});
addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  form.removeAttribute("data-drag");
  take(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => {
  const pasted = event.clipboardData?.files[0];
  if (pasted) take(pasted);
});
paint();
