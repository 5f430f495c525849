// One user: the days, the orders, the risk and what explains it, and everything else that the profile tells.

import { go, shown } from "../address.js";
import { Card, announce } from "../card.js";
import { Chart } from "../chart.js";
import { dayOf, fieldName, named, numberOf, plain, show } from "../numbers.js";
import { ask } from "../service.js";
import { make, putWhenNew, scrolling } from "../table.js";
import { term } from "../definitions.js";

export const title = "User";

/** Days of the map: 27 weeks, which the service remembers of everyone. */
const HALF_A_YEAR = 189;
const SHARES = new Set([
  "brand_share",
  "discount_share",
  "reward_share",
  "assisted_share",
  "full_price_share",
  "margin_share",
  "customer_share",
  "own_view_share",
  "referral_conversion",
  "contact_response_rate",
  "risk_activity",
  "risk_purchase",
  "p_alive_activity",
  "p_alive_purchase",
]);
const MONEY = new Set([
  "revenue",
  "mean_order_value",
  "monetary_mean",
  "clv_365d",
  "saving_mean",
  "cost_acquire",
  "cost_retain",
  "cost_serve",
  "reward_amount",
  "competitor_spend",
]);
const HEAD = [
  ["lifecycle_30d", "Lifecycle"],
  ["risk_level", "Level of risk", "risk"],
  ["active_days_30d", "Active days of 30", "histogram"],
  ["orders", "Orders"],
  ["revenue", "Revenue"],
  ["clv_365d", "Value of a year", "clv_365d"],
  ["loyalty_type", "Type", "types"],
  ["attitude", "Attitude", "attitude"],
  ["behaviour", "Behaviour", "behaviour"],
];

export function build(root) {
  const input = make("input", {
    id: "user-id",
    name: "id",
    required: true,
    maxlength: "256",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
  });
  const form = make(
    "form",
    { id: "user-form", class: "card full" },
    make("label", { for: "user-id" }, "User id"),
    input,
    make("button", { class: "main" }, "Look up"),
  );
  const place = make("div", { id: "user", class: "cards full" });
  root.append(form, place);
  const look = new LookUp(place);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value === shown().user) look.find(input.value);
    else go({ user: input.value });
  });
  return () => {
    const { user } = shown();
    if (user === look.id) return;
    input.value = user;
    look.find(user);
  };
}

class LookUp {
  constructor(place) {
    Object.assign(this, { place, id: "", charts: [] });
  }

  async find(id) {
    this.id = id;
    if (id === "") return this.replace([]);
    try {
      const profile = await ask(`v1/users/${encodeURIComponent(id)}`);
      if (this.id === id) this.draw(profile);
    } catch (error) {
      if (this.id === id) this.tell(error.status === 404 ? `There is no user “${id}”.` : `No answer about “${id}”: ${error.message}`);
      // When the token is entered, the next drawing asks again.
      if (error.status === 401) this.id = "";
    }
  }

  tell(text) {
    announce(text);
    this.replace([make("p", { class: "card full wrong" }, text)]);
  }

  draw(profile) {
    const charts = [];
    const cards = [headOf(profile), mapOf(profile), ordersOf(profile), ...explanations(profile, charts), restOf(profile)];
    this.replace(cards.filter(Boolean), charts);
    announce(`User ${profile.user_id}: ${profile.lifecycle_30d}, risk ${profile.risk_level ?? "not known"}.`);
  }

  replace(cards, charts = []) {
    for (const chart of this.charts) chart.destroy();
    this.charts = charts;
    this.place.replaceChildren(...cards);
  }
}

function headOf(profile) {
  const figures = HEAD.filter(([field]) => profile[field] !== undefined && profile[field] !== null).map(([field, name, define]) =>
    make(
      "div",
      { class: "figure small" },
      make("dt", {}, define ? term(name, define) : name),
      make("dd", { class: "value" }, valueText(field, profile[field])),
    ),
  );
  const since = profile.first_active_day
    ? `first active ${named("short", profile.first_active_day)}, last ${named("short", profile.last_active_day)}`
    : "never active";
  return make(
    "section",
    { class: "card full", "aria-labelledby": "user-name" },
    make("h3", { id: "user-name", class: "user-name" }, profile.user_id),
    make("p", { class: "about" }, `As of ${named("short", profile.as_of)}; ${since}.`),
    make("dl", { class: "figures plain" }, ...figures),
  );
}

