// Where a command's words go: results to stdout, everything else to stderr; with --json one object to stdout.
import { styleText } from "node:util";

/** What a command writes with. */
export interface Console {
  readonly isJson: boolean;
  /** A line for people, on stderr. */
  log(line: string): void;
  warn(line: string): void;
  /** The command's result: `text` for people on stdout, or `value` as the one JSON object. */
  result(value: object, text: string): void;
}

export function makeConsole(isJson: boolean): Console {
  return {
    isJson,
    log: (line) => process.stderr.write(`${line}\n`),
    warn: (line) => process.stderr.write(`${colored("yellow", "warning:")} ${line}\n`),
    result: (value, text) => process.stdout.write(isJson ? `${JSON.stringify(value)}\n` : `${text}\n`),
  };
}

/** Text in a colour where stderr shows colours. */
export function colored(color: "yellow" | "red" | "green" | "dim", text: string): string {
  const isWanted = process.stderr.isTTY && process.env.NO_COLOR === undefined;
  return isWanted ? styleText(color, text) : text;
}

/** "1:05" or "2:03:09". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** "1.5 GiB". */
export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length - 1, count < 1 ? 0 : Math.floor(Math.log2(count) / 10));
  const value = count / 2 ** (10 * power);
  return `${power === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[power]}`;
}
