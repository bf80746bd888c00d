// Inside the network of one run, at a snapshot: its tables of weights as pictures, and what it answers.

import { ask, at, binds, choose, chosen, fill, number, theme, unchanged } from "./page.js";
import { Chart } from "./charts.js";

const picture = new Chart(at("picture"));
const equations = new Chart(at("equations"));
let steps = [];

for (const [id, name] of [["inside", "inside"], ["weights", "table"], ["method", "method"], ["shown", "shown"]]) binds(id, name);
at("step").addEventListener("input", () => choose({ step: steps[at("step").value] }));

export async function showNetwork(version) {
  if (!chosen.inside) return;
  const { run, step, table, method, shown } = chosen;
  if (unchanged(at("inside"), [version, run, step, table, method, shown, theme()])) return;
  const told = await ask("inside", { id: run, step, name: table, method });
  showSteps(told);
  at("picture-note").textContent = told.note;
  at("picture-figure").hidden = at("picture-controls").hidden = !told.spec;
  if (told.spec) {
    fill(at("weights"), told.tables.map(name => [name, name]), told.name);
    fill(at("method"), told.methods.map(one => [one.name, one.title]), told.method);
    await picture.show({ ...told, fields: {} }, told.themes[theme()]);
  }
  at("equations-part").hidden = !told.table;
  if (told.table) await showEquations(told.table);
}

function showSteps(told) {
  at("steps").hidden = told.steps.length < 2;
  steps = told.steps;
  at("step").max = steps.length - 1;
  at("step").value = steps.indexOf(told.step);
  at("step-text").textContent = told.step === undefined ? "" : number(told.step);
}

async function showEquations(title) {
  const { run, step, shown } = chosen;
  at("equations-title").textContent = title;
  at("shown").value = shown;
  at("shown").disabled = !steps.length;
  const told = await ask("table", { id: run, step, shown: steps.length ? shown : "answers" });
  at("equations-note").textContent = told.note;
  await equations.show({ ...told, fields: {} }, told.themes[theme()]);
}
