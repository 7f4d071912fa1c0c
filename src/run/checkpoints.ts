// Checkpoints: folders checkpoints/step-N that are published whole, verified when loaded, and thinned to the newest.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { RlvrError } from "../errors.ts";
import { doing, listFolder, publishFolder, removeFolder, sweepTemporary, walkFolder } from "./files.ts";

const manifestName = "manifest.json";

interface ManifestFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** What a checkpoint's manifest.json holds. */
export interface Manifest {
  readonly version: 1;
  readonly step: number;
  readonly files: readonly ManifestFile[];
}

export interface Checkpoint {
  readonly step: number;
  readonly folder: string;
}

/**
 * Publishes checkpoint `step` under `root`: `write` fills a temporary folder, a manifest with sizes and sha256 is added,
 * and the folder is made durable and renamed into place. A crash at any point leaves the earlier checkpoints and perhaps
 * a temporary folder that the next start removes. Afterwards only the newest `keep` checkpoints stay.
 */
export async function publishCheckpoint(
  root: string,
  step: number,
  keep: number,
  write: (folder: string) => Promise<void>,
): Promise<Checkpoint> {
  const folder = join(root, `step-${step}`);
  await publishFolder(folder, async (temporary) => {
    await write(temporary);
    await doing(`writing the manifest of ${folder}`, async () => {
      const entries: ManifestFile[] = [];
      for (const file of (await walkFolder(temporary)).files) {
        const path = relative(temporary, file).split(sep).join("/");
        entries.push({ path, bytes: (await stat(file)).size, sha256: await sha256(file) });
      }
      const manifest: Manifest = { version: 1, step, files: entries };
      await writeFile(join(temporary, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
    });
  });
  const old = (await listCheckpoints(root)).slice(keep);
  for (const checkpoint of old) {
    await doing(`removing ${checkpoint.folder}`, () => removeFolder(checkpoint.folder));
  }
  return { step, folder };
}

/** The published checkpoints under `root`, newest first; not verified. */
export async function listCheckpoints(root: string): Promise<Checkpoint[]> {
  return (await listFolder(root))
    .filter((name) => /^step-\d+$/.test(name))
    .map((name) => ({ step: Number(name.slice("step-".length)), folder: join(root, name) }))
    .sort((a, b) => b.step - a.step);
}

/**
 * The newest checkpoint whose files are those of its manifest. One that is damaged is passed over, and `onMessage` is
 * told why and which one is used instead. Undefined when there is none; RLVR_BAD_CHECKPOINT when none is intact.
 */
export async function newestCheckpoint(
  root: string,
  onMessage: (message: string) => void = () => {},
): Promise<Checkpoint | undefined> {
  for (const name of await sweepTemporary(root)) onMessage(`removed ${name}, which an interrupted save had left`);
  const checkpoints = await listCheckpoints(root);
  for (const checkpoint of checkpoints) {
    const damage = await damageOf(checkpoint);
    if (damage === undefined) return checkpoint;
    onMessage(`checkpoint ${checkpoint.folder} is damaged (${damage}); the one before it is used`);
  }
  if (checkpoints.length === 0) return undefined;
  throw new RlvrError(
    "RLVR_BAD_CHECKPOINT",
    `[resume] ${root}: none of ${checkpoints.length} checkpoints is intact; start again in another folder (output.dir)`,
  );
}

/** What is wrong with a checkpoint, in words; undefined when every file is there with its size and sha256. */
export async function damageOf({ folder, step }: Checkpoint): Promise<string | undefined> {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(await readFile(join(folder, manifestName), "utf8")) as Manifest;
  } catch (error) {
    return `${manifestName}: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (manifest.version !== 1 || manifest.step !== step || !Array.isArray(manifest.files)) {
    return `${manifestName} is not that of step ${step}`;
  }
  for (const { path, bytes, sha256: expected } of manifest.files) {
    if (typeof path !== "string" || path.split("/").includes("..")) return `${manifestName} names the file ${path}`;
    const file = join(folder, path);
    const size = await stat(file).then(
      (found) => found.size,
      () => undefined,
    );
    if (size === undefined) return `${path} is missing`;
    if (size !== bytes) return `${path} has ${size} bytes, expected ${bytes}`;
    if ((await sha256(file)) !== expected) return `${path} has another sha256 than when it was written`;
  }
  return undefined;
}

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
