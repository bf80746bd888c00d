import {
  ask, at, binds, choose, chosen, dark, duration, element, fill, number, theme, unchanged, whenChosen, where,
} from "./page.js";
import { Chart, Curves, focus, focusOn } from "./charts.js";
import { showLandscape, showVerdicts } from "./beside.js";
import { showNetwork } from "./network.js";

// A click: one run where the line is one, else the runs behind a median.
function picked({ run, ...labels }) {
  if (run) return choose({ run, step: null, table: "" }).then(() => at("one").focus());
  return choose({ where: { ...chosen.where, ...labels } });
}

const curves = [0, 1].map(place => new Curves(at("curves"), picked, name =>
  choose({ measures: chosen.measures.map((old, other) => (other === place ? name : old)) })));
const ofOne = [0, 1].map(() => new Curves(at("one-curves"), picked));
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

// An address may come from another store, with axes and labels that are not here.
function forget(told) {
  const labels = Object.fromEntries(told.axes.map(axis => [axis.name, axis.labels]));
  chosen.where = Object.fromEntries(Object.entries(chosen.where).filter(([name, label]) => labels[name]?.includes(label)));
  if (chosen.colour && !labels[chosen.colour]) chosen.colour = null;
  if (!labels[chosen.panel]) chosen.panel = "";
}

function showControls(told) {
  if (told.axes.length) forget(told);
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
  const colours = answer.colours?.[theme()];
  if (focus && !answer.labels.includes(focus)) focusOn("");
  if (unchanged(at("legend"), [answer.labels, colours, title])) return;
  const keys = answer.labels.map((label, place) => {
    const line = element("i");
    line.style.color = colours[place];
    const button = element("button", { type: "button", title: label },
      line, element("span", { className: "text", textContent: label }));
    button.ariaPressed = String(label === focus);
    button.disabled = !answer.colour;
    button.addEventListener("click", () => {
      focusOn(focus === label ? "" : label);
      for (const other of at("legend").querySelectorAll("button")) other.ariaPressed = String(other.title === focus);
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
  await diagram.show(answer, answer.themes[theme()],
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
  const one = await ask("run", { id: chosen.run }).catch(() => null);
  if (!one) { // it is of another store, or its file was deleted
    at("one").hidden = true;
    chosen.run = "";
    return;
  }
  at("one-title").textContent = `Run ${one.run.slice(0, 12)}`;
  at("one-story").textContent = `${one.state} at step ${one.step}; ${one.phase}: fitted its training set at ${one.memorised}, ` +
    `generalised at ${one.generalised} (times later: ${one.ratio}). ${one.message} ${one.advice}`;
  const pairs = [...one.fields, ["run", one.run], ...Object.entries(one.about)];
  at("one-fields").replaceChildren(...pairs.map(([title, text]) =>
    element("tr", {}, element("td", { textContent: title }), element("td", { textContent: text }))));
  at("one-recipe").textContent = one.recipe;
  showNetwork(["running", "interrupted"].includes(one.state) ? told.version : "");
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
  if (stale) {
    stale = false; // before asking: what changes meanwhile is news again
    latest = await ask("status");
  }
  const told = latest;
  showStatus(told);
  showControls(told);
  const choice = { where: where(), colour: chosen.colour, panel: chosen.panel, linear: chosen.linear };
  // What fails in one part keeps no other from being shown.
  const parts = await Promise.allSettled([showRuns(told.version), showOne(told), showVerdicts(told.version),
    showCurves(curves, told, choice).then(async ([first]) => {
      chosen.colour ??= first.panels.length ? first.colour : null;
      at("colour").value = first.colour;
      showLegend(first, told.axes.find(axis => axis.name === first.colour)?.title ?? "");
    }).finally(() => showDiagram(told)).finally(() => showLandscape(told))]);
  const failed = parts.find(part => part.status === "rejected");
  if (failed) throw failed.reason;
  document.documentElement.dataset.version = told.version;
  performance.mark("drawn"); // for a look from outside
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

whenChosen(refresh);
for (const name of ["colour", "panel", "linear", "statistic", "x", "y"]) binds(name, name);
at("everything").addEventListener("click", () => choose({ where: {} }));
at("close").addEventListener("click", () => choose({ run: "" }).then(() => at("colour").focus()));
addEventListener("keydown", event => { if (event.key === "Escape" && chosen.run) choose({ run: "" }); });
dark.addEventListener("change", refresh);
addEventListener("DOMContentLoaded", listen);
