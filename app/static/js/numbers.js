/** @file Numbers as Python has them, so that sizes and places here are the server's. */

/** Rounds halves to the even neighbour. */
export function round(value) {
  const below = Math.floor(value);
  const rest = value - below;
  return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
}

/** The nearest number that is not outside. */
export const clamp = (value, least, most) => Math.min(Math.max(value, least), most);
