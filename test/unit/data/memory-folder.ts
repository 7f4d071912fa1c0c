// Data files in memory.
import type { DataFolder } from "../../../src/data/data-folder.ts";

export function memoryFolder(files: Readonly<Record<string, string | Uint8Array>>): DataFolder {
  return {
    name: "memory",
    list: async () => Object.keys(files),
    async read(path) {
      const content = files[path];
      if (content === undefined) throw new Error(`no ${path}`);
      return typeof content === "string" ? new TextEncoder().encode(content) : content;
    },
  };
}
