// Where data files come from: a folder on this machine, a repository of the hub, an archive.

/** Files by their path below a root, parts separated by "/". */
export interface DataFolder {
  /** What it is called in messages. */
  readonly name?: string;
  /** The paths of all files. */
  list(): Promise<string[]>;
  read(path: string): Promise<Uint8Array>;
}
