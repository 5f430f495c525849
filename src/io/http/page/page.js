"use strict";
// The page at `/`: asks the service every second or two and shows what changed. Values become text, never markup.

const POLL_MS = 1500;
/** Days before the newest that are asked for again each time; older ones are settled but for returns. */
const FRESH_DAYS = 40;
/** Polls between two in which everything is asked for again. */
const FULL_POLLS = 200;

const $ = (id) => document.getElementById(id);
const state = {
  records: new Map(), // day -> record
  segment: "all",
  /** The day of the figures; null follows the newest. */
  chosen: null,
  /** The day under the pointer. */
  pointed: null,
  range: 90,
  window: 1,
  polls: 0,
  answer: "",
  lost: null,
};

// ---------------------------------------------------------------- numbers and days

const whole = new Intl.NumberFormat("en");
const decimal = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 3 });
const utc = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options });
const fullDay = utc({ weekday: "long", day: "numeric", month: "long", year: "numeric" });
const shortDay = utc({ weekday: "short", day: "numeric", month: "short", year: "numeric" });
const tickDay = utc({ day: "numeric", month: "short" });
const tickMonth = utc({ month: "short", year: "numeric" });

const KINDS = {
  count: (value) => whole.format(value),
  share: (value) => `${decimal.format(value * 100)} %`,
  decimal: (value) => decimal.format(value),
};
const show = (kind, value) => (typeof value === "number" ? KINDS[kind](value) : "–");
const numberOf = (day) => Math.round(Date.parse(`${day}T00:00:00Z`) / 86400000);
const dayOf = (number) => new Date(number * 86400000).toISOString().slice(0, 10);
const named = (format, day) => format.format(new Date(`${day}T00:00:00Z`));

function ago(seconds) {
  if (seconds < 0.95) return "now";
  const steps = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const [size, unit] = steps.find(([size]) => seconds >= size) ?? steps[3];
  return `${Math.round(seconds / size)} ${unit} ago`;
}

// ---------------------------------------------------------------- asking

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path) {
  const token = sessionStorage.getItem("token");
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(path, { headers, signal: AbortSignal.timeout(10000) });
  const text = await response.text();
  if (response.ok) return text;
  if (response.status === 401) askForToken(token);
  let message = `status ${response.status}`;
  try {
    message = JSON.parse(text).error ?? message;
  } catch { /* not from the service itself, such as a proxy's page */ }
  throw new Refused(response.status, message);
}

function askForToken(tried) {
  if (tried) {
    if (sessionStorage.getItem("token") !== tried) return;
    sessionStorage.removeItem("token");
    $("token-wrong").hidden = false;
  }
  const dialog = $("token-dialog");
  if (!dialog.open && $("token-again").hidden) dialog.showModal();
}

async function poll() {
  if (!document.hidden && !$("token-dialog").open && $("token-again").hidden) {
    try {
      await pollOnce();
      state.lost = null;
      $("notice").hidden = true;
    } catch (error) {
      if (error.status !== 401) tellLost(error);
    }
  }
  setTimeout(poll, POLL_MS);
}

async function pollOnce() {
  const isFull = state.polls % FULL_POLLS === 0;
  const segment = state.segment;
  const newest = [...state.records.keys()].at(-1);
  const from = isFull || !newest ? "" : `&from=${dayOf(numberOf(newest) - FRESH_DAYS)}`;
  const [answer, partitions] = await Promise.all([
    ask(`v1/metrics?segment=${encodeURIComponent(segment)}${from}`),
    ask("v1/partitions").then(JSON.parse),
  ]);
  const ready = (await fetch("readyz", { cache: "no-store" })).ok;
  if (state.polls % 20 === 0) drawSegments(JSON.parse(await ask("v1/segments")));
  drawState(ready, partitions);
  if (segment !== state.segment) return;
  state.polls += 1;
  if (answer === state.answer) return;
  state.answer = answer;
  if (isFull) state.records.clear();
  for (const record of JSON.parse(answer)) state.records.set(record.day, record);
  state.records = new Map([...state.records].sort(([a], [b]) => (a < b ? -1 : 1)));
  draw();
}

