// What llama.cpp's own benchmark programs say: prompt speed, and decoding of many sequences at a time.
import path from "node:path";

const THREADS = (threads) => ["-t", String(threads), "-tb", String(threads)];

/** Tokens a second of one prompt of `tokens`, logits of its last token. */
export async function promptSpeed(runner, bin, file, { tokens, repeats, threads, label }) {
  return await runner.quietly(label, async () => {
    const args = [
      "-m",
      file,
      "-p",
      String(tokens),
      "-n",
      "0",
      "-t",
      String(threads),
      "-r",
      String(repeats),
      "-o",
      "json",
    ];
    const { text, foreignCpu } = await runner.run(path.join(bin, "llama-bench"), args);
    const [{ avg_ts: tokensPerSecond, samples_ts: samples }] = JSON.parse(text);
    return { tokensPerSecond, samples, foreignCpu };
  });
}

/**
 * Batched runs, each of `sequences` prompts of their own: [{ sequences, promptTokensPerSecond, tokensPerSecond }], the
 * speeds being those of all sequences together.
 */
export async function batchedSpeed(runner, bin, file, { prompt, newTokens, sequences, threads, label }) {
  return await runner.quietly(label, async () => {
    const context = Math.max(...sequences) * (prompt + newTokens);
    const sizes = [
      "-c",
      String(context),
      "-b",
      "2048",
      "-ub",
      "512",
      "-npp",
      String(prompt),
      "-ntg",
      String(newTokens),
    ];
    const args = ["-m", file, ...sizes, "-npl", sequences.join(","), ...THREADS(threads), "--output-format", "jsonl"];
    const { text, foreignCpu } = await runner.run(path.join(bin, "llama-batched-bench"), args);
    const rows = text
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line));
    const runs = rows.map((row) => ({
      sequences: row.pl,
      promptTokensPerSecond: row.speed_pp,
      tokensPerSecond: row.speed_tg,
    }));
    if (runs.length !== sequences.length) {
      throw new Error(`[bench] llama-batched-bench gave ${runs.length} rows; expected ${sequences.length}`);
    }
    return { runs, foreignCpu };
  });
}
