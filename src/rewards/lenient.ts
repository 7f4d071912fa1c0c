// The paper's rewards with the strictness that punishes right answers taken out: the same ranges, other verdicts.
import { extractOption, lastAnswer } from "./extract-option.ts";
import type { Reward } from "./reward.ts";

/**
 * 2 when the last `<answer>` block names the right option in any common form ("C", "(C) Aspirin", "C.", "\boxed{C}",
 * the option's text), else 0. An answer that names two options gets 0.
 *
 * @example lenientAccuracy("<answer>(C) Aspirin</answer>", { answer: "C", … }) // 2
 */
export const lenientAccuracy: Reward = (completion, question) => {
  const answer = lastAnswer(completion);
  return answer !== undefined && extractOption(answer, question) === question.answer ? 2 : 0;
};

/**
 * 2 when the completion is one `<think>` block with text in it and one `<answer>` block, any white space around them;
 * 1 when the blocks stand there in that order with other text around them; else 0.
 */
export const lenientFormat: Reward = (completion) => {
  const thinkOpen = completion.indexOf("<think>");
  const thinkClose = completion.indexOf("</think>");
  const answerOpen = completion.indexOf("<answer>");
  const answerClose = completion.lastIndexOf("</answer>");
  if (thinkOpen < 0 || thinkClose < thinkOpen || answerOpen < thinkClose || answerClose < answerOpen) return 0;
  const isAlone =
    completion.slice(0, thinkOpen).trim() === "" &&
    completion.slice(thinkClose + "</think>".length, answerOpen).trim() === "" &&
    completion.slice(answerClose + "</answer>".length).trim() === "";
  const hasThought = completion.slice(thinkOpen + "<think>".length, thinkClose).trim() !== "";
  return isAlone && hasThought ? 2 : 1;
};
