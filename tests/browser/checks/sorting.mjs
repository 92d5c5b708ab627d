// Each column sorts in both directions over all pages.

import assert from "node:assert/strict";
import { test } from "node:test";

import { visit } from "../browser.mjs";
import { ofOneRefresh } from "../exposition.mjs";
import { agents, allRows, COLUMNS, header, overview } from "../overview.mjs";

export default function sorting({ browser, demo }) {
  for (const column of COLUMNS) {
    test(`a click on the header sorts by ${column}, a second one reverses it`, () =>
      visit(browser, demo.base, async (page) => {
        const values = await ofOneRefresh(demo.base, () => assertSorts(page, demo, column));
        // With buckets, few current states are known; all agents are observed all the time.
        if (!["state", "observed"].includes(column)) assert(values.size > 1, "there is something to sort");
      }));
  }

  test("unknown columns and orders are ignored", () =>
    visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base, { sort: "no", order: "way", page: "-1" }));
      const shown = await agents(page);
      await page.goto(overview(demo.base));
      assert.deepEqual(shown, await agents(page));
    }));
}

/** Fails unless clicks on the header of `column` sort by it, both ways and over all pages; returns the values there are. */
export async function assertSorts(page, demo, column) {
  const people = await demo.people();
  // Starts with another column.
  await page.goto(overview(demo.base, { sort: column === "agent" ? "name" : "agent" }));
  const [orders, values] = [new Set(), new Set()];
  for (let click = 0; click < 2; click += 1) {
    const before = page.url();
    await header(page, column).locator("a").click();
    await page.waitForURL((url) => url.href !== before);
    const order = await header(page, column).getAttribute("aria-sort");
    assert(["ascending", "descending"].includes(order), `aria-sort of ${column} is ${order}`);
    orders.add(order);
    const sorted = page.locator("table#agents th[aria-sort=ascending], table#agents th[aria-sort=descending]");
    assert.equal(await sorted.count(), 1, "one column is sorted by");
    const top = page.url();
    const all = await allRows(page);
    assert.equal(new Set(all.map((row) => row.agent)).size, people.size, "every agent is listed once");
    const found = all.map((row) => value(column, row, people));
    assertSorted(found, order === "ascending");
    found.forEach((one) => values.add(one));
    await page.goto(top);
  }
  assert.equal(orders.size, 2, "both orders were seen");
  return values;
}

/** The sort key of a row. */
function value(column, row, people) {
  const person = people.get(row.agent);
  switch (column) {
    case "agent":
    case "name":
    case "team":
      return person[column] || undefined;
    case "observed":
    case "offline":
    case "shift":
      return person[column];
    case "limit":
      // The page sorts by whole thousandths.
      return Math.floor(((person.shift ?? person.offline) * 1000) / person.limit + 1e-6);
    case "absent":
      return person.onShift ? person.absent : undefined;
    case "since":
      // A state since the start of the window has its least duration instead of a time.
      if (row.cells.since?.text.startsWith("\u2265")) return 0;
      return row.cells.since?.time && Date.parse(row.cells.since.time);
    default:
      return row.cells.state?.text.replace("unclear", "") || undefined;
  }
}

/** Fails unless values ascend or descend, with missing ones at one end. */
function assertSorted(values, ascending) {
  const given = values.filter((value) => value !== undefined);
  const missing = values.length - given.length;
  const atEnd = values.slice(given.length).every((value) => value === undefined);
  const atStart = values.slice(0, missing).every((value) => value === undefined);
  assert(atEnd || atStart, "rows without a value are at one end");
  for (const [at, next] of given.slice(1).entries()) {
    const difference = compare(given[at], next);
    assert(ascending ? difference <= 0 : difference >= 0, `${given[at]} stands before ${next}`);
  }
}

function compare(left, right) {
  if (typeof left === "number") return left - right;
  const [a, b] = [left.toLowerCase(), right.toLowerCase()];
  return a < b ? -1 : a > b ? 1 : 0;
}
