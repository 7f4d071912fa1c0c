// Text broken into lines at words.

/** Lines of at most `most` characters where words allow it; a longer word is cut with an ellipsis. At most three lines. */
export function wrapped(text: string, most: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const short = [...word].length > most ? `${[...word].slice(0, most - 1).join("")}…` : word;
    const last = lines.at(-1);
    if (last !== undefined && [...last].length + 1 + [...short].length <= most)
      lines[lines.length - 1] = `${last} ${short}`;
    else lines.push(short);
  }
  return lines.length <= 3 ? lines : [...lines.slice(0, 2), `${lines[2]}…`];
}
