// Waits for its first interrupt, says so, and then waits on. Started by cli.test.ts.
import { interruptSignal } from "../../../src/cli/interrupt.ts";

const { signal } = interruptSignal(() => process.stdout.write("first\n"));
signal.addEventListener("abort", () => process.stdout.write("aborted\n"));
setTimeout(() => {}, 60_000);
process.stdout.write("ready\n");
