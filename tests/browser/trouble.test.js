// The page when things are not as they should be: nothing there, hostile texts, a token, a service that goes away.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { INSIGHTS, NARROW, PANELS, example, isQuiet, launch, open, panelIsThere } from "./start.js";

let browser;

before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** Goes through all panels, and gives each a moment. */
async function visitAll(page, user) {
  for (const name of PANELS) {
    await page.evaluate(([name, user]) => (location.hash = `panel=${name}&user=${user}&range=0`), [name, user]);
    await page.waitForFunction((name) => document.querySelector(`a[data-panel=${name}][aria-current]`), name);
    await page.waitForTimeout(400);
  }
}

test("nothing is there yet", async () => {
  const service = await example("empty");
  const { page, problems, close } = await open(browser, service.url, { expected: /404|status of 503.*v1\/insights$/ });
  await page.getByRole("heading", { name: "Nothing is counted yet" }).waitFor();
  await visitAll(page, "");
  await page.locator(".empty", { hasText: "This process has no partition." }).waitFor();
  await page.locator(".empty", { hasText: "Every record that was read was an event." }).waitFor();
  isQuiet(problems);
  await close();
  await service.stop();
});

test("no insights and no alerts", async () => {
  const service = await example("plain");
  const { page, problems, close } = await open(browser, service.url, { hash: "#panel=purchases", expected: /404|status of 503.*v1\/insights$/ });
  await page.route(/\/v1\/insights$/, (route) => route.fulfill({ status: 404, json: { error: "there is nothing at this path" } }));
  await page.reload();
  await page.locator(".empty", { hasText: "Not available: this service does not tell insights." }).first().waitFor();
  await visitAll(page, "");
  await page.evaluate(() => (location.hash = "panel=risk"));
  await page.locator(".empty", { hasText: "No alert was raised." }).waitFor();
  isQuiet(problems);
  await close();
  await service.stop();
});

test("texts stay texts, and a thousand segments are found", async () => {
  const service = await example("hostile");
  const reasons = { "<img src=x onerror=\"document.title='owned'\">": 3, ["long".repeat(500)]: 2, __proto__: 1 };
  const insights = {
    ...INSIGHTS,
    funnel: [],
    satisfaction: { stay_days: 30, curve: [], breakpoints: null },
    pareto: { buyers: 0, curve: [] },
    rfm: null,
    types: [],
    departures: { reasons, competitors: {}, won_back: { part: 0, users: 0, share: null } },
  };
  for (const size of [undefined, NARROW]) {
    const { page, problems, close } = await open(browser, service.url, { insights, size });
    await page.locator("#segment-filter").waitFor();
    assert.ok((await page.locator("#segment option").count()) > 1000);
    await page.locator("#segment-filter").fill("land 77");
    assert.equal(await page.locator("#segment option").count(), 1 + 11, "all users, 77 and 770 to 779");
    await page.locator("#segment-filter").fill("owned");
    const odd = await page
      .locator("#segment option")
      .evaluateAll((options) => options.map((option) => option.value).filter((value) => value !== "all"));
    assert.equal(odd.length, 4);
    for (const segment of odd) {
      await page.locator("#segment").selectOption(segment);
      await page.waitForFunction(() => document.querySelectorAll("#panel canvas").length > 0);
    }
    await page.locator("#segment-filter").fill("");
    await page
      .locator("#segment")
      .selectOption(`name=${"long".repeat(2000)}`)
      .catch(() => {});
    await page.locator("#segment").selectOption("all");
    await visitAll(page, "hostile");
    await page.evaluate(() => (location.hash = "panel=risk"));
    await page.locator(".alerts", { hasText: "onerror" }).waitFor();
    await page.locator(".alerts h4", { hasText: "__proto__ in __proto__" }).waitFor();
    assert.ok(!(await page.locator("#panel").textContent()).includes("[object"));
    await page.locator(".alerts a", { hasText: "javascript:" }).first().click();
    await panelIsThere(page, "growth");
    assert.equal(await page.evaluate(() => document.querySelectorAll("#panel img, #panel script, #panel svg, img[src=x]").length), 0);
    assert.equal(
      await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
      true,
      "long names do not make the page wide",
    );
    assert.match(await page.title(), /stickiness$/);
    await page.evaluate(() => (location.hash = "panel=risk"));
    await page.getByRole("button", { name: "Copy CSV of Alerts" }).click();
    const csv = await page.evaluate(() => navigator.clipboard.readText());
    assert.ok(csv.includes("'=HYPERLINK") && !/(^|,)"?=/m.test(csv), csv);
    isQuiet(problems.filter((problem) => !problem.includes("status of 414")));
    await close();
  }
  await service.stop();
});

test("addresses that were made up", async () => {
  const service = await example();
  for (const hash of [
    "#panel=constructor",
    "#panel=__proto__&range=x&window=9&day=never",
    "#range=-5&segment=%00",
    "#%%%",
    "#day=2026-02-30&user=%FF&panel=user",
  ]) {
    const { page, problems, close } = await open(browser, service.url, { hash, expected: /status of 404/ });
    await page.waitForFunction(() => document.getElementById("state").dataset.state === "live");
    await page.waitForTimeout(300);
    assert.equal(await page.locator("nav a[aria-current]").count(), 1, hash);
    isQuiet(problems);
    await close();
  }
  await service.stop();
});

test("the token is asked for once", async () => {
  const service = await example("", "s3cret-token");
  const { page, problems, close } = await open(browser, service.url, { hash: "#panel=purchases", expected: /status of 401/ });
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  await page.getByLabel(/^Token/).fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByText("That was not the token. Try again.").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Enter the token" }).click();
  await page.getByLabel(/^Token/).fill("s3cret-token");
  await page.keyboard.press("Enter");
  await panelIsThere(page, "purchases");
  await page.reload();
  await panelIsThere(page, "purchases");
  assert.ok(await dialog.isHidden());
  assert.match(await page.locator("#state").getAttribute("title"), /as they change/);
  assert.ok(!page.url().includes("s3cret"));
  isQuiet(problems);
  await close();
  await service.stop();
});

test("the service goes away and comes back", async () => {
  const service = await example();
  const { page, problems, close } = await open(browser, service.url, {
    hash: "#panel=service",
    expected: /ERR_|Failed to fetch|Failed to load/,
  });
  await panelIsThere(page, "service");
  await service.stop();
  await page.locator("#notice", { hasText: "the service does not answer. Still trying." }).waitFor();
  assert.equal(await page.locator("#state-name").textContent(), "No answer");
  await page.evaluate(() => (location.hash = "panel=habit"));
  assert.ok(await page.locator("#panel canvas").first().isVisible(), "what was known stays");
  const again = await example("", undefined, new URL(service.url).port);
  await panelIsThere(page, "habit");
  assert.ok(await page.locator("#notice").isHidden());
  await page.waitForFunction(() => /as they change/.test(document.getElementById("state").title), null, { timeout: 30000 });
  isQuiet(problems);
  await close();
  await again.stop();
});

test("a segment that the service refuses", async () => {
  const service = await example();
  const { page, problems, close } = await open(browser, service.url, {
    hash: `#segment=${encodeURIComponent(`name=${"long".repeat(2000)}`)}`,
    expected: /status of 414/,
  });
  await page.getByRole("heading", { name: "No figures" }).waitFor();
  await page.locator("#notice", { hasText: /path and query are 8\d+ bytes long/ }).waitFor();
  await page.locator("#segment").selectOption("all");
  await panelIsThere(page, "habit");
  assert.ok(await page.locator("#notice").isHidden());
  isQuiet(problems);
  await close();
  await service.stop();
});
