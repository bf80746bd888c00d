// What every part of the live page uses: the reader's choices, questions to the server, small parts of the page.
// Everything shown comes from the server as data and goes into the page as text; nothing is kept beyond what was
// last asked for, so that a reader who was cut off can neither miss nor repeat anything.

export const at = id => document.getElementById(id);
export const dark = matchMedia("(prefers-color-scheme: dark)");
export const theme = () => (dark.matches ? "dark" : "light");

// --- what the reader has chosen; it stays in the address, so that a reload keeps it ---

export const chosen = {
  colour: null, panel: "", linear: "", where: {}, measures: ["accuracy", "loss"], indices: {},
  x: null, y: null, statistic: "generalised", run: "",
  inside: false, step: null, table: "", method: "", shown: "answers",
  landscape: false, height: "loss", up: "", outcome: "", verdict: "",
};
// An address may be somebody else's, or of another store: only what has the right form is taken.
const fitting = (value, like) => like === null ? ["string", "number"].includes(typeof value) : Array.isArray(like)
  ? Array.isArray(value) && value.length === like.length && value.every(one => typeof one === "string")
  : typeof value === typeof like && value !== null && !Array.isArray(value);
try {
  for (const [name, value] of Object.entries(JSON.parse(decodeURIComponent(location.hash.slice(1))))) {
    if (name in chosen && fitting(value, chosen[name])) chosen[name] = value;
  }
} catch {}

let draw = () => {};

export function whenChosen(drawing) {
  draw = drawing;
}

export function choose(changes) {
  Object.assign(chosen, changes);
  history.replaceState(null, "", "#" + encodeURIComponent(JSON.stringify(chosen)));
  return draw();
}

// A select or a box of details that stands for one choice.
export function binds(id, name) {
  const place = at(id);
  if (place.tagName !== "DETAILS") return place.addEventListener("change", () => choose({ [name]: place.value }));
  place.open = chosen[name];
  place.addEventListener("toggle", () => { if (chosen[name] !== place.open) choose({ [name]: place.open }); });
}

// --- asking ---

export async function ask(what, parameters = {}) {
  const asked = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined);
  const answer = await fetch(`api/${what}?${new URLSearchParams(asked)}`, { cache: "no-cache" });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

export const where = () => JSON.stringify(chosen.where);

// --- small parts of the page ---

export function element(tag, attributes = {}, ...inside) {
  const made = document.createElement(tag);
  Object.assign(made, attributes);
  made.append(...inside);
  return made;
}

export function fill(select, options, value) {
  if (!unchanged(select, options)) select.replaceChildren(...options.map(([name, text]) => new Option(text, name)));
  if (document.activeElement !== select || select.value !== value) select.value = value ?? "";
}

// Whether a place shows already what these things lead to; from now on it does.
export function unchanged(place, things) {
  const wanted = JSON.stringify(things);
  if (place.dataset.shown === wanted) return true;
  place.dataset.shown = wanted;
  return false;
}

export const number = value => value.toLocaleString("en", { maximumFractionDigits: 0 });

export function duration(seconds) {
  if (seconds < 90) return `${number(seconds)} s`;
  return seconds < 5400 ? `${number(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
