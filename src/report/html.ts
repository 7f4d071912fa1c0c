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

/** A page that loads nothing and runs nothing: one style element, allowed by its hash. */
export function page(title: string, style: string, body: string): string {
  const hash = createHash("sha256").update(style).digest("base64");
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`;
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
${body}
</body>
</html>
`;
}
