import { ask, at, choose, chosen, element, fill, theme, unchanged } from "./page.js";

// The script that draws charts may come late: all else is shown before it.
const vegaThere = new Promise(done => {
  if (window.vegaEmbed) done();
  else at("vega").addEventListener("load", done);
});

let focus = "";
const views = new Set(); // of the curves: they share a focus

// The one value of the coloured axis that stands out, "" for all of them.
export function focusOn(label) {
  focus = focus === label ? "" : label;
  for (const chart of views) chart.signal("focus", focus), chart.view?.run();
  return focus;
}

// A chart that was drawn while its part of the page was closed has no width yet; Vega listens to the window alone.
const opened = new ResizeObserver(entries => {
  for (const { target, contentRect } of entries) {
    if (contentRect.width && target.dataset.width === "0") dispatchEvent(new Event("resize"));
    target.dataset.width = String(Math.round(contentRect.width));
  }
});

// Rows from columns, which are shorter on the way.
function zipped(columns) {
  const fields = Object.keys(columns);
  return (columns[fields[0]] ?? []).map((_, row) => Object.fromEntries(fields.map(field => [field, columns[field][row]])));
}

// A chart whose shape is as before only gets its rows replaced, so it neither blinks nor loses its zoom.
export class Chart {
  constructor(place) {
    this.place = place;
    this.shape = "";
    this.drawing = Promise.resolve();
    opened.observe(place);
  }

  show(answer, config, clicked) {
    this.drawing = this.drawing.catch(() => {}).then(() => this.draw(answer, config, clicked));
    return this.drawing;
  }

  // Nothing to show, or nothing any more.
  clear() {
    this.view?.finalize();
    this.view = null;
    this.shape = "";
    this.place.replaceChildren();
    opened.unobserve(this.place);
    opened.observe(this.place);
  }

  async draw(answer, config, clicked) {
    await vegaThere;
    this.fields = answer.fields;
    const rows = zipped(answer.columns);
    const shape = JSON.stringify([answer.spec, config]);
    if (this.shape === shape) {
      await this.view.data("rows", rows).runAsync();
      return;
    }
    const zoom = this.zoomed();
    this.view?.finalize();
    const spec = { ...answer.spec, data: { name: "rows", values: rows } };
    const drawn = await vegaEmbed(this.place, spec, {
      actions: false, renderer: "canvas", config, tooltip: { theme: theme() },
    });
    this.view = drawn.view;
    this.shape = shape;
    this.view.addEventListener("click", (event, item) => {
      if (item?.datum && this.named(item.datum)) clicked(this.named(item.datum));
    });
    this.signal("focus", focus);
    if (zoom) this.signal("zoom_step", zoom);
    this.place.view = this.view; // for a look from outside
    await this.view.runAsync();
  }

  // What a row stands for: its label on each axis.
  named(datum) {
    const pairs = Object.entries(this.fields).map(([field, axis]) => [axis, datum[field]]);
    const known = pairs.filter(([axis, label]) => axis && label !== undefined && label !== "");
    return known.length ? Object.fromEntries(known) : null;
  }

  signal(name, value) {
    try {
      this.view.signal(name, value);
    } catch {} // a chart without it
  }

  zoomed() {
    try {
      return this.view.signal("zoom_step");
    } catch {
      return null;
    }
  }
}

// Charts side by side, each under its heading.
export class Panels {
  constructor(place, focused = false) {
    this.place = place;
    this.focused = focused;
    this.charts = [];
  }

  async show(answer, clicked = () => {}) {
    if (!unchanged(this.place, answer.panels.map(panel => panel.heading))) {
      for (const chart of this.charts) chart.clear(), views.delete(chart);
      const places = answer.panels.map(() => element("div", { className: "chart" }));
      this.charts = places.map(place => new Chart(place));
      if (this.focused) for (const chart of this.charts) views.add(chart);
      this.place.replaceChildren(...answer.panels.map((panel, at) =>
        element("figure", {}, ...(panel.heading ? [element("h3", { textContent: panel.heading })] : []), places[at])));
    }
    await Promise.all(answer.panels.map((panel, at) => this.charts[at].show(panel, answer.themes[theme()], clicked)));
  }
}

const index = (name, shape) => shape.map((_, place) => chosen.indices[name]?.[place] ?? 0).join(",");

// Learning curves: one figure for each measure, one chart for each panel.
export class Curves {
  constructor(place, picked, swap) {
    this.title = element("h2");
    this.select = element("select", { ariaLabel: "measure" });
    this.index = element("span");
    const panels = element("div", { className: "panels" });
    this.panels = new Panels(panels, true);
    this.picked = picked;
    this.note = element("p", { className: "note" });
    const head = element("div", { className: "measure" }, swap ? this.select : this.title, this.index);
    place.append(element("section", {}, head, panels, this.note));
    this.select.addEventListener("change", () => swap(this.select.value));
  }

  async show(measure, told, choice) {
    const asked = { measure: measure.name, index: index(measure.name, measure.shape), ...choice };
    if (unchanged(this.note, [told.version, asked, theme()])) return this.answer;
    const answer = await ask("curves", asked);
    this.answer = answer;
    this.title.textContent = answer.title;
    fill(this.select, told.measures.map(one => [one.name, one.name.replaceAll("_", " ")]), measure.name);
    this.ask(measure);
    this.note.textContent = answer.note;
    await this.panels.show(answer, this.picked);
    return answer;
  }

  // A measure whose values are arrays is drawn at one place of them.
  ask(measure) {
    if (unchanged(this.index, [measure.name, measure.shape])) return;
    this.index.replaceChildren(...measure.shape.map((size, place) => {
      const value = chosen.indices[measure.name]?.[place] ?? 0;
      const box = element("input", { type: "number", min: 0, max: size - 1, value, ariaLabel: `place along axis ${place}` });
      box.addEventListener("change", () => {
        const places = measure.shape.map((_, other) => chosen.indices[measure.name]?.[other] ?? 0);
        places[place] = Math.max(0, Math.min(size - 1, Math.round(box.value) || 0));
        box.value = places[place];
        choose({ indices: { ...chosen.indices, [measure.name]: places } });
      });
      return box;
    }));
  }
}
