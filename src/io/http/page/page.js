// The page at `/`: follows the service and shows one panel at a time. Values become text, never markup.

import { go, linkTo, onChange, shown } from "./page/address.js";
import { announce } from "./page/card.js";
import { watchTerms } from "./page/definitions.js";
import { ago, named, numberOf, plural } from "./page/numbers.js";
import { Refused, ask, follow, watchToken } from "./page/service.js";
import { make, setText } from "./page/table.js";
import * as growth from "./page/panels/growth.js";
import * as habit from "./page/panels/habit.js";
import * as health from "./page/panels/health.js";
import * as loyalty from "./page/panels/loyalty.js";
import * as purchases from "./page/panels/purchases.js";
import * as risk from "./page/panels/risk.js";
import * as satisfaction from "./page/panels/satisfaction.js";
import * as user from "./page/panels/user.js";

/** Panels by name; `days` are those that show the figures of days. */
const PANELS = {
  habit: { ...habit, days: true },
  growth: { ...growth, days: true },
  risk: { ...risk, days: true, asks: ["alerts"] },
  loyalty: { ...loyalty, days: true, asks: ["insights"] },
  purchases: { ...purchases, days: true, asks: ["insights"] },
  satisfaction: { ...satisfaction, days: true, asks: ["insights"] },
  user,
  service: { ...health, asks: ["partitions", "deadLetters"] },
};
/** What panels ask for beside the stream: where, how often, and what it means when it is not there. */
const QUESTIONS = {
  alerts: { path: "v1/alerts", seconds: 15 },
  insights: {
    path: "v1/insights",
    seconds: 60,
    missing: "Not available: this service does not tell insights. `stickiness insights` counts them from files.",
  },
  partitions: { path: "v1/partitions", seconds: 3 },
  deadLetters: { path: "v1/dead-letters", seconds: 5 },
};
/** Segments are listed anew after this long. */
const SEGMENTS_MS = 30000;
/** From so many segments on, there is a field to find one. */
const MANY = 30;
/** States that are kept for the charts of the service. */
const HISTORY = 300;

const $ = (id) => document.getElementById(id);
const model = { records: new Map(), days: [], day: null, record: null, state: null, history: [], segments: [] };
for (const name of Object.keys(QUESTIONS)) model[name] = { data: null, reason: null, at: -Infinity };
let lost = null;
let unfollow = () => {};
/** Panels that were shown, with what draws them. */
const built = new Map();
let drawPanel = null;
let panelName = null;

// ---------------------------------------------------------------- what the service tells

const tell = {
  records(list, isWhole) {
    if (isWhole) model.records.clear();
    for (const record of list) model.records.set(record.day, record);
    model.records = new Map([...model.records].sort(([one], [other]) => (one < other ? -1 : 1)));
    found();
  },
  state(state, how) {
    model.state = state;
    model.how = how;
    const counted = Object.values(state.outcomes).reduce((sum, count) => sum + count, 0);
    model.history.push({ at: Date.parse(state.now), counted, lag: state.lag });
    if (model.history.length > HISTORY) model.history.shift();
    found();
  },
  lost(error) {
    lost ??= new Date();
    const what = error instanceof Refused ? error.message : "the service does not answer";
    setText($("notice"), `No new figures since ${lost.toLocaleTimeString()}: ${what}. Still trying.`);
    $("notice").hidden = false;
    $("state").dataset.state = "gone";
    setText($("state-name"), error instanceof Refused ? "No figures" : "No answer");
    tellNothing("No figures", `${what[0].toUpperCase()}${what.slice(1)}.`);
    schedule();
  },
};

function found() {
  if (lost) {
    lost = null;
    $("notice").hidden = true;
  }
  tellNothing("Nothing is counted yet", "Figures appear here, within a second or two, as soon as the first event is in an input topic.");
  schedule();
}

function tellNothing(title, why) {
  setText($("nothing-title"), title);
  setText($("nothing-why"), why);
}

function followSegment() {
  unfollow();
  model.records = new Map();
  unfollow = follow(shown().segment, tell);
  askSegments();
}

async function askSegments() {
  try {
    model.segments = await ask("v1/segments");
    drawSegments();
  } catch {
    /* the stream tells what is wrong */
  }
}

async function answerQuestion(name) {
  const { path, missing } = QUESTIONS[name];
  model[name].at = performance.now();
  try {
    Object.assign(model[name], { data: await ask(path), reason: null });
  } catch (error) {
    if (error.status === 401) model[name].at = -Infinity;
    // What was known stays: that the service is gone is told above.
    else if (error instanceof Refused)
      Object.assign(model[name], { data: null, reason: error.status === 404 && missing ? missing : `Not available: ${error.message}` });
    else model[name].reason ??= "Not available: the service does not answer";
  }
  schedule();
}

function askWhatIsDue() {
  if (document.hidden || $("token-dialog").open) return;
  for (const name of PANELS[panelName]?.asks ?? []) {
    if (performance.now() - model[name].at > QUESTIONS[name].seconds * 1000) answerQuestion(name);
  }
}

// ---------------------------------------------------------------- drawing

let isScheduled = false;
function schedule() {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    draw();
  });
}

function draw() {
  const { panel, range, day } = shown();
  const name = Object.hasOwn(PANELS, panel) ? panel : "habit";
  if (name !== panelName) enter(name);
  const days = [...model.records.keys()];
  const first = range === "0" || days.length === 0 ? 0 : numberOf(days.at(-1)) - Number(range) + 1;
  model.days = days.filter((day) => numberOf(day) >= first);
  model.day = model.records.has(day) ? day : (days.at(-1) ?? null);
  model.record = model.day && model.records.get(model.day);
  drawState();
  drawDay(days);
  for (const input of $("range").querySelectorAll("input")) input.checked = input.value === range;
  const isEmpty = Boolean(PANELS[name].days) && !model.day;
  $("nothing").hidden = !isEmpty || (model.state === null && !lost);
  $("panel").hidden = isEmpty;
  if (!isEmpty) drawPanel(model);
  for (const link of $("panels").querySelectorAll("a")) link.setAttribute("href", linkTo({ panel: link.dataset.panel }));
}

