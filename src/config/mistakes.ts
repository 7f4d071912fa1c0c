// Schema issues in words: what came, what was expected, and which key was probably meant.
import type { z } from "zod";
import { nearest } from "./nearest.ts";
import type { Mistake, OptionInfo } from "./option.ts";

type Issue = z.core.$ZodIssue;
type Options = ReadonlyMap<string, OptionInfo>;

/** One mistake for each issue; an unknown key is one each. `value` is what was checked. */
export function mistakesOf(issues: readonly Issue[], value: unknown, options: Options): Mistake[] {
  return issues.flatMap((issue) => {
    const path = issue.path.map(String);
    if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey([...path, key], options));
    if (issue.code === "invalid_union") return [unionMistake(issue, path, value, options)];
    return [{ path: path.join("."), message: messageOf(issue, valueAt(value, path)) }];
  });
}

function unknownKey(path: readonly string[], options: Options): Mistake {
  const parent = path.slice(0, -1).join(".");
  const key = path.at(-1) ?? "";
  const meant = nearest(key, siblings(parent, options)) ?? elsewhere(key, options);
  const known = siblings(parent, options);
  const hint = meant === undefined ? `; known here: ${known.join(", ") || "nothing"}` : `; did you mean ${meant}?`;
  return { path: path.join("."), message: `unknown key${hint}` };
}

/** The keys that a section has. */
function siblings(parent: string, options: Options): string[] {
  const depth = parent === "" ? 0 : parent.split(".").length;
  const prefix = parent === "" ? "" : `${parent}.`;
  const keys = [...options.keys()].filter((path) => path.startsWith(prefix));
  return [...new Set(keys.map((path) => path.split(".")[depth] ?? ""))];
}

/** The full path of an option of that name, or nearly, in any section: "lr" is "optimizer.lr". */
function elsewhere(key: string, options: Options): string | undefined {
  const paths = [...options.keys()];
  const name = nearest(
    key,
    paths.map((path) => path.slice(path.lastIndexOf(".") + 1)),
  );
  return name === undefined ? undefined : paths.find((path) => path === name || path.endsWith(`.${name}`));
}

/** Of a union, the branch that came closest: the one whose first issue lies deepest. */
function unionMistake(
  issue: Issue & { code: "invalid_union" },
  path: readonly string[],
  value: unknown,
  options: Options,
): Mistake {
  const branches = issue.errors.filter((branch) => branch.length > 0);
  const deepest = branches.find((branch) => branch.some((inner) => inner.path.length > 0 || "keys" in inner));
  if (deepest !== undefined) {
    const [inner] = mistakesOf(deepest, valueAt(value, path), options);
    if (inner !== undefined)
      return { path: [...path, inner.path].filter((part) => part !== "").join("."), message: inner.message };
  }
  const custom = branches.flat().find((inner) => inner.code === "invalid_format");
  const got = `got ${show(valueAt(value, path))}`;
  if (custom !== undefined) return { path: path.join("."), message: `${got}; expected ${custom.message}` };
  const expected = branches.map((branch) => expectation(branch[0] as Issue));
  return { path: path.join("."), message: `${got}; expected ${[...new Set(expected)].join(" or ")}` };
}

function messageOf(issue: Issue, value: unknown): string {
  if (value === undefined) return `is missing; expected ${expectation(issue)}`;
  return `got ${show(value)}; expected ${expectation(issue)}`;
}

function expectation(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return (
        { int: "a whole number", number: "a number", string: "text", array: "a list", object: "a section" }[
          issue.expected as string
        ] ?? `a ${issue.expected}`
      );
    case "invalid_value":
      return `${issue.values.length > 1 ? "one of " : ""}${issue.values.join(", ")}`;
    case "too_small":
      if (issue.origin === "string") return "text that is not empty";
      if (issue.origin === "array") return `at least ${issue.minimum} in the list`;
      return `${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}`;
    case "too_big":
      return `${issue.inclusive === false ? "less than" : "at most"} ${issue.maximum}`;
    default:
      return issue.message;
  }
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (typeof at === "object" && at !== null && Object.hasOwn(at, key) ? Reflect.get(at, key) : undefined),
    value,
  );
}
