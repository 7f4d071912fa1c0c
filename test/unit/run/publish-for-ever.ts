// Publishes checkpoints until it is killed; says so after the first. Started by run-directory.test.ts.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { listCheckpoints, publishCheckpoint } from "../../../src/run/checkpoints.ts";

const root = process.argv[2] ?? "";
let step = (await listCheckpoints(root))[0]?.step ?? 0;
for (;;) {
  step += 1;
  await publishCheckpoint(root, step, 3, async (folder) => {
    writeFileSync(join(folder, "state"), String(step).repeat(20_000));
    writeFileSync(join(folder, "other"), String(step).repeat(5000));
  });
  process.stdout.write(`${step}\n`);
}
