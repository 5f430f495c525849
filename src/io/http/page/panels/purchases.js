// Who buys again: orders, the funnel from the first to the third, revenue by tenths, recency by frequency.

import { Card, onlyForAll, withoutInsights } from "../card.js";
import { Chart } from "../chart.js";
import { DayChart, Figures } from "../figures.js";
import { Listing } from "../listing.js";
import { show } from "../numbers.js";
import { make, putWhenNew } from "../table.js";

export const title = "Purchases";

const FIGURES = [
  { label: "Orders", field: "orders", kind: "count" },
  { label: "Repeat orders", field: "repeat_orders", kind: "count" },
  { label: "Revenue", field: "revenue", kind: "money" },
  { label: "Repeat purchase rate", field: "repeat_purchase_rate_30d", kind: "share" },
  { label: "Loyal buyers", field: "loyal_buyers", kind: "count" },
  { label: "Revenue of the top fifth", field: "top20_revenue_share", kind: "share" },
];
const STEPS = new Map([
  ["first_to_second", ["first to second order", "--c1"]],
  ["second_to_third", ["second to third order", "--c4"]],
]);

/** What is told as a table. */
const LISTINGS = [
  {
    title: "Money spent by value of buyers",
    define: "tiers",
    columns: [
      ["Fifth by revenue", "text"],
      ["Users", "count"],
      ["Revenue", "money"],
      ["Spent on each", "amount"],
      ["Share of spend", "share"],
    ],
    rows: ({ economics }) =>
      (economics?.tiers ?? []).map((one) => [
        one.tier === null ? "never bought" : String(one.tier),
        one.users,
        one.revenue,
        one.cost_per_user,
        one.cost_share,
      ]),
    told: ({ economics: { payback } }) =>
      payback?.median_days == null ? "" : `Half of the buyers bring back what it cost to acquire them within ${payback.median_days} days.`,
    empty: "No money was booked, and nobody has ordered yet.",
  },
  {
    title: "Next category",
    define: "next_category",
    list: "cross_sell.next",
    columns: [
      ["After", "text"],
      ["Next", "text"],
      ["Buyers of both", "count"],
      ["Lift", "ratio"],
      ["Low", "ratio"],
      ["High", "ratio"],
    ],
    rows: ({ cross_sell: sold }) => (sold?.next ?? []).map((one) => [one.after, one.category, one.buyers, one.lift, one.low, one.high]),
    empty: "Nobody has bought of two categories yet.",
  },
  {
    title: "Intermediaries",
    define: "intermediaries",
    list: "intermediaries",
    columns: [
      ["Intermediary", "text"],
      ["Orders", "count"],
      ["Users", "count"],
      ["Margin", "money"],
      ["Orders a week", "decimal"],
      ["Complaints", "count"],
    ],
    rows: ({ intermediaries = [] }) =>
      intermediaries.map((one) => [one.intermediary, one.orders_90d, one.users, one.margin, one.orders_per_week, one.complaints]),
    empty: "No order of 90 days names an intermediary.",
  },
  {
    title: "What campaigns add",
    define: "campaigns",
    list: "campaigns",
    columns: [
      ["Campaign", "text"],
      ["Exposed", "count"],
      ["Held out", "count"],
      ["Orders added for each", "ratio"],
      ["Low", "ratio"],
      ["High", "ratio"],
      ["For each unit of reward", "ratio"],
    ],
    rows: ({ campaigns = [] }) =>
      campaigns.map((one) => [
        one.campaign,
        one.exposed.users,
        one.held_out.users,
        one.incremental_orders_per_user,
        one.low,
        one.high,
        one.incremental_orders_per_reward_cost,
      ]),
    empty: "No campaign can be judged yet: that takes 30 days.",
  },
];

