/** @file Shows a scene: zoom and pan, the original beside the result, and whatever tool works on it. */

const MARGIN_PX = 12, MOST_SCALE = 16, STEP = 1.5, NUDGE_PX = 48, SQUARE_PX = 10;

/** Coordinates of pointers are CSS pixels within the view. */
export class Viewer {
  /** `view` is the element that takes pointers and keys, `canvas` fills it, `split` the range of before and after. */
  constructor({ view, canvas, split }) {
    Object.assign(this, { view, canvas, split });
    this.context = canvas.getContext("2d");
    this.scene = null;
    this.tool = null; // {down, move, up, cancel, key, paint}: what a pointer does besides panning
    this.scale = null; // device pixels for one of the result's; null: as large as it fits
    this.middle = { x: 0.5, y: 0.5 }; // the part of the result, 0..1, in the middle of the view
    this.pointers = new Map(); // id -> its latest place in the view
    this.checks = {};
    this.frame = 0;
    new ResizeObserver(() => this.#resize()).observe(view);
    this.#onOtherScreen();
    split.addEventListener("input", () => this.repaint());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.repaint());
    this.#listen();
  }

  /** Shows a scene (null: nothing); another picture is seen whole, the same one stays where it is. */
  show(scene, { keepPlace = false } = {}) {
    this.scene = scene;
    if (!keepPlace) this.fit();
    this.repaint();
  }

