/** @file The page. Without this file it is a plain form; with it, the same form works on many photos, at once. */

import { nameOf, takePhotos } from "./intake.js";
import { entryOf, stateLine } from "./list.js";
import { PLAIN, lookOf } from "./look.js";
import { setUpPanel } from "./panel.js";
import { Photo } from "./photo.js";
import { decoded, readable } from "./pictures.js";
import { Scene } from "./scene.js";
import { Refusal } from "./send.js";
import { has, t } from "./strings.js";
import { TouchPanel } from "./touch_panel.js";
import { Viewer } from "./viewer.js";
import { offerWaysOut } from "./ways_out.js";

const AT_ONCE = 2, UNSURE = 0.5, SETTLE_MS = 200;
// What comes again however often it is tried: another photo is needed.
const LASTING = [
  "empty_file", "file_too_large", "unsupported_format", "unreadable_image", "too_many_pixels", "unknown_foreground",
  "invalid_image_url", "urls_not_allowed",
];
const $ = (id) => document.getElementById(id);
const form = $("cut"), { maxMb } = form.dataset;
const viewer = new Viewer({ view: $("view"), canvas: $("canvas"), split: $("split") });
const touchPanel = new TouchPanel(form, viewer, {
  onTool: () => {
    paintLook();
    render();
  },
  onStroke: (canvas) => {
    viewer.scene.replaceCutout(canvas);
    if (viewer.tool) viewer.repaint();
    else paintLook();
  },
});

let photos = []; // Photo, in the order in which they came
const entries = new Map(); // Photo -> its entry in the list
let current = null;
let opening = 0; // the latest call of open() wins
let image = null; // {bitmap, file} of the image to put behind
let settling = 0; // the timer of the exact painting, once the look rests
let hasOwnResult = false;
let complaint = ""; // what went wrong on a way out, until the next try
let news = ""; // what was done last

// ---- photos come in, and are worked on two at a time

function add(photo, { isOpened = false } = {}) {
  const entry = entryOf(photo, { onOpen: open, onRemove: remove });
  entries.set(photo, entry);
  if (photo.isSample) {
    photos.unshift(photo);
    $("list").prepend(entry.item);
  } else {
    photos.push(photo);
    $("list").append(entry.item);
  }
  photo.addEventListener("change", () => changed(photo));
  photo.addEventListener("original", () => photo === current && open(photo));
  if (isOpened) open(photo);
  pump();
}

function addFiles(files) {
  files.forEach((file, index) => {
    const photo = new Photo(file);
    const code = !file.size ? "empty_file" : file.size > maxMb * 2 ** 20 ? "file_too_large" : "";
    if (code) fail(photo, new Refusal(code)); // before it is added: what has failed is not sent
    add(photo, { isOpened: index === 0 });
  });
}

function addAddress(address) {
  const photo = new Photo(null, { address, name: nameOf(address) });
  add(photo, { isOpened: true });
}

function pump() {
  if (photos.filter((photo) => photo.isBusy).length >= AT_ONCE) return;
  const next = photos.find((photo) => photo.state === "waiting");
  if (!next) return;
  next.cutOut().finally(pump);
  pump();
}

function fail(photo, error) {
  photo.error = error;
  photo.tell({ state: "failed" });
}

function remove(photo) {
  photo.run?.abort();
  const at = photos.indexOf(photo), { item } = entries.get(photo);
  const hadFocus = item.contains(document.activeElement);
  photos = photos.filter((other) => other !== photo);
  item.remove();
  entries.delete(photo);
  const next = photos[Math.min(at, photos.length - 1)];
  if (photo === current) open(next);
  photo.close();
  if (hadFocus) (entries.get(next)?.open ?? $("file")).focus();
  render();
  pump();
}

function changed(photo) {
  if (photo === current && photo.state === "done" && !(viewer.scene instanceof Scene)) open(photo);
  render();
}

// ---- one of them is on the stage

async function open(photo) {
  const turn = ++opening;
  if (current !== photo) {
    touchPanel.work(null);
    viewer.scene?.dispose?.();
    current?.close();
    current = photo;
    complaint = news = "";
    clearTimeout(settling);
    viewer.show(null);
  }
  render();
  if (!photo) return;
  const scene = photo.state === "done" ? await resultScene(photo) : await previewScene(photo);
  if (turn !== opening || !scene) return;
  $("sample")?.remove();
  viewer.scene?.dispose?.();
  viewer.show(scene);
  if (!photo.isSample && scene instanceof Scene) showWholeOnce();
  if (scene instanceof Scene && touchPanel.photo !== photo) touchPanel.work(photo);
  touchPanel.render();
  paintLook();
  render();
}

/** The example shows both halves; the first own result is seen whole, and from then on the person decides. */
function showWholeOnce() {
  if (hasOwnResult) return;
  hasOwnResult = true;
  $("split").value = 0;
}

async function resultScene(photo) {
  const { cutout, original } = await photo.pictures();
  return new Scene(cutout, original);
}

/** The photo as it came, while there is no cut-out yet. */
async function previewScene(photo) {
  const bitmap = await photo.preview();
  return bitmap && {
    width: bitmap.width, height: bitmap.height, hasOriginal: false, paint: (context) => context.drawImage(bitmap, 0, 0),
  };
}

/** Paints what the panel says; with the brush in hand, the cut-out alone. */
function paintLook() {
  const { scene } = viewer;
  if (!(scene instanceof Scene)) return;
  const size = `${scene.width} ${scene.height}`;
  const look = lookOf(form, image);
  scene.look = viewer.tool ? PLAIN : look;
  viewer.show(scene, { keepPlace: size === `${scene.width} ${scene.height}` });
  clearTimeout(settling);
  settling = setTimeout(() => {
    render(); // its size is told once it rests
    scene.settle().then(() => viewer.repaint(), (error) => {
      if (viewer.scene === scene) throw error; // else its pictures were closed meanwhile
    });
  }, SETTLE_MS);
}

