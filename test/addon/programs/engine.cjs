// Loads the addon and a tiny model without TypeScript: these programs run in processes and workers of their own.
"use strict";
const path = require("node:path");

const root = path.join(__dirname, "../../..");
const native = process.env.RLVR_NATIVE ? require(process.env.RLVR_NATIVE) : require("node-gyp-build")(root);

exports.native = native;
exports.load = () => native.load({ model: path.join(root, "test/golden/models/llama"), threads: 2 }, 1);

/** Starts minutes of work. */
exports.startEndless = (policy, onProgress) =>
  policy.generate(
    {
      prompts: Array.from({ length: 3000 }, (_, i) => ({ ids: Int32Array.of(1, 2, 3, 4, 5), key: BigInt(i) })),
      rollouts: 64,
      maxNewTokens: 32,
    },
    2,
    onProgress,
  );
