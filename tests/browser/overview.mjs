// Reads the table of agents on the overview.

import assert from "node:assert/strict";

export const PAGE_SIZE = 50;

/** The columns that sort, by the name that `sort` has in the address. */
export const COLUMNS = ["agent", "name", "team", "state", "since", "observed", "offline", "limit", "absent", "shift"];

/** The shown rows: the agent, and text and time of each sortable column. */
export function rows(page) {
  return page.evaluate(() => {
    const headers = [...document.querySelectorAll("table#agents thead th")].map((header) => {
      const link = header.querySelector("a[href]");
      return link && new URL(link.href).searchParams.get("sort");
    });
    return [...document.querySelectorAll("table#agents tbody tr[data-agent]")].map((row) => {
      const cells = {};
      let at = 0;
      for (const cell of row.cells) {
        // A cell over several columns says that there is nothing in any.
        if (headers[at] && cell.colSpan === 1) cells[headers[at]] = { text: cell.innerText.trim(), time: cell.querySelector("time")?.dateTime };
        at += cell.colSpan;
      }
      return { agent: row.dataset.agent, cells };
    });
  });
}

/** The agents that are shown, from the top. */
export async function agents(page) {
  return (await rows(page)).map((row) => row.agent);
}

/** The rows of this page and of all that follow, by the links to the next one. */
export async function allRows(page) {
  const all = await rows(page);
  const next = page.locator("nav.pages a[rel=next]");
  while ((await next.count()) > 0) {
    const before = page.url();
    await next.first().click();
    await page.waitForURL((url) => url.href !== before);
    all.push(...(await rows(page)));
    assert(all.length < 10_000, "the pages end");
  }
  return all;
}

/** "51 to 100 of 240" as numbers. */
export async function position(page) {
  const text = await page.locator("nav.pages").first().innerText();
  const found = /(\d[\d,]*) to (\d[\d,]*) of (\d[\d,]*)/.exec(text);
  assert(found, `nav.pages says where one is: ${text}`);
  const [first, last, of] = found.slice(1).map((number) => Number(number.replaceAll(",", "")));
  return { first, last, of };
}

/** The header that sorts by a column. */
export function header(page, column) {
  return page.locator("table#agents thead th").filter({ has: page.locator(`a[href*="sort=${column}"]`) });
}

/** The address of the overview with these parameters. */
export function overview(base, parameters = {}) {
  const query = new URLSearchParams(parameters).toString();
  return `${base}/${query && `?${query}`}`;
}

/** The address of an agent's page. */
export function agentPage(base, agent) {
  return `${base}/agent?${new URLSearchParams({ agent })}`;
}

/** "23:59:59" in seconds. */
export function clock(text) {
  const [hours, minutes, seconds] = (/(\d+):(\d\d):(\d\d)/.exec(text) ?? assert.fail(`${text} is a time`)).slice(1).map(Number);
  return hours * 3600 + minutes * 60 + seconds;
}

/** The titles of a sparkline's cells, oldest first: the text, and the seconds by state. */
export async function cells(sparkline) {
  const titles = await sparkline.locator("rect.cell > title").allTextContents();
  return titles.map((text) => {
    const parts = text.slice(text.indexOf("UTC:") + "UTC:".length);
    const seconds = [...parts.matchAll(/\s*(.+?) (\d+:\d\d:\d\d)(?:,|$)/g)].map(([, state, time]) => [state, clock(time)]);
    return { text, seconds: Object.fromEntries(seconds) };
  });
}

/** The cells of a table by its headers, each row an object. */
export function table(page, selector) {
  return page.evaluate((selector) => {
    const found = document.querySelector(selector);
    const headers = [...found.querySelectorAll("thead th")].map((header) => header.innerText.trim());
    return [...found.querySelectorAll("tbody tr")].map((row) =>
      Object.fromEntries([...row.cells].map((cell, at) => [headers[at], cell.innerText.trim()])),
    );
  }, selector);
}

/** Fails unless the totals are these seconds by state; a state without any time may be left out. */
export async function assertTotals(page, states) {
  const totals = await table(page, "table#totals");
  const seconds = Object.fromEntries(totals.map((row) => [row.State, number(row.Seconds)]));
  const durations = Object.fromEntries(totals.map((row) => [row.State, clock(row.Duration)]));
  for (const state of new Set([...Object.keys(states), ...Object.keys(seconds)])) {
    near(seconds[state] ?? 0, states[state] ?? 0, state);
    assert.equal(durations[state] ?? 0, Math.floor((seconds[state] ?? 0) + 0.005), state);
  }
}

/** Fails unless the seconds of cells, each rounded down to a second, add up to `states`. */
export function assertAddUp(cells, states, what) {
  for (const [state, seconds] of Object.entries(states)) {
    const sum = cells.reduce((sum, cell) => sum + (cell[state] ?? 0), 0);
    assert(sum <= seconds + 0.01 && sum >= seconds - cells.length, `${what}, ${state}: ${sum}, and it should be ${seconds}`);
  }
}

/** A number as pages write it. */
export function number(text) {
  const value = Number(text.replaceAll(/[,\s]/g, ""));
  assert(!Number.isNaN(value), `${text} is a number`);
  return value;
}

/** Fails unless two amounts of seconds are the same but for how many digits are written. */
export function near(have, want, what) {
  assert(Math.abs(have - want) <= 0.01, `${what}: ${have}, and it should be ${want}`);
}
