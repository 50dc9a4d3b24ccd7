/** @file The panel's controls: what belongs to the chosen one shows, swatches set colours, and whoever listens hears
 * that the look is another. */

import { chosenGradient, gradientOf } from "./look.js";
import { t } from "./strings.js";

/** Sets the panel up; `onChange` hears of every change of the look, also while a control is dragged. */
export function setUpPanel(form, onChange) {
  const fields = form.elements;

  function show() {
    const kind = fields.background.value;
    const shown = { [kind]: true, shadow: fields.shadow.checked, crop: fields.crop.checked };
    for (const part of form.querySelectorAll(".part")) part.hidden = !shown[part.dataset.for];
    for (const swatch of form.querySelectorAll(".swatch")) {
      const chosen = swatch.dataset.direction ? chosenGradient(fields) === gradientIn(swatch)
        : fields.background_color.value === swatch.value;
      swatch.ariaPressed = String(chosen);
    }
    const ownColor = !form.querySelector('[data-for="color"] .swatch[aria-pressed="true"]');
    fields.background_color.parentElement.classList.toggle("chosen", ownColor);
    const format = fields.format.value;
    const isWhite = format === "jpeg" && kind === "transparent";
    document.getElementById("format-hint").textContent = t(isWhite ? "format.jpeg.white" : `format.${format}`);
  }

  for (const swatch of form.querySelectorAll(".swatch")) {
    const { direction } = swatch.dataset;
    // Set here: the page may hold no styles of its own.
    swatch.style.background = direction ? gradientIn(swatch) : swatch.value;
    swatch.addEventListener("click", () => {
      if (direction) {
        const [from, to] = swatch.value.split(" ");
        for (const [name, value] of [["from", from], ["to", to], ["direction", direction]]) {
          fields[`gradient_${name}`].value = value;
        }
      } else fields.background_color.value = swatch.value;
      show();
      onChange();
    });
  }
  form.querySelector(".panel").addEventListener("input", (event) => {
    if (event.target.type === "file" || event.target.closest("#touch")) return;
    show();
    onChange();
  });
  show();
}

/** What a gradient's swatch stands for. */
function gradientIn(swatch) {
  return gradientOf(swatch.dataset.direction, ...swatch.value.split(" "));
}
