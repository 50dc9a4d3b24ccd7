/** @file What the panel says: as the look that scene.js paints, and as the words that the API takes (routes/web.py
 * reads the same fields from a plain form). */

const ROUND = "round";

/** The photo as it is: nothing behind it, nothing moved. */
export const PLAIN = {
  background: { kind: "transparent" },
  shadow: null,
  layout: {
    crop: false, margin: Array(4).fill({ value: 0, isPercent: false }), canvas: null, scale: null, position: null,
  },
};

/** A gradient as CSS writes it. */
export function gradientOf(direction, from, to) {
  const shape = direction === ROUND ? "radial-gradient(" : `linear-gradient(${direction}, `;
  return `${shape}${from}, ${to})`;
}

/** The gradient that the fields say. */
export function chosenGradient({ gradient_direction: direction, gradient_from: from, gradient_to: to }) {
  return gradientOf(direction.value, from.value, to.value);
}

/** The look of scene.js, for a file of this format. `image` is {bitmap, file} of the image to put behind, or null. */
export function lookOf(form, image, format = form.elements.format.value) {
  const fields = form.elements;
  return { background: backgroundOf(fields, image, format), shadow: shadowOf(fields), layout: layoutOf(fields) };
}

function backgroundOf(fields, image, format) {
  switch (fields.background.value) {
    case "color": return { kind: "color", color: fields.background_color.value };
    case "gradient": return { kind: "gradient", css: chosenGradient(fields) };
    case "blur": return { kind: "blur", radiusPx: Number(fields.background_blur.value) };
    case "image": if (image) return { kind: "image", ...image, fit: "cover" };
  }
  // A JPEG stands on white where nothing else is behind.
  return format === "jpeg" ? { kind: "color", color: "#ffffff" } : { kind: "transparent" };
}

function shadowOf(fields) {
  if (!fields.shadow.checked) return null;
  return { offsetPx: [0, 16], blurPx: 24, opacity: Number(fields.shadow_opacity.value) / 100, color: "#000000" };
}

function layoutOf(fields) {
  const preset = fields.preset.selectedOptions[0]?.dataset.layout;
  const layout = preset ? JSON.parse(preset) : PLAIN.layout;
  if (!fields.crop.checked) return layout;
  return { ...layout, crop: true, margin: Array(4).fill({ value: Number(fields.crop_margin.value), isPercent: true }) };
}

/** The API's words of the panel, as [name, value] pairs, for a file of this format. */
export function wordsOf(form, image, format) {
  const fields = form.elements;
  const words = [["format", format]];
  if (fields.preset.value) words.push(["preset", fields.preset.value]);
  const kind = fields.background.value;
  if (kind === "color") words.push(["background_color", fields.background_color.value]);
  if (kind === "gradient") words.push(["background_gradient", chosenGradient(fields)]);
  if (kind === "blur") words.push(["background_blur", fields.background_blur.value]);
  if (kind === "image" && image) words.push(["background_image", image.file]);
  if (fields.shadow.checked) words.push(["shadow", "true"], ["shadow_opacity", `${fields.shadow_opacity.value}%`]);
  if (fields.crop.checked) words.push(["crop", "true"], ["crop_margin", `${fields.crop_margin.value}%`]);
  return words;
}
