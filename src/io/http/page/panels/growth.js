// Who comes, stays, comes back and stays away.

import { go, shown } from "../address.js";
import { Card } from "../card.js";
import { DayChart, Figures, choices } from "../figures.js";
import { dayOf, named, numberOf, show } from "../numbers.js";
import { make, putWhenNew } from "../table.js";

export const title = "Growth & retention";

const STATES = [
  ["New", "new", "--c1", 1],
  ["Retained", "retained", "--c2", 1],
  ["Resurrected", "resurrected", "--c4", 1],
  ["Dormant", "dormant", "--c5", -1],
];
const fieldOf = (state) => `${state}_${shown().window}d`;
/** Days after the first that the records tell of. */
const AFTER = [1, 3, 7, 14, 30];
/** More days than these are shown by the week of the first day. */
const DAILY = 31;

export function build(root) {
  const windows = choices({
    legend: "Days compared",
    name: "window",
    options: [
      ["1", "Day"],
      ["7", "7 days"],
      ["30", "30 days"],
    ],
    chosen: () => shown().window,
    onChoose: (window) => go({ window }),
  });
  const lifecycle = STATES.map(([label, state]) => ({ label, of: () => fieldOf(state), define: state, kind: "count" }));
  const figures = new Figures(
    [
      ...lifecycle,
      { label: "Retention", field: "retention_rate_30d", kind: "share" },
      { label: "Quick ratio", field: "quick_ratio_30d", kind: "ratio" },
    ],
    "Growth",
  );
  const growth = new DayChart({
    title: "Growth accounting",
    define: "growth",
    size: "full",
    height: 280,
    series: () => STATES.map(([name, state, colour, sign]) => ({ name, field: fieldOf(state), colour, sign, type: "bar" })),
  });
  growth.card.tools.prepend(windows.element);
  const rates = new DayChart({
    title: "30-day retention",
    define: "retention_rate_30d",
    size: "half",
    yKind: "share",
    series: [{ name: "retained", field: "retention_rate_30d", colour: "--c2", type: "area" }],
  });
  const quick = new DayChart({
    title: "Quick ratio by day",
    define: "quick_ratio_30d",
    size: "half",
    yKind: "ratio",
    // In the first weeks hardly anyone can have become dormant, and the ratio says nothing.
    series: [{ name: "up to 10", field: (record) => (record.quick_ratio_30d > 10 ? null : record.quick_ratio_30d), colour: "--c4" }],
  });
  const triangle = new Triangle();
  root.append(figures.element, growth.element, triangle.card.element, rates.element, quick.element);
  return (model) => {
    windows.draw();
    [figures, growth, rates, quick, triangle].forEach((part) => part.draw(model));
  };
}

/** By the first day of users, or its week: how many came back so many days later. */
class Triangle {
  constructor() {
    this.card = new Card({ title: "Retention by first day", define: "retention", size: "full", data: () => this.table() });
  }

  draw(model) {
    this.cohorts = cohortsOf(model);
    if (this.card.refuse(this.cohorts.length ? null : "No user began in these days.")) return;
    const told = this.cohorts[0].isWeek
      ? "Each row is the week in which users were first active."
      : "Each row is the day on which users were first active.";
    this.card.draw(`${told} Shares count only users whose day has come, provisional days left out.`);
    putWhenNew(this.card.body, JSON.stringify(this.cohorts), () => this.grid());
  }

  grid() {
    const head = make(
      "tr",
      {},
      make("th", { scope: "col" }, this.cohorts[0].isWeek ? "Week of" : "Day"),
      make("th", { scope: "col", class: "number" }, "New users"),
      ...AFTER.map((after) => make("th", { scope: "col", class: "number" }, `Day ${after}`)),
    );
    const cell = ({ cohort, returned }) => {
      if (!cohort) return make("td", { class: "number none" }, "");
      const share = returned / cohort;
      return make("td", { class: `number heat h${heat(share)}`, title: `${returned} of ${cohort} users` }, show("share", share));
    };
    const rows = this.cohorts.map((one) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, named("short", one.first)),
        make("td", { class: "number" }, show("count", one.users)),
        ...one.after.map(cell),
      ),
    );
    const caption = make("caption", { class: "hidden" }, "Share of users active again so many days after their first");
    return make(
      "div",
      { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Retention by first day" },
      make("table", { class: "grid" }, caption, make("thead", {}, head), make("tbody", {}, ...rows)),
    );
  }

  table() {
    const columns = [
      { name: this.cohorts[0].isWeek ? "Week of" : "Day", kind: "text" },
      { name: "New users", kind: "count" },
    ];
    for (const after of AFTER)
      columns.push({ name: `Counted on day ${after}`, kind: "count" }, { name: `Back on day ${after}`, kind: "count" });
    return {
      columns,
      rows: this.cohorts.map((one) => [one.first, one.users, ...one.after.flatMap(({ cohort, returned }) => [cohort, returned])]),
    };
  }
}

/** Twelve steps of shade; the darkest from 60 % on, which is rare. */
const heat = (share) => Math.min(11, Math.round((share / 0.6) * 11));

/** A record of day D tells of those first active n days before it; only days that are closed count. */
function cohortsOf(model) {
  const isWeek = model.days.length > DAILY;
  const cohorts = new Map();
  for (const day of model.days) {
    const number = numberOf(day);
    // Mondays, since 1970-01-01 was a Thursday.
    const first = isWeek ? number - ((number + 3) % 7) : number;
    const known = cohorts.get(first) ?? { first: dayOf(first), isWeek, users: 0, after: AFTER.map(() => ({ cohort: 0, returned: 0 })) };
    known.users += model.records.get(day).new_1d ?? 0;
    AFTER.forEach((after, index) => {
      const later = model.records.get(dayOf(number + after));
      const told = later?.final ? later.retention?.find((one) => one.after_days === after) : undefined;
      known.after[index].cohort += told?.cohort ?? 0;
      known.after[index].returned += told?.returned ?? 0;
    });
    cohorts.set(first, known);
  }
  return [...cohorts.values()].filter((one) => one.users > 0 || one.after.some((after) => after.cohort > 0)).reverse();
}