export function build(root) {
  const figures = new Figures(FIGURES, "Purchases");
  const orders = new DayChart({
    title: "Orders",
    define: "orders",
    size: "half",
    series: [
      { name: "Repeat", field: "repeat_orders", colour: "--c2", type: "bar" },
      { name: "First", field: (record) => record.orders - record.repeat_orders, colour: "--c1", type: "bar" },
    ],
  });
  const repeats = new DayChart({
    title: "Repeat purchase rate",
    define: "repeat_purchase_rate_30d",
    size: "half",
    yKind: "share",
    series: [{ name: "bought on two days or more of 30", field: "repeat_purchase_rate_30d", colour: "--c4", type: "area" }],
  });
  const top = new DayChart({
    title: "Revenue of the top fifth",
    define: "top20_revenue_share",
    size: "half",
    height: 300,
    yKind: "share",
    range: [0, 1],
    series: [{ name: "share of revenue", field: "top20_revenue_share", colour: "--c3" }],
    refuse: onlyForAll,
  });
  const parts = [new Funnel(), new Pareto(), new Rfm()];
  root.append(
    figures.element,
    orders.element,
    repeats.element,
    parts[0].card.element,
    parts[1].card.element,
    parts[2].card.element,
    top.element,
  );
  const listings = LISTINGS.map((listing) => new Listing(listing));
  root.append(...listings.map((listing) => listing.card.element));
  return (model) => [figures, orders, repeats, top, ...parts, ...listings].forEach((part) => part.draw(model));
}

/** Curves of two steps over the days since the order before. */
class Funnel {
  constructor() {
    this.card = new Card({ title: "Repeat-purchase funnel", define: "funnel", size: "half", data: () => this.table() });
    this.chart = new Chart({
      label: "Share who ordered again by days",
      height: 240,
      xKind: "number",
      xName: "within days:",
      yKind: "share",
    });
    this.card.body.append(this.chart.element);
  }

  draw({ insights }) {
    this.steps = (insights.data?.funnel ?? []).filter((step) => STEPS.has(step.step));
    const without = this.steps.some((step) => step.users > 0) ? null : "Nobody has ordered yet.";
    if (this.card.refuse(withoutInsights(insights) ?? without)) return;
    const told = (step) =>
      `${show("count", step.converted)} of ${show("count", step.users)} went from ${STEPS.get(step.step)[0]}${step.median_days === null ? "" : `, half of all within ${step.median_days} days`}`;
    this.card.draw(`${this.steps.map(told).join("; ")}. As of ${insights.data.as_of}.`);
    const last = Math.max(1, ...this.steps.flatMap((step) => step.curve.map((point) => point.days)));
    const xs = Array.from({ length: last + 1 }, (_, day) => day);
    const series = this.steps.map((step) => {
      const [name, colour] = STEPS.get(step.step);
      const of = (field) => stepped(xs, step.curve, field);
      return { name, colour, type: "line", steps: true, values: of("share"), low: of("low"), high: of("high") };
    });
    this.chart.show({ xs, series });
  }

  table() {
    const columns = [
      { name: "Step", kind: "text" },
      { name: "Days", kind: "count" },
      { name: "Could", kind: "count" },
      { name: "Did", kind: "count" },
      { name: "Share", kind: "share" },
      { name: "Low", kind: "share" },
      { name: "High", kind: "share" },
    ];
    const row = (step) => (point) => [
      STEPS.get(step.step)[0],
      point.days,
      point.at_risk,
      point.converted,
      point.share,
      point.low,
      point.high,
    ];
    return { columns, rows: this.steps.flatMap((step) => step.curve.map(row(step))) };
  }
}

/** The value of a curve that jumps, at each x: 0 before the first jump, and nothing after the last, where nobody is left to judge by. */
function stepped(xs, curve, field) {
  let at = -1;
  const end = curve.at(-1)?.days ?? -1;
  return xs.map((x) => {
    while (at + 1 < curve.length && curve[at + 1].days <= x) at += 1;
    if (x > end) return null;
    return at < 0 ? 0 : curve[at][field];
  });
}

