// Text into HTML that stays text, and the page around it.

import { createHash } from "node:crypto";

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text for element content and quoted attributes. Control characters, which HTML forbids, become visible. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] as string).replace(/\p{Cc}/gu, visibleControl);
}

/** Unicode's picture of a control character; tabs and line breaks stay. */
function visibleControl(character: string): string {
  const code = character.charCodeAt(0);
  if (character === "\t" || character === "\n" || character === "\r") return character;
  return code < 0x20 ? String.fromCodePoint(0x2400 + code) : code === 0x7f ? "\u2421" : "\uFFFD";
}

/** JSON for a script element: no "<" is left, so nothing in it can end the element or open a comment. */
export function jsonIsland(id: string, value: unknown): string {
  const json = JSON.stringify(value).replace(
    /[<\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `<script type="application/json" id="${escapeHtml(id)}">${json}</script>`;
}

/** The digest by which a page's policy admits one of its own elements. */
function hashOf(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

/**
 * A page that loads nothing: one style element, and one script element if there is a `script`, each admitted by its hash.
 * Without a script nothing runs.
 */
export function page(title: string, style: string, body: string, script?: string): string {
  if (script !== undefined && /<\/?script|<!--/i.test(script))
    throw new RangeError("the page's own script would end early");
  const scripts = script === undefined ? "" : ` script-src ${hashOf(script)};`;
  const policy = `default-src 'none'; style-src ${hashOf(style)};${scripts} base-uri 'none'; form-action 'none'`;
  const element = script === undefined ? "" : `\n<script>${script}</script>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
${body}${element}
</body>
</html>
`;
}
