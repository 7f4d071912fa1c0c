// Ctrl-C: once to finish what runs and save, twice to stop at once.
import { exitStatus } from "../errors.ts";

/** An AbortSignal that the first SIGINT or SIGTERM aborts; a second one ends the process. */
export function interruptSignal(onFirst: () => void): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const handle = () => {
    if (controller.signal.aborted) process.exit(exitStatus.interrupted);
    onFirst();
    controller.abort(new Error("interrupted"));
  };
  process.on("SIGINT", handle);
  process.on("SIGTERM", handle);
  return {
    signal: controller.signal,
    release: () => {
      process.off("SIGINT", handle);
      process.off("SIGTERM", handle);
    },
  };
}
