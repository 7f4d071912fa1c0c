// Runs a TypeScript file in a process of its own: node run-with-vite.mjs FILE ARGUMENTS…
import { runnerImport } from "vite";

const [node, , file, ...args] = process.argv;
process.argv = [node, file, ...args];
// Node.js 20 does not know `await using`.
await runnerImport(file, { oxc: { target: "es2023" } });
