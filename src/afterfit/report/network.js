// Inside the network of one run, at a snapshot: its tables of weights as pictures, and what it answers.

import { ask, at, binds, choose, chosen, fill, number, theme, unchanged } from "./page.js";
import { Chart } from "./charts.js";

const picture = new Chart(at("picture"));
const equations = new Chart(at("equations"));
let steps = [], drawing = Promise.resolve();

for (const [id, name] of [["inside", "inside"], ["weights", "table"], ["method", "method"], ["shown", "shown"]]) binds(id, name);
at("step").addEventListener("input", () => {
  at("step-text").textContent = number(steps[at("step").value]);
  choose({ step: steps[at("step").value] });
});

// It may take long, so that nothing else of the page waits for it. `version` is "" for a run that changes no more.
export function showNetwork(version) {
  drawing = drawing.then(() => show(version)).catch(error => {
    delete at("inside").dataset.shown;
    at("picture-note").textContent = String(error.message ?? error);
    picture.clear(), equations.clear();
  });
}

async function show(version) {
  if (!chosen.inside || !chosen.run) return;
  const { run, step, table, method, shown } = chosen;
  if (unchanged(at("inside"), [version, run, step, table, method, shown, theme()])) return;
  at("picture-note").textContent = "looking …";
  const told = await ask("inside", { id: run, step, name: table, method });
  if (run !== chosen.run || step !== chosen.step) return; // another drawing is on its way
  showSteps(told);
  at("picture-note").textContent = told.note;
  at("picture-controls").hidden = !told.tables.length;
  fill(at("weights"), told.tables.map(name => [name, name]), told.name);
  fill(at("method"), told.methods.map(one => [one.name, one.title]), told.method);
  at("picture-figure").hidden = !told.spec;
  if (told.spec) await picture.show({ ...told, fields: {} }, told.themes[theme()]);
  else picture.clear();
  at("equations-part").hidden = !told.equations;
  if (told.equations) await showEquations(told.equations, run, step, shown);
}

function showSteps(told) {
  at("steps").hidden = told.steps.length < 2;
  steps = told.steps;
  at("step").max = steps.length - 1;
  at("step").value = steps.indexOf(told.step);
  const text = told.step === undefined ? "" : number(told.step);
  at("step-text").textContent = text;
  at("step").setAttribute("aria-valuetext", `step ${text}`);
}

async function showEquations(title, run, step, shown) {
  at("equations-title").textContent = title;
  at("shown").value = shown;
  at("shown").disabled = !steps.length;
  const told = await ask("table", { id: run, step, shown: steps.length && shown === "network" ? shown : "answers" });
  at("equations-note").textContent = told.note;
  await equations.show({ ...told, fields: {} }, told.themes[theme()]);
}
