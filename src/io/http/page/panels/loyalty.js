// Loyalty: behaviour by attitude, loyal buyers, and why users leave.

import { Card, onlyForAll, withoutInsights } from "../card.js";
import { DayChart } from "../figures.js";
import { Listing } from "../listing.js";
import { show } from "../numbers.js";
import { make, putWhenNew } from "../table.js";

export const title = "Loyalty";

/** Quadrants of the matrix, attitude from high to low, behaviour from low to high. */
const QUADRANTS = [
  { name: "High attitude, low behaviour", types: [["latent", "Latent", "like it, and hardly buy"]] },
  {
    name: "High attitude, high behaviour",
    types: [
      ["fanatic", "Fanatic", "and speak for it"],
      ["committed", "Committed", "like it, and come"],
    ],
  },
  { name: "Low attitude, low behaviour", types: [["disloyal", "Disloyal", "neither"]] },
  {
    name: "Low attitude, high behaviour",
    types: [
      ["inertia", "Inertia", "come from habit"],
      ["mercenary", "Mercenary", "come for rewards"],
    ],
  },
];
const NAMES = new Map(QUADRANTS.flatMap((quadrant) => quadrant.types.map(([type, name]) => [type, name])));

/** What is told as a table. */
const LISTINGS = [
  {
    title: "Days in each stage",
    define: "stages",
    columns: [
      ["Stage", "text"],
      ["Stays", "count"],
      ["Left", "count"],
      ["In it now", "count"],
      ["Half leave within", "days"],
    ],
    rows: ({ stages = [] }) =>
      stages
        .filter((one) => one.stays > 0)
        .map((one) => [one.life_stage.replaceAll("_", " "), one.stays, one.left, one.in_it, one.median_days]),
    empty: "Nobody is in a stage yet.",
  },
  {
    title: "From one competitor to another",
    define: "flows",
    list: "departures.flows",
    columns: [
      ["From", "text"],
      ["To", "text"],
      ["Steps", "count"],
    ],
    rows: ({ departures }) => (departures?.flows ?? []).map((flow) => [flow.from, flow.to, flow.count]),
    empty: "Nobody went from one competitor to another.",
  },
];

export function build(root) {
  const matrix = new Matrix();
  const departures = new Departures();
  const buyers = new DayChart({
    title: "Loyal buyers",
    define: "loyal_buyers",
    size: "half",
    series: [{ name: "loyal buyers", field: "loyal_buyers", colour: "--c2", type: "area" }],
    refuse: onlyForAll,
  });
  const listings = LISTINGS.map((listing) => new Listing(listing));
  root.append(matrix.card.element, buyers.element, departures.card.element, ...listings.map((listing) => listing.card.element));
  return (model) => [matrix, buyers, departures, ...listings].forEach((part) => part.draw(model));
}

class Matrix {
  constructor() {
    this.card = new Card({ title: "Behaviour × attitude", define: "types", size: "full", data: () => this.table() });
  }

  draw({ insights }) {
    if (this.card.refuse(withoutInsights(insights))) return;
    this.types = insights.data.types ?? [];
    const of = (type) => this.types.find((one) => one.loyalty_type === type)?.users ?? 0;
    this.typed = this.types.filter((one) => one.loyalty_type).reduce((sum, one) => sum + one.users, 0);
    this.card.draw(`All users, as of ${insights.data.as_of}. ${show("count", of(null))} more have no type yet.`);
    putWhenNew(this.card.body, JSON.stringify(this.types), () => this.grid());
  }

  grid() {
    const of = (type) => this.types.find((one) => one.loyalty_type === type) ?? { users: 0, orders: 0, revenue: 0 };
    const most = Math.max(1, ...[...NAMES.keys()].map((type) => of(type).users));
    const one = ([type, name, note]) => {
      const { users, revenue } = of(type);
      const share = this.typed ? ` · ${show("share", users / this.typed)}` : "";
      const bar = make("span", { class: "fill" });
      bar.style.width = `${(100 * users) / most}%`;
      return make(
        "li",
        {},
        make("strong", {}, name),
        make("span", { class: "quiet" }, ` ${note}`),
        make("span", { class: "track", "aria-hidden": "true" }, bar),
        make(
          "span",
          { class: "told" },
          `${show("count", users)} users${share}`,
          make("span", { class: "quiet" }, ` · revenue ${show("money", revenue)}`),
        ),
      );
    };
    const quadrants = QUADRANTS.map((quadrant) =>
      make("div", { class: "quadrant" }, make("h4", {}, quadrant.name), make("ul", {}, ...quadrant.types.map(one))),
    );
    return make("div", { class: "matrix" }, ...quadrants);
  }

  table() {
    const columns = [
      { name: "Type", kind: "text" },
      { name: "Users", kind: "count" },
      { name: "Orders", kind: "count" },
      { name: "Revenue", kind: "money" },
    ];
    return { columns, rows: this.types.map((one) => [NAMES.get(one.loyalty_type) ?? "no type yet", one.users, one.orders, one.revenue]) };
  }
}

class Departures {
  constructor() {
    this.card = new Card({ title: "Why users left", define: "departures", size: "half", data: () => this.table() });
  }

  draw({ insights }) {
    if (this.card.refuse(withoutInsights(insights))) return;
    const { reasons = {}, competitors = {}, won_back: back } = insights.data.departures ?? {};
    this.rows = [...ranked(reasons, "reason"), ...ranked(competitors, "to a competitor")];
    const won = back?.users ? ` ${show("count", back.part)} of ${show("count", back.users)} judged came back within 30 days.` : "";
    if (this.card.refuse(this.rows.length ? null : "Nobody who left said why.")) return;
    this.card.draw(`As of ${insights.data.as_of}.${won}`);
    putWhenNew(this.card.body, JSON.stringify(this.rows), () => bars(this.rows.slice(0, 12)));
  }

  table() {
    return {
      columns: [
        { name: "Reason or competitor", kind: "text" },
        { name: "What", kind: "text" },
        { name: "Users", kind: "count" },
      ],
      rows: this.rows,
    };
  }
}

const ranked = (counts, what) =>
  Object.entries(counts)
    .map(([name, count]) => [name, what, count])
    .sort((one, other) => other[2] - one[2]);

function bars(rows) {
  const most = Math.max(1, ...rows.map(([, , count]) => count));
  const row = ([name, what, count]) => {
    const told = name === "" ? "not said" : name;
    const bar = make("span", { class: "fill" });
    bar.style.width = `${(100 * count) / most}%`;
    return make(
      "li",
      {},
      make("span", { class: "name" }, told, make("span", { class: "quiet" }, ` ${what}`)),
      make("span", { class: "track", "aria-hidden": "true" }, bar),
      make("span", { class: "told" }, show("count", count)),
    );
  };
  return make("ul", { class: "bars" }, ...rows.map(row));
}
