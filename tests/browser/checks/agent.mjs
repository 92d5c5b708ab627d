// The page of an agent.

import assert from "node:assert/strict";
import { test } from "node:test";

import { visit } from "../browser.mjs";
import { ofOneRefresh, scrape } from "../exposition.mjs";
import { waitFor } from "../app.mjs";
import { agentPage, assertAddUp, assertTotals, clock, overview, table } from "../overview.mjs";

export default function agent({ browser, demo, people }) {
  const [first] = people.keys();

  test("an agent links to its page, which links back", () =>
    visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base, { sort: "name" }));
      const link = page.locator('table#agents tbody th a[href^="agent?"]').first();
      const row = await page.locator("table#agents tbody tr").first().getAttribute("data-agent");
      await link.click();
      await page.waitForURL(/\/agent\?/);
      const { name } = people.get(row);
      assert.match(await page.locator("main, body").first().innerText(), new RegExp(name));
      assert.equal(await page.locator("h1").count(), 1);
      assert((await page.title()).length > 0);
      assert((await page.locator("svg.day").count()) === 1);
      const back = page.locator('a[href="./"], a[href="."], a[href^="./?"], a[href^="?"]').first();
      await back.click();
      await page.locator("table#agents").waitFor();
    }));

  test("totals equal the metrics, and hours sum to them", () =>
    ofOneRefresh(demo.base, () => visit(browser, demo.base, async (page) => {
      // Page and metrics are of the same refresh.
      const current = await demo.people();
      for (const [label, { states }] of [...current].slice(0, 5)) {
        await page.goto(agentPage(demo.base, label));
        await assertTotals(page, states);
        const hours = await table(page, "table#hours");
        assert(hours.length >= 24, `${hours.length} rows`);
        const seconds = (row) => Object.fromEntries(Object.keys(states).map((state) => [state, clock(row[state] ?? "0:00:00")]));
        assertAddUp(hours.map(seconds), states, label);
      }
    })));

  test("the copy button copies the PromQL", () =>
    visit(
      browser,
      demo.base,
      async (page) => {
        await page.goto(agentPage(demo.base, first));
        const blocks = page.locator("pre.promql");
        const count = await blocks.count();
        assert(count > 0);
        for (let at = 0; at < count; at += 1) {
          const code = (await blocks.nth(at).locator("code").innerText()).trim();
          assert.match(code, new RegExp(first));
          // The button is in the block, or beside it.
          const button = page.locator("button.copy").nth(at);
          const quiet = await button.innerText();
          assert.match(`${quiet}${(await button.getAttribute("aria-label")) ?? ""}`, /\w/);
          await button.click();
          const copied = async () => (await page.evaluate(() => navigator.clipboard.readText())).trim() === code;
          await waitFor("the clipboard contains the PromQL", copied, 5_000);
        }
        assert.equal(await page.locator("button.copy").count(), count);
      },
      { permissions: ["clipboard-read", "clipboard-write"] },
    ));

  test("PromQL names exposed metrics", async () => {
    const { agents } = await scrape(demo.base);
    const exposed = new Set([...agents.values()].flatMap(Object.keys));
    await visit(browser, demo.base, async (page) => {
      await page.goto(agentPage(demo.base, first));
      for (const code of await page.locator("pre.promql > code").allInnerTexts()) {
        const names = code.match(/cxone_\w+/g) ?? [];
        assert(names.length > 0, code);
        for (const name of names) assert(exposed.has(name), `${name} is exposed`);
      }
    });
  });

  test("unknown agents and tenants are a 404 page with a link back", () =>
    visit(
      browser,
      demo.base,
      async (page) => {
        for (const url of [agentPage(demo.base, "no-such-agent"), `${demo.base}/agent`, overview(demo.base, { tenant: "no-such-tenant" })]) {
          const answer = await page.goto(url);
          assert.equal(answer.status(), 404, url);
          assert.match(answer.headers()["content-type"], /^text\/html/);
          assert.match(await page.locator("main").innerText(), /\w+ \w+/);
          assert((await page.locator("a[href]").count()) > 0, "there is a link back");
        }
      },
      { expectedStatuses: [404] },
    ));
}
