// What users say, and whether those stay who complained.

import { Card, onlyForAll, withoutInsights } from "../card.js";
import { Chart } from "../chart.js";
import { DayChart, Figures } from "../figures.js";
import { Listing } from "../listing.js";
import { show } from "../numbers.js";
import { make, putWhenNew } from "../table.js";

export const title = "Satisfaction";

const FIGURES = [
  { label: "NPS", field: "nps_30d", kind: "points" },
  { label: "Complaints", field: "complaints", kind: "count" },
  { label: "Complaints open", field: "complaints_open", define: "complaints", kind: "count" },
  { label: "Silent unhappy, estimated", field: "silent_unhappy_30d", kind: "count" },
];

/** What is told as a table. */
const LISTINGS = [
  {
    title: "What complaints are about",
    define: "complaint_categories",
    columns: [
      ["Category", "text"],
      ["Complaints", "count"],
      ["Users", "count"],
      ["Matters of law", "count"],
      ["Share", "share"],
      ["Low", "share"],
      ["High", "share"],
    ],
    rows: ({ complaints }) =>
      (complaints?.categories ?? []).map((one) => [
        one.category || "not said",
        one.complaints,
        one.users,
        one.legal,
        one.share,
        one.low,
        one.high,
      ]),
    list: "complaints.categories",
    told: ({ complaints: { first_response: first } }) =>
      first.median_hours === null ? "" : `Half of all complaints are answered within ${show("count", first.median_hours)} hours.`,
    empty: "Nobody complained within 180 days.",
  },
  {
    title: "Recovery by remedy",
    define: "remedies",
    columns: [
      ["Remedy", "text"],
      ["Complaints", "count"],
      ["Stayed", "share"],
      ["Low", "share"],
      ["High", "share"],
      ["Satisfied", "share"],
    ],
    rows: ({ recovery }) =>
      (recovery?.remedies ?? []).map(({ remedy, stayed, satisfied }) => [
        remedy || "not said",
        stayed.users,
        stayed.share,
        stayed.low,
        stayed.high,
        satisfied.share,
      ]),
    list: "recovery.remedies",
    empty: "No resolved complaint can be judged yet: that takes 30 days.",
  },
  {
    title: "Answers about competitors",
    define: "competitors",
    columns: [
      ["Competitor", "text"],
      ["Item", "text"],
      ["Users", "count"],
      ["Mean", "ratio"],
      ["Own more by", "ratio"],
    ],
    rows: ({ competitors = [] }) =>
      competitors.flatMap(({ competitor, items }) =>
        items.filter(({ users }) => users > 0).map((one) => [competitor, one.item.replaceAll("_", " "), one.users, one.mean, one.own_less_theirs]),
      ),
    list: "competitors",
    empty: "No answer of 180 days is about a competitor.",
  },
];

export function build(root) {
  const figures = new Figures(FIGURES, "Satisfaction");
  const score = new DayChart({
    title: "NPS by day",
    define: "nps_30d",
    size: "half",
    yKind: "points",
    series: [{ name: "NPS", field: "nps_30d", colour: "--c1" }],
    refuse: onlyForAll,
  });
  const complaints = new DayChart({
    title: "Complaints by day",
    define: "complaints",
    size: "half",
    series: [
      { name: "opened", field: "complaints", colour: "--c5", type: "bar" },
      { name: "open at the end", field: "complaints_open", colour: "--c3" },
    ],
  });
  const parts = [new Curve(), new Recovery()];
  const listings = LISTINGS.map((listing) => new Listing(listing));
  parts.push(...listings);
  root.append(figures.element, parts[0].card.element, parts[1].card.element, score.element, complaints.element);
  root.append(...listings.map((listing) => listing.card.element));
  return (model) => [figures, score, complaints, ...parts].forEach((part) => part.draw(model));
}

/** Who stayed, by how satisfied they said they were. */
class Curve {
  constructor() {
    this.card = new Card({ title: "Satisfaction and staying", define: "satisfaction", size: "half", data: () => this.table() });
    this.chart = new Chart({
      label: "Share who stayed by satisfaction",
      height: 250,
      xKind: "number",
      xName: "satisfaction",
      yKind: "share",
    });
    this.card.body.append(this.chart.element);
  }

