// The goals as a table for the terminal, and as Markdown for bench/README.md, which holds it between two marks.
const BEGIN = "<!-- bench:compare -->";
const END = "<!-- /bench:compare -->";

const number = (value) => (value === null ? "-" : value < 0.01 ? value.toExponential(1) : value.toFixed(2));
const bound = ({ goal, atMost, stretch }) =>
  `${atMost ? "at most" : "at least"} ${goal < 0.01 ? goal.toExponential(0) : goal}${stretch ? ` (${stretch})` : ""}`;
const verdict = ({ met }) => (met === null ? "unknown" : met ? "yes" : "NO");
const percent = ({ foreignCpu }) => (foreignCpu === undefined ? "" : `${(100 * foreignCpu).toFixed(1)} %`);

const HEAD = ["goal", "found", "wanted", "met", "ours", "peer", "others' CPU", "what"];
const row = (goal) => [
  goal.name,
  number(goal.value),
  bound(goal),
  verdict(goal),
  `${goal.ours ?? ""}`,
  `${goal.peer ?? ""}`,
  percent(goal),
  [goal.unit, goal.note].filter(Boolean).join("; "),
];

/** Columns side by side. */
export function textTable(goals) {
  const rows = [HEAD, ...goals.map(row)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((cells) => cells[column].length)));
  return rows
    .map((cells) =>
      cells
        .map((cell, i) => cell.padEnd(widths[i]))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** The Markdown of one results file; `file` is its name in bench/results. */
export function markdownTable(result, file) {
  const lines = [HEAD, HEAD.map(() => "---"), ...result.goals.map(row)].map((cells) => `| ${cells.join(" | ")} |`);
  const { cpu, node } = result.machine;
  const versions = Object.entries(result.versions).map(([name, version]) => `${name} ${version}`);
  return [
    `\`${result.command}\`, ${result.date}, ${cpu}, ${result.threads} threads, Node.js ${node} ` +
      `([results/${file}](results/${file})). Peers: ${versions.join(", ")}.`,
    "",
    ...lines,
  ].join("\n");
}

/** `readme` with the table between its marks. */
export function withTable(readme, table) {
  const begin = readme.indexOf(BEGIN);
  const end = readme.indexOf(END);
  if (begin < 0 || end < begin)
    throw new Error(`[bench] README.md has no ${BEGIN} ... ${END} to put the table between`);
  return `${readme.slice(0, begin + BEGIN.length)}\n${table}\n${readme.slice(end)}`;
}