  repaint() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.#paint();
    });
  }

  fit() {
    this.scale = null;
    this.middle = { x: 0.5, y: 0.5 };
    this.#zoomed();
  }

  actual() {
    this.#zoomTo(1);
  }

  zoomIn() {
    this.#zoomTo(this.shownScale * STEP);
  }

  zoomOut() {
    this.#zoomTo(this.shownScale / STEP);
  }

  /** Device pixels for one of the result's. */
  get shownScale() {
    return this.scale ?? this.#fitScale();
  }

  /** A place of the view (CSS pixels) in the result's pixels. */
  toResult({ x, y }) {
    const { left, top, scale } = this.#place();
    return { x: (x * devicePixelRatio - left) / scale, y: (y * devicePixelRatio - top) / scale };
  }

  /** A place of the result in the view, CSS pixels. */
  toView({ x, y }) {
    const { left, top, scale } = this.#place();
    return { x: (x * scale + left) / devicePixelRatio, y: (y * scale + top) / devicePixelRatio };
  }

  #fitScale() {
    const { scene, canvas } = this;
    const room = 2 * MARGIN_PX * devicePixelRatio;
    if (!scene) return 1;
    const fitting = Math.min((canvas.width - room) / scene.width, (canvas.height - room) / scene.height);
    return Math.max(0.001, Math.min(fitting, 2 * devicePixelRatio)); // a small photo is not blown up
  }

  /** Where the result's corner is on the canvas, and its scale, device pixels. */
  #place() {
    const scale = this.shownScale;
    const corner = (side, size, share) => {
      const drawn = size * scale;
      if (drawn <= side) return Math.round((side - drawn) / 2);
      return Math.round(Math.min(0, Math.max(side - drawn, side / 2 - share * drawn)));
    };
    const { canvas, scene, middle } = this;
    const left = corner(canvas.width, scene.width, middle.x), top = corner(canvas.height, scene.height, middle.y);
    return { scale, left, top };
  }

  /** Zooms about a place of the view, which stays where it is; without one about the middle. */
  #zoomTo(scale, about = null) {
    if (!this.scene) return;
    const fitting = this.#fitScale();
    const next = Math.min(Math.max(scale, Math.min(fitting, 1)), MOST_SCALE);
    const at = about ?? { x: this.view.clientWidth / 2, y: this.view.clientHeight / 2 };
    const fixed = this.toResult(at);
    this.scale = next;
    this.#center({
      x: fixed.x + (this.canvas.width / 2 - at.x * devicePixelRatio) / next,
      y: fixed.y + (this.canvas.height / 2 - at.y * devicePixelRatio) / next,
    });
    this.#zoomed();
  }

  #center({ x, y }) {
    const within = (value, size, side) => {
      const half = side / 2 / this.shownScale / size;
      return half >= 0.5 ? 0.5 : Math.min(Math.max(value / size, half), 1 - half);
    };
    this.middle = {
      x: within(x, this.scene.width, this.canvas.width), y: within(y, this.scene.height, this.canvas.height),
    };
    this.repaint();
  }

  /** Moves what is seen by so many CSS pixels. */
  #pan(dx, dy) {
    if (!this.scene) return;
    const { scene, middle, shownScale } = this;
    const step = devicePixelRatio / shownScale;
    this.#center({ x: middle.x * scene.width - dx * step, y: middle.y * scene.height - dy * step });
  }

  get #canPan() {
    const { scene, canvas, shownScale } = this;
    return scene && (scene.width * shownScale > canvas.width || scene.height * shownScale > canvas.height);
  }

  #zoomed() {
    this.view.classList.toggle("can-pan", Boolean(this.#canPan));
    this.repaint();
  }

  /** A window that is moved to a finer screen is as large as before, in other pixels. */
  #onOtherScreen() {
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener("change", () => {
      this.#resize();
      this.#onOtherScreen();
    }, { once: true });
  }

  #resize() {
    const { view, canvas } = this;
    canvas.width = Math.max(1, Math.round(view.clientWidth * devicePixelRatio));
    canvas.height = Math.max(1, Math.round(view.clientHeight * devicePixelRatio));
    this.#zoomed();
    this.#paint(); // at once: a canvas of a new size is empty
  }

  #paint() {
    const { context, canvas, scene, split, tool } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!scene) return;
    this.#within(0, canvas.width, () => {
      tool?.under(context, scene);
      scene.paint(context);
    });
    if (tool) tool.paint(context);
    else this.#paintBefore();
    split.ariaValueText = `${split.value} %`;
  }

  /** Paints the original up to the border. */
  #paintBefore() {
    const { context, canvas, scene, split } = this;
    if (split.hidden || !scene.hasOriginal) return;
    const { x, before: [from, to] } = this.#border();
    if (from === to) return;
    this.#within(from, to, () => scene.paintOriginal(context));
    if (to - from === canvas.width) return;
    for (const [color, width] of [["#000a", 3], ["#fff", 1.5]]) {
      context.fillStyle = color;
      context.fillRect(x - (width / 2) * devicePixelRatio, 0, width * devicePixelRatio, canvas.height);
    }
  }

  /** Paints in the result's own pixels, on checks, between two columns of the canvas. */
  #within(from, to, paint) {
    const { context, canvas, scene } = this;
    const { left, top, scale } = this.#place();
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, canvas.height);
    context.clip();
    context.beginPath();
    context.rect(left, top, scene.width * scale, scene.height * scale);
    context.clip();
    context.fillStyle = this.#checks();
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = scale < 2; // pixels are seen as they are
    context.setTransform(scale, 0, 0, scale, left, top);
    paint();
    context.restore();
  }

  /** Where before ends and after begins, device pixels: at the middle of the range's thumb. */
  #border() {
    const { canvas, split } = this;
    const style = getComputedStyle(split), share = split.value / 100;
    const thumb = parseFloat(style.getPropertyValue("--thumb"));
    const along = share === 0 ? 0 : share === 1 ? canvas.width
      : (thumb / 2 + share * (split.clientWidth - thumb)) * devicePixelRatio;
    const isRtl = style.direction === "rtl";
    const x = isRtl ? canvas.width - along : along;
    return { x, before: isRtl ? [x, canvas.width] : [0, x] };
  }

  /** The pattern that stands for transparency, in the colours of the style sheet. */
  #checks() {
    const style = getComputedStyle(this.view);
    const colors = ["--check-a", "--check-b"].map((name) => style.getPropertyValue(name));
    const side = Math.round(SQUARE_PX * devicePixelRatio), key = `${colors} ${side}`;
    if (this.checks.key === key) return this.checks.pattern;
    const tile = document.createElement("canvas");
    tile.width = tile.height = 2 * side;
    const context = tile.getContext("2d");
    [context.fillStyle] = colors;
    context.fillRect(0, 0, 2 * side, 2 * side);
    [, context.fillStyle] = colors;
    for (const at of [0, side]) context.fillRect(at, at, side, side);
    this.checks = { key, pattern: this.context.createPattern(tile, "repeat") };
    return this.checks.pattern;
  }

  #listen() {
    const { view, pointers } = this;
    const place = (event) => {
      const box = view.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    view.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !this.scene) return;
      view.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, place(event));
      if (pointers.size === 1) this.tool?.down(place(event));
      else this.tool?.cancel();
    });
    view.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId), now = place(event);
      if (!before) return this.tool?.hover(now);
      if (pointers.size === 1 && this.tool) {
        for (const each of event.getCoalescedEvents?.() ?? []) this.tool.move(place(each));
        this.tool.move(now);
      } else if (pointers.size === 1) this.#pan(now.x - before.x, now.y - before.y);
      else this.#pinch(event.pointerId, now);
      pointers.set(event.pointerId, now);
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      view.addEventListener(kind, (event) => {
        if (!pointers.delete(event.pointerId)) return;
        if (!pointers.size) this.tool?.up();
      });
    }
    view.addEventListener("pointerleave", () => this.tool?.hover(null));
    view.addEventListener("dblclick", (event) => {
      if (this.tool) return;
      if (this.scale === null) this.#zoomTo(Math.max(1, 2 * this.shownScale), place(event));
      else this.fit();
    });
    view.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page's own
      event.preventDefault();
      this.#zoomTo(this.shownScale * Math.exp(-event.deltaY / 150), place(event));
    }, { passive: false });
    view.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (this.tool?.key(event) || this.#key(event.key)) event.preventDefault();
    });
  }

  #pinch(id, now) {
    const before = this.pointers.get(id);
    const [other] = [...this.pointers.values()].filter((point) => point !== before);
    if (!other) return;
    const spread = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
    const between = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
    this.#pan((now.x - before.x) / 2, (now.y - before.y) / 2);
    this.#zoomTo(this.shownScale * (spread(now) / spread(before)), between);
  }

  #key(key) {
    const moves = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (key in moves) {
      if (!this.#canPan) return false;
      this.#pan(...moves[key].map((step) => step * NUDGE_PX));
    } else if (key === "+" || key === "=") this.zoomIn();
    else if (key === "-") this.zoomOut();
    else if (key === "0") this.fit();
    else if (key === "1") this.actual();
    else return false;
    return true;
  }
}