function tellLost(error) {
  state.lost ??= new Date();
  const since = state.lost.toLocaleTimeString();
  const what = error instanceof Refused ? error.message : "the service does not answer";
  $("notice").textContent = `No new figures since ${since}: ${what}. Still trying.`;
  $("notice").hidden = false;
  $("state").dataset.state = "gone";
  $("state-name").textContent = "No answer";
}

// ---------------------------------------------------------------- the service

function drawState(ready, partitions) {
  $("state").dataset.state = ready ? "live" : "restoring";
  setText($("state-name"), ready ? "Live" : "Restoring");
  const known = (name) => partitions.map((partition) => partition[name]).filter((value) => typeof value === "number");
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const parts = ready ? [] : ["figures may be incomplete"];
  const lag = known("lag");
  if (lag.length) parts.push(sum(lag) === 0 ? "nothing waiting" : `${whole.format(sum(lag))} record${sum(lag) === 1 ? "" : "s"} behind`);
  const watermarks = known("watermark_lag_s");
  if (watermarks.length) parts.push(`newest event ${ago(Math.min(...watermarks))}`);
  setText($("lag"), parts.join(" · "));
  const foot = [`${partitions.length} partition${partitions.length === 1 ? "" : "s"} here`];
  const users = sum(known("users"));
  if (users) foot.push(`${whole.format(users)} users known`, `${whole.format(Math.round(sum(known("state_bytes")) / users))} bytes a user`);
  const newest = [...state.records.values()].at(-1);
  if (newest) foot.push(`days in ${newest.time_zone}`);
  setText($("foot"), foot.join(" · "));
}

function drawSegments(segments) {
  const select = $("segment");
  $("segment-choice").hidden = segments.length < 2;
  const names = [...select.options].map((option) => option.value);
  if (names.join("\n") === segments.join("\n")) return;
  select.replaceChildren(...segments.map((segment) => new Option(segment === "all" ? "all users" : segment, segment)));
  select.value = state.segment;
}

// ---------------------------------------------------------------- the figures of a day

/** Sets a text only when it changed, so that nothing is announced or selected anew for no reason. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function chosenDay() {
  const days = [...state.records.keys()];
  return state.records.has(state.chosen) ? state.chosen : days.at(-1);
}

function draw() {
  const day = chosenDay();
  $("nothing").hidden = day !== undefined;
  $("all").hidden = day === undefined;
  if (day === undefined) return;
  const record = state.records.get(day);
  setText($("day-name"), named(fullDay, day));
  $("provisional").hidden = record.final;
  $("final").hidden = !record.final;
  const days = [...state.records.keys()];
  $("day-before").disabled = day === days[0];
  $("day-after").disabled = $("day-newest").disabled = day === days.at(-1);
  const before = state.records.get(dayOf(numberOf(day) - 7));
  for (const tile of document.querySelectorAll("details.figure")) drawFigure(tile, record, before);
  drawWindow();
  charts.forEach((chart) => chart.draw());
  if ($("table-details").open) drawTable();
}

const LIFECYCLE = ["new", "retained", "resurrected", "dormant"];
const fieldOf = (name) => (LIFECYCLE.includes(name) ? `${name}_${state.window}d` : name);

function drawFigure(tile, record, before) {
  const field = fieldOf(tile.dataset.field);
  const kind = tile.dataset.kind ?? "count";
  const value = record[field];
  tile.hidden = value === undefined;
  setText(tile.querySelector(".value"), show(kind, value));
  setText(tile.querySelector(".change"), change(kind, value, before?.[field], record, before));
}

/** How a figure compares with that of the same weekday before. */
function change(kind, value, past, record, before) {
  if (value === null) return kind === "share" ? "nobody to count" : record.final ? "" : "known when the day closes";
  if (!record.final) return typeof past === "number" ? `so far; ${show(kind, past)} a week before` : "so far";
  if (typeof past !== "number" || !before.final) return "";
  const difference = value - past;
  const sign = difference > 0 ? "+" : difference < 0 ? "−" : "±";
  const size = Math.abs(difference);
  if (kind === "share") return `${sign}${decimal.format(size * 100)} pt on the week before`;
  if (kind === "count" && past > 0) return `${sign}${decimal.format((size / past) * 100)} % on the week before`;
  return `${sign}${KINDS[kind](size)} on the week before`;
}