class Pareto {
  constructor() {
    this.card = new Card({ title: "Revenue by share of buyers", define: "pareto", size: "half", data: () => this.table() });
    this.chart = new Chart({
      label: "Share of revenue by share of buyers",
      height: 240,
      xKind: "number",
      xName: "top % of buyers:",
      yKind: "share",
    });
    this.card.body.append(this.chart.element);
  }

  draw({ insights }) {
    this.points = insights.data?.pareto?.curve ?? [];
    if (this.card.refuse(withoutInsights(insights) ?? (this.points.length ? null : "Nobody has ordered yet."))) return;
    this.card.draw(`${show("count", insights.data.pareto.buyers)} buyers, as of ${insights.data.as_of}. The dashed line is equality.`);
    const xs = [0, ...this.points.map((point) => Math.round(point.top_share * 100))];
    this.chart.show({
      xs,
      range: [0, 1],
      marks: [20],
      series: [
        { name: "revenue", colour: "--c1", type: "area", points: true, values: [0, ...this.points.map((point) => point.revenue_share)] },
        { name: "if all spent alike", colour: "--c6", type: "line", dash: [4, 4], values: xs.map((x) => x / 100) },
      ],
    });
  }

  table() {
    const columns = [
      { name: "Top share of buyers", kind: "share" },
      { name: "Buyers", kind: "count" },
      { name: "Revenue", kind: "money" },
      { name: "Share of revenue", kind: "share" },
    ];
    return { columns, rows: this.points.map((point) => [point.top_share, point.buyers, point.revenue, point.revenue_share]) };
  }
}

class Rfm {
  constructor() {
    this.card = new Card({ title: "Recency × frequency", define: "rfm", size: "half", data: () => this.table() });
  }

  draw({ insights }) {
    this.cells = insights.data?.rfm?.grid ?? [];
    if (this.card.refuse(withoutInsights(insights) ?? (this.cells.length ? null : "Nobody has ordered yet."))) return;
    const { recency_days: recency, orders } = insights.data.rfm.cuts;
    const list = (cuts) => cuts.map((cut) => show("decimal", cut)).join(", ");
    this.card.draw(`Users, and revenue below. Fifths part at ${list(recency)} days since the last order, and at ${list(orders)} orders.`);
    putWhenNew(this.card.body, JSON.stringify(this.cells), () => this.grid());
  }

  grid() {
    const most = Math.max(1, ...this.cells.map((cell) => cell.users));
    const at = (recency, frequency) => this.cells.find((cell) => cell.recency === recency && cell.frequency === frequency);
    const cell = (found) =>
      make(
        "td",
        { class: `number heat h${Math.round((11 * Math.sqrt(found?.users ?? 0)) / Math.sqrt(most))}` },
        show("count", found?.users ?? 0),
        make("small", {}, show("money", found?.revenue ?? 0)),
      );
    const row = (frequency) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, `Frequency ${frequency}`),
        ...[1, 2, 3, 4, 5].map((recency) => cell(at(recency, frequency))),
      );
    const head = make(
      "tr",
      {},
      make("td", {}),
      ...[1, 2, 3, 4, 5].map((recency) => make("th", { scope: "col", class: "number" }, `Recency ${recency}`)),
    );
    const caption = make("caption", { class: "hidden" }, "Buyers by fifths of recency and frequency");
    return make(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Recency by frequency" },
      make("table", { class: "grid rfm" }, caption, make("thead", {}, head), make("tbody", {}, ...[5, 4, 3, 2, 1].map(row))),
    );
  }

  table() {
    const columns = ["Recency", "Frequency", "Users", "Orders"].map((name) => ({ name, kind: "count" }));
    return {
      columns: [...columns, { name: "Revenue", kind: "money" }],
      rows: this.cells.map((cell) => [cell.recency, cell.frequency, cell.users, cell.orders, cell.revenue]),
    };
  }
}
