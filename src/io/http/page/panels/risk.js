// Who may not come back: levels of churn risk, and alerts with what drives them.

import { go, linkTo } from "../address.js";
import { Card, onlyForAll } from "../card.js";
import { DayChart, Figures } from "../figures.js";
import { named, show } from "../numbers.js";
import { make, putWhenNew, setText } from "../table.js";

export const title = "Risk & alerts";

const LEVELS = [
  ["Low", "risk_low", "--low"],
  ["Medium", "risk_medium", "--medium"],
  ["High", "risk_high", "--high"],
  ["Churned", "risk_churned", "--churned"],
];
const MOVES = [
  ["Became high", "became_high", "--high"],
  ["Became churned", "became_churned", "--churned"],
  ["Came back", "reactivated", "--c2"],
];

export function build(root) {
  const levels = new DayChart({
    title: "Users by level of risk",
    define: "risk",
    size: "half",
    height: 250,
    series: LEVELS.map(([name, field, colour]) => ({ name, field, colour, type: "bar" })),
    refuse: onlyForAll,
  });
  const moves = new DayChart({
    title: "Changes of level",
    define: "moves",
    size: "half",
    height: 250,
    series: MOVES.map(([name, field, colour]) => ({ name, field, colour })),
    refuse: onlyForAll,
  });
  const figures = new Figures(
    [
      ...LEVELS.map(([label, field]) => ({ label: `${label}${field === "risk_churned" ? "" : " risk"}`, field, kind: "count" })),
      ...MOVES.map(([label, field]) => ({ label, field, define: "moves", kind: "count" })),
    ],
    "Users by level of risk",
  );
  const now = new Now();
  const alerts = new Alerts();
  root.append(figures.element, now.card.element, levels.element, moves.element, alerts.card.element);
  return (model) => {
    const told = toldOf(model);
    figures.element.hidden = Boolean(onlyForAll()) || !told;
    if (told) figures.draw({ ...model, record: told, day: told.day });
    now.draw(told);
    [levels, moves, alerts].forEach((part) => part.draw(model));
  };
}

/** The newest record up to the chosen day that tells levels: those of a day are known when it closes. */
function toldOf(model) {
  const days = [...model.records.keys()].filter((day) => day <= model.day);
  return days
    .toReversed()
    .map((day) => model.records.get(day))
    .find((record) => typeof record.risk_low === "number");
}

/** The levels of a day as one bar. */
class Now {
  constructor() {
    this.card = new Card({ title: "Levels of risk", define: "risk", size: "full", data: () => this.table() });
    this.parts = LEVELS.map(([name, , colour]) => ({ name, bar: make("div", { class: `part ${colour.slice(2)}` }), text: make("span") }));
    const key = ({ name, text }, index) =>
      make("span", { class: "key" }, make("span", { class: `swatch ${LEVELS[index][2].slice(2)}` }), `${name} `, text);
    this.card.body.append(
      make("div", { class: "whole", "aria-hidden": "true" }, ...this.parts.map((part) => part.bar)),
      make("p", { class: "legend" }, ...this.parts.map(key)),
    );
  }

  draw(told) {
    if (this.card.refuse(onlyForAll() ?? (told ? null : "Known when the first day closes."))) return;
    this.counts = LEVELS.map(([, field]) => told[field]);
    const all = this.counts.reduce((sum, count) => sum + count, 0);
    this.card.draw(`At the end of ${named("short", told.day)}.`);
    this.parts.forEach(({ bar, text }, index) => {
      bar.style.flexGrow = String(this.counts[index]);
      setText(text, `${show("count", this.counts[index])}${all ? ` (${show("share", this.counts[index] / all)})` : ""}`);
    });
  }

  table() {
    return {
      columns: [
        { name: "Level", kind: "text" },
        { name: "Users", kind: "count" },
      ],
      rows: LEVELS.map(([name], index) => [name, this.counts[index]]),
    };
  }
}

/** Alerts, those that fire first. */
class Alerts {
  constructor() {
    this.card = new Card({ title: "Alerts", define: "alerts", size: "full", data: () => this.table() });
  }

