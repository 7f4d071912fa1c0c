// A real Chromium for the tests that look at pages: CHROMIUM_PATH, or the system's.
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const places = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/usr/bin/google-chrome-stable",
];
const path = process.env.CHROMIUM_PATH ?? places.find(existsSync);

/** Without Chromium these tests are skipped, which is said; with CI=true they fail instead. */
export const skipsBrowser = path === undefined && process.env.CI !== "true";
const howToGet = "no Chromium found: apt-get install -y chromium, or set CHROMIUM_PATH to one";
if (skipsBrowser) console.warn(`${howToGet}; the tests that look at pages are skipped`);

/** Starts Chromium with a profile of its own that the end removes. */
export async function openChromium(): Promise<Browser> {
  if (path === undefined) throw new Error(howToGet);
  const quiet = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"];
  return await chromium.launch({ executablePath: path, args: ["--no-sandbox", "--disable-sync", ...quiet] });
}
