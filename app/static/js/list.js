/** @file The strip of this visit's photos: thumbnails, states, and a way to choose or drop each. */

import { t } from "./strings.js";

/** The line that says where a photo is on its way. */
export function stateLine(photo) {
  const { state, share = 0, place = 1, stage, seconds = 0 } = photo.now;
  if (state === "uploading") return t("state.uploading", { percent: Math.round(100 * share) });
  if (state === "queued") return place <= 1 ? t("state.next") : t("state.queued", { count: place - 1 });
  if (state === "working") return t(`state.stage.${stage}`);
  if (state === "retrying") return t("state.retrying", { count: seconds });
  return t(`state.${state}`);
}

/** The same in a word or two. */
function shortLine(photo) {
  if (photo.state === "uploading") return `${Math.round(100 * photo.now.share)} %`;
  if (photo.state === "waiting") return t("list.waiting");
  return photo.isBusy ? t("list.busy") : t(`state.${photo.state}`);
}

/** One photo's entry; `onOpen` and `onRemove` hear of it. Keeps itself up to date. */
export function entryOf(photo, { onOpen, onRemove }) {
  const item = document.createElement("li");
  const open = document.createElement("button");
  const picture = document.createElement("span");
  const line = document.createElement("span");
  const name = document.createElement("span");
  const remove = document.createElement("button");
  open.type = remove.type = "button";
  open.className = "thumb";
  picture.className = "thumb-picture";
  line.className = "thumb-state";
  name.className = "thumb-name";
  remove.className = "thumb-remove";
  remove.textContent = "×";
  remove.ariaLabel = t("action.remove", { name: photo.name });
  name.textContent = photo.isSample ? t("list.sample") : photo.name;
  open.append(picture, name, line);
  item.append(open);
  if (!photo.isSample) item.append(remove);
  open.addEventListener("click", () => onOpen(photo));
  remove.addEventListener("click", () => onRemove(photo));

  const draw = () => {
    item.dataset.state = photo.isBusy ? "busy" : photo.state;
    line.textContent = photo.isSample ? "" : shortLine(photo);
    if (photo.thumb && picture.firstChild !== photo.thumb) picture.replaceChildren(photo.thumb);
  };
  photo.addEventListener("change", draw);
  draw();
  return { item, open };
}
