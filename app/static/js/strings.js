/** @file The page's texts in its language. All of them are in app/strings.json; the server embeds one language. */

const texts = JSON.parse(document.getElementById("strings").textContent);
const plurals = new Intl.PluralRules(document.documentElement.lang);

/** Whether there is a text of this key. */
export const has = (key) => key in texts;

/** The text of a key, its {names} filled; one that has forms by number is chosen by `values.count`. */
export function t(key, values = {}) {
  const form = `${key}.${plurals.select(values.count ?? 0) === "one" ? "one" : "other"}`;
  return (texts[key] ?? texts[form] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
