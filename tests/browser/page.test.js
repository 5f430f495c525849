// The page over made-up figures: every panel with data, in both widths and both colour schemes, by pointer and by keyboard.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { NARROW, PANELS, WIDE, example, isQuiet, launch, open, panelIsThere } from "./start.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let service;
let browser;

before(async () => {
  [service, browser] = await Promise.all([example(), launch()]);
});
after(async () => {
  await browser.close();
  await service.stop();
});

/** What each panel shows, by the titles of its cards. */
const CARDS = {
  habit: ["DAU / MAU", "Active users", "Active days of 30"],
  growth: ["Growth accounting", "Retention by first day", "30-day retention", "Quick ratio by day"],
  risk: ["Levels of risk", "Users by level of risk", "Changes of level", "Alerts"],
  loyalty: ["Behaviour × attitude", "Loyal buyers", "Why users left", "Days in each stage", "From one competitor to another"],
  purchases: [
    "Orders",
    "Repeat purchase rate",
    "Repeat-purchase funnel",
    "Revenue by share of buyers",
    "Recency × frequency",
    "Revenue of the top fifth",
    "Money spent by value of buyers",
    "Next category",
    "Intermediaries",
    "What campaigns add",
  ],
  satisfaction: [
    "Satisfaction and staying",
    "Complaint recovery",
    "NPS by day",
    "Complaints by day",
    "What complaints are about",
    "Recovery by remedy",
    "Answers about competitors",
  ],
  user: ["anna", "Day by day", "Orders", "Risk of no activity", "Risk of no order", "Everything known"],
  service: ["While you watch", "What became of records", "Partitions", "Dead letters"],
};

/** Serious findings of axe-core, as text. */
async function findings(page) {
  // The policy of the page lets no script in but its own; a test's comes by the debugger.
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Runtime.evaluate", { expression: axe });
  const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ["violations"] }));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return serious.map(
    (found) => `${found.id}: ${found.help}\n${found.nodes.map((node) => `  ${node.html.slice(0, 160)} ${node.failureSummary}`).join("\n")}`,
  );
}

/** The series of the panel's charts that have a value and no pixel of their colour, or nearly of it. */
const undrawn = (page) =>
  page.$$eval("#panel .chart", (charts) =>
    charts.flatMap((chart) => {
      const canvas = chart.querySelector("canvas");
      if (!canvas) return [`${chart.textContent}: no canvas`];
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const isThere = (wanted) => {
        for (let at = 0; at < data.length; at += 4) {
          const distance = wanted.reduce((sum, part, index) => sum + Math.abs(part - data[at + index]), 0);
          if (data[at + 3] > 200 && distance < 60) return true;
        }
        return false;
      };
      const keys = [...chart.querySelectorAll(".key")];
      const colour = (key) => getComputedStyle(key.querySelector(".swatch")).backgroundColor.match(/\d+/g).slice(0, 3).map(Number);
      return keys.filter((key) => !isThere(colour(key))).map((key) => key.textContent);
    }),
  );

for (const [size, scheme] of [
  [WIDE, "light"],
  [WIDE, "dark"],
  [NARROW, "light"],
  [NARROW, "dark"],
]) {
  test(`every panel at ${size.width} px, ${scheme}`, async () => {
    const { page, problems, close } = await open(browser, service.url, { size, scheme });
    for (const name of PANELS) {
      await page.evaluate((name) => (location.hash = `panel=${name}${name === "user" ? "&user=anna" : ""}`), name);
      await panelIsThere(page, name);
      const titles = page.locator("#panel .card h3");
      await page.waitForFunction((count) => document.querySelectorAll("#panel .card h3").length >= count, CARDS[name].length);
      assert.deepEqual(await titles.allTextContents(), CARDS[name], name);
      await page
        .waitForFunction(() => !document.querySelector("#panel .empty"), null, { timeout: 15000 })
        .catch(async () => assert.fail(`${name}: ${await page.locator("#panel .empty").first().textContent()}`));
      await page.waitForTimeout(100);
      assert.deepEqual(await undrawn(page), [], `${name}: series that are not drawn`);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), size.width, `${name} is as wide as the window`);
      const found = await findings(page);
      assert.deepEqual(found, [], `${name}\n${found.join("\n")}`);
    }
    isQuiet(problems);
    await close();
  });
}

