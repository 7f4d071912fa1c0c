// What is measured on an open page: texts that touch, figures that are blank, what was said and asked for.
import { inflateSync } from "node:zlib";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";

export interface OpenPage {
  readonly page: Page;
  /** Errors and warnings of the console, and uncaught errors. */
  readonly complaints: readonly string[];
  /** Every request but the page itself. */
  readonly requests: readonly string[];
}

export async function openPage(browser: Browser, file: string, options: BrowserContextOptions = {}): Promise<OpenPage> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => {
    if (request.url() !== `file://${file}`) requests.push(request.url());
  });
  await page.goto(`file://${file}`);
  return { page, complaints, requests };
}

/** Pairs of texts of one figure that overlap, and texts that stick out of their figure. */
export async function textProblems(page: Page): Promise<string[]> {
  return await page.evaluate(() => {
    const problems: string[] = [];
    for (const svg of document.querySelectorAll("figure svg")) {
      const name = svg.closest("figure")?.querySelector("figcaption")?.textContent ?? "?";
      const frame = svg.getBoundingClientRect();
      const texts = [...svg.querySelectorAll("text")].map((text) => ({
        text: text.textContent,
        box: text.getBoundingClientRect(),
      }));
      for (const [i, { text, box }] of texts.entries()) {
        const slack = 1; // a glyph's edge is not a pixel's
        if (
          box.left < frame.left - slack ||
          box.right > frame.right + slack ||
          box.top < frame.top - slack ||
          box.bottom > frame.bottom + slack
        ) {
          problems.push(`${name}: "${text}" sticks out`);
        }
        for (const other of texts.slice(i + 1)) {
          const wide = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
          const high = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
          // Lines of one label have boxes that touch by their leading.
          if (wide > slack && high > 0.35 * Math.min(box.height, other.box.height)) {
            problems.push(`${name}: "${text}" and "${other.text}" overlap`);
          }
        }
      }
    }
    return problems;
  });
}

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A part of a picture: how many different colours it has, counted up to 50 (a blank one has one), and its ground's light. */
export function look(picture: Picture, box: Box = { x: 0, y: 0, ...picture }): { colors: number; isDark: boolean } {
  const { channels, pixels } = picture;
  const [left, top] = [Math.ceil(box.x), Math.ceil(box.y)];
  const [right, bottom] = [Math.floor(box.x + box.width), Math.floor(box.y + box.height)];
  const colorAt = (x: number, y: number) => {
    const at = (y * picture.width + x) * channels;
    return ((pixels[at] as number) << 16) | ((pixels[at + 1] as number) << 8) | (pixels[at + 2] as number);
  };
  const colors = new Set<number>();
  for (let y = top; y < bottom; ++y) {
    for (let x = left; x < right && colors.size < 50; ++x) colors.add(colorAt(x, y));
  }
  const ground = colorAt(left + 1, top + 1);
  return { colors: colors.size, isDark: (ground >> 16) + ((ground >> 8) & 255) + (ground & 255) < 384 };
}

/** Where each figure's picture lies on the whole page. */
export async function figureBoxes(page: Page): Promise<Box[]> {
  return await page.evaluate(() =>
    [...document.querySelectorAll("figure svg")].map((svg) => {
      const { x, y, width, height } = svg.getBoundingClientRect();
      return { x: x + scrollX, y: y + scrollY, width, height };
    }),
  );
}

export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly pixels: Uint8Array;
}

/** PNG of eight bits without interlacing, as browsers and resvg write it (W3C PNG, section 9: filters 0 to 4). */
export function decodePng(png: Uint8Array): Picture {
  const file = Buffer.from(png);
  const [width, height, colorType] = [file.readUInt32BE(16), file.readUInt32BE(20), file[25] as number];
  const channels = colorType === 6 ? 4 : 3;
  const parts: Buffer[] = [];
  for (let at = 8; at < file.length; at += 12 + file.readUInt32BE(at)) {
    if (file.toString("latin1", at + 4, at + 8) === "IDAT")
      parts.push(file.subarray(at + 8, at + 8 + file.readUInt32BE(at)));
  }
  const data = inflateSync(Buffer.concat(parts));
  const stride = width * channels;
  const pixels = new Uint8Array(height * stride);
  for (let y = 0; y < height; ++y) {
    const filter = data[y * (stride + 1)];
    for (let x = 0; x < stride; ++x) {
      const raw = data[y * (stride + 1) + 1 + x] as number;
      const left = x < channels ? 0 : (pixels[y * stride + x - channels] as number);
      const up = y === 0 ? 0 : (pixels[(y - 1) * stride + x] as number);
      const corner = x < channels || y === 0 ? 0 : (pixels[(y - 1) * stride + x - channels] as number);
      let guess = 0;
      if (filter === 1) guess = left;
      else if (filter === 2) guess = up;
      else if (filter === 3) guess = (left + up) >> 1;
      else if (filter === 4) guess = paeth(left, up, corner);
      pixels[y * stride + x] = raw + guess;
    }
  }
  return { width, height, channels, pixels };
}

function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner;
  const a = Math.abs(guess - left);
  const b = Math.abs(guess - up);
  const c = Math.abs(guess - corner);
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}
