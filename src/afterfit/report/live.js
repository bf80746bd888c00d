"use strict";
// Everything shown comes from the server as data and goes into the page as text; nothing is kept beyond what was
// last asked for, so that a reader who was cut off can neither miss nor repeat anything.
(() => {
  const at = id => document.getElementById(id);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => (dark.matches ? "dark" : "light");

  // --- what the reader has chosen; it stays in the address, so that a reload keeps it ---

  const chosen = {
    colour: null, panel: "", linear: "", where: {}, measures: ["accuracy", "loss"], indices: {},
    x: null, y: null, statistic: "generalised", run: "",
  };
  try {
    Object.assign(chosen, JSON.parse(decodeURIComponent(location.hash.slice(1)) || "{}"));
  } catch {} // somebody else's address

  function choose(changes) {
    Object.assign(chosen, changes);
    history.replaceState(null, "", "#" + encodeURIComponent(JSON.stringify(chosen)));
    return refresh();
  }

  // The script that draws charts may come late: all else is shown before it.
  const vegaThere = new Promise(done => {
    if (window.vegaEmbed) done();
    else at("vega").addEventListener("load", done);
  });

  // --- asking ---

  async function ask(what, parameters = {}) {
    const asked = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined);
    const answer = await fetch(`api/${what}?${new URLSearchParams(asked)}`, { cache: "no-cache" });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.error);
    return told;
  }

  const where = () => JSON.stringify(chosen.where);
  const index = (name, shape) => shape.map((_, place) => chosen.indices[name]?.[place] ?? 0).join(",");

  // --- small parts of the page ---

  function element(tag, attributes = {}, ...inside) {
    const made = document.createElement(tag);
    Object.assign(made, attributes);
    made.append(...inside);
    return made;
  }

  function fill(select, options, value) {
    if (!unchanged(select, options)) select.replaceChildren(...options.map(([name, text]) => new Option(text, name)));
    if (document.activeElement !== select || select.value !== value) select.value = value ?? "";
  }

  // Whether a place shows already what these things lead to; from now on it does.
  function unchanged(place, things) {
    const wanted = JSON.stringify(things);
    if (place.dataset.shown === wanted) return true;
    place.dataset.shown = wanted;
    return false;
  }

  const number = value => value.toLocaleString("en", { maximumFractionDigits: 0 });

  function duration(seconds) {
    if (seconds < 90) return `${number(seconds)} s`;
    return seconds < 5400 ? `${number(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
  }

  // --- charts ---

  // Rows from columns, which are shorter on the way.
  function zipped(columns) {
    const fields = Object.keys(columns);
    return columns[fields[0]].map((_, row) => Object.fromEntries(fields.map(field => [field, columns[field][row]])));
  }

  // A chart whose shape is as before only gets its rows replaced, so it neither blinks nor loses its zoom.
  class Chart {
    constructor(place) {
      this.place = place;
      this.shape = "";
      this.answer = null;
      this.drawing = Promise.resolve();
    }

    show(answer, config, clicked) {
      this.drawing = this.drawing.then(() => this.draw(answer, config, clicked));
      return this.drawing;
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

  let focus = "";
  const views = new Set();

  // --- learning curves: one figure for each measure, one chart for each panel ---

  class Curves {
    constructor(place, swap) {
      this.title = element("h2");
      this.select = element("select", { ariaLabel: "measure" });
      this.index = element("span");
      this.panels = element("div", { className: "panels" });
      this.note = element("p", { className: "note" });
      this.charts = [];
      const head = element("div", { className: "measure" }, swap ? this.select : this.title, this.index);
      place.append(element("section", {}, head, this.panels, this.note));
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
      if (!unchanged(this.panels, answer.panels.map(panel => panel.heading))) {
        for (const chart of this.charts) views.delete(chart);
        const places = answer.panels.map(() => element("div", { className: "chart" }));
        this.charts = places.map(place => new Chart(place));
        for (const chart of this.charts) views.add(chart);
        this.panels.replaceChildren(...answer.panels.map((panel, place) =>
          element("figure", {}, ...(panel.heading ? [element("h3", { textContent: panel.heading })] : []), places[place])));
      }
      await Promise.all(answer.panels.map((panel, place) =>
        this.charts[place].show(panel, answer.themes[theme()], named => picked(named))));
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

  // A click: one run where the line is one, else the runs behind a median.
  function picked({ run, ...labels }) {
    if (run) return choose({ run }).then(() => at("one").focus());
    return choose({ where: { ...chosen.where, ...labels } });
  }

  const curves = [0, 1].map(place => new Curves(at("curves"), name =>
    choose({ measures: chosen.measures.map((old, other) => (other === place ? name : old)) })));
  const ofOne = [0, 1].map(() => new Curves(at("one-curves")));
  const diagram = new Chart(at("diagram"));

  // --- sections ---

  function showStatus(told) {
    document.title = `${told.store} · afterfit`;
    at("store").textContent = told.store;
    const counts = Object.entries(told.counts).map(([state, count]) => `${number(count)} ${state}`);
    at("counts").textContent = counts.join(", ") || "no run yet";
    at("sessions").replaceChildren(...told.sessions.map(session => element("li", {},
      element("b", { textContent: session.steps_per_second ? `${number(session.steps_per_second)} steps/s` : "preparing" }),
      element("span", { textContent: [
        session.seconds_left === null ? "" : `, ${duration(session.seconds_left)} left`,
        `, ${session.running} running, ${session.waiting} waiting; ${session.process}`,
        session.devices ? `, ${session.devices}` : "",
      ].join("") }))));
    at("phases").replaceChildren(...told.phases.map(phase => element("li", {},
      element("b", { textContent: `${number(phase.count)} ${phase.name}. ` }),
      element("span", { textContent: phase.advice }))));
  }

  function showControls(told) {
    const axes = told.axes.map(axis => [axis.name, axis.title]);
    fill(at("colour"), [["", "train and test"], ...axes], chosen.colour);
    fill(at("panel"), [["", "none"], ...axes], chosen.panel);
    at("linear").value = chosen.linear;
    for (const axis of told.axes) {
      let select = [...at("filters").querySelectorAll("select")].find(one => one.dataset.axis === axis.name);
      if (!select) {
        select = element("select");
        select.dataset.axis = axis.name;
        select.addEventListener("change", () => {
          const { [axis.name]: _, ...others } = chosen.where;
          choose({ where: select.value === "" ? others : { ...others, [axis.name]: select.value } });
        });
        const title = element("span", { className: "text", textContent: axis.title, title: axis.title });
        at("filters").append(element("label", {}, title, select));
      }
      fill(select, [["", "all"], ...axis.labels.map(label => [label, label])], chosen.where[axis.name] ?? "");
    }
    at("everything").hidden = !Object.keys(chosen.where).length;
    fill(at("statistic"), [
      ...told.statistics.map(one => [one.name, one.title]),
      ...told.measures.map(one => [`last ${one.name}`, `last ${one.name.replaceAll("_", " ")}`]),
    ], chosen.statistic);
    if (!axes.length) return; // they come with the first records
    const axis = name => told.axes.find(one => one.name === name);
    chosen.x = (axis(chosen.x) ?? axis(chosen.colour) ?? told.axes[0]).name;
    if (chosen.y !== "" && !axis(chosen.y)) chosen.y = told.axes.find(one => one.name !== chosen.x)?.name ?? "";
    fill(at("x"), axes, chosen.x);
    fill(at("y"), [["", "nothing"], ...axes], chosen.y);
  }

  function showLegend(answer, title) {
    if (unchanged(at("legend"), [answer.legend, title, theme()])) return;
    const keys = answer.legend.map(({ label, ...colours }) => {
      const line = element("i");
      line.style.color = colours[theme()];
      const button = element("button", { type: "button", title: label, ariaPressed: "false" },
        line, element("span", { className: "text", textContent: label }));
      button.disabled = !answer.colour;
      button.addEventListener("click", () => {
        focus = focus === label ? "" : label;
        for (const other of at("legend").querySelectorAll("button")) other.ariaPressed = String(other.title === focus);
        for (const chart of views) chart.signal("focus", focus), chart.view?.run();
      });
      return button;
    });
    at("legend").replaceChildren(element("span", { className: "what", textContent: title }), ...keys);
  }

  async function showDiagram(told) {
    at("diagram-section").hidden = !told.axes.length;
    if (!told.axes.length) return;
    const { x, y, statistic } = chosen;
    if (unchanged(at("diagram"), [told.version, x, y, statistic, chosen.where, theme()])) return;
    const answer = await ask("diagram", { x, y, statistic, where: where() });
    await diagram.show({ ...answer, fields: { x: answer.fields.x, y: answer.fields.y } }, answer.themes[theme()],
      labels => choose({ where: { ...chosen.where, ...labels } }).then(() => at("controls").scrollIntoView()));
  }

  async function showRuns(version) {
    if (unchanged(at("runs"), [version, chosen.where])) return;
    const told = await ask("runs", { where: where() });
    const titles = ["run", "state", ...told.axes, "step", "train", "test", "phase"];
    at("runs-head").replaceChildren(element("tr", {}, ...titles.map(title => element("th", { textContent: title, className: "text" }))));
    at("runs").replaceChildren(...told.rows.map(row => {
      const open = element("button", { type: "button", className: "link", textContent: row.run.slice(0, 8), title: row.run });
      open.addEventListener("click", () => picked({ run: row.run }));
      const texts = [row.state, ...row.labels, row.step, row.train, row.test, row.phase];
      return element("tr", {}, element("td", { className: "text" }, open),
        ...texts.map(text => element("td", { className: "text", textContent: text, title: text })));
    }));
    const more = told.total - told.rows.length;
    at("runs-note").textContent = more > 0 ? `The first ${told.rows.length} of ${number(told.total)} runs; choose values above to narrow them.` : "";
  }

  async function showOne(told) {
    at("one").hidden = !chosen.run;
    if (!chosen.run) return;
    const one = await ask("run", { id: chosen.run });
    at("one-title").textContent = `Run ${one.run.slice(0, 12)}`;
    at("one-story").textContent = `${one.state} at step ${one.step}; ${one.phase}: fitted its training set at ${one.memorised}, ` +
      `generalised at ${one.generalised} (times later: ${one.ratio}). ${one.message} ${one.advice}`;
    const pairs = [...one.fields, ["run", one.run], ...Object.entries(one.about)];
    at("one-fields").replaceChildren(...pairs.map(([title, text]) =>
      element("tr", {}, element("td", { textContent: title }), element("td", { textContent: text }))));
    at("one-recipe").textContent = one.recipe;
    await showCurves(ofOne, told, { where: JSON.stringify({ run: chosen.run }), colour: "", linear: chosen.linear });
  }

  function showCurves(figures, told, choice) {
    return Promise.all(figures.map((figure, place) => {
      const measure = told.measures.find(one => one.name === chosen.measures[place]) ?? told.measures[place];
      return figure.show(measure, told, choice);
    }));
  }

  // --- all of it ---

  async function draw() {
    const began = performance.now();
    if (stale) {
      stale = false; // before asking: what changes meanwhile is news again
      latest = await ask("status");
    }
    const told = latest;
    showStatus(told);
    const choice = { where: where(), colour: chosen.colour, panel: chosen.panel, linear: chosen.linear };
    showControls(told);
    await Promise.all([showRuns(told.version), showOne(told), showCurves(curves, told, choice).then(async ([first]) => {
      chosen.colour ??= first.panels.length ? first.colour : null;
      at("colour").value = first.colour;
      showLegend(first, told.axes.find(axis => axis.name === first.colour)?.title ?? "");
      await showDiagram(told);
    })]);
    document.documentElement.dataset.version = told.version;
    document.documentElement.dataset.took = Math.round(performance.now() - began);
  }

  let latest = null, stale = true; // what the server said of the store, and whether that is old

  function news() {
    stale = true;
    return refresh();
  }

  // One drawing at a time; what is asked for meanwhile is drawn once, afterwards.
  let drawing = null, again = null;

  function refresh() {
    if (drawing) return (again ??= drawing.then(() => { again = null; return refresh(); }));
    drawing = draw().catch(complain).finally(() => { drawing = null; });
    return drawing;
  }

  function complain(error) {
    stale = true;
    for (const place of document.querySelectorAll("[data-shown]")) delete place.dataset.shown; // it may be half done
    at("counts").replaceChildren(element("span", { className: "lost", textContent: String(error.message ?? error) }));
  }

  function listen() {
    const events = new EventSource("events");
    let lost = false;
    events.addEventListener("version", news);
    events.addEventListener("error", () => {
      lost = true;
      at("counts").replaceChildren(element("span", { className: "lost", textContent: "The server has ended; this is what it showed last. Looking for it …" }));
      if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
    });
    events.addEventListener("open", () => {
      if (lost) news(); // the version may be the same, and then there is no event
      lost = false;
    });
  }

  for (const name of ["colour", "panel", "linear", "statistic", "x", "y"]) {
    at(name).addEventListener("change", () => choose({ [name]: at(name).value }));
  }
  at("everything").addEventListener("click", () => choose({ where: {} }));
  at("close").addEventListener("click", () => choose({ run: "" }).then(() => at("colour").focus()));
  addEventListener("keydown", event => { if (event.key === "Escape" && chosen.run) choose({ run: "" }); });
  dark.addEventListener("change", refresh);
  addEventListener("DOMContentLoaded", listen);
})();