test("lists tell what they leave out", async () => {
  const { page, problems, close } = await open(browser, service.url, { hash: "#panel=satisfaction" });
  await panelIsThere(page, "satisfaction");
  const card = page.locator(".card", { hasText: "Answers about competitors" });
  await card.getByText(/^3 more are left out\. As of \d{4}-\d\d-\d\d\.$/).waitFor();
  assert.deepEqual(await card.locator("tbody tr").first().locator("th, td").allTextContents(), ["brightside", "recommend", "190", "6.40", "1.10"]);
  assert.match(await card.locator("tbody").textContent(), /corner shopsatisfaction493\.80–/, "nobody is known to rate both");
  await page.locator(".card", { hasText: "Recovery by remedy" }).getByText(/^As of /).waitFor();
  isQuiet(problems);
  await close();
});

test("figures come by themselves", async () => {
  const { page, problems, close } = await open(browser, service.url);
  await panelIsThere(page, "habit");
  const dau = page.locator(".figure", { hasText: /^DAU\d/ }).locator(".value");
  const first = await dau.textContent();
  await page.waitForFunction(
    (first) =>
      [...document.querySelectorAll(".figure")].some(
        (figure) => /^DAU\d/.test(figure.textContent) && figure.querySelector(".value").textContent !== first,
      ),
    first,
    { timeout: 5000 },
  );
  assert.match(await page.locator("#state").getAttribute("title"), /as they change/);
  isQuiet(problems);
  await close();
});

test("without a stream the page asks instead", async () => {
  const { page, problems, close } = await open(browser, "about:blank", { expected: /503|about:blank|asks others/ });
  await page.route(/\/v1\/live/, (route) => route.fulfill({ status: 503, json: { error: "too many streams are open" } }));
  await page.goto(service.url);
  await panelIsThere(page, "habit");
  assert.match(await page.locator("#state").getAttribute("title"), /asked for every two seconds/);
  const first = await page.locator(".figure .value").nth(1).textContent();
  await page.waitForFunction((first) => document.querySelectorAll(".figure .value")[1].textContent !== first, first, { timeout: 8000 });
  isQuiet(problems);
  await close();
});

test("by keyboard alone", async () => {
  const { page, problems, close } = await open(browser, service.url);
  await panelIsThere(page, "habit");
  const press = (key) => page.keyboard.press(key);
  const focused = () =>
    page.evaluate(
      () => document.activeElement.textContent.trim() || document.activeElement.getAttribute("aria-label") || document.activeElement.id,
    );
  await press("Tab");
  assert.equal(await focused(), "Skip to the figures");
  await press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "figures");
  await press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.id), "day-before");
  await press("Enter");
  assert.match(page.url(), /day=\d{4}-\d\d-\d\d/);
  await page.locator(".term", { hasText: "DAU / MAU" }).first().focus();
  assert.match(await page.locator("#definition").textContent(), /^Stickiness: of the users active/);
  await press("Escape");
  assert.ok(await page.locator("#definition").isHidden());
  const plot = page.getByRole("slider", { name: /^DAU \/ MAU/ });
  await plot.focus();
  await press("End");
  await press("ArrowLeft");
  await press("ArrowLeft");
  const told = await plot.getAttribute("aria-valuetext");
  assert.match(told, /\d{4}: DAU \/ MAU [\d.]+\s%, DAU \/ WAU [\d.]+\s%$/);
  await press("Enter");
  const day = new URL(page.url()).hash.match(/day=([\d-]+)/)[1];
  const words = await page.locator("#day-name").textContent();
  assert.ok(words.includes(String(Number(day.slice(8)))) && told.includes(day.slice(0, 4)), `${words} is ${day}`);
  await page.getByRole("link", { name: "Growth & retention" }).focus();
  await press("Enter");
  await panelIsThere(page, "growth");
  await page.getByRole("radio", { name: "Day", exact: true }).focus();
  await press("ArrowRight");
  assert.match(page.url(), /window=7/);
  await page.getByRole("button", { name: "Table of Growth accounting" }).focus();
  await press("Space");
  assert.ok(await page.getByRole("region", { name: "Growth accounting, as a table" }).isVisible());
  isQuiet(problems);
  await close();
});

