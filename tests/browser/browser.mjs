// Opens pages in Debian's Chromium and fails on any browser error.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const TOP = fileURLToPath(new URL("../../", import.meta.url));
const require = createRequire(`${TOP}target/tools/browser/`);
const { chromium } = require("playwright-core");

export const AXE = require("axe-core").source;

const EXECUTABLE = "/usr/bin/chromium";
const FAILURES = `${TOP}target/browser`;
// A fixed time zone, which differs from UTC.
const ZONE = "Europe/Berlin";
// The machine may be busy.
const TIMEOUT_MS = 30_000;

/** A Chromium without a window. */
export function launch() {
  // The sandbox does not start as root. Only local pages are opened.
  return chromium.launch({ executablePath: EXECUTABLE, chromiumSandbox: process.getuid() !== 0, timeout: TIMEOUT_MS });
}

/**
 * Calls `look` with a new page in a context of its own, and fails on any of these:
 * errors on the console, exceptions, failed requests, requests to other places than `base`, violations of the policy.
 * Options are those of Playwright's contexts, and `expectedStatuses` and `expectedFaults` for expected errors.
 */
export async function visit(browser, base, look, options = {}) {
  const { expectedStatuses = [], expectedFaults, ...settings } = options;
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, timezoneId: ZONE, ...settings });
  context.setDefaultTimeout(TIMEOUT_MS);
  const faults = [];
  await watch(context, base, expectedStatuses, faults);
  const page = await context.newPage();
  try {
    await look(page);
    await page.waitForLoadState("load");
    assert.deepEqual(faults.filter((fault) => !expectedFaults?.test(fault)), [], "no browser errors");
  } catch (error) {
    mkdirSync(FAILURES, { recursive: true });
    const path = `${FAILURES}/${new Date().toISOString().replace(/\D/g, "")}.png`;
    await page.screenshot({ path, fullPage: true, timeout: 5_000 }).catch(() => undefined);
    error.message += `\n(seen at ${page.url()}, as in ${path}${faults.length ? `; faults: ${faults.join("; ")}` : ""})`;
    throw error;
  } finally {
    await context.close();
  }
}

async function watch(context, base, expectedStatuses, faults) {
  const expected = (status) => status < 400 || expectedStatuses.includes(status);
  context.on("console", (message) => {
    if (!["error", "warning"].includes(message.type())) return;
    // Statuses are checked below.
    if (/^Failed to load resource: the server responded with a status of/.test(message.text())) return;
    faults.push(`console: ${message.text()}`);
  });
  context.on("weberror", (error) => faults.push(`exception: ${error.error().stack}`));
  context.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  context.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${base}/`) && !url.startsWith("data:")) faults.push(`request outside of ${base}: ${url}`);
  });
  context.on("requestfailed", (request) => {
    // Leaving a document aborts its requests.
    if (request.failure()?.errorText !== "net::ERR_ABORTED") faults.push(`failed: ${request.url()}: ${request.failure()?.errorText}`);
  });
  context.on("response", (response) => {
    if (!expected(response.status())) faults.push(`${response.status()}: ${response.url()}`);
  });
  await context.exposeBinding("reportViolation", (_, violation) => faults.push(`content security policy: ${violation}`));
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      window.reportViolation(`${event.violatedDirective} forbids ${event.blockedURI} at ${event.sourceFile}:${event.lineNumber}`);
    });
  });
}
