import { ask, at, choose, chosen, element, fill, number, theme, unchanged } from "./page.js";

// The script that draws charts may come late: all else is shown before it.
const vegaThere = new Promise(done => {
  if (window.vegaEmbed) done();
  else at("vega").addEventListener("load", done);
});

export let focus = ""; // the one value of the coloured axis that stands out, "" for all of them
const views = new Set(); // of the curves: they share a focus

export function focusOn(label) {
  focus = label;
  for (const chart of views) chart.signal("focus", focus), chart.view?.run();
}

// A chart is as wide as its place, also one that was drawn while its part of the page was closed.
let usual = 52; // pixels beside the plot of a chart, as far as is known
const charts = new WeakMap();
const widths = new ResizeObserver(entries => {
  for (const { target } of entries) charts.get(target).turn(chart => chart.fit());
});

// What is in the window is drawn first, the rest once that can be seen.
const inWindow = place => {
  const { top, bottom } = place.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
};
const painted = () => new Promise(done => {
  requestAnimationFrame(() => setTimeout(done));
  setTimeout(done, 200); // a window behind others is not painted at all
});

// What a pointer is told: the columns of a row that have a title, under that title.
function told(titles, row) {
  const text = (field, value) => (typeof value !== "number" ? value : field === "step" ? number(value)
    : value && Math.abs(value) < 1e-4 ? value.toExponential(3) : value.toLocaleString("en", { maximumSignificantDigits: 4 }));
  const rows = Object.entries(titles).filter(([field]) => ![undefined, null, ""].includes(row[field]));
  return element("table", {}, ...rows.map(([field, title]) => element("tr", {},
    element("td", { className: "key", textContent: title }), element("td", { className: "value", textContent: text(field, row[field]) }))));
}

const idle = window.requestIdleCallback ?? (what => setTimeout(what, 200)); // not every browser has it

// Rows from columns, which are shorter on the way.
function zipped(columns) {
  const fields = Object.keys(columns);
  return (columns[fields[0]] ?? []).map((_, row) => Object.fromEntries(fields.map(field => [field, columns[field][row]])));
}

// A chart whose shape is as before only gets its rows replaced, so it neither blinks nor loses its zoom.
export class Chart {
  constructor(place) {
    this.place = place;
    this.shape = this.rows = ""; // what is drawn
    this.margin = usual;
    this.drawing = Promise.resolve();
    charts.set(place, this);
    widths.observe(place);
  }

  show(answer, config, clicked) {
    return this.turn(() => this.draw(answer, config, clicked));
  }

  // One thing after the other, whatever became of the one before.
  turn(what) {
    this.drawing = this.drawing.catch(() => {}).then(() => what(this));
    return this.drawing;
  }

  // Nothing to show, or nothing any more.
  clear() {
    this.end();
    this.place.replaceChildren();
  }

  async draw(answer, config, clicked) {
    await vegaThere;
    if (!inWindow(this.place)) await painted();
    document.getElementById("vg-tooltip-element")?.classList.remove("visible"); // it tells of what was there
    const { spec, fields, titles, labels, description } = answer;
    Object.assign(this, { fields, titles, clicked });
    const signals = answer.signals ? { ...answer.signals, labels, colours: answer.colours[theme()] } : {};
    const shape = JSON.stringify([spec, config]), rows = JSON.stringify(answer.columns);
    if (this.shape !== shape) {
      await this.make(spec, zipped(answer.columns), signals, config);
    } else {
      for (const [name, value] of Object.entries(signals)) this.view.signal(name, value);
      if (this.rows !== rows) this.view.data("rows", zipped(answer.columns));
    }
    Object.assign(this, { shape, rows });
    if (description) this.view.description(description);
    await this.fit();
    this.place.dataset.drawn = performance.now(); // for a look from outside, as is the view
  }

  // Vega can fit a chart to its place as well, but lays it out twice for that, each time.
  async fit() {
    if (!this.view) return;
    if (!this.flexible || !this.place.clientWidth) return this.view.runAsync();
    for (let tries = 0; tries < 3; tries++) {
      await this.view.width(this.width()).runAsync();
      const margin = Math.ceil(this.view.container().querySelector("canvas").clientWidth - this.view.width());
      if (margin === this.margin) return;
      this.margin = usual = margin;
    }
  }

