// The addon in workers and at the end of processes, with jobs that still run.
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";

const programs = path.join(import.meta.dirname, "programs");

/** Runs programs/exit.cjs; its exit code or signal, output and duration. */
async function runExit(how: string) {
  const start = performance.now();
  const child = spawn(process.execPath, [path.join(programs, "exit.cjs"), how]);
  let output = "";
  child.stdout.on("data", (data) => {
    output += data;
  });
  child.stderr.on("data", (data) => {
    output += data;
  });
  const [code, signal] = await once(child, "close");
  return { status: code ?? signal, output, durationMs: performance.now() - start };
}

const startWorker = (data: string) => new Worker(path.join(programs, "worker.cjs"), { workerData: data });

test.each([
  ["process.exit(7)", "exit", 7],
  ["an uncaught exception", "throw", 1],
  ["a signal", "signal", "SIGTERM"],
])("%s while a job runs ends the process as it should, promptly", async (_, how, status) => {
  const ended = await runExit(how);
  expect(ended.status).toBe(status);
  expect(ended.durationMs).toBeLessThan(10_000);
});

test("a cancelled job lets the process end by itself", async () => {
  const ended = await runExit("cancel");
  expect(ended).toMatchObject({ status: 0, output: "rejected with RLVR_ABORTED\n" });
});

test("a policy closed while its job runs lets the process end by itself", async () => {
  expect((await runExit("close")).status).toBe(0);
});

test("three workers at once and the main thread sample the same tokens", async () => {
  const answers = await Promise.all(
    ["finish", "finish", "finish"].map(async (data) => {
      const worker = startWorker(data);
      const [[message]] = await Promise.all([once(worker, "message"), once(worker, "exit")]);
      return message;
    }),
  );
  expect(answers[0]).toHaveLength(2);
  expect(answers[1]).toEqual(answers[0]);
  expect(answers[2]).toEqual(answers[0]);
});

test("a worker is terminated with a job running, five times over", async () => {
  for (let i = 0; i < 5; ++i) {
    const worker = startWorker("endless");
    await once(worker, "message");
    const start = performance.now();
    await worker.terminate();
    expect(performance.now() - start).toBeLessThan(5000);
  }
});

test("a worker that exits with a job running gives its exit code", async () => {
  const worker = startWorker("exit");
  const [code] = await once(worker, "exit");
  expect(code).toBe(3);
});
