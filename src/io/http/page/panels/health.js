// The service itself: how far behind, how fast, what is stored, what it could not read.

import { Card } from "../card.js";
import { Chart } from "../chart.js";
import { term } from "../definitions.js";
import { ago, named, plural, show } from "../numbers.js";
import { make, putWhenNew, scrolling, setText } from "../table.js";

export const title = "Service";

const FIGURES = [
  ["lag", "Records behind", (state) => [show("count", state.lag), plural(state.partitions, "partition")]],
  [
    "watermark",
    "Newest event",
    (state) => [since(state, state.watermark.oldest), state.restoring ? `${plural(state.restoring, "partition")} restoring` : "all live"],
  ],
  [
    "commit_ms",
    "Commit, median",
    ({ commit_ms: told }) => [
      show("milliseconds", told.p50),
      `99 %: ${show("milliseconds", told.p99)} · longest ${show("milliseconds", told.max)}`,
    ],
  ],
  [
    "publish_ms",
    "Event to publish, median",
    ({ publish_ms: told }) => [show("milliseconds", told.p50), `99 %: ${show("milliseconds", told.p99)}`],
  ],
  ["snapshots", "Oldest snapshot", (state) => [since(state, state.snapshots.stored.oldest), snapshotNote(state.snapshots)]],
  [
    "outcomes",
    "Records counted",
    ({ outcomes }) => [
      show("count", outcomes.accepted ?? 0),
      plural(Object.values(outcomes).reduce((sum, count) => sum + count, 0) - (outcomes.accepted ?? 0), "other"),
    ],
  ],
];

const since = (state, instant) => (instant ? ago((Date.parse(state.now) - Date.parse(instant)) / 1000) : "none yet");

function snapshotNote(snapshots) {
  const notes = [show("bytes", snapshots.bytes)];
  if (snapshots.missing) notes.push(`${snapshots.missing} without`);
  if (snapshots.overdue) notes.push(`${snapshots.overdue} overdue`);
  if (snapshots.failures) notes.push(`${snapshots.failures} failed`);
  return notes.join(" · ");
}

export function build(root) {
  const figures = FIGURES.map(([key, name, told]) => {
    const [value, note] = [make("dd", { class: "value" }), make("dd", { class: "change" })];
    return { told, value, note, element: make("div", { class: "figure" }, make("dt", {}, term(name, key)), value, note) };
  });
  const parts = [new Rates(), new Outcomes(), new Partitions(), new DeadLetters()];
  root.append(
    make("dl", { class: "figures card full", "aria-label": "Service" }, ...figures.map((figure) => figure.element)),
    ...parts.map((part) => part.card.element),
  );
  return (model) => {
    if (!model.state) return;
    for (const figure of figures) {
      const [value, note] = figure.told(model.state);
      setText(figure.value, value);
      setText(figure.note, note);
    }
    parts.forEach((part) => part.draw(model));
  };
}

/** Records a second and records behind, since the page was opened. */
class Rates {
  constructor() {
    this.card = new Card({ title: "While you watch", define: "rates", size: "half", data: () => this.table() });
    this.rate = new Chart({ label: "Records counted a second", height: 120, xKind: "number", xName: "seconds ago:", yKind: "decimal" });
    this.lag = new Chart({ label: "Records behind", height: 120, xKind: "number", xName: "seconds ago:" });
    this.card.body.append(this.rate.element, this.lag.element);
  }

  draw({ history }) {
    if (this.card.refuse(history.length > 1 ? null : "Wait for a few seconds.")) return;
    const now = history.at(-1).at;
    this.points = history.slice(1).map((point, index) => ({
      at: Math.round((point.at - now) / 1000),
      rate: (1000 * (point.counted - history[index].counted)) / Math.max(1, point.at - history[index].at),
      lag: point.lag,
    }));
    this.card.draw(`The last ${Math.round((now - history[0].at) / 1000)} seconds.`);
    const xs = this.points.map((point) => point.at);
    this.rate.show({
      xs,
      series: [{ name: "records a second", colour: "--c1", type: "area", values: this.points.map((point) => Math.max(0, point.rate)) }],
    });
    this.lag.show({
      xs,
      series: [{ name: "records behind", colour: "--c3", type: "area", values: this.points.map((point) => point.lag) }],
    });
  }

  table() {
    const columns = [
      { name: "Seconds ago", kind: "count" },
      { name: "Records a second", kind: "decimal" },
      { name: "Behind", kind: "count" },
    ];
    return { columns, rows: this.points.map((point) => [-point.at, point.rate, point.lag]) };
  }
}

