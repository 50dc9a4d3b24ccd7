/** @file The keep/erase brush: a person's strokes on one cutout, each of which can be undone.  Pixels are changed in
 * tiles. A stroke keeps every tile that it reaches as it was before (that is the undo as well) and paints it anew
 * from there through one mask, in which a pixel only ever gains: dabs that overlap within a stroke leave no bands,
 * and the work and memory of a stroke grow with its length, not with the photo. No pixel is read back: on a GPU that
 * would be slow, and browsers that guard against fingerprints blur what is read. */

const TILE_PX = 256;
const HISTORY_TILES = 256; // 64 MB of RGBA pixels; the oldest steps are forgotten first
const SOLID_SHARE = 0.8; // of the radius; from there to the rim the brush fades

export class TouchUp {
  #cutout;
  #original;
  #tiles;
  #context = null;
  #stamp = null;
  #stroke = null;
  #touched = new Set();
  #isTouched = false;
  #done = [];
  #undone = [];

  /**
   * Strokes are in the cutout's pixels.
   * @param {ImageBitmap|HTMLCanvasElement} cutout RGBA
   * @param {ImageBitmap|HTMLCanvasElement|null} original the same view, upright; may have another size
   */
  constructor(cutout, original) {
    this.#cutout = cutout;
    this.#original = original;
    this.#tiles = tilesOf(cutout);
  }

  /** The cutout with every stroke so far: the same canvas all the time, made when it is first asked for. */
  get canvas() {
    if (!this.#context) {
      this.#context = newContext(this.#cutout.width, this.#cutout.height);
      this.#context.drawImage(this.#cutout, 0, 0);
    }
    return this.#context.canvas;
  }

