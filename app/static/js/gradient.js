/** @file CSS gradients as the server reads and paints them: app/imaging/gradient.py; lengths as CSS Images 3, §3.1 and
 * §3.2. */

const SIDES = { top: 0, right: 90, bottom: 180, left: 270 };
// The server has so many shades from 0 to 1 and takes the one at or before a place: its hard edges lie on whole shades.
const LAST_SHADE = 4095;

/** Fills a canvas of this size with `linear-gradient(45deg, #fff, #a9d8ff 60%)` or `radial-gradient(…)`, under the
 * context's transform. */
export function fillGradient(context, css, width, height) {
  const [, kind, inner] = /^\s*(linear|radial)-gradient\((.*)\)\s*$/is.exec(css) ?? [];
  if (!kind) throw new TypeError(`${css} is no gradient`);
  const parts = inner.split(/,(?![^(]*\))/).map((part) => part.trim());
  const isLinear = kind.toLowerCase() === "linear";
  const angleDeg = isLinear ? angleOf(parts[0]) : null;
  const stops = stopsOf(angleDeg === null ? parts : parts.slice(1));
  const reach = Math.max(1, stops.at(-1).place); // stops may lie outside of the canvas, and a canvas takes none
  context.save();
  context.translate(width / 2, height / 2);
  if (!isLinear) context.scale(width, height); // an ellipse through the corners
  const painted = isLinear
    ? lineOf(context, angleDeg ?? 180, width, height, reach)
    : context.createRadialGradient(0, 0, 0, 0, 0, Math.SQRT1_2 * reach);
  for (const { place, color } of stops) painted.addColorStop(place / reach, color);
  context.fillStyle = painted;
  if (isLinear) context.fillRect(-width / 2, -height / 2, width, height);
  else context.fillRect(-0.5, -0.5, 1, 1);
  context.restore();
}

function angleOf(part) {
  const [, angle, side] = /^(?:([+-]?[\d.]+)deg|to\s+(\w+))$/i.exec(part) ?? [];
  return angle ? Number(angle) : side ? SIDES[side.toLowerCase()] : null;
}

function lineOf(context, angleDeg, width, height, reach) {
  const sine = Math.sin((angleDeg * Math.PI) / 180), cosine = Math.cos((angleDeg * Math.PI) / 180);
  const half = (Math.abs(width * sine) + Math.abs(height * cosine)) / 2, end = (2 * reach - 1) * half;
  return context.createLinearGradient(-half * sine, half * cosine, end * sine, -end * cosine);
}

/** Colours with their places, 0 and up: those left out evenly between their neighbours, none before the one ahead. */
function stopsOf(parts) {
  const stops = parts.map((part, number) => {
    const [, color, percent] = /^(.*?)(?:\s+([\d.]+)%)?$/s.exec(part);
    const place = percent ? Number(percent) / 100 : number === 0 ? 0 : number === parts.length - 1 ? 1 : null;
    return { color, place };
  });
  let before = 0;
  for (const [number, stop] of stops.entries()) {
    if (stop.place !== null) {
      stop.place = Math.max(stop.place, stops[before].place);
      before = number;
      continue;
    }
    const after = stops.findIndex(({ place }, at) => at > number && place !== null);
    const from = stops[before].place, to = Math.max(from, stops[after].place);
    stop.place = from + ((to - from) * (number - before)) / (after - before);
  }
  // Where two stops meet there is a hard edge.
  const places = stops.map(({ place }) => place);
  const isHard = (at) => places[at] === places[at - 1] || places[at] === places[at + 1];
  return stops.map(({ color, place }, at) => (
    { color, place: isHard(at) ? Math.ceil(place * LAST_SHADE) / LAST_SHADE : place }
  ));
}
