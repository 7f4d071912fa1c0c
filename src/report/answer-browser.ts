/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
// The answers' browser: this module's functions run in the page, as the text that answerBrowserScript gives. They use
// one another and nothing else, so the page needs no other script. What a model wrote is only ever set as text.
import type { AnswerIndex, PackedAnswers, PackedQuestion } from "./answer-blocks.ts";

/** The script of the page. */
export function answerBrowserScript(): string {
  const functions = [
    unpack,
    makeBlockReader,
    makeElement,
    visibleText,
    matchesStatus,
    questionItem,
    answerParts,
    startBrowser,
  ];
  return `"use strict";\n${functions.map(String).join("\n")}\nstartBrowser();\n`;
}

/** The JSON of a block: base64, then deflate. */
async function unpack(id: string): Promise<unknown> {
  const text = atob((document.getElementById(id)?.textContent ?? "").trim());
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
}

interface BlockReader<T> {
  /** The row at a place of the index. */
  row(at: number): Promise<T>;
}

/** Reads rows out of blocks and keeps the blocks that were used last. */
function makeBlockReader<T>(prefix: string, starts: readonly number[]): BlockReader<T> {
  const kept = new Map<number, Promise<T[]>>();
  const blockAt = (at: number) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] as number) <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  return {
    async row(at) {
      const block = blockAt(at);
      const rows = kept.get(block) ?? (unpack(`${prefix}-${block}`) as Promise<T[]>);
      kept.delete(block);
      kept.set(block, rows);
      const oldest = kept.keys().next().value;
      if (kept.size > 24 && oldest !== undefined) kept.delete(oldest);
      return (await rows)[at - (starts[block] as number)] as T;
    },
  };
}

/** An element with classes and a text; the text stays text. */
function makeElement<K extends keyof HTMLElementTagNameMap>(tag: K, classes: string, text?: string) {
  const element = document.createElement(tag);
  if (classes !== "") element.className = classes;
  if (text !== undefined) element.textContent = visibleText(text);
  return element;
}

/** Control characters become pictures of themselves; tabs and line breaks stay. */
function visibleText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x20 ? String.fromCodePoint(0x2400 + code) : code === 0x7f ? "\u2421" : "\ufffd";
  });
}

/** Whether a question is shown: `flags` are those of the chosen runs, `all` those of every run; "-" is not answered. */
function matchesStatus(status: string, flags: readonly string[], all: readonly string[]): boolean {
  const has = (flag: string, bit: number) => flag !== "-" && (Number(flag) & bit) !== 0;
  if (status === "wrong") return flags.some((flag) => flag !== "-" && !has(flag, 1));
  if (status === "right") return flags.some((flag) => has(flag, 1));
  if (status === "unparsed") return flags.some((flag) => has(flag, 2));
  if (status === "truncated") return flags.some((flag) => has(flag, 4));
  const [base, ...later] = all;
  if (base === undefined || base === "-") return status === "all";
  const others = flags.length === 1 ? flags : later;
  if (status === "gained") return !has(base, 1) && others.some((flag) => has(flag, 1));
  if (status === "lost") return has(base, 1) && others.some((flag) => flag !== "-" && !has(flag, 1));
  if (status === "changed") return others.some((flag) => flag !== "-" && has(flag, 1) !== has(base, 1));
  return true;
}