  /** Whether there is an original to bring pixels back from. */
  get canKeep() {
    return Boolean(this.#original);
  }

  /** Takes an original that came later. */
  takeOriginal(original) {
    this.#original = original;
  }

  /** Whether the canvas differs from the cutout by a stroke. */
  get isTouched() {
    return this.#isTouched;
  }

  get canUndo() {
    return this.#done.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  /**
   * Puts the brush down: begin() and end() alone make one dab.
   * @param {{mode: "keep"|"erase", radiusPx: number, x: number, y: number}} brush
   */
  begin({ mode, radiusPx, x, y }) {
    if (mode === "keep" && !this.canKeep) throw new Error("There is no original to bring pixels back from.");
    this.end();
    this.#stroke = { mode, radiusPx, x, y, masks: new Map(), step: this.#newStep() };
    this.extend(x, y);
  }

  /** Draws the brush on in a straight line. */
  extend(x, y) {
    const stroke = this.#stroke;
    if (!stroke) return;
    const way = straightWay(stroke.x, stroke.y, x, y);
    const tiles = this.#tiles.filter((tile) => isReached(tile, way, stroke.radiusPx));
    // All are kept before one is painted: a canvas that was drawn from is copied whole at its next change.
    this.#keepAsTheyAre(tiles, stroke.step);
    for (const tile of tiles) this.#paint(tile, way, stroke);
    Object.assign(stroke, { x, y });
  }

  /** Lifts the brush: what was drawn since begin() is one step to undo. */
  end() {
    const step = this.#stroke?.step;
    this.#stroke = null;
    if (step?.tiles.size) this.#remember(step);
  }

  /** Takes the stroke back that is being drawn, as if it had never begun. */
  cancel() {
    const step = this.#stroke?.step;
    this.#stroke = null;
    if (!step) return;
    for (const [tile, pixels] of step.tiles) replaceTile(this.#context, tile, pixels, tile.left, tile.top);
    this.#isTouched = step.wasTouched;
  }

  undo() {
    this.end();
    this.#swap(this.#done, this.#undone);
  }

  redo() {
    this.end();
    this.#swap(this.#undone, this.#done);
  }

  /** Goes back to the untouched cutout; that, too, can be undone. */
  reset() {
    this.end();
    if (!this.#isTouched) return;
    const step = this.#newStep();
    this.#keepAsTheyAre(this.#touched, step);
    for (const tile of this.#touched) replaceTile(this.#context, tile, this.#cutout, 0, 0);
    this.#isTouched = false;
    this.#remember(step);
  }

  /** A step to undo: the pixels of its tiles as they were before. */
  #newStep() {
    return { tiles: new Map(), wasTouched: this.#isTouched };
  }

  /** Keeps tiles in a step, but for those that it has already. */
  #keepAsTheyAre(tiles, step) {
    for (const tile of tiles) {
      if (!step.tiles.has(tile)) step.tiles.set(tile, copyOfTile(this.canvas, tile));
      this.#touched.add(tile);
    }
  }

  #paint(tile, way, { mode, radiusPx, masks, step }) {
    if (!masks.has(tile)) masks.set(tile, new ImageData(TILE_PX, TILE_PX));
    const mask = masks.get(tile);
    raise(mask.data, tile, way, radiusPx);

    const stamp = (this.#stamp ??= Object.assign(newContext(TILE_PX, TILE_PX), { imageSmoothingQuality: "high" }));
    stamp.putImageData(mask, 0, 0);
    if (mode === "keep") {
      stamp.globalCompositeOperation = "source-in";
      stamp.drawImage(this.#original, -tile.left, -tile.top, this.canvas.width, this.canvas.height);
    }
    const context = this.#context;
    replaceTile(context, tile, step.tiles.get(tile), tile.left, tile.top);
    context.globalCompositeOperation = mode === "keep" ? "source-over" : "destination-out";
    context.drawImage(stamp.canvas, tile.left, tile.top);
    context.globalCompositeOperation = "source-over";
    this.#isTouched = true;
  }

  #remember(step) {
    this.#undone.length = 0;
    this.#done.push(step);
    let kept = this.#done.reduce((count, { tiles }) => count + tiles.size, 0);
    while (kept > HISTORY_TILES && this.#done.length > 1) kept -= this.#done.shift().tiles.size;
  }

  /** Exchanges what the last step of one list holds with what the canvas shows, and moves it to the other list. */
  #swap(from, to) {
    const step = from.pop();
    if (!step) return;
    const shown = this.#newStep();
    this.#keepAsTheyAre(step.tiles.keys(), shown);
    for (const [tile, pixels] of step.tiles) replaceTile(this.#context, tile, pixels, tile.left, tile.top);
    this.#isTouched = step.wasTouched;
    to.push(shown);
  }
}

function newContext(width, height) {
  return Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
}

/** The corners of the tiles that an image is covered by. */
function tilesOf({ width, height }) {
  const tiles = [];
  for (let top = 0; top < height; top += TILE_PX) {
    for (let left = 0; left < width; left += TILE_PX) tiles.push({ left, top });
  }
  return tiles;
}

function copyOfTile(canvas, { left, top }) {
  const copy = newContext(TILE_PX, TILE_PX);
  copy.drawImage(canvas, -left, -top);
  return copy.canvas;
}

/** Puts in a tile's place what an image has there when its left top corner is at (x, y). */
function replaceTile(context, { left, top }, image, x, y) {
  context.save();
  context.beginPath();
  context.rect(left, top, TILE_PX, TILE_PX);
  context.clip();
  context.clearRect(left, top, TILE_PX, TILE_PX);
  context.drawImage(image, x, y);
  context.restore();
}

/** Whether a brush changes a tile on its way; at its corners only nearly so. */
function isReached({ left, top }, way, radiusPx) {
  const [firstX, endX] = span(way.fromX - left, way.toX - left, radiusPx);
  const [firstY, endY] = span(way.fromY - top, way.toY - top, radiusPx);
  const middlePx = way.distance(left + TILE_PX / 2, top + TILE_PX / 2);
  return firstX < endX && firstY < endY && middlePx < radiusPx + TILE_PX * Math.SQRT1_2;
}

/** Raises a tile's mask (RGBA bytes, of which the alpha counts) to the brush's strength along its way. */
function raise(data, { left, top }, way, radiusPx) {
  const rimPx = Math.max(1, radiusPx * (1 - SOLID_SHARE));
  const [firstX, endX] = span(way.fromX - left, way.toX - left, radiusPx);
  const [firstY, endY] = span(way.fromY - top, way.toY - top, radiusPx);
  for (let y = firstY; y < endY; y++) {
    for (let x = firstX; x < endX; x++) {
      const at = (y * TILE_PX + x) * 4 + 3;
      if (data[at] === 255) continue;
      const strength = (255 * (radiusPx - way.distance(left + x + 0.5, top + y + 0.5))) / rimPx;
      if (strength > data[at]) data[at] = strength; // the array itself rounds it and holds it within 255
    }
  }
}

/** The first row or column of a tile that a brush reaches between two places, and the one after the last. */
function span(from, to, radiusPx) {
  const first = Math.floor(Math.min(from, to) - radiusPx), end = Math.ceil(Math.max(from, to) + radiusPx);
  return [Math.max(0, first), Math.min(TILE_PX, end)];
}

/** A straight way, and a function that gives a point's distance to it. */
function straightWay(fromX, fromY, toX, toY) {
  const alongX = toX - fromX, alongY = toY - fromY;
  const squared = alongX * alongX + alongY * alongY;
  const distance = (x, y) => {
    const share = squared && Math.min(1, Math.max(0, ((x - fromX) * alongX + (y - fromY) * alongY) / squared));
    return Math.sqrt((x - fromX - share * alongX) ** 2 + (y - fromY - share * alongY) ** 2);
  };
  return { fromX, fromY, toX, toY, distance };
}
