// Validates custom resources on standard input, a JSON list, against the schemas of the Prometheus operator and the Gateway API.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [tools] = process.argv.slice(2);
const packages = {
  "monitoring.coreos.com/v1": "prometheus-operator",
  "monitoring.coreos.com/v1alpha1": "prometheus-operator",
  "gateway.networking.k8s.io/v1": "gateway-api",
};

async function models(apiVersion) {
  const path = `node/node_modules/@kubernetes-models/${packages[apiVersion]}/${apiVersion}/index.js`;
  return import(pathToFileURL(resolve(tools, path)));
}

// The schemas let unknown keys pass, which the API server would drop: a misspelt key must not.
const scrape = ["authorization", "basicAuth", "honorLabels", "metricRelabelings", "relabelings"];
const monitor = ["jobLabel", "namespaceSelector", "sampleLimit", "selector"];
const known = {
  ServiceMonitor: [...monitor, "endpoints"],
  PodMonitor: [...monitor, "podMetricsEndpoints"],
  ScrapeConfig: [...scrape, "httpSDConfigs", "jobName", "metricsPath", "sampleLimit", "scheme", "scrapeInterval",
    "scrapeTimeout", "staticConfigs", "tlsConfig"],
  PrometheusRule: ["groups"],
  HTTPRoute: ["hostnames", "parentRefs", "rules"],
};
const knownEndpoint = [...scrape, "interval", "params", "path", "port", "scheme", "scrapeTimeout", "tlsConfig"];
const knownRule = ["alert", "annotations", "expr", "for", "keep_firing_for", "labels", "record"];

function unknownKeys(object, allowed, where) {
  return Object.keys(object).filter((key) => !allowed.includes(key)).map((key) => `${where}.${key} is unknown`);
}

let failed = false;
for (const resource of JSON.parse(readFileSync(0, "utf8"))) {
  const { apiVersion, kind, metadata, spec } = resource;
  const faults = unknownKeys(spec, known[kind], "spec");
  for (const endpoint of spec.endpoints ?? spec.podMetricsEndpoints ?? []) faults.push(...unknownKeys(endpoint, knownEndpoint, "endpoint"));
  for (const group of spec.groups ?? [])
    for (const rule of group.rules) faults.push(...unknownKeys(rule, knownRule, `${group.name} rule`));
  try {
    new (await models(apiVersion))[kind](resource).validate();
  } catch (error) {
    faults.push(error.message);
  }
  for (const fault of faults) console.error(`${kind}/${metadata.name}: ${fault}`);
  failed ||= faults.length > 0;
}
process.exit(failed ? 1 : 0);