/** Half a year as squares, a column a week. */
function mapOf(profile) {
  const recent = profile.recent;
  if (!recent?.from) return null;
  const active = new Set(recent.active_days);
  const orders = new Set((recent.orders ?? []).map((order) => order.day));
  const last = numberOf(profile.as_of);
  const known = Math.max(numberOf(recent.from), last - HALF_A_YEAR + 1);
  const first = last - HALF_A_YEAR + 1;
  // Mondays begin a column; 1970-01-01 was a Thursday.
  const squares = Array.from({ length: (first + 3) % 7 }, () => make("span", { class: "blank" }));
  for (let number = first; number <= last; number += 1) {
    const day = dayOf(number);
    const state = orders.has(day) ? "order" : active.has(day) ? "active" : number < known ? "before" : "";
    if (state === "before") squares.push(make("span", { class: "square before" }));
    else
      squares.push(
        make("span", {
          class: `square ${state}`,
          title: `${named("short", day)}${state === "order" ? ": an order" : state === "active" ? ": active" : ""}`,
        }),
      );
  }
  const card = new Card({
    title: "Day by day",
    define: "active_map",
    size: "half",
    data: () => ({
      columns: [
        { name: "Active day", kind: "text" },
        { name: "Order", kind: "text" },
      ],
      rows: [...active]
        .sort()
        .reverse()
        .map((day) => [day, orders.has(day) ? "order" : ""]),
    }),
  });
  const count = [...active].filter((day) => numberOf(day) >= known).length;
  const map = make(
    "div",
    {
      class: "map",
      role: "img",
      "aria-label": `Active on ${count} of the ${last - known + 1} days from ${named("short", dayOf(known))} to ${named("short", profile.as_of)}`,
    },
    ...squares,
  );
  const legend = make(
    "p",
    { class: "legend" },
    make("span", { class: "key" }, make("span", { class: "square active" }), " active"),
    make("span", { class: "key" }, make("span", { class: "square order" }), " with an order"),
  );
  card.body.append(make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Day by day" }, map), legend);
  card.draw(`${count} of the ${last - known + 1} days from ${named("short", dayOf(known))} on. Weeks are columns, from Monday down.`);
  return card.element;
}

function ordersOf(profile) {
  const orders = profile.recent?.orders ?? [];
  const data = () => ({
    columns: [
      { name: "Placed", kind: "text" },
      { name: "Order", kind: "text" },
      { name: "Amount", kind: "amount" },
    ],
    rows: orders.toReversed().map((order) => [order.timestamp, order.order_id ?? "without an id", order.amount]),
  });
  const card = new Card({ title: "Orders", define: "orders", size: "half", isTable: true, data });
  if (!card.refuse(profile.orders ? null : "No order stands.")) {
    const older = profile.orders - orders.length;
    card.draw(
      `${show("count", profile.orders)} in all, ${show("amount", profile.revenue)} net of returns; in a row: ${profile.streak}${profile.loyal ? ", a loyal buyer" : ""}.${older > 0 ? ` ${show("count", older)} older ones are kept as totals.` : ""}`,
    );
    putWhenNew(card.body, JSON.stringify(orders), () => scrolling(data(), "Orders"));
  }
  return card.element;
}

/** Why the level is what it is, by process, with the curve of the risk to come. */
function explanations(profile, charts) {
  return [
    ["activity", "Risk of no activity"],
    ["purchase", "Risk of no order"],
  ].flatMap(([process, name]) => {
    const told = profile.explain?.[process];
    return told ? [explanationOf(told, name, charts)] : [];
  });
}

function explanationOf(told, name, charts) {
  const xs = (told.curve ?? []).map((_, ahead) => ahead);
  const card = new Card({
    title: name,
    define: "curve",
    size: "half",
    data: () => ({
      columns: [
        { name: "Days ahead", kind: "count" },
        { name: "Risk", kind: "share" },
      ],
      rows: xs.map((ahead) => [ahead, told.curve[ahead]]),
    }),
  });
  const head = make(
    "p",
    { class: "level" },
    make("span", { class: `badge ${told.level}` }, told.level),
    ` ${show("share", told.risk)} within ${told.horizon_days} days · alive ${show("share", told.p_alive)} · ${plain.format(told.days_seen)} days seen`,
  );
  const list = (title, words, kind) =>
    words?.length
      ? [make("div", {}, make("h4", {}, title), make("ul", { class: `words ${kind}` }, ...words.map((word) => make("li", {}, word))))]
      : [];
  card.body.append(head);
  if (xs.length) {
    const chart = new Chart({
      label: `${name}, if nothing more is heard`,
      height: 160,
      xKind: "number",
      xName: "days from now:",
      yKind: "share",
    });
    charts.push(chart);
    card.body.append(chart.element);
    chart.show({
      xs,
      range: [0, 1],
      chosen: 0,
      series: [{ name: "risk if silent", colour: "--high", type: "area", values: told.curve }],
      marks: (told.if_silent ?? []).map((change) => change.in_days),
    });
  }
  card.body.append(
    make(
      "div",
      { class: "why" },
      ...list("Why", told.reasons, "reasons"),
      ...list("Raises it", told.raises, "raises"),
      ...list("Lowers it", told.lowers, "lowers"),
    ),
  );
  card.draw(`As of ${named("short", told.as_of)}, by model ${told.model_id}.`);
  return card.element;
}

function restOf(profile) {
  const known = new Set(["schema", "user_id", "explain", "recent", "as_of"]);
  const rows = Object.entries(profile)
    .filter(([field, value]) => !known.has(field) && value !== null && typeof value !== "object")
    .map(([field, value]) => [fieldName(field), valueText(field, value)]);
  const card = new Card({
    title: "Everything known",
    size: "full",
    isTable: true,
    data: () => ({
      columns: [
        { name: "Field", kind: "text" },
        { name: "Value", kind: "text" },
      ],
      rows,
    }),
  });
  card.body.append(
    make("dl", { class: "fields" }, ...rows.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)))),
  );
  card.draw();
  return card.element;
}

function valueText(field, value) {
  if (value === null) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number" && MONEY.has(field)) return show("amount", value);
  if (typeof value === "number") return SHARES.has(field) ? show("share", value) : plain.format(value);
  return String(value);
}