/** One question of the list: a line that opens to its options and answers. */
function questionItem(
  index: AnswerIndex,
  at: number,
  [question, options]: PackedQuestion,
  answersOf: (at: number) => Promise<PackedAnswers>,
): HTMLElement {
  const item = makeElement("details", "question");
  const summary = makeElement("summary", "");
  const subject = index.subjects[index.subject[at] as number] ?? "";
  summary.append(makeElement("span", "subject", subject.replaceAll("_", " ")));
  const excerpt = makeElement("bdi", "excerpt", question.length > 160 ? `${question.slice(0, 160)}…` : question);
  summary.append(excerpt);
  const marks = makeElement("span", "marks");
  for (const [run, flags] of index.flags.entries()) {
    const flag = flags[at] ?? "-";
    const kind = flag === "-" ? "none" : (Number(flag) & 1) === 1 ? "right" : "wrong";
    const read = flag === "-" ? "–" : (index.extracted[run]?.[at] ?? "?");
    const mark = makeElement("span", `mark ${kind}`, read.length > 12 ? `${read.slice(0, 12)}…` : read);
    mark.title = visibleText(`${index.runs[run]}: ${kind === "none" ? "not answered" : kind}`);
    marks.append(mark);
  }
  summary.append(marks);
  item.append(summary);
  item.addEventListener("toggle", async () => {
    if (!item.open || item.childElementCount > 1) return;
    const body = makeElement("div", "opened");
    item.append(body);
    const text = makeElement("p", "question-text", question);
    text.dir = "auto";
    body.append(text);
    if (options.length > 0) {
      const list = makeElement("ul", "options");
      for (const [place, option] of options.entries()) {
        const letter = String.fromCharCode(65 + place);
        const line = makeElement("li", letter === index.gold[at] ? "gold" : "");
        line.append(makeElement("b", "", `${letter}. `), makeElement("bdi", "", option));
        list.append(line);
      }
      body.append(list);
    }
    body.append(makeElement("p", "note", `Right answer: ${index.gold[at]} · ${index.id[at]}`));
    body.append(...answerParts(index, at, await answersOf(at)));
  });
  return item;
}

/** What each run answered. */
function answerParts(index: AnswerIndex, at: number, answers: PackedAnswers): HTMLElement[] {
  return answers.map((answer, run) => {
    const part = makeElement("section", "answer");
    const flag = index.flags[run]?.[at] ?? "-";
    const bits = flag === "-" ? 0 : Number(flag);
    const read = index.extracted[run]?.[at] ?? null;
    const words = [
      answer === null ? "not answered" : (bits & 1) === 1 ? "right" : "wrong",
      answer === null ? "" : read === null ? "nothing could be read" : `read as ${read}`,
      (bits & 4) === 4 ? "cut by the length limit" : "",
      answer !== null && answer[0] !== null ? `${answer[1]} tokens` : "",
    ];
    const heading = makeElement("h4", `s${run + 1}`);
    heading.append(
      makeElement("bdi", "", index.runs[run]),
      makeElement("small", "", ` ${words.filter((word) => word !== "").join(" · ")}`),
    );
    part.append(heading);
    if (answer === null) return part;
    const [text, , logprobs] = answer;
    if (text !== null) {
      const shown = makeElement("pre", "", text);
      shown.dir = "auto";
      shown.tabIndex = 0;
      part.append(shown);
    }
    if (logprobs !== null) {
      const numbers = Object.entries(logprobs).map(
        ([letter, value]) => `${letter} ${value === null ? "−∞" : value.toFixed(3)}`,
      );
      part.append(makeElement("p", "note", `Logprobs: ${numbers.join(", ")}`));
    }
    return part;
  });
}