  draw({ insights }) {
    const { curve = [], breakpoints: zones, stay_days: days } = insights.data?.satisfaction ?? {};
    this.points = curve;
    if (this.card.refuse(withoutInsights(insights) ?? (curve.length ? null : "Nobody who answered can be judged yet: that takes 30 days.")))
      return;
    const [first, last] = [curve[0].score, curve.at(-1).score];
    const told = zones
      ? ` Defection below ${zones.defection_below}: ${show("share", zones.defection.share)} stay. Affection from ${zones.affection_from}: ${show("share", zones.affection.share)}.`
      : "";
    this.card.draw(`Active again within ${days} days, as of ${insights.data.as_of}.${told}`);
    this.chart.show({
      xs: curve.map((point) => point.score),
      range: [0, 1],
      zones: zones
        ? [
            { from: first, to: zones.defection_below, colour: "--high" },
            { from: zones.affection_from, to: last, colour: "--low" },
          ]
        : [],
      series: [
        {
          name: "stayed",
          colour: "--c1",
          type: "line",
          points: true,
          values: curve.map((point) => point.share),
          low: curve.map((point) => point.low),
          high: curve.map((point) => point.high),
        },
        { name: "rising", colour: "--c3", type: "line", steps: true, values: curve.map((point) => point.rising) },
      ],
    });
  }

  table() {
    const columns = [
      { name: "Satisfaction", kind: "decimal" },
      { name: "Users", kind: "count" },
      { name: "Stayed", kind: "count" },
      { name: "Share", kind: "share" },
      { name: "Low", kind: "share" },
      { name: "High", kind: "share" },
      { name: "Rising", kind: "share" },
    ];
    return {
      columns,
      rows: this.points.map((point) => [point.score, point.users, point.part, point.share, point.low, point.high, point.rising]),
    };
  }
}

/** Who stayed after a complaint, by how soon it was resolved. */
class Recovery {
  constructor() {
    this.card = new Card({ title: "Complaint recovery", define: "recovery", size: "half", data: () => this.table() });
  }

  draw({ insights }) {
    const recovery = insights.data?.recovery;
    const groups = recovery
      ? [
          ["resolved quickly", "quick"],
          ["resolved late", "slow"],
          ["not resolved", "unresolved"],
        ]
      : [];
    this.groups = groups.map(([name, key]) => ({ name, ...recovery[key], article: recovery.article?.[key] ?? null }));
    const without = this.groups.some((group) => group.users > 0) ? null : "No complaint can be judged yet: that takes 30 days.";
    if (this.card.refuse(withoutInsights(insights) ?? without)) return;
    this.card.draw(
      `Active again within ${recovery.stay_days} days of a complaint; quickly is within ${recovery.quick_days} days. As of ${insights.data.as_of}.`,
    );
    putWhenNew(this.card.body, JSON.stringify(this.groups), () => make("ul", { class: "bars recovery" }, ...this.groups.map(rowOf)));
  }

  table() {
    const columns = [
      { name: "Complaint", kind: "text" },
      { name: "Users", kind: "count" },
      { name: "Stayed", kind: "count" },
      ...["Share", "Low", "High", "Study"].map((name) => ({ name, kind: "share" })),
    ];
    return {
      columns,
      rows: this.groups.map((group) => [group.name, group.users, group.part, group.share, group.low, group.high, group.article]),
    };
  }
}

function rowOf({ name, users, share, low, high, article }) {
  const track = make("span", { class: "track", "aria-hidden": "true" });
  if (typeof share === "number") {
    const [fill, line] = [make("span", { class: "fill" }), make("span", { class: "line" })];
    fill.style.width = `${share * 100}%`;
    line.style.left = `${low * 100}%`;
    line.style.width = `${(high - low) * 100}%`;
    track.append(fill, line);
  }
  if (article !== null) {
    const mark = make("span", { class: "mark" });
    mark.style.left = `${article * 100}%`;
    track.append(mark);
  }
  const study = article === null ? "" : `, study ${show("share", article)}`;
  return make(
    "li",
    {},
    make("span", { class: "name" }, name),
    track,
    make("span", { class: "told" }, show("share", share), make("span", { class: "quiet" }, ` of ${show("count", users)}${study}`)),
  );
}
