// Python's idea of white space and of letter case, which the paper's reward functions depend on.

// str.isspace(), str.strip() and \s of a str pattern agree on these 29 characters (checked over all code points with
// Python 3.11). JavaScript's \s lacks U+001C to U+001F and U+0085 and has U+FEFF.
const spaces = new Set(
  "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a" +
    "\u2028\u2029\u202f\u205f\u3000",
);

/** Whether `\s` of a Python str pattern matches the character at `index`; false past the end. */
export function isPythonSpace(text: string, index: number): boolean {
  return index < text.length && spaces.has(text.charAt(index));
}

/** `text.strip()` of Python. */
export function pythonStrip(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && spaces.has(text.charAt(start))) start += 1;
  while (end > start && spaces.has(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

// Characters that re.IGNORECASE takes for one another although their lower-case forms differ (CPython's
// Lib/re/_casefix.py): each group is written with the member that stands for it in front.
const equalCases =
  "iı sſ µμ \u0345ι\u1fbe \u0390\u1fd3 \u03b0\u1fe3 βϐ εϵ θϑ κϰ πϖ ρϱ ςσ φϕ вᲀ дᲁ оᲂ сᲃ тᲄᲅ ъᲆ ѣᲇ \u1c88ꙋ ṡẛ ﬅﬆ".split(
    " ",
  );
const caseRepresentative = new Map<number, number>();
for (const group of equalCases) {
  const members = Array.from(group, (character) => character.codePointAt(0) ?? 0);
  for (const member of members) caseRepresentative.set(member, members[0] ?? member);
}

function caseKey(character: string): number {
  // The first code point only: U+0130 lowers to "i" and a combining dot, and Python compares the "i".
  const lower = character.toLowerCase().codePointAt(0) ?? 0;
  return caseRepresentative.get(lower) ?? lower;
}

/** Whether `text` begins with `prefix` as `re.compile(re.escape(prefix), re.IGNORECASE).match(text)` decides. */
export function startsWithIgnoringCase(text: string, prefix: string): boolean {
  const characters = text[Symbol.iterator]();
  for (const expected of prefix) {
    const actual = characters.next();
    if (actual.done === true) return false;
    if (actual.value !== expected && caseKey(actual.value) !== caseKey(expected)) return false;
  }
  return true;
}

/** `text.count(part)` of Python: occurrences that do not overlap. */
export function countOccurrences(text: string, part: string): number {
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count += 1;
  return count;
}
