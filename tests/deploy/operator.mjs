// Validates the Prometheus operator's resources on standard input, a JSON list, against the operator's schemas.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [tools] = process.argv.slice(2);
const schemas = "node/node_modules/@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/index.js";
const models = await import(pathToFileURL(resolve(tools, schemas)));

// The schemas let unknown keys pass, which the API server would drop: a misspelt key must not.
const known = {
  ServiceMonitor: { spec: ["endpoints", "jobLabel", "namespaceSelector", "selector"] },
  PrometheusRule: { spec: ["groups"] },
};
const knownEndpoint = [
  "interval", "metricRelabelings", "params", "path", "port", "relabelings", "scheme", "scrapeTimeout",
];
const knownRule = ["alert", "annotations", "expr", "for", "keep_firing_for", "labels", "record"];

function unknownKeys(object, allowed, where) {
  return Object.keys(object).filter((key) => !allowed.includes(key)).map((key) => `${where}.${key} is unknown`);
}

let failed = false;
for (const resource of JSON.parse(readFileSync(0, "utf8"))) {
  const { kind, metadata, spec } = resource;
  const faults = unknownKeys(spec, known[kind].spec, "spec");
  for (const endpoint of spec.endpoints ?? []) faults.push(...unknownKeys(endpoint, knownEndpoint, "endpoint"));
  for (const group of spec.groups ?? [])
    for (const rule of group.rules) faults.push(...unknownKeys(rule, knownRule, `${group.name} rule`));
  try {
    new models[kind](resource).validate();
  } catch (error) {
    faults.push(error.message);
  }
  for (const fault of faults) console.error(`${kind}/${metadata.name}: ${fault}`);
  failed ||= faults.length > 0;
}
process.exit(failed ? 1 : 0);
