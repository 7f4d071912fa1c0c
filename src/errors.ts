// The one error of the package: a code that programs read, a message that people read, an exit status for shells.

/** Every code that RlvrError carries; the native engine throws the same names. */
export const errorCodes = [
  "RLVR_BAD_ARGUMENT",
  "RLVR_BAD_CHECKPOINT",
  "RLVR_BAD_STATE",
  "RLVR_UNSUPPORTED_OP",
  "RLVR_OUT_OF_MEMORY",
  "RLVR_IO",
  "RLVR_ABORTED",
  "RLVR_DISPOSED",
  "RLVR_BUSY",
  "RLVR_INTERNAL",
  "RLVR_CUDA",
  "RLVR_NO_ADDON",
  "RLVR_USAGE",
  "RLVR_BAD_CONFIG",
  "RLVR_BAD_DATA",
  "RLVR_BAD_REWARD",
  "RLVR_BAD_TEMPLATE",
  "RLVR_NETWORK",
  "RLVR_NOT_FOUND",
  "RLVR_LOCKED",
  "RLVR_NO_SIGNAL",
  "RLVR_DIVERGED",
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** Statuses of every `rlvr` command. */
export const exitStatus = {
  ok: 0,
  failure: 1,
  usage: 2,
  environment: 3,
  outOfMemory: 4,
  data: 5,
  interrupted: 130,
} as const;

const statusOfCode: Readonly<Partial<Record<ErrorCode, number>>> = {
  RLVR_USAGE: exitStatus.usage,
  RLVR_BAD_CONFIG: exitStatus.usage,
  RLVR_BAD_ARGUMENT: exitStatus.usage,
  RLVR_CUDA: exitStatus.environment,
  RLVR_NO_ADDON: exitStatus.environment,
  RLVR_UNSUPPORTED_OP: exitStatus.environment,
  RLVR_OUT_OF_MEMORY: exitStatus.outOfMemory,
  RLVR_BAD_DATA: exitStatus.data,
  RLVR_BAD_CHECKPOINT: exitStatus.data,
  RLVR_NOT_FOUND: exitStatus.data,
  RLVR_NETWORK: exitStatus.data,
  RLVR_ABORTED: exitStatus.interrupted,
};

/** A failure that a user can act on. The message says what was being done, what came, what was expected, what to do. */
export class RlvrError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "RlvrError";
    this.code = code;
  }
}

/** The exit status for whatever was thrown: by code for an RlvrError, 1 for anything else. */
export function exitStatusOf(error: unknown): number {
  if (error instanceof RlvrError) return statusOfCode[error.code] ?? exitStatus.failure;
  if (error instanceof Error && error.name === "AbortError") return exitStatus.interrupted;
  return exitStatus.failure;
}

/** The operating system's refusals as RLVR_IO with the reason in words; a disk that is full says so. */
export function ioError(doing: string, cause: unknown): RlvrError {
  if (cause instanceof RlvrError) return cause;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const reasons: Record<string, string> = {
    ENOSPC: "the disk is full; free some space or choose another folder with output.dir",
    EDQUOT: "the disk quota is exceeded; free some space or choose another folder with output.dir",
    EROFS: "the file system is read-only; choose another folder with output.dir",
    EACCES: "permission denied; check the owner and the mode of the folder",
    EPERM: "the system does not permit it; check the owner and the mode of the folder",
    ENOENT: "no such file or folder",
    EISDIR: "it is a folder; a file was expected",
    ENOTDIR: "a part of the path is a file; a folder was expected",
    EIO: "the device reported an input/output error",
    EMFILE: "too many open files",
  };
  const reason = reasons[code] ?? (cause instanceof Error ? cause.message : String(cause));
  return new RlvrError("RLVR_IO", `[io] ${doing}: ${reason}${code === "" ? "" : ` (${code})`}`, { cause });
}
