// A line of a terminal that shows how far something is.
import { Presets, SingleBar } from "cli-progress";

/** One line at the bottom of the terminal that shows how far a phase is. */
export class LiveLine {
  #bar: SingleBar | undefined;
  #what = "";

  /** `rest` says what else there is to know, such as the time that is left. */
  show(what: string, done: number, total: number, rest = ""): void {
    if (this.#bar === undefined || this.#what !== what) {
      this.clear();
      this.#what = what;
      this.#bar = new SingleBar(
        {
          format: "{what} {bar} {percentage} % {rest}",
          stream: process.stderr,
          clearOnComplete: true,
          hideCursor: true,
          fps: 8,
        },
        Presets.shades_grey,
      );
      this.#bar.start(total, 0, { what, rest });
    }
    this.#bar.setTotal(total);
    this.#bar.update(done, { rest });
  }

  clear(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