// ---- what is seen beside the stage

function render() {
  const photo = current;
  const state = !photo ? "sample" : photo.isBusy || photo.state === "waiting" ? "busy" : photo.state;
  const buttons = ["cancel", "download", "retry"].map($), held = buttons.includes(document.activeElement);
  form.dataset.state = photo?.isSample ? "sample" : state;
  if (held && !document.activeElement.offsetParent) buttons.find((button) => button.offsetParent)?.focus();
  $("stage").ariaBusy = String(state === "busy");
  for (const [other, { open: button }] of entries) button.ariaCurrent = other === photo ? "true" : "false";
  if (photo?.state === "uploading") $("progress").value = photo.now.share;
  else $("progress").removeAttribute("value");
  $("busy-line").textContent = state === "busy" ? stateLine(photo) : "";
  $("retry").hidden = LASTING.includes(photo?.error?.code);
  say($("alert"), state === "failed" ? sentenceOf(photo.error) : complaint);
  say($("status"), news || statusOf(photo, state));
  say($("notice"), photo?.lacksOriginal ? t("facts.no_original") : noticeOf((state === "done" && photo.facts) || {}));
  $("notice").hidden = !$("notice").textContent;
  const own = photos.filter((each) => !each.isSample);
  $("actions").inert = !photo; // without the example there may be none
  $("list-actions").hidden = own.length < 2;
  $("zip").disabled = own.filter((each) => each.state === "done").length < 2;
  $("split").hidden = !viewer.scene?.hasOriginal || Boolean(viewer.tool);
  $("touch").inert = !(viewer.scene instanceof Scene);
  if ($("api-key")) $("api-key").ariaInvalid = String(photo?.error?.code === "invalid_api_key");
}

/** Sets a text only when it is another: a live region would say it again. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** One line for those who see it and those who hear it; while a photo is on its way, only the turns of it. */
function statusOf(photo, state) {
  if (!photo || photo.isSample) return $("status").dataset.sample;
  if (state === "busy") return t(photo.state === "retrying" ? "status.retrying" : "status.busy", { name: photo.name });
  if (state !== "done") return t(`state.${state}`);
  const { scene } = viewer;
  const size = scene instanceof Scene && !viewer.tool ? { width: scene.width, height: scene.height } : {};
  return t("facts", { ...photo.facts, ...size });
}

function noticeOf({ isFallback, isResized, confidence }) {
  if (isFallback) return t("facts.fallback");
  if (isResized) return t("facts.resized");
  return confidence < UNSURE ? t("facts.unsure") : "";
}

/** Says what went wrong, until the next try; null: nothing did. */
function complain(error) {
  complaint = error ? sentenceOf(error) : "";
  news = "";
  render();
}

function sentenceOf(error) {
  const known = error instanceof Refusal ? error : new Refusal("page");
  if (known !== error) console.error(error);
  const key = `error.${known.code}`;
  const sentence = has(key) ? t(key, { max_mb: maxMb, ...known.values }) : known.message;
  return known.values.count ? `${sentence} ${t("error.wait", known.values)}` : sentence;
}

// ---- wiring

async function takeImage(file) {
  complain(null);
  try {
    const bitmap = file && (await decoded(file) ?? await decoded(await readable(file)));
    if (file && !bitmap) throw new Refusal("invalid_background_image");
    image = bitmap && { bitmap, file };
  } catch {
    complain(new Refusal("invalid_background_image"));
  }
  paintLook();
}

async function showSample() {
  const load = (url) => fetch(url).then((reply) => reply.blob());
  const [original, cutout] = await Promise.all([load(form.dataset.sample), load(form.dataset.sampleCutout)]);
  const photo = new Photo(new File([original], "sample.jpg", { type: "image/jpeg" }), { isSample: true });
  await photo.finish(cutout);
  add(photo, { isOpened: !photos.length });
}

/** Tries again what the server wanted a key for. */
function retryWithKey() {
  for (const photo of photos.filter((each) => each.error?.code === "invalid_api_key")) photo.tell({ state: "waiting" });
  pump();
}

function start() {
  $("status").dataset.sample = $("status").textContent;
  form.noValidate = true;
  setUpPanel(form, () => {
    touchPanel.take("off"); // so that the change is seen
    paintLook();
  });
  takePhotos({ form, onFiles: addFiles, onAddress: addAddress });
  offerWaysOut({
    form, image: () => image, current: () => current,
    done: () => photos.filter((photo) => photo.state === "done" && !photo.isSample),
    say: (line) => {
      news = line;
      render();
    },
    complain,
  });
  $("cancel").addEventListener("click", () => {
    if (current.run) current.run.abort();
    else current.tell({ state: "cancelled" });
  });
  $("retry").addEventListener("click", () => {
    current.tell({ state: "waiting" });
    pump();
  });
  $("clear").addEventListener("click", () => {
    for (const photo of photos.filter((each) => !each.isSample)) remove(photo);
    $("file").focus();
  });
  $("background-image").addEventListener("change", (event) => takeImage(event.target.files[0]));
  for (const [id, action] of [["in", "zoomIn"], ["out", "zoomOut"], ["fit", "fit"], ["actual", "actual"]]) {
    $(`zoom-${id}`).addEventListener("click", () => viewer[action]());
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    retryWithKey();
  });
  addEventListener("beforeunload", (event) => {
    if (photos.some((photo) => !photo.isSample)) event.preventDefault(); // they would be gone
  });
  showSample().catch(() => {}); // the page works without its example
  render();
}

start();