function drawWindow() {
  const length = state.window;
  const now = length === 1 ? "this day" : `the ${length} days that end with this one`;
  const before = length === 1 ? "the day before" : `the ${length} days before them`;
  for (const element of document.querySelectorAll(".figure .now")) setText(element, now);
  for (const element of document.querySelectorAll(".figure .before")) setText(element, before);
  for (const summary of document.querySelectorAll(".figure summary")) summary.title = summary.nextElementSibling.textContent;
}

function choose(day) {
  state.chosen = day === [...state.records.keys()].at(-1) ? null : day;
  draw();
}

function step(by) {
  const days = [...state.records.keys()];
  choose(days[Math.max(0, Math.min(days.length - 1, days.indexOf(chosenDay()) + by))]);
}

// ---------------------------------------------------------------- charts

const CHARTS = {
  ratio: { kind: "share", series: () => [["DAU / MAU", "dau_mau_ratio"]] },
  users: { kind: "count", series: () => [["DAU", "dau"], ["WAU", "wau_7d"], ["MAU", "mau_30d"]] },
  lifecycle: {
    kind: "count",
    series: () => ["new", "resurrected", "dormant"].map((name) => [name[0].toUpperCase() + name.slice(1), fieldOf(name)]),
  },
};

function shownDays() {
  const days = [...state.records.keys()];
  if (state.range === 0 || days.length === 0) return days;
  const first = numberOf(days.at(-1)) - state.range + 1;
  return days.filter((day) => numberOf(day) >= first);
}

function svg(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Four or five round steps that reach `most`. */
function steps(most, isShare) {
  const rough = (most || (isShare ? 0.04 : 4)) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  let size = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999);
  if (!isShare) size = Math.max(1, Math.round(size));
  const count = Math.max(1, Math.ceil((most / size) * 0.999));
  return Array.from({ length: count + 1 }, (_, index) => index * size);
}

