/** @file The page. Without this file it is a plain form; with it, the same form works on many photos, at once. */

import { Brush } from "./brush.js";
import { canCopy, canShare, copy, nameFor, save, share } from "./files.js";
import { nameOf, takePhotos } from "./intake.js";
import { entryOf, stateLine } from "./list.js";
import { lookOf } from "./look.js";
import { setUpPanel } from "./panel.js";
import { Photo } from "./photo.js";
import { fileOf } from "./results.js";
import { Scene } from "./scene.js";
import { Refusal } from "./send.js";
import { has, t } from "./strings.js";
import { Viewer } from "./viewer.js";
import { zip } from "./zip.js";

const AT_ONCE = 2, UNSURE = 0.5, SETTLE_MS = 200;
const $ = (id) => document.getElementById(id);
const form = $("cut"), { maxMb } = form.dataset;
const viewer = new Viewer({ view: $("view"), canvas: $("canvas"), split: $("split") });

let photos = []; // Photo, in the order in which they came
let entries = new Map(); // Photo -> its entry in the list
let current = null;
let opening = 0; // the latest call of open() wins
let image = null; // {bitmap, file} of the image to put behind
let settling = 0; // the timer of the exact painting, once the look rests
let hasOwnResult = false;
let complaint = ""; // what went wrong on a way out, until the next try

// ---- photos come in, and are worked on two at a time

function add(photo, { isOpened = false } = {}) {
  photos.push(photo);
  const entry = entryOf(photo, { onOpen: open, onRemove: remove });
  entries.set(photo, entry);
  $("list").append(entry.item);
  photo.addEventListener("change", () => changed(photo));
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
  const at = photos.indexOf(photo);
  photos = photos.filter((other) => other !== photo);
  entries.get(photo).item.remove();
  entries.delete(photo);
  photo.close();
  const next = photos[Math.min(at, photos.length - 1)];
  if (photo === current) {
    open(next);
    entries.get(next)?.open.focus();
  }
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
    setBrush("off");
    current?.close();
    current = photo;
    complaint = "";
    clearTimeout(settling);
    viewer.show(null);
  }
  render();
  const scene = photo.state === "done" ? await resultScene(photo) : await previewScene(photo);
  if (turn !== opening || !scene) return;
  $("sample")?.remove();
  viewer.show(scene);
  if (!photo.isSample && scene instanceof Scene) showWholeOnce();
  paintLook();
  renderBrush();
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
  const scene = new Scene(cutout, original);
  scene.hasOriginal = Boolean(original);
  return scene;
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
  scene.look = viewer.tool ? { ...look, background: { kind: "transparent" }, shadow: null, layout: PLAIN } : look;
  viewer.show(scene, { keepPlace: size === `${scene.width} ${scene.height}` });
  clearTimeout(settling);
  settling = setTimeout(() => scene.settle().then(() => viewer.repaint(), (error) => {
    if (viewer.scene === scene) throw error; // else its pictures were closed meanwhile
  }), SETTLE_MS);
  render();
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
  const { share: part } = photo?.now ?? {};
  if (state === "busy" && photo.state === "uploading") $("progress").value = part;
  else $("progress").removeAttribute("value");
  $("busy-line").textContent = state === "busy" ? stateLine(photo) : "";
  say($("alert"), state === "failed" ? sentenceOf(photo.error) : complaint);
  say($("status"), photo?.isSample ? $("status").dataset.sample : state === "done" ? t("facts", { ...photo.facts, ...sizeOf(viewer.scene) })
    : ["failed", "cancelled"].includes(state) ? t(`state.${state}`) : "");
  const { isFallback, isResized, confidence } = (state === "done" && photo.facts) || {};
  say($("notice"), isFallback ? t("facts.fallback") : isResized ? t("facts.resized")
    : confidence < UNSURE ? t("facts.unsure") : "");
  $("notice").hidden = !$("notice").textContent;
  const own = photos.filter((each) => !each.isSample);
  $("list-actions").hidden = own.length < 2;
  $("zip").disabled = own.filter((each) => each.state === "done").length < 2;
  $("split").hidden = !viewer.scene?.hasOriginal || Boolean(viewer.tool);
  $("touch").inert = state !== "done";
}

function complain(sentence) {
  complaint = sentence;
  render();
}

/** The size of the file as the panel has it: a preset's, or a crop's. */
function sizeOf(scene) {
  return scene instanceof Scene && !viewer.tool ? { width: scene.width, height: scene.height } : {};
}

