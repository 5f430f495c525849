// Charts over uPlot: lines, areas and stacked bars over days or numbers, with a legend that tells the values, by pointer and by keyboard.

import uPlot from "./vendor/uPlot.js";
import { dayOf, named, numberOf, onAxis, show } from "./numbers.js";
import { make, setText } from "./table.js";

const all = new Set();
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const font = () => `12px ${getComputedStyle(document.body).fontFamily}`;

/** Colours are the page's, which differ by light and dark. */
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => all.forEach((chart) => chart.rebuild()));

export class Chart {
  /** `onPick(x)` is told which day was chosen by click or Enter. */
  constructor({ label, height = 220, xKind = "day", xName = "", yKind = "count", onPick }) {
    Object.assign(this, { label, height, xKind, xName, yKind, onPick, at: null });
    this.legend = make("p", { class: "legend" });
    this.plot = make("div", {
      class: "plot",
      tabindex: "0",
      role: "slider",
      "aria-label": `${label}. Arrow keys move through it${onPick ? ", Enter chooses the day" : ""}.`,
    });
    this.element = make("div", { class: "chart" }, this.legend, this.plot);
    this.plot.addEventListener("keydown", (event) => this.key(event));
    this.plot.addEventListener("click", () => this.onPick && this.at !== null && this.onPick(this.xs[this.at]));
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(this.plot);
    all.add(this);
  }

  /**
   * Draws. `series`: `{name, colour, values, kind?, type: "line" | "area" | "bar", low?, high?}`, where bars are stacked, and values below 0 downwards;
   * `open`: which xs are provisional; `chosen`: the x whose values are told when nothing is pointed at; `zones`: `[{from, to, colour}]`; `range`: of y.
   */
  show({ xs, series, open = [], chosen = null, zones = [], range = null, marks = [] }) {
    Object.assign(this, { xs, series, open, chosen, zones, range, marks });
    const shape = JSON.stringify([series.map((one) => [one.name, one.type, one.colour, Boolean(one.low)]), range]);
    this.columns = this.lay();
    if (shape !== this.shape || !this.drawn) {
      this.shape = shape;
      this.rebuild();
    } else {
      this.drawn.setData(
        this.columns.map((column) => column.values),
        true,
      );
    }
    this.tell();
  }

  /** The columns that uPlot draws, the x first: stacked bars from the highest down, bands, lines as far as they are final, then dashed. */
  lay() {
    const columns = [{ values: this.xs }];
    const [ups, downs] = [this.xs.map(() => 0), this.xs.map(() => 0)];
    const bars = this.series
      .filter((one) => one.type === "bar")
      .map((one) => {
        const values = one.values.map((value, index) => {
          if (typeof value !== "number") return null;
          const sums = value < 0 ? downs : ups;
          sums[index] += value;
          return sums[index];
        });
        return { values, one, type: "bar" };
      });
    columns.push(...bars.reverse());
    for (const one of this.series.filter((series) => series.type !== "bar")) {
      if (one.low) columns.push({ values: one.high, one, type: "edge" }, { values: one.low, one, type: "edge" });
      const isOpen = (index) => Boolean(this.open[index]);
      const beginsOpen = (index) => isOpen(index) || isOpen(index + 1);
      columns.push({ values: one.values.map((value, index) => (isOpen(index) ? null : value)), one, type: one.type });
      if (this.open.some(Boolean))
        columns.push({ values: one.values.map((value, index) => (beginsOpen(index) ? value : null)), one, type: "open" });
    }
    return columns;
  }