class Outcomes {
  constructor() {
    this.card = new Card({ title: "What became of records", define: "outcomes", size: "half", isTable: true, data: () => this.data });
  }

  draw({ state }) {
    const rows = Object.entries(state.outcomes).map(([name, count]) => [name.replaceAll("_", " "), count]);
    rows.push(["commits", state.commits], ["records published", state.published], ["records replayed", state.replayed]);
    for (const [reason, count] of Object.entries(state.aborts)) rows.push([`transactions aborted: ${reason}`, count]);
    this.data = {
      columns: [
        { name: "What", kind: "text" },
        { name: "Count", kind: "count" },
      ],
      rows,
    };
    const users = state.users ? ` ${plural(state.users, "user")}, ${show("bytes", state.state_bytes / state.users)} each.` : "";
    const models = state.models.map((model) => `${model.process}: ${model.model_id} from ${named("tick", model.takes_effect)}`).join("; ");
    this.card.draw(`Version ${state.version}.${users}${models ? ` Models: ${models}.` : ""}`);
    putWhenNew(this.card.body, JSON.stringify(rows), () => scrolling(this.data, "What became of records"));
  }
}

class Partitions {
  constructor() {
    this.card = new Card({ title: "Partitions", define: "partitions", size: "full", isTable: true, data: () => this.data });
  }

  draw({ partitions }) {
    if (
      this.card.refuse(
        partitions.data ? (partitions.data.length ? null : "This process has no partition.") : (partitions.reason ?? "Asking…"),
      )
    )
      return;
    const number = (name) => ({ name, kind: "count" });
    const text = (name) => ({ name, kind: "text" });
    const columns = [
      number("Partition"),
      text("Phase"),
      number("Next"),
      number("Committed"),
      number("Log end"),
      number("Behind"),
      text("Newest event"),
      text("Snapshot"),
      { name: "Size", kind: "bytes" },
      number("Users"),
      { name: "Memory", kind: "bytes" },
    ];
    const seconds = (value) => (typeof value === "number" ? ago(value) : null);
    const rows = partitions.data.map((one) => [
      one.partition,
      one.phase,
      one.next_offset,
      one.committed_offset,
      one.log_end,
      one.lag,
      seconds(one.watermark_lag_s),
      seconds(one.snapshot_age_s),
      one.snapshot_bytes,
      one.users,
      one.state_bytes,
    ]);
    this.data = { columns, rows };
    this.card.draw();
    putWhenNew(this.card.body, JSON.stringify(rows), () => scrolling(this.data, "Partitions"));
  }
}

class DeadLetters {
  constructor() {
    this.card = new Card({ title: "Dead letters", define: "dead_letters", size: "full", data: () => this.table() });
  }

  draw({ deadLetters }) {
    this.letters = deadLetters.data ?? [];
    if (
      this.card.refuse(
        deadLetters.data ? (this.letters.length ? null : "Every record that was read was an event.") : (deadLetters.reason ?? "Asking…"),
      )
    )
      return;
    this.card.draw(plural(this.letters.length, "sample"));
    putWhenNew(this.card.body, JSON.stringify(this.letters), () =>
      make(
        "div",
        { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Dead letters" },
        make("ul", { class: "letters" }, ...this.letters.map(letterOf)),
      ),
    );
  }

  table() {
    const columns = ["Reason", "Detail", "Topic", "Partition", "Offset", "Key", "Value"].map((name) => ({ name, kind: "text" }));
    return {
      columns,
      rows: this.letters.map((letter) => [
        letter.reason,
        letter.detail,
        letter.topic,
        letter.partition,
        letter.offset,
        letter.key,
        letter.value,
      ]),
    };
  }
}

function letterOf(letter) {
  const cut =
    letter.value !== null && new TextEncoder().encode(letter.value).length < letter.length ? ` … of ${show("bytes", letter.length)}` : "";
  const summary = make(
    "summary",
    {},
    make("span", { class: "badge" }, letter.reason),
    ` ${letter.detail || "no detail"} `,
    make("span", { class: "quiet" }, `${letter.topic}, partition ${letter.partition}, offset ${letter.offset}`),
  );
  return make(
    "li",
    {},
    make(
      "details",
      {},
      summary,
      make("pre", {}, letter.key === null ? "without a key" : `key: ${letter.key}`),
      make("pre", {}, (letter.value ?? "without a value") + cut),
    ),
  );
}
