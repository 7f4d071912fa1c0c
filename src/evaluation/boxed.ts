// The contents of \boxed{…}, whatever braces stand inside.

/**
 * What stands in the last `\boxed{…}` whose braces balance; undefined without any. One pass: a box that is never closed
 * counts for nothing, whatever follows it.
 */
export function lastBoxed(text: string): string | undefined {
  const lead = "\\boxed{";
  const first = text.indexOf(lead);
  if (first < 0) return undefined;
  const open: { start: number; depth: number }[] = [];
  let depth = 0;
  let best: { start: number; end: number } | undefined;
  for (let at = first; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 123) {
      depth += 1;
      if (text.startsWith(lead, at - lead.length + 1)) open.push({ start: at + 1, depth });
    } else if (code === 125) {
      const last = open.at(-1);
      if (last !== undefined && last.depth === depth) {
        open.pop();
        if (best === undefined || last.start > best.start) best = { start: last.start, end: at };
      }
      if (depth > 0) depth -= 1;
    }
  }
  return best === undefined ? undefined : text.slice(best.start, best.end);
}
