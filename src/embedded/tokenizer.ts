// The embedded default model's tokenizer: Gemma's token names and chat template, a vocabulary learned from its own task.
import { questionLines } from "../data/question.ts";
import { type TokenizerJson, trainBpe } from "./bpe.ts";
import { baseMixture, drawCompletion } from "./completions.ts";
import { patientCard, toQuestion } from "./patient-cards.ts";
import { Draws } from "./philox.ts";

export const specialTokens = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"] as const;
/** Ordinary tokens to the decoder: completions must keep them, because the rewards read them. */
export const tagTokens = ["<think>", "</think>", "<answer>", "</answer>"] as const;

/** More than enough for every word of the task to be one token; training ends when they are. */
const largestVocab = 640;
/** Cards that the vocabulary is learned from; every word of the task occurs among them many times. */
const cardCount = 2000;
const tokenizerSeed = 1;
const textStream = 16;

/** Gemma-3's chat template without images: the system text opens the first user turn, the assistant is called "model". */
const chatTemplate = [
  "{{ bos_token }}",
  "{%- set system = '' -%}",
  "{%- set turns = messages -%}",
  "{%- if messages[0]['role'] == 'system' -%}",
  "{%- set system = messages[0]['content'] | trim + '\n\n' -%}",
  "{%- set turns = messages[1:] -%}",
  "{%- endif -%}",
  "{%- for message in turns -%}",
  "{%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}",
  "{{ '<start_of_turn>' + role + '\n' + (system if loop.first else '') + message['content'] | trim + '<end_of_turn>\n' }}",
  "{%- endfor -%}",
  "{%- if add_generation_prompt -%}",
  "{{ '<start_of_turn>model\n' }}",
  "{%- endif -%}",
].join("\n");

export function buildTokenizer(): TokenizerJson {
  return trainBpe({
    texts: taskTexts(),
    vocabSize: largestVocab,
    specialTokens,
    addedTokens: tagTokens,
    unknownToken: "<unk>",
  });
}

export function tokenizerConfig(): Record<string, unknown> {
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: "<bos>",
    eos_token: "<eos>",
    pad_token: "<pad>",
    unk_token: "<unk>",
    add_bos_token: true,
    clean_up_tokenization_spaces: false,
    model_max_length: 512,
    chat_template: chatTemplate,
  };
}

function* taskTexts(): Generator<string> {
  yield "user\nmodel\n";
  for (let index = 0; index < cardCount; index++) {
    const card = patientCard(tokenizerSeed, "pretrain", index);
    yield questionLines(toQuestion(card, `${index}`));
    yield drawCompletion(card, baseMixture, new Draws(tokenizerSeed, textStream, index));
  }
}
