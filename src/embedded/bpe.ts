// Byte-pair encoding: learns a vocabulary from text and writes it in the Hugging Face tokenizer.json layout.

/** Spaces are written as this mark, as in Gemma's tokenizer. */
const spaceMark = "▁";

/**
 * Pieces that merges never cross: an option letter with its full stop, a word with the space before it, one digit, a line
 * break, a lone space, any other single character. Written so that JavaScript and the Rust library read it alike.
 */
const piecePattern = `${spaceMark}?[A-D]\\.|${spaceMark}?\\p{L}+|\\p{N}|\\n|${spaceMark}|[^\\p{L}\\p{N}\\n${spaceMark}]`;

// Without the space, which is always written as the mark.
const printableAscii = Array.from({ length: 94 }, (_, code) => String.fromCharCode(33 + code));

export interface BpeRequest {
  texts: Iterable<string>;
  /** Size of the whole vocabulary; training stops earlier when every piece is one token. */
  vocabSize: number;
  /** In the order of their ids, from 0: control tokens, which decoding leaves out. */
  specialTokens: readonly string[];
  /** Whole tokens that decoding keeps. */
  addedTokens: readonly string[];
  unknownToken: string;
}

export interface AddedToken {
  id: number;
  content: string;
  single_word: boolean;
  lstrip: boolean;
  rstrip: boolean;
  normalized: boolean;
  special: boolean;
}

export interface TokenizerJson {
  added_tokens: AddedToken[];
  model: { type: "BPE"; vocab: Record<string, number>; merges: [string, string][]; [option: string]: unknown };
  [part: string]: unknown;
}

/**
 * Trains on the texts. Ids: specials, added tokens, 256 byte tokens (so that any text can be written), printable ASCII and
 * the other characters seen, then merges by falling count; equal counts are taken in the order of their text, so the
 * result is one of a kind.
 */
export function trainBpe(request: BpeRequest): TokenizerJson {
  const { specialTokens, addedTokens, vocabSize, unknownToken } = request;
  const pieces = countPieces(request.texts, [...specialTokens, ...addedTokens]);
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const seen = [...pieces.keys()].flatMap((piece) => [...piece]);
  const characters = [...new Set([...printableAscii, ...seen])].sort();
  const vocab = new Map<string, number>();
  for (const token of [...specialTokens, ...addedTokens, ...bytes, ...characters]) vocab.set(token, vocab.size);

  const merges: [string, string][] = [];
  let words = [...pieces].map(([piece, count]) => ({ symbols: [...piece], count }));
  while (vocab.size < vocabSize) {
    const best = mostFrequentPair(words);
    if (!best) break;
    merges.push(best);
    vocab.set(best.join(""), vocab.size);
    words = words.map(({ symbols, count }) => ({ symbols: mergePair(symbols, best), count }));
  }
  return tokenizerJson(vocab, merges, specialTokens, addedTokens, unknownToken);
}

function countPieces(texts: Iterable<string>, wholeTokens: readonly string[]): Map<string, number> {
  const piece = new RegExp(piecePattern, "gu");
  const whole = new RegExp(wholeTokens.map((token) => token.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "u");
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const part of text.split(whole)) {
      for (const [found] of part.replaceAll(" ", spaceMark).matchAll(piece))
        counts.set(found, (counts.get(found) ?? 0) + 1);
    }
  }
  return counts;
}

function mostFrequentPair(words: readonly { symbols: string[]; count: number }[]): [string, string] | undefined {
  const counts = new Map<string, { pair: [string, string]; count: number }>();
  for (const { symbols, count } of words) {
    for (let i = 0; i + 1 < symbols.length; i++) {
      const pair: [string, string] = [symbols[i] as string, symbols[i + 1] as string];
      const key = pair.join("\u0000");
      const entry = counts.get(key);
      if (entry) entry.count += count;
      else counts.set(key, { pair, count });
    }
  }
  const ranked = [...counts].sort(([keyA, a], [keyB, b]) => b.count - a.count || (keyA < keyB ? -1 : 1));
  return ranked[0]?.[1].pair;
}

function mergePair(symbols: readonly string[], [left, right]: [string, string]): string[] {
  const merged: string[] = [];
  for (let i = 0; i < symbols.length; i++) {
    if (symbols[i] === left && symbols[i + 1] === right) {
      merged.push(left + right);
      i++;
    } else {
      merged.push(symbols[i] as string);
    }
  }
  return merged;
}

function tokenizerJson(
  vocab: Map<string, number>,
  merges: [string, string][],
  specialTokens: readonly string[],
  addedTokens: readonly string[],
  unknownToken: string,
): TokenizerJson {
  const added = (special: boolean) => (content: string) => ({
    id: vocab.get(content) as number,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special,
  });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [...specialTokens.map(added(true)), ...addedTokens.map(added(false))],
    normalizer: { type: "Replace", pattern: { String: " " }, content: spaceMark },
    pre_tokenizer: { type: "Split", pattern: { Regex: piecePattern }, behavior: "Isolated", invert: false },
    post_processor: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: spaceMark }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
      ],
    },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: unknownToken,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(vocab),
      merges,
    },
  };
}
