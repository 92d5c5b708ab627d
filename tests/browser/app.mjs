// The processes of a test: on loopback, in one temporary folder, ended by their process ids.

import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { scrape } from "./exposition.mjs";

const LOOPBACK = "127.0.0.1";
// Longer than any request on loopback takes.
const TIMEOUT_MS = 30_000;
// Below the ports that Linux gives to outgoing connections, so that a chosen port stays free until it is used.
const PORTS = { first: 20_000, count: 12_000 };
const LAST_LINES = 30;

export const BINARY = process.env.CXONE_EXPORTER;

/** A free port. */
export async function freePort() {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    const free = await new Promise((resolve) => {
      const probe = createServer().once("error", () => resolve(false));
      probe.listen(port, LOOPBACK, () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error("no free port among a hundred");
}

/** Calls `test` until it returns a true value, and returns that. `test` may throw meanwhile. */
export async function waitFor(what, test, timeout = TIMEOUT_MS) {
  const deadline = Date.now() + timeout;
  let last;
  while (Date.now() < deadline) {
    try {
      last = await test();
      if (last) return last;
    } catch (error) {
      if (error instanceof Ended) throw error;
      last = error;
    }
    await sleep(20);
  }
  throw new Error(`waited ${timeout} ms until ${what}; last seen: ${last}`);
}

class Ended extends Error {}

/** A temporary folder and its processes. They end with this process. */
export class TestApp {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "cxone-exporter-browser-"));
    this.processes = [];
    process.once("exit", () => this.leave());
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
  }

  /** A file in the folder. */
  write(name, text) {
    const path = join(this.folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  /** Starts the binary with these flags. */
  start(name, flags) {
    const path = join(this.folder, `${name}.log`);
    const log = openSync(path, "a");
    const child = spawn(BINARY, flags, { cwd: this.folder, stdio: ["ignore", log, log] });
    closeSync(log);
    const running = { child, name, log: () => readFileSync(path, "utf8") };
    running.alive = () => {
      if (child.exitCode === null && child.signalCode === null) return true;
      const lines = running.log().split("\n").slice(-LAST_LINES).join("\n");
      throw new Ended(`${name} has ended with ${child.exitCode ?? child.signalCode}:\n${lines}`);
    };
    this.processes.push(running);
    return running;
  }

  /** Starts an exporter and waits until it listens; this sends no request to the tenant. */
  async serve(name, command, prefix = "") {
    const address = `${LOOPBACK}:${await freePort()}`;
    const running = this.start(name, [...command, `--web.listen-address=${address}`]);
    const base = `http://${address}${prefix}`;
    const ready = async () => running.alive() && (await fetch(`${base}/-/ready`)).ok;
    await waitFor(`${name} is ready`, ready);
    return { ...running, address, base, people: async () => (await scrape(base)).people() };
  }

  /** The built-in demo with fixed data. */
  async demo(name, agents, flags = [], prefix = "") {
    return this.serve(name, ["demo", `--agents=${agents}`, "--seed=1", "--page-size=10000", ...flags], prefix);
  }

  /** A demo, scraped until every agent has data. */
  async livelyDemo(name, agents, flags = [], prefix = "") {
    const demo = await this.demo(name, agents, flags, prefix);
    await waitFor(`a scrape of ${name} has every agent`, async () => demo.alive() && (await scrape(demo.base)).observed() === agents);
    return demo;
  }

  /** The simulated tenant alone. */
  async tenant(agents) {
    const address = `${LOOPBACK}:${await freePort()}`;
    const running = this.start("tenant", ["simulate", `--listen-address=${address}`, `--agents=${agents}`, "--seed=1"]);
    const base = `http://${address}`;
    const people = await waitFor("the tenant answers", async () => running.alive() && (await fetch(`${base}/-/control/agents`)).json());
    return { ...running, base, people };
  }

  leave() {
    for (const { child } of this.processes.splice(0)) child.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}