test("a table and its copy are what is drawn", async () => {
  const { page, problems, close } = await open(browser, service.url, { hash: "#panel=purchases" });
  await panelIsThere(page, "purchases");
  await page.getByRole("button", { name: "Copy CSV of Revenue by share of buyers" }).click();
  const text = await page.evaluate(() => navigator.clipboard.readText());
  assert.deepEqual(text.split(/\r?\n/).slice(0, 2), [
    "Top share of buyers,Buyers,Revenue,Share of revenue",
    "0.1,104,186982.37,0.48513445497827445",
  ]);
  await page.getByRole("button", { name: "Copy CSV of Orders" }).click();
  const lines = (await page.evaluate(() => navigator.clipboard.readText())).trim().split(/\r?\n/);
  assert.equal(lines[0], "Day,Repeat,First,State");
  assert.equal(lines.length, 1 + 90);
  assert.match(lines[1], /^\d{4}-\d\d-\d\d,\d+,\d+,provisional$/);
  isQuiet(problems);
  await close();
});

test("a link brings back what was shown", async () => {
  const { page, close } = await open(browser, service.url, { hash: "#panel=growth" });
  await panelIsThere(page, "growth");
  await page.locator("#segment").selectOption("channel=app");
  await page.locator("#range label", { hasText: "30 d" }).click();
  await page.locator("#day-before").click();
  const link = page.url();
  await close();
  const again = await open(browser, link.split("#")[0], { hash: `#${link.split("#")[1]}` });
  await panelIsThere(again.page, "growth");
  await again.page.waitForFunction(() => document.getElementById("segment").value === "channel=app");
  assert.ok(await again.page.locator("#range input[value='30']").isChecked());
  assert.ok(await again.page.locator("#day-newest").isEnabled());
  await again.page.goBack();
  isQuiet(again.problems);
  await again.close();
});

test("what is told of all users alone says so in a segment", async () => {
  const { page, problems, close } = await open(browser, service.url, { hash: "#panel=risk&segment=channel%3Dweb" });
  await panelIsThere(page, "risk");
  await page.locator(".empty", { hasText: "This is told for all users only." }).first().waitFor();
  await page.getByRole("link", { name: "Show all users" }).first().click();
  await page.waitForFunction(() => !document.querySelector("#panel .empty"));
  await page.getByRole("link", { name: "channel=app" }).click();
  await panelIsThere(page, "growth");
  await page.waitForFunction(() => document.getElementById("segment").value === "channel=app");
  isQuiet(problems);
  await close();
});

test("users are looked up", async () => {
  const { page, problems, close } = await open(browser, service.url, { hash: "#panel=user", expected: /status of (404|503|421)/ });
  await panelIsThere(page, "user");
  for (const [id, told] of [
    ["nobody", "There is no user “nobody”."],
    ["busy", "No answer about “busy”: the user's partition does not answer now"],
    ["elsewhere", "is with another process of the group"],
  ]) {
    await page.getByLabel("User id").fill(id);
    await page.keyboard.press("Enter");
    await page.locator("#user", { hasText: told }).waitFor();
  }
  await page.getByLabel("User id").fill("a/b ?#你");
  await page.getByRole("button", { name: "Look up" }).click();
  await page.getByRole("heading", { name: "a/b ?#你" }).waitFor();
  assert.equal(await page.locator("#announcement").textContent(), "User a/b ?#你: retained, risk low.");
  assert.match(await page.getByRole("img", { name: /^Active on/ }).getAttribute("aria-label"), /^Active on \d+ of the 120 days/);
  assert.match(await page.locator("#user").textContent(), /15 more silent days reach medium/);
  isQuiet(problems);
  await close();
});
