// A copy of what a package is made from, so that builds and packing leave the checkout alone.
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

export const root = path.resolve(import.meta.dirname, "../..");
const execFileAsync = promisify(execFile);

export interface ExecResult {
  stdout: string;
  stderr: string;
}

/** Runs a program; its output, also as part of the error when it fails. */
export async function run(
  command: string,
  args: string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv },
): Promise<ExecResult> {
  return await execFileAsync(command, args, { maxBuffer: 1 << 26, ...options });
}

/** An environment in which compiling fails at once, and without what this test run's own npm set. */
export function withoutCompiler(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD|NODE_ENV|VITEST)/i.test(name));
  return { ...Object.fromEntries(own), CC: "/nowhere/cc", CXX: "/nowhere/c++" };
}

export interface TemporaryFolder extends AsyncDisposable {
  path: string;
}

export async function temporaryFolder(name: string): Promise<TemporaryFolder> {
  const folder = await mkdtemp(path.join(tmpdir(), `rlvr-${name}-`));
  return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

/** Copies everything that package.json names in "files", and links node_modules. Expects a built dist. */
export async function copyPackage(target: string): Promise<void> {
  const { files } = JSON.parse(await readFile(path.join(root, "package.json"), "utf8")) as { files: string[] };
  const wanted = ["package.json", "README.md", "LICENSE", "scripts", ...files.filter((file) => file !== "prebuilds")];
  for (const file of wanted) {
    await cp(path.join(root, file), path.join(target, file), { recursive: true }).catch((error: unknown) => {
      // Files of the documentation and optional folders may not be there.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    });
  }
  await symlink(path.join(root, "node_modules"), path.join(target, "node_modules"));
}
