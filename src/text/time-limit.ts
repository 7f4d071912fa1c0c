// Stops a computation of this thread that takes too long. Node offers that for scripts, so the work runs from one.

import { createContext, Script } from "node:vm";

export class TimeLimitError extends Error {}

const sandbox: { work?: () => void } = {};
const context = createContext(sandbox);
const callWork = new Script("work()");

/**
 * Runs `work` and returns its result.
 *
 * @throws TimeLimitError when it runs longer than `milliseconds`; whatever `work` throws.
 */
export function withTimeLimit<T>(work: () => T, milliseconds: number): T {
  let result: { value: T } | undefined;
  sandbox.work = () => {
    result = { value: work() };
  };
  try {
    callWork.runInContext(context, { timeout: milliseconds });
  } catch (cause) {
    const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined;
    if (code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw cause;
    throw new TimeLimitError(`it ran longer than ${milliseconds} ms and was stopped`);
  } finally {
    delete sandbox.work;
  }
  return (result as unknown as { value: T }).value;
}
