// The keep/erase brush: a person's strokes on one cutout, each of which can be undone.
//
// Pixels are changed in tiles. A stroke keeps every tile that it reaches as it was before (that is the undo as well)
// and paints it anew from there through one mask, in which a pixel only ever gains: dabs that overlap within a stroke
// leave no bands, and the work and memory of a stroke grow with its length, not with the photo.
// No pixel is read back: on a GPU that would be slow, and browsers that guard against fingerprints blur what is read.

const TILE_PX = 256;
const HISTORY_TILES = 256; // 64 MB of RGBA pixels; the oldest steps are forgotten first
const SOLID_SHARE = 0.8; // of the radius; from there to the rim the brush fades

export class TouchUp {
  #cutout;
  #original;
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
    const line = { fromX: stroke.x, fromY: stroke.y, toX: x, toY: y };
    const tiles = tilesNear(line, stroke.radiusPx, this.canvas);
    // All are kept before one is painted: a canvas that is drawn from is copied whole when it changes next.
    for (const tile of tiles) this.#keepAsItIs(tile, stroke.step);
    for (const tile of tiles) this.#paint(tile, line, stroke);
    Object.assign(stroke, { x, y });
  }

  /** Lifts the brush: what was drawn since begin() is one step to undo. */
  end() {
    const step = this.#stroke?.step;
    this.#stroke = null;
    if (step?.tiles.size) this.#remember(step);
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
    const tiles = [...this.#touched].map((key) => tileOf(key, this.canvas));
    for (const tile of tiles) this.#keepAsItIs(tile, step);
    for (const tile of tiles) replaceTile(this.#context, tile, this.#cutout, 0, 0);
    this.#isTouched = false;
    this.#remember(step);
  }

  #newStep() {
    return { tiles: new Map(), wasTouched: this.#isTouched };
  }

  /** Keeps a tile's pixels in a step, unless the step has them already. */
  #keepAsItIs(tile, step) {
    if (step.tiles.has(tile.key)) return;
    step.tiles.set(tile.key, copyOfTile(this.canvas, tile));
    this.#touched.add(tile.key);
  }

  #paint(tile, line, stroke) {
    let mask = stroke.masks.get(tile.key);
    if (!mask) stroke.masks.set(tile.key, (mask = new ImageData(TILE_PX, TILE_PX)));
    spread(mask, tile, line, stroke.radiusPx);

    const stamp = (this.#stamp ??= newContext(TILE_PX, TILE_PX));
    stamp.putImageData(mask, 0, 0);
    if (stroke.mode === "keep") {
      stamp.globalCompositeOperation = "source-in";
      stamp.drawImage(this.#original, -tile.left, -tile.top, this.canvas.width, this.canvas.height);
    }
    const context = this.#context;
    replaceTile(context, tile, stroke.step.tiles.get(tile.key), tile.left, tile.top);
    context.globalCompositeOperation = stroke.mode === "keep" ? "source-over" : "destination-out";
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
    const shown = new Map();
    const tiles = [...step.tiles.keys()].map((key) => tileOf(key, this.canvas));
    for (const tile of tiles) shown.set(tile.key, copyOfTile(this.canvas, tile));
    for (const tile of tiles) replaceTile(this.#context, tile, step.tiles.get(tile.key), tile.left, tile.top);
    to.push({ tiles: shown, wasTouched: this.#isTouched });
    this.#isTouched = step.wasTouched;
  }
}

function newContext(width, height) {
  return Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
}

/** The tile of a number, counted in rows from the top left. */
function tileOf(key, { width }) {
  const columns = Math.ceil(width / TILE_PX);
  return { key, left: (key % columns) * TILE_PX, top: Math.floor(key / columns) * TILE_PX };
}

/** The tiles of a canvas that a brush of this radius reaches on its way along a line. */
function tilesNear({ fromX, fromY, toX, toY }, radiusPx, canvas) {
  const columns = Math.ceil(canvas.width / TILE_PX), rows = Math.ceil(canvas.height / TILE_PX);
  const first = (a, b) => Math.max(0, Math.floor((Math.min(a, b) - radiusPx) / TILE_PX));
  const last = (a, b, count) => Math.min(count - 1, Math.floor((Math.max(a, b) + radiusPx) / TILE_PX));
  const distance = distanceTo({ fromX, fromY, toX, toY });
  const reachPx = radiusPx + TILE_PX * Math.SQRT1_2;
  const tiles = [];
  for (let row = first(fromY, toY); row <= last(fromY, toY, rows); row++) {
    for (let column = first(fromX, toX); column <= last(fromX, toX, columns); column++) {
      const isNear = distance((column + 0.5) * TILE_PX, (row + 0.5) * TILE_PX) < reachPx;
      if (isNear) tiles.push(tileOf(row * columns + column, canvas));
    }
  }
  return tiles;
}

function copyOfTile(canvas, { left, top }) {
  const copy = newContext(TILE_PX, TILE_PX);
  copy.drawImage(canvas, -left, -top);
  return copy.canvas;
}

/** Puts a tile's part of an image, whose left top corner is at (x, y), in the place of what is there. */
function replaceTile(context, { left, top }, image, x, y) {
  context.save();
  context.beginPath();
  context.rect(left, top, TILE_PX, TILE_PX);
  context.clip();
  context.globalCompositeOperation = "copy";
  context.drawImage(image, x, y);
  context.restore();
}

/** Raises a tile's mask (its alpha, 0..255) to the brush's strength wherever the brush passes along a line. */
function spread(mask, { left, top }, line, radiusPx) {
  const { data } = mask;
  const distance = distanceTo(line);
  const rimPx = Math.max(1, radiusPx * (1 - SOLID_SHARE));
  const { fromX, fromY, toX, toY } = line;
  const start = (a, b, edge) => Math.max(0, Math.floor(Math.min(a, b) - radiusPx - edge));
  const stop = (a, b, edge) => Math.min(TILE_PX, Math.ceil(Math.max(a, b) + radiusPx - edge));
  for (let y = start(fromY, toY, top); y < stop(fromY, toY, top); y++) {
    for (let x = start(fromX, toX, left); x < stop(fromX, toX, left); x++) {
      const at = (y * TILE_PX + x) * 4 + 3;
      if (data[at] === 255) continue;
      const strength = (255 * (radiusPx - distance(left + x + 0.5, top + y + 0.5))) / rimPx;
      if (strength > data[at]) data[at] = strength; // rounded and held within 0..255 by the array itself
    }
  }
}

/** A function that gives a point's distance to a line from end to end. */
function distanceTo({ fromX, fromY, toX, toY }) {
  const alongX = toX - fromX, alongY = toY - fromY;
  const squared = alongX * alongX + alongY * alongY;
  return (x, y) => {
    const share = squared && Math.min(1, Math.max(0, ((x - fromX) * alongX + (y - fromY) * alongY) / squared));
    return Math.sqrt((x - fromX - share * alongX) ** 2 + (y - fromY - share * alongY) ** 2);
  };
}
