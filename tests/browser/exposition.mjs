// Parses /metrics, to compare the page with it.

const SAMPLE = /^(\w+)(?:\{(.*)\})? (\S+)$/gm;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES = { n: "\n" };
const MOST_COMPARISONS = 5;

/** An exposition, by agent. */
export class Exposition {
  constructor(text) {
    this.agents = new Map();
    this.values = new Map();
    for (const [, name, labels, value] of text.matchAll(SAMPLE)) {
      const label = Object.fromEntries([...(labels ?? "").matchAll(LABEL)].map(([, key, text]) => [key, unescape(text)]));
      if (label.agent === undefined) this.values.set(labels ? `${name}{${labels}}` : name, Number(value));
      else this.agent(label.agent)[name] = { ...this.agent(label.agent)[name], ...sample(label, Number(value)) };
    }
  }

  agent(label) {
    if (!this.agents.has(label)) this.agents.set(label, {});
    return this.agents.get(label);
  }

  /** How many agents have data. */
  observed() {
    return [...this.agents.values()].filter((agent) => agent.cxone_agent_observed_seconds).length;
  }

  /** All agents by label: what the page shows of them, sorts by and searches. */
  people() {
    return new Map(
      [...this.agents].map(([label, families]) => {
        const states = families.cxone_agent_state_seconds ?? {};
        const info = Object.keys(families.cxone_agent_info ?? {})[0];
        const { name = "", team = "" } = info ? JSON.parse(info) : {};
        const only = (family) => Object.values(families[family] ?? {})[0];
        const observed = only("cxone_agent_observed_seconds");
        const offline = observed && (states.Offline ?? 0) + (states.LoggedOut ?? 0);
        const limit = only("cxone_agent_offline_limit_seconds");
        const shift = only("cxone_agent_scheduled_offline_seconds");
        const onShift = only("cxone_agent_on_shift");
        const absent = only("cxone_agent_absent_seconds");
        const absentLimit = only("cxone_agent_absent_limit_seconds");
        return [label, { agent: label, name, team, states, observed, offline, limit, shift, onShift, absent, absentLimit }];
      }),
    );
  }
}

/** Scrapes, which lets the exporter refresh if its cooldown is over. */
export async function scrape(base) {
  const answer = await fetch(`${base}/metrics`);
  if (!answer.ok) throw new Error(`${base}/metrics answered ${answer.status}`);
  return new Exposition(await answer.text());
}

/**
 * Compares a page with the metrics. The demo refreshes by itself: where a refresh came between the two, they differ, and the
 * comparison is made again.
 */
export async function ofOneRefresh(base, compare) {
  const refreshed = async () => (await scrape(base)).values.get("cxone_window_end_timestamp_seconds");
  for (let attempt = 1; ; attempt += 1) {
    const before = await refreshed();
    try {
      return await compare();
    } catch (error) {
      if (attempt === MOST_COMPARISONS || (await refreshed()) === before) throw error;
    }
  }
}

function sample({ agent: _, ...label }, value) {
  return { [label.state ?? JSON.stringify(label)]: value };
}

function unescape(text) {
  return text.replace(/\\(.)/g, (_, char) => ESCAPES[char] ?? char);
}
