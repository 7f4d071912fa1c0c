// Which model answered: a digest that does not change when its files are moved, and does when they are others.
import { createHash } from "node:crypto";
import { open, stat } from "node:fs/promises";
import { relative } from "node:path";
import { RlvrError } from "../errors.ts";
import { doing, walkFolder } from "../run/files.ts";

const headBytes = 2 ** 20; // metadata, tensor names and shapes, the first weights

/**
 * The sha256, hex, of the names, sizes and first mebibytes of a model's files; weights of gigabytes are not read whole.
 * `path` is a GGUF file or a folder, of which only configs and weights count.
 */
export async function modelFingerprint(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    throw new RlvrError("RLVR_NOT_FOUND", `[model] there is no ${path}; expected a model folder or a .gguf file`);
  }
  const isFolder = found.isDirectory();
  const files = isFolder ? (await walkFolder(path)).files.filter((file) => /\.(json|safetensors)$/.test(file)) : [path];
  const hash = createHash("sha256");
  for (const file of files) {
    await doing(`reading ${file}`, async () => {
      const handle = await open(file, "r");
      try {
        const { size } = await handle.stat();
        const head = Buffer.alloc(Math.min(size, headBytes));
        await handle.read(head, 0, head.length, 0);
        hash.update(`${isFolder ? relative(path, file) : ""}\n${size}\n`).update(head);
      } finally {
        await handle.close();
      }
    });
  }
  return hash.digest("hex");
}
