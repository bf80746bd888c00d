// What stands beside the curves: landscapes of runs at constant norm, verdicts of studies.

import { ask, at, binds, choose, chosen, element, fill, number, theme, unchanged, where } from "./page.js";
import { Panels } from "./charts.js";

const panels = new Panels(at("landscape-panels"));

for (const name of ["landscape", "height", "up", "outcome", "verdict"]) binds(name, name);

export async function showLandscape(told) {
  const measured = told.measures.some(one => one.name === "weight_norm" && !one.shape.length);
  at("landscape").hidden = !measured;
  if (!measured || !chosen.landscape) return;
  const { height, up } = chosen;
  if (unchanged(at("landscape"), [told.version, height, up, chosen.where, theme()])) return;
  const answer = await ask("landscape", { measure: height, up, where: where() });
  if (height !== chosen.height || up !== chosen.up) return; // another drawing is on its way
  const title = name => told.axes.find(axis => axis.name === name)?.title ?? name;
  fill(at("height"), answer.measures.map(name => [name, name.replaceAll("_", " ")]), answer.measure);
  fill(at("up"), [["", "nothing"], ...answer.axes.map(name => [name, title(name)])], answer.up);
  at("landscape-note").textContent = answer.note;
  await panels.show(answer);
}

export async function showVerdicts(version) {
  if (unchanged(at("verdicts"), [version, chosen.outcome, chosen.verdict])) return;
  const { outcomes } = await ask("verdicts");
  at("verdicts").hidden = !outcomes.length;
  if (!outcomes.length) return;
  const one = outcomes.find(one => one.folder === chosen.outcome) ?? outcomes[0];
  fill(at("outcome"), outcomes.map(one => [one.folder, `${one.study}, ${one.scale}`]), one.folder);
  const names = Object.keys(one.counts);
  const verdict = names.includes(chosen.verdict) ? chosen.verdict : "";
  fill(at("verdict"), [["", "all"], ...names.map(name => [name, name])], verdict);
  const counts = names.map(name => `${number(one.counts[name])} ${name}`).join(", ");
  at("verdicts-note").textContent = one.problem || `${counts}. ${one.page ? `With charts and notes: ${one.page}` : ""}`;
  const rows = one.rows.filter(row => !verdict || row.verdict === verdict);
  at("claims").replaceChildren(...rows.map(claim));
}

function claim(row) {
  const kind = ["holds", "fails"].includes(row.verdict) ? row.verdict : "undecided";
  const texts = [row.figure, element("span", { className: `verdict ${kind}`, textContent: row.verdict }), row.claim, row.paper, row.here];
  return element("tr", { title: row.note }, ...texts.map(text => element("td", { className: "claim" }, text)));
}
