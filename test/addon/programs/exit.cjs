// node exit.cjs HOW: ends the process in some way while a job runs.
"use strict";
const { load, native, startEndless } = require("./engine.cjs");

const how = process.argv[2];

load().then((policy) => {
  const running = startEndless(policy, () => {});
  setTimeout(() => {
    if (how === "exit") process.exit(7);
    if (how === "throw") throw new Error("on purpose");
    if (how === "signal") process.kill(process.pid, "SIGTERM");
    if (how === "cancel") native.cancel(2);
    if (how === "close") policy.close();
  }, 100);
  running.catch((error) => console.log(`rejected with ${error.code}`));
});
