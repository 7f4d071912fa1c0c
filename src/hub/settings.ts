// Where the hub is, where its files are kept, and who asks: the environment variables that Python's hub library reads.
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { RlvrError } from "../errors.ts";

export interface HubSettings {
  /** Without a slash at its end. */
  readonly endpoint: string;
  /** The folder that holds models--… and datasets--…. */
  readonly cache: string;
  /** Never printed and sent to the endpoint's own origin only. */
  readonly token: string | undefined;
  /** Where a token is looked for when HF_TOKEN is not set. */
  readonly tokenFile: string;
  /** Only what is in the cache is used. */
  readonly isOffline: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads HF_ENDPOINT, HF_HOME, HF_HUB_CACHE (or HUGGINGFACE_HUB_CACHE), HF_TOKEN, HF_TOKEN_PATH and HF_HUB_OFFLINE.
 * Throws RLVR_BAD_CONFIG for an endpoint that is not an http(s) address.
 */
export async function hubSettings(env: Environment = process.env): Promise<HubSettings> {
  const home = env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface");
  const tokenFile = env.HF_TOKEN_PATH || join(home, "token");
  return {
    endpoint: checkedEndpoint(env.HF_ENDPOINT || "https://huggingface.co"),
    cache: env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(home, "hub"),
    token: cleanToken(env.HF_TOKEN) ?? cleanToken(await readFile(tokenFile, "utf8").catch(() => undefined)),
    tokenFile,
    isOffline: /^(1|true|yes|on)$/i.test(env.HF_HUB_OFFLINE ?? ""),
  };
}

function cleanToken(text: string | undefined): string | undefined {
  const token = text?.trim();
  return token === "" ? undefined : token;
}

function checkedEndpoint(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new RlvrError(
      "RLVR_BAD_CONFIG",
      `[hub] HF_ENDPOINT is ${JSON.stringify(text)}; expected an address such as https://huggingface.co`,
    );
  }
  return text.replace(/\/+$/, "");
}