class Chart {
  constructor(figure) {
    const { kind, series } = CHARTS[figure.dataset.chart];
    Object.assign(this, { kind, series, title: figure.querySelector("h3").textContent, height: figure.classList.contains("wide") ? 250 : 220 });
    this.legend = document.createElement("p");
    this.legend.className = "legend";
    this.plot = document.createElement("div");
    this.plot.className = "plot";
    this.plot.tabIndex = 0;
    this.plot.setAttribute("role", "slider");
    this.plot.setAttribute("aria-label", `${this.title}. Arrow keys choose the day.`);
    figure.append(this.legend, this.plot);
    this.plot.addEventListener("pointermove", (event) => point(this.dayAt(event)));
    this.plot.addEventListener("pointerleave", () => point(null));
    this.plot.addEventListener("click", (event) => choose(this.dayAt(event)));
    this.plot.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.plot);
  }

  key(event) {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -7, PageUp: 7, Home: -1e9, End: 1e9 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    step(by);
  }

  dayAt(event) {
    const at = event.clientX - this.plot.getBoundingClientRect().left;
    const distance = (day) => Math.abs(this.x(numberOf(day)) - at);
    return this.days?.reduce((best, day) => (distance(day) < distance(best) ? day : best));
  }

  draw() {
    this.days = shownDays();
    const width = this.plot.clientWidth;
    if (this.days.length === 0 || width === 0) return;
    this.lines = this.series().map(([name, field]) => ({ name, values: this.days.map((day) => state.records.get(day)[field]) }));
    const most = Math.max(0, ...this.lines.flatMap((line) => line.values.filter((value) => typeof value === "number")));
    const ticks = steps(most, this.kind === "share");
    const labels = ticks.map((tick) => (this.kind === "share" ? `${plain.format(tick * 100)} %` : whole.format(tick)));
    const [left, right, top, bottom] = [Math.max(...labels.map((label) => label.length)) * 7 + 10, 12, 10, this.height - 26];
    const first = numberOf(this.days[0]);
    const span = Math.max(1, numberOf(this.days.at(-1)) - first);
    this.x = (number) => left + ((number - first) / span) * (width - left - right);
    this.y = (value) => bottom - (value / ticks.at(-1)) * (bottom - top);
    const grid = ticks.flatMap((tick, index) => [
      svg("line", { class: index ? "grid" : "axis", x1: left, x2: width - right, y1: this.y(tick), y2: this.y(tick) }),
      svg("text", { x: left - 8, y: this.y(tick) + 4, "text-anchor": "end" }, labels[index]),
    ]);
    this.overlay = svg("g", {});
    const drawing = svg("svg", { viewBox: `0 0 ${width} ${this.height}`, height: this.height, "aria-hidden": "true" });
    drawing.append(...grid, ...this.dates(width, first, span), ...this.lines.flatMap((line, index) => this.line(line, index, bottom)), this.overlay);
    this.plot.replaceChildren(drawing);
    this.mark();
  }

  dates(width, first, span) {
    const long = span > 330;
    const gap = Math.max(1, Math.ceil(span / Math.max(2, Math.floor(width / (long ? 110 : 84)))));
    const texts = [];
    for (let number = first + span; number >= first; number -= gap) {
      const x = this.x(number);
      const anchor = x > width - 34 ? "end" : "middle";
      texts.push(svg("text", { x: anchor === "end" ? width - 2 : x, y: this.height - 6, "text-anchor": anchor }, named(long ? tickMonth : tickDay, dayOf(number))));
    }
    return texts;
  }

  /** A line in runs: it breaks where days are missing, and is dashed where they are provisional. */
  line({ values }, index, bottom) {
    const parts = [];
    let run = [];
    const end = (isOpen) => {
      if (run.length > 1) {
        const path = `M${run.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L")}`;
        if (this.lines.length === 1) parts.push(svg("path", { class: "area", d: `${path}L${run.at(-1)[0]},${bottom}L${run[0][0]},${bottom}Z` }));
        parts.push(svg("path", { class: isOpen ? "line open" : "line", d: path }));
      } else if (run.length === 1) {
        parts.push(svg("circle", { class: "dot", cx: run[0][0], cy: run[0][1], r: 3.5 }));
      }
    };
    let wasOpen = false;
    this.days.forEach((day, at) => {
      const value = values[at];
      const isOpen = !state.records.get(day).final;
      const follows = at > 0 && numberOf(day) - numberOf(this.days[at - 1]) === 1 && typeof values[at - 1] === "number";
      if (run.length && (typeof value !== "number" || !follows || isOpen !== wasOpen)) {
        end(wasOpen && run.length > 1);
        run = typeof value === "number" && follows ? [run.at(-1)] : [];
      }
      if (typeof value === "number") run.push([this.x(numberOf(day)), this.y(value)]);
      wasOpen = isOpen;
    });
    end(wasOpen);
    return [svg("g", { class: `c${index}` }, ...parts)];
  }

  /** The chosen day, the day under the pointer, and the legend that tells its numbers. */
  mark() {
    if (!this.overlay) return;
    const chosen = chosenDay();
    const day = this.days.includes(state.pointed) ? state.pointed : chosen;
    const at = this.days.indexOf(day);
    const rule = (day, name) => svg("line", { class: name, x1: this.x(numberOf(day)), x2: this.x(numberOf(day)), y1: 6, y2: this.height - 26 });
    const marks = this.days.includes(chosen) ? [rule(chosen, "chosen")] : [];
    if (at >= 0) {
      if (day !== chosen) marks.push(rule(day, "cursor"));
      this.lines.forEach((line, index) => {
        if (typeof line.values[at] === "number") {
          marks.push(svg("g", { class: `c${index}` }, svg("circle", { class: "dot", cx: this.x(numberOf(day)), cy: this.y(line.values[at]), r: 5 })));
        }
      });
    }
    this.overlay.replaceChildren(...marks);
    this.tell(day, at);
  }

  tell(day, at) {
    const record = state.records.get(day);
    const when = named(shortDay, day) + (record.final ? "" : ", provisional");
    const numbers = this.lines.map((line) => `${line.name} ${show(this.kind, at < 0 ? null : line.values[at])}`);
    const keys = this.lines.map((line, index) => {
      const key = document.createElement("span");
      key.className = `c${index}`;
      const swatch = document.createElement("span");
      swatch.className = "key";
      const value = document.createElement("b");
      value.textContent = show(this.kind, at < 0 ? null : line.values[at]);
      key.append(swatch, `${line.name} `, value);
      return key;
    });
    const label = document.createElement("span");
    label.className = "quiet";
    label.textContent = when;
    this.legend.replaceChildren(...keys, label);
    const [first, last] = [this.days[0], this.days.at(-1)].map(numberOf);
    const values = { valuemin: first, valuemax: last, valuenow: Math.max(first, numberOf(chosenDay())), valuetext: `${when}: ${numbers.join(", ")}` };
    for (const [name, value] of Object.entries(values)) this.plot.setAttribute(`aria-${name}`, value);
  }
}

