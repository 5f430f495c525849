// Starts what is looked at, and a browser that tells everything that goes wrong on a page.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../..", import.meta.url));
const built = process.env.STICKINESS_BUILT ?? `${root}target/debug`;
/** Whether the page's files come from the sources, so that a change shows without a build; for those who work on it. */
const fromSources = process.env.STICKINESS_PAGE_FROM_SOURCES === "1";

/** What groups show, of generated events: the example tells none. */
export const INSIGHTS = {
  ...JSON.parse(readFileSync(`${root}tests/http/fake/insights.json`, "utf8")),
  as_of: new Date().toISOString().slice(0, 10),
};
export const WIDE = { width: 1600, height: 1000 };
export const NARROW = { width: 360, height: 740 };

/** Starts a program of this repository that prints the address it serves; `stop` ends it. */
export async function serve(program, args, { env = {}, address = /(http:\/\/[\d.:]+\/)/, ready } = {}) {
  const child = spawn(`${built}/${program}`, args, { cwd: root, env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "pipe"] });
  let told = "";
  const url = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${program} told no address:\n${told}`)), 60000);
    const look = () => {
      const found = told.match(address);
      if (!found || (ready && !ready.test(told))) return;
      clearTimeout(late);
      resolve(found[1]);
    };
    child.stderr.on("data", (piece) => {
      told += piece;
      look();
    });
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`${program} ended with ${code}:\n${told}`)));
  });
  const stop = async () => {
    if (child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGINT");
    await ended;
  };
  return { url, stop };
}

/** The page over made-up figures, in a state of the service that the example names. */
export const example = (sample = "", token, port = "0") =>
  serve("examples/page", token ? [port, token] : [port], { env: { SAMPLE: sample } });

/** The real service on an embedded broker, when its history of generated events is in. */
export const demo = (...args) =>
  serve("stickiness", ["demo", "--listen", "127.0.0.1:0", ...args], { address: /The page: (http:\S+)/, ready: /events of history are in/ });

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"],
  });

/** A page that notes errors; `insights` are told instead of the service's, if any are given; `problems` is what it noted, but for the failed answers that `expected` matches. */
export async function open(browser, url, { size = WIDE, scheme = "light", hash = "", expected = /^$/, insights, ...options } = {}) {
  const context = await browser.newContext({
    viewport: size,
    colorScheme: scheme,
    locale: "en-GB",
    permissions: ["clipboard-read", "clipboard-write"],
    ...options,
  });
  const page = await context.newPage();
  const problems = [];
  const note = (text) => expected.test(text) || problems.push(text);
  page.on("pageerror", (error) => note(`error: ${error.message}`));
  page.on(
    "console",
    (message) => ["error", "warning"].includes(message.type()) && note(`${message.type()}: ${message.text()} ${message.location().url}`),
  );
  page.on("request", (request) => request.url().startsWith(url) || note(`asks others: ${request.url()}`));
  if (insights) await page.route(/\/v1\/insights$/, (route) => route.fulfill({ json: insights }));
  if (fromSources) await page.route(/\/(page\/.*|page\.js|page\.css|icon\.svg|)$/, (route) => fromDisk(route));
  await page.goto(url + hash);
  return { page, problems, close: () => context.close() };
}

async function fromDisk(route) {
  const path = new URL(route.request().url()).pathname;
  const names = { "/": "index.html", "/page/vendor/uPlot.js": "vendor/uPlot.esm.js", "/page/vendor/uPlot.css": "vendor/uPlot.min.css" };
  const file = names[path] ?? path.replace(/^\/page\//, "").replace(/^\//, "");
  const kind = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml" }[file.split(".").at(-1)];
  const answer = await fetch(route.request().url()).catch(() => null);
  if (!answer) return route.abort();
  const policy = answer.headers.get("content-security-policy");
  await route.fulfill({
    body: readFileSync(`${root}src/io/http/page/${file}`),
    contentType: kind,
    headers: policy ? { "content-security-policy": policy } : {},
  });
}

export const PANELS = ["habit", "growth", "risk", "loyalty", "purchases", "satisfaction", "user", "service"];

/** Waits until a panel has what it shows. */
export async function panelIsThere(page, name) {
  await page.waitForFunction((name) => document.querySelector(`a[data-panel=${name}][aria-current]`), name);
  await page.waitForFunction(() => document.getElementById("state").dataset.state === "live");
}

/** Nothing was said on the console, and no error was thrown. */
export const isQuiet = (problems) => assert.deepEqual(problems, []);