function enter(name) {
  panelName = name;
  if (!built.has(name)) {
    const root = make("div", { class: "cards" });
    built.set(name, { root, draw: PANELS[name].build(root) });
  }
  const { root, draw } = built.get(name);
  $("panel").replaceChildren(root);
  drawPanel = draw;
  setText($("panel-title"), PANELS[name].title);
  document.title = `${PANELS[name].title} · stickiness`;
  announce(PANELS[name].title);
  for (const link of $("panels").querySelectorAll("a")) {
    if (link.dataset.panel === name) {
      link.setAttribute("aria-current", "page");
      const list = $("panels").parentElement;
      list.scrollLeft = Math.max(0, link.offsetLeft - list.clientWidth / 3);
    } else link.removeAttribute("aria-current");
  }
  askWhatIsDue();
}

function drawState() {
  const { state } = model;
  if (!state || lost) return;
  $("state").dataset.state = state.ready ? "live" : "restoring";
  setText($("state-name"), state.ready ? "Live" : "Restoring");
  $("state").title =
    model.how === "live" ? "Figures come as they change." : "Figures are asked for every two seconds: there is no stream now.";
  const parts = state.ready ? [] : ["figures may be incomplete"];
  if (typeof state.lag === "number") parts.push(state.lag === 0 ? "nothing waiting" : `${plural(state.lag, "record")} behind`);
  if (state.watermark.newest) parts.push(`newest event ${ago((Date.parse(state.now) - Date.parse(state.watermark.newest)) / 1000)}`);
  setText($("lag"), parts.join(" · "));
  const foot = [`stickiness ${state.version}`, `${plural(state.partitions, "partition")} here`];
  if (state.users) foot.push(`${plural(state.users, "user")} known`);
  const newest = model.record ?? [...model.records.values()].at(-1);
  if (newest) foot.push(`days in ${newest.time_zone}`);
  setText($("foot"), foot.join(" · "));
}

function drawDay(days) {
  $("day-bar").hidden = !PANELS[panelName].days || !model.day;
  if (!model.day) return;
  setText($("day-name"), named("full", model.day));
  const isFinal = model.record.final;
  setText($("day-state"), isFinal ? "final" : "provisional");
  $("day-state").className = isFinal ? "badge done" : "badge open";
  $("day-state").title = isFinal
    ? "Every partition has closed this day. Late events still publish a new revision."
    : "Not every partition has closed this day: its figures still grow.";
  $("day-before").disabled = model.day === days[0];
  $("day-after").disabled = $("day-newest").disabled = model.day === days.at(-1);
}

function drawSegments() {
  const select = $("segment");
  const wanted = $("segment-filter").value.trim().toLowerCase();
  const { segment } = shown();
  $("segment-choice").hidden = model.segments.length < 2 && segment === "all";
  $("segment-filter").hidden = model.segments.length < MANY;
  const known = model.segments.includes(segment) ? model.segments : [...model.segments, segment];
  const listed = known.filter((name) => name === segment || name === "all" || name.toLowerCase().includes(wanted));
  if ([...select.options].map((option) => option.value).join("\n") !== listed.join("\n")) {
    const groups = Map.groupBy(listed, (name) => (name === "all" ? "" : name.split("=", 1)[0]));
    select.replaceChildren(
      ...[...groups].flatMap(([property, names]) => {
        const options = names.map((name) => new Option(name === "all" ? "All users" : name.slice(property.length + 1) || "(empty)", name));
        return property === "" ? options : [make("optgroup", { label: property }, ...options)];
      }),
    );
  }
  select.value = segment;
  select.title = segment === "all" ? "" : segment;
}

// ---------------------------------------------------------------- beginning

function step(by) {
  const days = [...model.records.keys()];
  const at = Math.max(0, Math.min(days.length - 1, days.indexOf(model.day) + by));
  go({ day: at === days.length - 1 ? "" : days[at] });
}

$("panels").append(
  ...Object.entries(PANELS).map(([name, panel]) =>
    make("li", {}, make("a", { "data-panel": name, href: linkTo({ panel: name }) }, panel.title)),
  ),
);
watchTerms();
watchToken(() => followSegment());
onChange((now, before) => {
  if (now.segment !== before.segment) followSegment();
  if (now.panel !== before.panel) scrollTo({ top: 0 });
  drawSegments();
  draw();
  askWhatIsDue();
});
// Links within the page, but for those of another tab.
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[href^='#']") : null;
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (link.id === "skip") return $("figures").focus();
  go(Object.fromEntries(new URLSearchParams(link.getAttribute("href").slice(1))), true);
});
$("controls").addEventListener("submit", (event) => event.preventDefault());
$("segment").addEventListener("change", (event) => go({ segment: event.target.value }));
$("segment-filter").addEventListener("input", drawSegments);
$("range").addEventListener("change", (event) => go({ range: event.target.value }));
$("day-before").addEventListener("click", () => step(-1));
$("day-after").addEventListener("click", () => step(1));
$("day-newest").addEventListener("click", () => go({ day: "" }));
setInterval(askWhatIsDue, 1000);
setInterval(() => document.hidden || askSegments(), SEGMENTS_MS);
document.addEventListener("visibilitychange", askWhatIsDue);
followSegment();
draw();