function point(day) {
  if (state.pointed === day) return;
  state.pointed = day;
  charts.forEach((chart) => chart.mark());
}

const COLUMNS = [
  ["Day", null], ["DAU", "dau"], ["WAU", "wau_7d"], ["MAU", "mau_30d"], ["DAU / MAU", "dau_mau_ratio", "share"], ["New", "new"], ["Resurrected", "resurrected"],
  ["Dormant", "dormant"], ["Orders", "orders"], ["Repeat purchase rate", "repeat_purchase_rate_30d", "share"], ["State", null],
];

function drawTable() {
  const cell = (name, text, scope) => {
    const element = document.createElement(name);
    element.textContent = text;
    if (scope) element.scope = scope;
    return element;
  };
  const row = (...cells) => {
    const element = document.createElement("tr");
    element.append(...cells);
    return element;
  };
  const figures = COLUMNS.filter(([, field]) => field);
  document.querySelector("thead").replaceChildren(row(...COLUMNS.map(([name]) => cell("th", name, "col"))));
  const rows = shownDays().reverse().map((day) => {
    const record = state.records.get(day);
    const numbers = figures.map(([, field, kind]) => cell("td", show(kind ?? "count", record[fieldOf(field)])));
    return row(cell("th", day, "row"), ...numbers, cell("td", record.final ? "final" : "provisional"));
  });
  document.querySelector("tbody").replaceChildren(...rows);
}

// ---------------------------------------------------------------- a user

async function lookUp(id) {
  const place = $("user");
  try {
    drawUser(JSON.parse(await ask(`v1/users/${encodeURIComponent(id)}`)));
  } catch (error) {
    const told = document.createElement("p");
    told.className = "wrong";
    const unknown = error.status === 404;
    told.textContent = unknown ? `There is no user “${id}”.` : `No answer about “${id}”: ${error.message}`;
    place.replaceChildren(told);
  }
}

const SHARES = new Set(["brand_share", "discount_share", "reward_share"]);

function drawUser(profile) {
  const list = document.createElement("dl");
  for (const [field, value] of Object.entries(profile)) {
    if (field === "schema") continue;
    const pair = document.createElement("div");
    const [name, told] = [document.createElement("dt"), document.createElement("dd")];
    name.textContent = fieldName(field);
    told.textContent = valueText(field, value);
    pair.append(name, told);
    list.append(pair);
  }
  $("user").replaceChildren(list);
}

function fieldName(field) {
  const words = field.replace(/_(\d+)d$/, " in $1 days").replace(/_s_mean$/, " mean, seconds").replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
}

function valueText(field, value) {
  if (value === null) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return SHARES.has(field) ? KINDS.share(value) : plain.format(value);
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

// ---------------------------------------------------------------- beginning

const charts = [...document.querySelectorAll("[data-chart]")].map((figure) => new Chart(figure));

$("segment").addEventListener("change", (event) => {
  Object.assign(state, { segment: event.target.value, polls: 0, answer: "", records: new Map() });
  pollOnce().catch(() => {});
});
$("range").addEventListener("change", (event) => {
  state.range = Number(event.target.value);
  draw();
});
$("window").addEventListener("change", (event) => {
  state.window = Number(event.target.value);
  draw();
});
$("day-before").addEventListener("click", () => step(-1));
$("day-after").addEventListener("click", () => step(1));
$("day-newest").addEventListener("click", () => choose(null));
$("table-details").addEventListener("toggle", () => $("table-details").open && drawTable());
$("user-form").addEventListener("submit", (event) => {
  event.preventDefault();
  lookUp($("user-id").value);
});
$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", $("token").value.trim());
  $("token").value = "";
  $("token-dialog").close();
});
$("token-dialog").addEventListener("close", () => {
  $("token-again").hidden = Boolean(sessionStorage.getItem("token"));
});
$("token-open").addEventListener("click", () => {
  $("token-again").hidden = true;
  $("token-dialog").showModal();
});

poll();
