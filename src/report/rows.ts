// Rows of metrics.jsonl and completions.jsonl as they come: fields may be missing, and numbers may be null.

export type Row = Readonly<Record<string, unknown>>;

/** The field as a finite number; undefined when it is anything else. */
export function numberAt(row: Row, field: string): number | undefined {
  const value = row[field];
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** The field as text; "" when it is anything else. */
export function textAt(row: Row, field: string): string {
  const value = row[field];
  return typeof value === "string" ? value : "";
}

/** The rewards of the rows by name, in the order of their first mention. */
export function rewardNames(rows: readonly Row[]): string[] {
  const prefix = "rewards/";
  const fields = new Set(rows.flatMap((row) => Object.keys(row)).filter((field) => field.startsWith(prefix)));
  return [...fields].map((field) => field.slice(prefix.length));
}