/** Fills the filters, and shows a page of questions whenever one changes. */
async function startBrowser(): Promise<void> {
  const root = document.getElementById("browser");
  if (root === null) return;
  const find = <T extends HTMLElement>(name: string) => root.querySelector(`[data-part="${name}"]`) as T;
  const list = find("list");
  const status = find("status");
  let index: AnswerIndex;
  try {
    index = (await unpack("answers-index")) as AnswerIndex;
  } catch (error) {
    status.textContent = `The answers could not be unpacked (${String(error)}). A browser of 2023 or later can.`;
    return;
  }
  const questions = makeBlockReader<PackedQuestion>("questions", index.questionBlocks);
  const answers = makeBlockReader<PackedAnswers>("answers", index.answerBlocks);
  const pageSize = 25;
  const controls = {
    benchmark: find<HTMLSelectElement>("benchmark"),
    subject: find<HTMLSelectElement>("subject"),
    run: find<HTMLSelectElement>("run"),
    kind: find<HTMLSelectElement>("kind"),
    search: find<HTMLInputElement>("search"),
  };
  const fill = (select: HTMLSelectElement, names: readonly string[], places: readonly number[]) => {
    while (select.options.length > 1) select.remove(1);
    for (const place of places) {
      const option = makeElement("option", "", names[place]);
      option.value = String(place);
      select.append(option);
    }
  };
  const everyPlace = (names: readonly string[]) => names.map((_, place) => place);
  fill(controls.benchmark, index.benchmarks, everyPlace(index.benchmarks));
  fill(controls.run, index.runs, everyPlace(index.runs));
  const subjectNames = index.subjects.map((name) => name.replaceAll("_", " "));
  const fillSubjects = () => {
    const benchmark = controls.benchmark.value;
    const used = new Set(
      index.subject.filter((_, at) => benchmark === "" || index.benchmark[at] === Number(benchmark)),
    );
    const order = [...used].sort((a, b) => ((subjectNames[a] as string) < (subjectNames[b] as string) ? -1 : 1));
    fill(controls.subject, subjectNames, order);
  };
  fillSubjects();

  let found: number[] = [];
  let page = 0;
  let turn = 0; // a later search ends an earlier one

  const show = async () => {
    const mine = turn;
    const pages = Math.max(1, Math.ceil(found.length / pageSize));
    page = Math.min(Math.max(0, page), pages - 1);
    const shown = found.slice(page * pageSize, (page + 1) * pageSize);
    const rows = await Promise.all(shown.map((at) => questions.row(at)));
    if (mine !== turn) return;
    list.replaceChildren(...rows.map((row, i) => questionItem(index, shown[i] as number, row, answers.row)));
    const last = page * pageSize + shown.length;
    status.textContent =
      found.length === 0
        ? `None of ${index.id.length.toLocaleString("en-US")} questions`
        : `${(page * pageSize + 1).toLocaleString("en-US")}–${last.toLocaleString("en-US")} of ${found.length.toLocaleString("en-US")} questions`;
    find<HTMLButtonElement>("previous").disabled = page === 0;
    find<HTMLButtonElement>("next").disabled = page === pages - 1;
    root.dataset.state = "ready";
  };

  const search = async () => {
    turn += 1;
    const mine = turn;
    root.dataset.state = "busy";
    const [benchmark, subject, run] = [controls.benchmark.value, controls.subject.value, controls.run.value];
    const words = controls.search.value.trim().toLowerCase();
    const passing: number[] = [];
    for (let at = 0; at < index.id.length; at += 1) {
      if (benchmark !== "" && index.benchmark[at] !== Number(benchmark)) continue;
      if (subject !== "" && index.subject[at] !== Number(subject)) continue;
      const all = index.flags.map((flags) => flags[at] ?? "-");
      const chosen = run === "" ? all : [all[Number(run)] ?? "-"];
      if (matchesStatus(controls.kind.value, chosen, all)) passing.push(at);
    }
    if (words !== "") {
      const holding: number[] = [];
      for (const [count, at] of passing.entries()) {
        if (count % 500 === 0) {
          status.textContent = `Searching … ${Math.round((100 * count) / passing.length)} %`;
          await new Promise((resolve) => setTimeout(resolve));
        }
        const [question, options] = await questions.row(at);
        const has = (text: string | null | undefined) => text?.toLowerCase().includes(words) === true;
        const answered = () => answers.row(at).then((row) => row.some((answer) => has(answer?.[0])));
        if (has(index.id[at]) || has(question) || options.some(has) || (await answered())) holding.push(at);
        if (mine !== turn) return;
      }
      found = holding;
    } else {
      found = passing;
    }
    page = 0;
    await show();
  };

  controls.benchmark.addEventListener("change", () => {
    fillSubjects();
    void search();
  });
  for (const control of [controls.subject, controls.run, controls.kind])
    control.addEventListener("change", () => void search());
  let waiting: ReturnType<typeof setTimeout> | undefined;
  controls.search.addEventListener("input", () => {
    root.dataset.state = "busy";
    clearTimeout(waiting);
    waiting = setTimeout(() => void search(), 250);
  });
  const turnPage = (by: number) => {
    page += by;
    void show();
    status.scrollIntoView({ block: "nearest" });
  };
  find("previous").addEventListener("click", () => turnPage(-1));
  find("next").addEventListener("click", () => turnPage(1));
  await search();
}