  options() {
    const bands = this.columns.flatMap(({ one, type }, index) =>
      type === "edge" && this.columns[index + 1]?.type === "edge" && this.columns[index + 1].one === one
        ? [{ series: [index, index + 1], fill: alpha(style(one.colour), 0.16) }]
        : [],
    );
    const axis = {
      stroke: () => style("--quiet"),
      font: font(),
      ticks: { show: false, size: 0 },
      gap: 6,
      grid: { stroke: () => style("--grid"), width: 1 },
    };
    const hasBars = this.columns.some((column) => column.type === "bar");
    return {
      width: Math.max(60, this.plot.clientWidth),
      height: this.height,
      padding: [8, 16, 0, 0],
      legend: { show: false },
      select: { show: false },
      cursor: {
        drag: { x: false, y: false, setScale: false },
        y: false,
        points: { size: 8 },
        sync: this.xKind === "day" ? { key: "days", setSeries: false, scales: ["x", null] } : undefined,
      },
      scales: {
        x: { time: false, range: (_, low, high) => (hasBars || low === high ? [low - 0.6, high + 0.6] : [low, high]) },
        y: { range: (_, low, high) => this.range ?? reach(low, high) },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          size: 24,
          gap: 6,
          space: 76,
          incrs: this.xKind === "day" ? [1, 2, 7, 14, 28, 56, 91, 182, 364, 728] : undefined,
          values: (_, ticks) => ticks.map((tick) => this.xTick(tick)),
        },
        {
          ...axis,
          size: (_, values) => 14 + 6.6 * Math.max(2, ...(values ?? []).map((value) => value.length)),
          space: 40,
          values: (_, ticks) => ticks.map((tick) => onAxis(this.yKind, Math.abs(tick))),
          incrs: this.yKind === "count" ? whole() : undefined,
        },
      ],
      series: this.columns.map((column, index) => (index === 0 ? {} : this.line(column))),
      bands,
      hooks: { drawClear: [(drawn) => this.under(drawn)], draw: [(drawn) => this.over(drawn)], setCursor: [(drawn) => this.point(drawn)] },
    };
  }

  xTick(tick) {
    if (!Number.isInteger(tick)) return this.xKind === "day" ? "" : String(tick);
    if (this.xKind !== "day") return String(tick);
    return named(this.xs.at(-1) - this.xs[0] > 330 ? "month" : "tick", dayOf(tick));
  }

  line({ one, type }) {
    const colour = style(one.colour);
    if (type === "bar")
      return { stroke: colour, fill: colour, width: 0, paths: uPlot.paths.bars({ size: [0.74, 44] }), points: { show: false } };
    const isLonely = one.values.filter((value) => typeof value === "number").length < 3;
    const points = { show: isLonely || one.points === true, size: 6, fill: colour, stroke: colour };
    if (type === "edge") return { stroke: "transparent", width: 0, points: { show: false } };
    return {
      stroke: colour,
      width: 2,
      points,
      dash: type === "open" ? [3, 4] : one.dash,
      fill: type === "area" ? alpha(colour, 0.1) : undefined,
      paths: one.steps ? uPlot.paths.stepped({ align: 1 }) : undefined,
    };
  }

  /** Gives up what the browser keeps for it. */
  destroy() {
    all.delete(this);
    this.sizes.disconnect();
    this.drawn?.destroy();
  }

  rebuild() {
    if (!this.columns) return;
    this.drawn?.destroy();
    this.drawn = undefined;
    if (this.plot.clientWidth === 0) return;
    this.drawn = new uPlot(
      this.options(),
      this.columns.map((column) => column.values),
      this.plot,
    );
  }

  resize() {
    const width = this.plot.clientWidth;
    if (width === 0 || width === this.drawn?.width) return;
    if (this.drawn) this.drawn.setSize({ width, height: this.height });
    else this.rebuild();
  }

  /** What lies under the lines: zones, and the days that are provisional. */
  under(drawn) {
    const { ctx: canvas, bbox: box } = drawn;
    const wash = (from, to, colour) => {
      const [left, right] = [from, to].map((x) => Math.max(box.left, Math.min(box.left + box.width, drawn.valToPos(x, "x", true))));
      canvas.fillStyle = colour;
      canvas.fillRect(left, box.top, right - left, box.height);
    };
    canvas.save();
    for (const zone of this.zones) wash(zone.from, zone.to, alpha(style(zone.colour), 0.1));
    const first = this.open.indexOf(true);
    if (first >= 0) wash(this.xs[first] - (drawn.scales.x.min < this.xs[0] ? 0.5 : 1), this.xs.at(-1) + 0.5, style("--open"));
    canvas.restore();
  }

  /** What lies over them: the day that was chosen, and marks. */
  over(drawn) {
    const { ctx: canvas, bbox: box } = drawn;
    const upright = (x, colour, dash = []) => {
      const at = Math.round(drawn.valToPos(x, "x", true));
      canvas.setLineDash(dash);
      canvas.strokeStyle = colour;
      canvas.beginPath();
      canvas.moveTo(at, box.top);
      canvas.lineTo(at, box.top + box.height);
      canvas.stroke();
    };
    canvas.save();
    canvas.lineWidth = devicePixelRatio;
    if (this.chosen !== null && this.chosen !== this.xs.at(-1) && this.xs.includes(this.chosen)) upright(this.chosen, style("--quiet"));
    for (const mark of this.marks) upright(mark, style("--quiet"), [4, 4]);
    canvas.restore();
  }

  point(drawn) {
    this.at = drawn.cursor.idx ?? null;
    this.tell();
  }

  key(event) {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -7, PageUp: 7, Home: -1e9, End: 1e9 }[event.key];
    if (event.key === "Enter" && this.onPick && this.at !== null) this.onPick(this.xs[this.at]);
    if (event.key === "Escape" && this.drawn) this.drawn.setCursor({ left: -10, top: -10 });
    if (by === undefined || !this.drawn) return;
    event.preventDefault();
    const at = Math.max(0, Math.min(this.xs.length - 1, this.told() + by));
    this.drawn.setCursor({ left: this.drawn.valToPos(this.xs[at], "x"), top: 10 });
  }

  /** Which of the xs is told: the one pointed at, else of days the last one known up to the one chosen; else none. */
  told() {
    if (this.at !== null || this.chosen === null) return this.at ?? -1;
    const chosen = this.xs.indexOf(this.chosen);
    const isKnown = (_, index) => index <= chosen && this.series.some((one) => typeof one.values[index] === "number");
    const known = this.xs.findLastIndex(isKnown);
    return known >= 0 ? known : chosen;
  }

  tell() {
    const at = this.told();
    const when =
      at < 0
        ? ""
        : this.xKind === "day"
          ? named("short", dayOf(this.xs[at])) + (this.open[at] ? ", provisional" : "")
          : `${this.xName} ${this.xs[at]}`;
    const told = this.series.map((one) => [
      one,
      at < 0 ? "" : show(one.kind ?? this.yKind, typeof one.values[at] === "number" ? Math.abs(one.values[at]) : null),
    ]);
    const signature = told.map(([one]) => one.name + one.colour).join();
    if (signature !== this.signature) {
      this.signature = signature;
      const keys = told.map(([one]) =>
        make("span", { class: "key" }, make("span", { class: `swatch ${one.colour.slice(2)}` }), `${one.name} `, make("b")),
      );
      this.legend.replaceChildren(...keys, make("span", { class: "when" }));
    }
    const values = this.legend.querySelectorAll("b");
    told.forEach(([, text], index) => setText(values[index], text));
    setText(this.legend.lastChild, when);
    const text = at < 0 ? "nothing pointed at" : `${when}: ${told.map(([one, text]) => `${one.name} ${text}`).join(", ")}`;
    const slider = { valuemin: 0, valuemax: Math.max(0, this.xs.length - 1), valuenow: Math.max(0, at), valuetext: text };
    for (const [name, value] of Object.entries(slider)) this.plot.setAttribute(`aria-${name}`, value);
  }
}

/** A range of y that begins at 0 and leaves some room. */
function reach(low, high) {
  const [bottom, top] = [Math.min(0, low ?? 0), Math.max(0, high ?? 0)];
  return top === bottom ? [0, 1] : [bottom * 1.06, top * 1.06];
}

function whole() {
  return Array.from({ length: 10 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();
}

/** A colour of six hexadecimal digits that lets through what is under it. */
function alpha(colour, share) {
  return /^#[0-9a-f]{6}$/i.test(colour)
    ? colour +
        Math.round(share * 255)
          .toString(16)
          .padStart(2, "0")
    : colour;
}

/** Days without a gap from the first to the last of some records, with what each has: for charts, which know no missing days. */
export function byDay(records, days) {
  if (days.length === 0) return { xs: [], open: [], at: () => [] };
  const [first, last] = [numberOf(days[0]), numberOf(days.at(-1))];
  const xs = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  const found = xs.map((x) => records.get(dayOf(x)));
  return {
    xs,
    open: found.map((record) => record !== undefined && !record.final),
    at: (value) =>
      found.map((record) => (record === undefined ? null : ((typeof value === "function" ? value(record) : record[value]) ?? null))),
  };
}
