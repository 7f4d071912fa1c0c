// The rewards as one namespace: `rewards.accuracy(completion, question, context)`.
export { extractOption } from "./extract-option.ts";
export { lenientAccuracy, lenientFormat } from "./lenient.ts";
export { accuracy, format, xmlcount } from "./paper.ts";
export { rewardRegistry } from "./registry.ts";
export { scoreRollouts } from "./score.ts";
