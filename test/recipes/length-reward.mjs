// A reward for tests with a model that knows nothing: one more for each letter "e", so that groups have a spread.
export function letters(completion) {
  return completion.split("e").length + (completion.length % 7);
}
