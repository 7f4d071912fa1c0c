// rlvr rescore: the answers of an evaluation read again under another protocol, without the model.
import { exitStatus } from "../errors.ts";
import { loadProtocol } from "../evaluation/protocol.ts";
import { rescore as runRescore } from "../recipes/rescore.ts";
import { readManifest } from "../run/evaluation-folder.ts";
import type { Console } from "./console.ts";
import { scoreTable } from "./evaluation-table.ts";

export interface RescoreArguments {
  readonly run: string;
  readonly protocol: string;
  readonly shots: number | undefined;
  readonly maxNewTokens: number | undefined;
  readonly out: string | undefined;
  readonly version: string;
}

/** Runs the command and gives its exit status. */
export async function rescore(args: RescoreArguments, console: Console): Promise<number> {
  const protocol = await loadProtocol(args.protocol, { shots: args.shots, maxNewTokens: args.maxNewTokens });
  if (protocol.assumption !== "") console.warn(`protocol ${protocol.name}: ${protocol.assumption}`);
  const out = args.out ?? `${args.run.replace(/\/+$/, "")}-${protocol.name}`;
  const result = await runRescore(args.run, protocol, out, args.version);
  const name = (await readManifest(out))?.name ?? args.run;
  console.result(
    { protocol: protocol.name, protocol_hash: protocol.hash, ...result },
    `${name} (${out}): ${result.changed} of ${result.answers} answers are read otherwise\n${scoreTable(result.scores, protocol)}`,
  );
  return exitStatus.ok;
}
