// A folder on this machine as a source of data files.
import { readFile, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import type { DataFolder } from "../data/data-folder.ts";
import { RlvrError } from "../errors.ts";
import { doing, walkFolder } from "./files.ts";

/** The files below `folder`. Throws RLVR_NOT_FOUND when it is not a folder. */
export function localFolder(folder: string): DataFolder {
  return {
    name: folder,
    async list() {
      const isFolder = await stat(folder).then(
        (found) => found.isDirectory(),
        () => false,
      );
      if (!isFolder) throw new RlvrError("RLVR_NOT_FOUND", `[data] there is no folder ${folder}`);
      const { files } = await doing(`listing ${folder}`, () => walkFolder(folder));
      return files.map((file) => relative(folder, file).split(sep).join("/"));
    },
    async read(path) {
      const file = join(folder, path);
      return await doing(`reading ${file}`, () => readFile(file));
    },
  };
}