/** Sets a text only when it is another: a live region would say it again. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function sentenceOf(error) {
  const known = error instanceof Refusal ? error : new Refusal("page");
  if (known !== error) console.error(error);
  return has(`error.${known.code}`) ? t(`error.${known.code}`, { max_mb: maxMb, ...known.values }) : known.message;
}

// ---- the brush

const PLAIN = {
  crop: false, margin: Array(4).fill({ value: 0, isPercent: false }), canvas: null, scale: null, position: null,
};

function setBrush(mode) {
  const was = Boolean(viewer.tool);
  if (was) current.redraw(current.touchUp.canvas);
  form.elements.brush.value = mode;
  form.dataset.mode = mode === "off" ? "look" : "touch";
  viewer.tool = null;
  if (mode !== "off" && current?.touchUp) {
    const brush = new Brush(viewer, current.touchUp, { mode, sizePx: $("brush-size").valueAsNumber });
    brush.addEventListener("stroke", touched);
    viewer.tool = brush;
  }
  $("view").ariaLabel = t(viewer.tool ? "stage.label.brush" : "stage.label");
  if (was !== Boolean(viewer.tool)) paintLook();
  renderBrush();
  render();
}

function touched() {
  const { scene } = viewer;
  scene.replaceCutout(current.touchUp.canvas);
  viewer.repaint();
  renderBrush();
}

function renderBrush() {
  const touchUp = current?.touchUp;
  $("undo").disabled = !touchUp?.canUndo;
  $("redo").disabled = !touchUp?.canRedo;
  $("reset").disabled = !touchUp?.isTouched;
  form.querySelector('[name="brush"][value="keep"]').disabled = touchUp ? !touchUp.canKeep : false;
}

// ---- the ways out

/** Runs the work of a button: it says that it is at work, and what went wrong. */
async function withButton(button, work) {
  if (button.ariaDisabled === "true") return;
  const label = button.textContent;
  button.ariaDisabled = "true";
  button.textContent = t("action.preparing");
  complain("");
  try {
    const done = await work((line) => { button.textContent = line; });
    if (done) setTimeout(() => { button.textContent = label; }, 2000);
    button.textContent = done || label;
  } catch (error) {
    button.textContent = label;
    complain(sentenceOf(error));
  } finally {
    button.ariaDisabled = "false";
  }
}

const file = (photo, format = form.elements.format.value) =>
  fileOf(photo, { form, image, format, signal: new AbortController().signal });

const asFile = async (photo) => {
  const blob = await file(photo);
  return new File([blob], nameFor(photo.name, form.elements.format.value), { type: blob.type });
};

function offer() {
  $("download").addEventListener("click", () => withButton($("download"), async () => {
    const made = await asFile(current);
    save(made, made.name);
  }));
  $("copy").hidden = !canCopy;
  $("copy").addEventListener("click", () => withButton($("copy"), async () => {
    const blob = file(current, "png");
    await copy(blob).catch(async () => {
      await blob; // its own error is the better one
      throw new Refusal("no_copy");
    });
    return t("action.copied");
  }));
  $("share").hidden = !canShare(new File([""], "a.png", { type: "image/png" }));
  $("share").addEventListener("click", () => withButton($("share"), async () => {
    const made = await asFile(current);
    await share([made], made.name).catch(() => { throw new Refusal("no_share"); });
  }));
  $("zip").addEventListener("click", () => withButton($("zip"), async (tell) => {
    const done = photos.filter((photo) => photo.state === "done" && !photo.isSample);
    const files = [];
    for (const photo of done) {
      tell(t("action.zip.progress", { done: files.length, count: done.length }));
      files.push({ name: nameFor(photo.name, form.elements.format.value), blob: await file(photo) });
      if (photo !== current) photo.close();
    }
    save(await zip(files), "tinycut.zip");
  }));
}

// ---- wiring

async function takeImage(file) {
  const bitmap = file && await createImageBitmap(file).catch(() => null);
  complain(file && !bitmap ? t("error.invalid_background_image") : "");
  image?.bitmap.close();
  image = bitmap && { bitmap, file };
  paintLook();
}

async function showSample() {
  const load = (url) => fetch(url).then((reply) => reply.blob());
  const [original, cutout] = await Promise.all([load(form.dataset.sample), load(form.dataset.sampleCutout)]);
  const photo = new Photo(new File([original], "sample.jpg", { type: "image/jpeg" }), { isSample: true });
  await photo.finish(cutout);
  if (photos.length) return;
  add(photo, { isOpened: true });
}

function start() {
  $("status").dataset.sample = $("status").textContent;
  form.noValidate = true;
  setUpPanel(form, paintLook);
  takePhotos({
    form, onFiles: addFiles,
    onAddress: (address) => add(new Photo(null, { address, name: nameOf(address) }), { isOpened: true }),
  });
  offer();
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
  $("brushes").addEventListener("change", () => setBrush(form.elements.brush.value));
  $("brush-size").addEventListener("input", () => {
    if (viewer.tool) viewer.tool.sizePx = $("brush-size").valueAsNumber;
    viewer.repaint();
  });
  const step = (id) => {
    current.touchUp[id]();
    touched();
    if (!viewer.tool) current.redraw(current.touchUp.canvas);
  };
  for (const id of ["undo", "redo", "reset"]) $(id).addEventListener("click", () => step(id));
  addEventListener("keydown", (event) => {
    if (!viewer.tool || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    step(event.shiftKey ? "redo" : "undo");
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  showSample().catch(() => {}); // the page works without its example
  render();
}

start();
