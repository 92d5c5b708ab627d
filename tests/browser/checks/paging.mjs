// Pages of fifty.

import assert from "node:assert/strict";
import { test } from "node:test";

import { visit } from "../browser.mjs";
import { agents, allRows, overview, PAGE_SIZE, position } from "../overview.mjs";

export default function paging({ browser, demo, people }) {
  const last = Math.ceil(people.size / PAGE_SIZE);

  test("each agent is on exactly one page", () =>
    visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      assert.equal(await page.locator("nav.pages a[rel=prev]").count(), 0, "nothing is before the first page");
      const all = (await allRows(page)).map((row) => row.agent);
      assert.equal(all.length, people.size);
      assert.deepEqual([...new Set(all)].sort(), [...people.keys()].sort());
      assert.deepEqual(await position(page), { first: (last - 1) * PAGE_SIZE + 1, last: people.size, of: people.size });
      assert.equal(await page.locator("nav.pages a[rel=next]").count(), 0, "nothing is after the last page");
    }));

  test("next and previous lead to the neighbouring pages", () =>
    visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      const first = await agents(page);
      await page.locator("nav.pages a[rel=next]").first().click();
      await page.waitForURL(/page=2/);
      const second = await agents(page);
      assert.deepEqual(first.filter((agent) => second.includes(agent)), []);
      assert.deepEqual(await position(page), { first: PAGE_SIZE + 1, last: 2 * PAGE_SIZE, of: people.size });
      const before = page.url();
      await page.locator("nav.pages a[rel=prev]").first().click();
      await page.waitForURL((url) => url.href !== before);
      assert.deepEqual(await agents(page), first);
    }));

  test("page numbers out of range show the nearest page", () =>
    visit(browser, demo.base, async (page) => {
      for (const number of ["0", "99", "18446744073709551616", "x", ""]) {
        await page.goto(overview(demo.base, { page: number }));
        assert.equal(await page.locator("table#agents").count() + await page.locator("form#filter").count(), 2, `page=${number}`);
        assert.match(page.url(), new RegExp(`page=${number}`));
        assert((await agents(page)).length > 0, `page=${number} shows agents`);
      }
    }));
}
