// A hub on the loopback interface that behaves, or misbehaves as a test asks.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export const commit = "0123456789abcdef0123456789abcdef01234567";

export interface ServedFile {
  readonly path: string;
  readonly content: Buffer;
  /** Listed as a large file, with a sha256. */
  readonly isLarge?: boolean;
  /** What the list says instead of the truth. */
  readonly listedSize?: number;
}

export interface Seen {
  readonly url: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** Answers a request itself, or leaves it to the server by returning false. */
export type Misbehaviour = (request: IncomingMessage, response: ServerResponse, file?: ServedFile) => boolean;

export class HubServer implements AsyncDisposable {
  readonly seen: Seen[] = [];
  misbehave: Misbehaviour = () => false;
  readonly #server: Server;
  readonly #files: readonly ServedFile[];

  private constructor(files: readonly ServedFile[]) {
    this.#files = files;
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async start(files: readonly ServedFile[]): Promise<HubServer> {
    const server = new HubServer(files);
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    return server;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Requests for the content of files. */
  get downloads(): Seen[] {
    return this.seen.filter(({ url }) => url.includes("/resolve/"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = decodeURIComponent(request.url ?? "");
    this.seen.push({ url, range: request.headers.range, authorization: request.headers.authorization });
    const path = /\/resolve\/[^/]+\/(.*)$/.exec(url)?.[1];
    const file = this.#files.find((other) => other.path === path);
    if (this.misbehave(request, response, file)) return;
    if (url.includes("/revision/")) sendJson(response, { _id: "1", id: "owner/name", sha: commit });
    else if (url.includes("/tree/")) sendJson(response, this.#files.map(listed));
    else if (file === undefined) response.writeHead(404, { "x-error-code": "EntryNotFound" }).end();
    else sendContent(request, response, file.content);
  }
}

/** The content, or the part from `range` on. */
export function sendContent(request: IncomingMessage, response: ServerResponse, content: Buffer): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const part = content.subarray(from);
  const range = { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` };
  response.writeHead(from > 0 ? 206 : 200, { "content-length": part.length, ...(from > 0 ? range : {}) });
  response.end(part);
}

/** Announces everything, sends `count` bytes from where the request starts, and cuts the line. */
export function cutAfter(count: number): Misbehaviour {
  return (request, response, file) => {
    if (file === undefined) return false;
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const { content } = file;
    if (content.length - from <= count) return false;
    const range = { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` };
    response.writeHead(from > 0 ? 206 : 200, { "content-length": content.length - from, ...(from > 0 ? range : {}) });
    response.write(content.subarray(from, from + count), () => response.destroy());
    return true;
  };
}

export function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}

function listed({ path, content, isLarge, listedSize }: ServedFile): object {
  const size = listedSize ?? content.length;
  const oid = createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { type: "file", path, size, oid, ...(isLarge ? { lfs: { oid: sha256, size, pointerSize: 130 } } : {}) };
}
