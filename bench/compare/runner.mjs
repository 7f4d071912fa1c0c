// Runs the programs of a comparison one at a time, watches who else used the machine meanwhile, and says how far it is.
import { spawn } from "node:child_process";
import path from "node:path";
import { startMeter } from "../meter.mjs";

const clock = (seconds) =>
  `${Math.floor(seconds / 60)}:${Math.floor(seconds % 60)
    .toString()
    .padStart(2, "0")}`;

/** A program and its arguments as someone would type them, without the folders they lie in. */
const shown = (command, args) =>
  [command, ...args].map((word) => (path.isAbsolute(word) ? path.basename(word) : word)).join(" ");

export class Runner {
  /** The commands that ran, for the results file. */
  commands = new Set();
  #begin = Date.now();
  #expected = 0;
  #done = 0;
  #part = { label: "", seconds: 0, begin: 0 };

  /** foreignLimit: the share of the machine that others may use in a run that counts. */
  constructor({ foreignLimit, attempts }) {
    this.foreignLimit = foreignLimit;
    this.attempts = attempts;
  }

  /** Announces work: about how many quiet seconds all of it takes. */
  expect(seconds) {
    this.#expected += seconds;
  }

  /** Which part of the expected work begins now; the one before it is done. */
  begin(label, seconds) {
    this.#done += this.#part.seconds;
    this.#part = { label, seconds, begin: Date.now() };
  }

  say(text) {
    const elapsed = (Date.now() - this.#begin) / 1000;
    // What is left takes as much longer than expected as what is done did; before anything is done, as expected.
    const { label, seconds, begin } = this.#part;
    const pace = this.#done > 0 ? (begin - this.#begin) / 1000 / this.#done : 1;
    const inPart = Math.min(seconds, (Date.now() - begin) / 1000 / pace);
    const left = (this.#expected - this.#done - inPart) * pace;
    console.error(`[bench] ${clock(elapsed)}, about ${clock(left)} left | ${label}: ${text}`);
  }

  /** Runs a program once: what it wrote to stdout, and the share of the machine that neither it nor we used. */
  async run(command, args, { env = {} } = {}) {
    this.commands.add(shown(command, args));
    const stop = startMeter({ children: true });
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
    const out = [];
    let errors = "";
    child.stdout.on("data", (bytes) => out.push(bytes));
    child.stderr.on("data", (bytes) => {
      errors = `${errors}${bytes}`.slice(-4000);
    });
    const status = await new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => resolve(code ?? signal));
    });
    if (status !== 0) throw new Error(`[bench] ${shown(command, args)} ended with ${status}:\n${errors.trim()}`);
    return { text: Buffer.concat(out).toString(), foreignCpu: stop().foreignCpu };
  }

  /**
   * A measurement on a quiet machine: `measure` gives an object with its foreignCpu; it is repeated while that is above
   * the limit, and the quietest is kept.
   */
  async quietly(label, measure, attempts = this.attempts) {
    let best;
    for (let attempt = 1; attempt <= attempts; attempt++) {
      this.say(label);
      const result = await measure();
      if (best === undefined || result.foreignCpu < best.foreignCpu) best = result;
      if (best.foreignCpu <= this.foreignLimit) break;
      const again = attempt < attempts ? "discarded, once more" : "the quietest is kept, and proves nothing";
      this.say(`${label}: foreign CPU ${(100 * result.foreignCpu).toFixed(1)} %; ${again}`);
    }
    return best;
  }

  /** A program whose last line on stdout is one JSON object with its own foreignCpu (Python: foreign_cpu). */
  async json(label, command, args, attempts) {
    return await this.quietly(
      label,
      async () => {
        const { text } = await this.run(command, args);
        const result = JSON.parse(text.trim().split("\n").at(-1));
        const inner = (result.results ?? []).map((part) => part.foreignCpu);
        return { ...result, foreignCpu: result.foreignCpu ?? result.foreign_cpu ?? Math.max(0, ...inner) };
      },
      attempts,
    );
  }

  /** A B A B: each side in turn, `rounds` times; { side: [result, ...] }. */
  async alternate(rounds, sides) {
    const results = Object.fromEntries(Object.keys(sides).map((side) => [side, []]));
    for (let round = 1; round <= rounds; round++) {
      for (const [side, measure] of Object.entries(sides)) {
        results[side].push(await measure(rounds > 1 ? `, ${round} of ${rounds}` : ""));
      }
    }
    return results;
  }
}

/** The largest foreign share among measurements. */
export const foreignOf = (...results) => Math.max(0, ...results.flat(2).map((result) => result.foreignCpu));