  draw(model) {
    this.alerts = model.alerts.data ?? [];
    const reason = model.alerts.data
      ? this.alerts.length
        ? null
        : "No alert was raised. The first can come when enough days are known."
      : (model.alerts.reason ?? "Asking…");
    if (this.card.refuse(reason)) return;
    const firing = this.alerts.filter((alert) => alert.status === "firing").length;
    this.card.draw(firing ? `${firing} of ${this.alerts.length} firing.` : `None of ${this.alerts.length} is firing.`);
    putWhenNew(this.card.body, JSON.stringify([this.alerts, linkTo({})]), () =>
      make("ul", { class: "alerts" }, ...this.alerts.slice(0, 50).map(alertOf)),
    );
  }

  table() {
    const text = (name) => ({ name, kind: "text" });
    const count = (name) => ({ name, kind: "decimal" });
    const columns = [
      text("Status"),
      text("Name"),
      text("Severity"),
      text("Segment"),
      text("Starts"),
      text("Ends"),
      text("Day"),
      count("Observed"),
      count("Expected"),
      { name: "p", kind: "ratio" },
      text("Summary"),
    ];
    return {
      columns,
      rows: this.alerts.map((alert) => [
        alert.status,
        alert.name,
        alert.severity,
        alert.labels?.segment,
        alert.starts_at,
        alert.ends_at,
        alert.day,
        alert.observed,
        alert.expected,
        alert.p_value,
        alert.summary,
      ]),
    };
  }
}

const NAMES = new Map([
  ["churn_spike", "Churn spike"],
  ["return_deficit", "Fewer return than expected"],
]);

function alertOf(alert) {
  const labels = alert.labels ?? {};
  const level = labels.level ? `, ${labels.level}` : "";
  const head = make(
    "h4",
    {},
    make(
      "span",
      { class: `badge ${alert.status === "firing" ? alert.severity : "over"}` },
      alert.status === "firing" ? alert.severity : "over",
    ),
    " ",
    make("bdi", {}, NAMES.get(alert.name) ?? alert.name),
    make("span", { class: "quiet" }, ` in ${labels.segment === "all" ? "all users" : labels.segment}${level}`),
  );
  const end = alert.ends_at ? ` to ${alert.ends_at.slice(0, 10)}` : "";
  const upper = typeof alert.upper === "number" ? `, alarm above ${show("count", alert.upper)}` : "";
  const figures = `${show("count", alert.observed)} observed, ${show("decimal", alert.expected)} expected${upper}, of ${show("count", alert.at_risk)} users who could; p = ${probability(alert.p_value)}`;
  const day = make("a", { href: linkTo({ day: alert.day }) }, named("short", alert.day));
  day.addEventListener("click", (event) => {
    event.preventDefault();
    go({ day: alert.day });
  });
  return make(
    "li",
    {},
    head,
    make("p", {}, make("bdi", {}, alert.summary)),
    make("p", { class: "quiet" }, `${alert.starts_at.slice(0, 10)}${end} · `, day, `: ${figures}`),
    ...drivers(alert),
  );
}

const probability = (p) => (typeof p !== "number" ? "–" : p < 0.001 ? p.toExponential(1) : p.toPrecision(2));

/** The breakdown values with most of the excess, each a link to its figures. */
function drivers(alert) {
  const tops = alert.top_segments ?? [];
  if (tops.length === 0) return [];
  const most = Math.max(...tops.map((top) => Math.max(top.observed, top.expected)), 1);
  const row = (top) => {
    const [bar, mark] = [make("span", { class: "fill" }), make("span", { class: "mark" })];
    bar.style.width = `${(100 * top.observed) / most}%`;
    mark.style.left = `${(100 * top.expected) / most}%`;
    return make(
      "li",
      {},
      make("a", { href: linkTo({ segment: top.segment, panel: "growth" }) }, top.segment),
      make("span", { class: "track", "aria-hidden": "true" }, bar, mark),
      make("span", { class: "quiet" }, `${show("count", top.observed)}, ${show("decimal", top.expected)} expected`),
    );
  };
  return [make("p", { class: "drives" }, "What drives it"), make("ul", { class: "drivers" }, ...tops.map(row))];
}