  width() {
    return Math.max((this.place.clientWidth || 400) - this.margin, 40);
  }

  async make(spec, rows, signals, config) {
    const zoom = this.zoomed();
    this.end();
    const params = spec.params?.map(one => (one.name in signals ? { ...one, value: signals[one.name] } : one));
    this.flexible = spec.width === "container";
    const sized = this.flexible ? { width: this.width(), autosize: "pad" } : {};
    const formatted = this.titles ? { formatTooltip: row => told(this.titles, row).outerHTML } : {};
    const drawn = await vegaEmbed(this.place, { ...spec, ...sized, params, data: { name: "rows", values: rows } }, {
      actions: false, renderer: "canvas", config, tooltip: { theme: theme(), ...formatted },
    });
    this.view = this.place.view = drawn.view;
    this.view.addEventListener("click", (event, item) => {
      if (item?.datum && this.named(item.datum)) this.clicked(this.named(item.datum));
    });
    this.signal("focus", focus);
    if (zoom) this.signal("zoom_step", zoom);
  }

  end() {
    this.view?.finalize();
    this.view = null;
    this.shape = this.rows = "";
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
    const { panels, ...shared } = answer;
    while (this.charts.length < panels.length) this.add();
    // Charts that are too many are kept for the next choice: to make one takes long.
    if (!unchanged(this.place, panels.map(panel => panel.heading))) {
      for (const chart of this.charts) chart.signal("zoom_step", null); // of what stood there before
      this.place.replaceChildren(...panels.map((panel, at) => element("figure", {},
        ...(panel.heading ? [element("h3", { textContent: panel.heading })] : []), this.charts[at].place)));
    }
    await Promise.all(panels.map((panel, at) =>
      this.charts[at].show({ ...shared, ...panel }, answer.themes[theme()], clicked)));
  }

  add() {
    const chart = new Chart(element("div", { className: "chart" }));
    if (this.focused) views.add(chart);
    this.charts.push(chart);
    return chart;
  }

  // Makes charts of this shape in idle moments, which the next choice of panels may ask for.
  prepare(answer, wanted) {
    const { panels: [panel], ...shared } = answer;
    if (this.charts.length >= answer.most) return;
    idle(() => wanted() && this.add().show({ ...shared, ...panel }, answer.themes[theme()])
      .then(() => this.prepare(answer, wanted)).catch(() => {}));
  }
}

const index = (name, shape) => shape.map((_, place) => chosen.indices[name]?.[place] ?? 0).join(",");

// Questions about curves go one after the other, so that the first is drawn while the second is worked on.
let turn = Promise.resolve();
const inTurn = question => (turn = turn.catch(() => {}).then(question));

// Learning curves: one figure for each measure, one chart for each panel.
export class Curves {
  constructor(place, picked, swap) {
    this.title = element("h2");
    this.select = element("select", { ariaLabel: "measure" });
    this.index = element("span");
    const panels = element("div", { className: "panels" });
    this.panels = new Panels(panels, true);
    Object.assign(this, { picked, swaps: Boolean(swap) });
    this.note = element("p", { className: "note" });
    const head = element("div", { className: "measure" }, swap ? this.select : this.title, this.index);
    place.append(element("section", {}, head, panels, this.note));
    this.select.addEventListener("change", () => swap(this.select.value));
  }

  async show(measure, told, choice) {
    const asked = { measure: measure.name, index: index(measure.name, measure.shape), ...choice };
    if (unchanged(this.note, [told.version, asked, theme()])) return this.answer;
    const answer = await inTurn(() => ask("curves", asked));
    this.answer = answer;
    this.title.textContent = answer.title;
    fill(this.select, told.measures.map(one => [one.name, one.name.replaceAll("_", " ")]), measure.name);
    this.ask(measure);
    this.note.textContent = answer.note;
    await this.panels.show(answer, this.picked);
    if (this.swaps && answer.panels.length === 1) this.panels.prepare(answer, () => this.answer === answer);
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
