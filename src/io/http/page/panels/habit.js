// How sticky: DAU, WAU, MAU, their ratio, and on how many days users come.

import { Card } from "../card.js";
import { Chart } from "../chart.js";
import { DayChart, Figures } from "../figures.js";
import { named, show } from "../numbers.js";

const FIGURES = [
  { label: "DAU / MAU", field: "dau_mau_ratio", kind: "share", size: "hero" },
  { label: "DAU", field: "dau", kind: "count" },
  { label: "WAU", field: "wau_7d", kind: "count" },
  { label: "MAU", field: "mau_30d", kind: "count" },
  { label: "DAU / WAU", field: "dau_wau_ratio", kind: "share" },
  { label: "Active days a month", field: "active_days_mean_30d", kind: "decimal" },
];

export const title = "Habit";

export function build(root) {
  const figures = new Figures(FIGURES, "Active users");
  const ratio = new DayChart({
    title: "DAU / MAU",
    define: "dau_mau_ratio",
    size: "half",
    yKind: "share",
    height: 264,
    series: [
      { name: "DAU / MAU", field: "dau_mau_ratio", colour: "--c1", type: "area" },
      { name: "DAU / WAU", field: "dau_wau_ratio", colour: "--c2" },
    ],
  });
  const users = new DayChart({
    title: "Active users",
    define: "mau_30d",
    size: "half",
    height: 264,
    series: [
      { name: "MAU", field: "mau_30d", colour: "--c1", type: "area" },
      { name: "WAU", field: "wau_7d", colour: "--c2" },
      { name: "DAU", field: "dau", colour: "--c3" },
    ],
  });
  const histogram = new Histogram();
  root.append(figures.element, ratio.element, users.element, histogram.card.element);
  return (model) => [figures, ratio, users, histogram].forEach((part) => part.draw(model));
}

/** Users by how many of 30 days they were active on. */
class Histogram {
  constructor() {
    this.card = new Card({ title: "Active days of 30", define: "histogram", size: "full", data: () => this.table() });
    this.chart = new Chart({ label: "Users by active days", height: 224, xKind: "number", xName: "days active:" });
    this.card.body.append(this.chart.element);
  }

  draw(model) {
    this.counts = model.record.active_days_histogram_30d;
    if (this.card.refuse(this.counts ? null : "This day has no histogram.")) return;
    const users = this.counts.reduce((sum, count) => sum + count, 0);
    const often = this.counts.slice(14).reduce((sum, count) => sum + count, 0);
    const share = users > 0 ? ` ${show("share", often / users)} of the active users came on 15 days or more.` : "";
    this.card.draw(`The 30 days that end with ${named("short", model.day)}.${share}`);
    this.chart.show({
      xs: this.counts.map((_, index) => index + 1),
      series: [{ name: "users", colour: "--c1", type: "bar", values: this.counts }],
    });
  }

  table() {
    return {
      columns: [
        { name: "Active days", kind: "count" },
        { name: "Users", kind: "count" },
      ],
      rows: this.counts.map((count, index) => [index + 1, count]),
    };
  }
}
