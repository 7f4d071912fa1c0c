// A worker that loads the addon and, as its data says, finishes a call, leaves one running, or waits to be terminated.
"use strict";
const { parentPort, workerData } = require("node:worker_threads");
const { load, startEndless } = require("./engine.cjs");

load().then(async (policy) => {
  if (workerData === "finish") {
    const prompts = [{ ids: Int32Array.of(1, 2, 3), key: 9n }];
    const { groups } = await policy.generate({ prompts, rollouts: 2, maxNewTokens: 6, seed: 3n }, 2);
    parentPort.postMessage(groups[0].map((rollout) => [...rollout.completionIds]));
    policy.close();
    return;
  }
  startEndless(policy).catch(() => {});
  setTimeout(() => {
    parentPort.postMessage("running");
    if (workerData === "exit") process.exit(3);
  }, 50);
});
