// The page loads completely, from the exporter only.

import assert from "node:assert/strict";
import { test } from "node:test";

import { visit } from "../browser.mjs";
import { ofOneRefresh } from "../exposition.mjs";
import { agentPage, agents, assertAddUp, cells, clock, near, overview, PAGE_SIZE, position, rows } from "../overview.mjs";

export default function loading({ browser, demo, people }) {
  test("the overview has all sections", () =>
    visit(browser, demo.base, async (page) => {
      const answer = await page.goto(overview(demo.base));
      assert.equal(answer.status(), 200);
      assert.notEqual(await page.title(), "");
      assert.equal(await page.locator("h1").count(), 1);
      assert.match(await page.locator("section#freshness p.verdict[data-verdict]").innerText(), /\w/);
      assert((await page.locator("section#freshness dl dt").count()) >= 3);
      assert.equal(await page.locator("section#all-agents svg.all-agents").count(), 1);
      assert.equal((await agents(page)).length, PAGE_SIZE);
      assert.deepEqual(await position(page), { first: 1, last: PAGE_SIZE, of: people.size });
      assert.equal(await page.locator("table#agents tbody svg.sparkline").count(), PAGE_SIZE);
    }));

  test("the content security policy allows only the exporter's files", () =>
    visit(browser, demo.base, async (page) => {
      for (const url of [overview(demo.base), agentPage(demo.base, [...people.keys()][0])]) {
        const headers = (await page.goto(url)).headers();
        const policy = headers["content-security-policy"] ?? "";
        assert.match(policy, /default-src 'none'/);
        assert.doesNotMatch(policy, /unsafe|\*|https?:/);
        assert.match(headers["content-type"], /^text\/html; ?charset=utf-8$/i);
        // A misspelt policy forbids nothing.
        const ran = await page.evaluate(() => {
          const script = document.createElement("script");
          script.textContent = "window.injected = true";
          document.head.append(script);
          return window.injected === true;
        });
        assert.equal(ran, false, "an inline script does not run");
      }
    }, { expectedFaults: /Content Security Policy/i }));

  test("the counts per state sum to the number of agents", () =>
    visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      const now = await page.locator("table#now tbody tr").evaluateAll((found) =>
        found.map((row) => [...row.cells].map((cell) => cell.innerText.trim())),
      );
      const total = now.reduce((sum, cells) => sum + Number(cells.find((text) => /^\d+$/.test(text)) ?? 0), 0);
      assert.equal(total, people.size, `every agent is in one of ${JSON.stringify(now)}`);
    }));

  test("each sparkline sums to the agent's seconds", () =>
    ofOneRefresh(demo.base, () => visit(browser, demo.base, async (page) => {
      const current = await demo.people();
      await page.goto(overview(demo.base));
      const shown = await rows(page);
      for (const { agent } of shown.slice(0, 10)) {
        const sparkline = page.locator(`table#agents tr[data-agent="${agent}"] svg.sparkline`);
        const { states } = current.get(agent);
        const found = await cells(sparkline);
        assert(found.length >= 24, `${found.length} cells`);
        assertAddUp(found.map((cell) => cell.seconds), states, agent);
        assert.match((await sparkline.getAttribute("aria-label")) ?? "", /\w/);
      }
    })));

  test("rows have the names, teams and times of the metrics", () =>
    ofOneRefresh(demo.base, () => visit(browser, demo.base, async (page) => {
      const current = await demo.people();
      await page.goto(overview(demo.base));
      for (const { agent, cells } of await rows(page)) {
        const person = current.get(agent);
        assert.equal(cells.name.text, person.name);
        assert.equal(cells.team.text, person.team);
        near(clock(cells.observed.text), Math.floor(person.observed), `${agent} was observed`);
      }
    })));
}
