// Prompts of an exact length for benchmarks: made-up vignettes, each its own text from the first words on.
const TEXT =
  "A 58-year-old woman has had increasing fatigue and pale skin for four months. Her hemoglobin is 8.1 g/dL, her mean " +
  "corpuscular volume is 70 fL and her ferritin is low. Which of the following explains these findings best? ";

/** `count` prompts of `tokens` ids each. */
export function vignettes(tokenizer, count, tokens) {
  return Array.from({ length: count }, (_, i) => {
    const text = `Case ${i}. ${TEXT.repeat(Math.ceil(tokens / 40) + 1)}`;
    const ids = tokenizer.encode(text).slice(0, tokens);
    if (ids.length !== tokens) throw new Error(`[bench] a vignette has ${ids.length} tokens; expected ${tokens}`);
    return ids;
  });
}
