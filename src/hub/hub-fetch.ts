// Requests to a hub: the token to its own origin only, another try when the server is busy or the line is cut, and
// refusals in words that say what to do.
import { setTimeout as sleep } from "node:timers/promises";
import { RlvrError } from "../errors.ts";
import { type Repository, repositoryPage } from "./repository.ts";
import type { HubSettings } from "./settings.ts";

/** How patient a client is. Tests shorten the waits. */
export interface Patience {
  /** Tries of one request; for a file's content, tries that brought no byte. */
  readonly tries: number;
  /** The first wait; each further one is twice as long. */
  readonly waitMs: number;
  readonly longestWaitMs: number;
  /** A connection that brings nothing for so long is given up. */
  readonly silenceMs: number;
}

export const defaultPatience: Patience = { tries: 6, waitMs: 500, longestWaitMs: 30_000, silenceMs: 30_000 };

export class HubClient {
  readonly settings: HubSettings;
  readonly patience: Patience;
  readonly #signal: AbortSignal | undefined;
  readonly #origin: string;

  constructor(settings: HubSettings, patience: Patience, signal?: AbortSignal) {
    this.settings = settings;
    this.patience = patience;
    this.#signal = signal;
    this.#origin = new URL(settings.endpoint).origin;
  }

  /**
   * fetch with the token where it belongs; the connection ends when nothing comes for `silenceMs` and when the caller's
   * signal aborts. A redirect to another origin loses the token (fetch does that).
   */
  async once(address: string | URL, headers: Readonly<Record<string, string>>): Promise<SilentResponse> {
    const url = new URL(address, this.settings.endpoint);
    const { token } = this.settings;
    const authorization =
      token !== undefined && url.origin === this.#origin ? { authorization: `Bearer ${token}` } : {};
    const watchdog = new Watchdog(this.patience.silenceMs, this.#signal);
    try {
      const response = await fetch(url, { headers: { ...headers, ...authorization }, signal: watchdog.signal });
      return { response, watchdog };
    } catch (error) {
      watchdog.stop();
      this.#signal?.throwIfAborted();
      throw error;
    }
  }

  /** A whole answer, tried again while the server is busy or the line is cut. Statuses of 400 to 499 but 429 are final. */
  async ask(address: string | URL, repository: Repository, what: string): Promise<Response> {
    for (let failed = 0; ; ) {
      let reason: string;
      let wait: number | undefined;
      try {
        const { response, watchdog } = await this.once(address, { accept: "application/json" });
        try {
          const body = await response.arrayBuffer();
          if (!isBusy(response.status)) return new Response(body, response);
          reason = `the server answered ${response.status}`;
          wait = retryAfterMs(response);
        } finally {
          watchdog.stop();
        }
      } catch (error) {
        this.#signal?.throwIfAborted();
        reason = reasonOf(error);
      }
      failed += 1;
      if (failed >= this.patience.tries) throw this.networkError(repository, what, reason, failed);
      await this.rest(failed, wait);
    }
  }

  /** Waits before another try: as long as the server asked for, or longer each time. */
  async rest(failed: number, asked?: number): Promise<void> {
    const { waitMs, longestWaitMs } = this.patience;
    await sleep(Math.min(longestWaitMs, asked ?? waitMs * 2 ** (failed - 1)), undefined, {
      ...(this.#signal === undefined ? {} : { signal: this.#signal }),
    });
  }

  throwIfAborted(): void {
    this.#signal?.throwIfAborted();
  }

  networkError(repository: Repository, what: string, reason: string, tries: number): RlvrError {
    return new RlvrError(
      "RLVR_NETWORK",
      `[hub] ${what} of ${repository.id} from ${this.settings.endpoint}: ${reason} (${tries} tries). ` +
        "Try again later: what has arrived is kept. HF_HUB_OFFLINE=1 uses the cache alone; HF_ENDPOINT names a mirror.",
    );
  }

  /** The refusal of a status that another try would not change. */
  refusal(repository: Repository, response: Response, what: string): RlvrError {
    const { endpoint, token, tokenFile } = this.settings;
    const { id, revision } = repository;
    const page = repositoryPage(endpoint, repository);
    const code = response.headers.get("x-error-code");
    const withToken = `set HF_TOKEN, or write the token to ${tokenFile}`;
    if (code === "GatedRepo" || (response.status === 403 && code === null)) {
      const step = token === undefined ? `then ${withToken}` : "then try again: the token in use has no access yet";
      return new RlvrError(
        "RLVR_NETWORK",
        `[hub] ${id} is gated (status ${response.status}). Accept its terms at ${page} with your account, ${step}.`,
      );
    }
    if (response.status === 401 || response.status === 403) {
      const why = token === undefined ? `no token was sent; ${withToken}` : "the token in use does not open it";
      return new RlvrError(
        "RLVR_NETWORK",
        `[hub] ${id} is private or does not exist (status ${response.status}): ${why}. Its page would be ${page}.`,
      );
    }
    if (response.status === 404) {
      const missing =
        code === "RevisionNotFound"
          ? `${id} has no revision ${revision}`
          : code === "EntryNotFound"
            ? `${id} at ${revision} has no such file (${what})`
            : `there is no ${repository.type} ${id} at ${endpoint}`;
      return new RlvrError("RLVR_NOT_FOUND", `[hub] ${missing}. Check the id, or name a local path.`);
    }
    return new RlvrError("RLVR_NETWORK", `[hub] ${what} of ${id}: the server answered ${response.status}.`);
  }
}

export interface SilentResponse {
  readonly response: Response;
  /** Must be fed with every piece of the body, and stopped at its end. */
  readonly watchdog: Watchdog;
}

/** Ends a connection on which nothing happens. */
export class Watchdog {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #outer: AbortSignal | undefined;
  readonly #onAbort: () => void;

  constructor(silenceMs: number, outer: AbortSignal | undefined) {
    this.#timer = setTimeout(
      () => this.#controller.abort(new Error(`nothing came for ${silenceMs / 1000} s`)),
      silenceMs,
    );
    this.#outer = outer;
    this.#onAbort = () => this.#controller.abort(outer?.reason);
    if (outer?.aborted) this.#onAbort();
    outer?.addEventListener("abort", this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  feed(): void {
    this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#onAbort);
  }
}

/** Whether another try may succeed. */
export function isBusy(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

/** What the server asked for, in milliseconds: seconds or a date. */
export function retryAfterMs(response: Response): number | undefined {
  const header = response.headers.get("retry-after");
  if (header === null) return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** The innermost reason of a failed fetch. */
export function reasonOf(error: unknown): string {
  let reason = error;
  while (reason instanceof Error && reason.cause instanceof Error) reason = reason.cause;
  return reason instanceof Error ? reason.message : String(reason);
}
