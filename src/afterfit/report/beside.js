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
  const title = name => told.axes.find(axis => axis.name === name).title;
  fill(at("height"), answer.measures.map(name => [name, name.replaceAll("_", " ")]), height);
  fill(at("up"), [["", "nothing"], ...answer.axes.map(name => [name, title(name)])], up);
  at("landscape-note").textContent = answer.note;
  await panels.show(answer);
}

export async function showVerdicts(version) {
  const { outcome, verdict } = chosen;
  if (unchanged(at("verdicts"), [version, outcome, verdict])) return;
  const { outcomes } = await ask("verdicts");
  at("verdicts").hidden = !outcomes.length;
  if (!outcomes.length) return;
  fill(at("outcome"), outcomes.map(one => [one.folder, `${one.study}, ${one.scale}`]), outcome || outcomes[0].folder);
  const one = outcomes.find(one => one.folder === outcome) ?? outcomes[0];
  const names = Object.keys(one.counts);
  fill(at("verdict"), [["", "all"], ...names.map(name => [name, name])], verdict);
  at("verdicts-note").textContent = one.problem ||
    `${names.map(name => `${number(one.counts[name])} ${name}`).join(", ")}. Charts and notes: ${one.folder}/index.html`;
  const rows = one.rows.filter(row => !verdict || row.verdict === verdict);
  at("claims").replaceChildren(...rows.map(claim));
}

function claim(row) {
  const kind = ["holds", "fails"].includes(row.verdict) ? row.verdict : "undecided";
  const texts = [row.figure, element("span", { className: `verdict ${kind}`, textContent: row.verdict }), row.claim, row.paper, row.here];
  return element("tr", { title: row.note }, ...texts.map(text => element("td", { className: "claim" }, text)));
}
