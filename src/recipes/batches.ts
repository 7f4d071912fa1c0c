// Which questions a step asks, and the key of each one's random numbers. Both follow from the seed and the step alone,
// so a run that is resumed asks and draws what the uninterrupted run would have.
import type { Question } from "../data/question.ts";
import { hash64, shuffled } from "../selection/shuffle.ts";

/** A question at its place in the run. */
export interface AskedQuestion {
  readonly question: Question;
  /** Names this asking for the engine's random numbers: with the same seed it gives the same rollouts. */
  readonly key: bigint;
}

/** The key of a question's rollouts for one purpose, such as "train/0" (epoch 0) or "evaluate". */
export function questionKey(purpose: string, question: Pick<Question, "id">): bigint {
  return hash64(purpose, question.id);
}

/** The questions of a run, epoch after epoch without a gap. */
export class QuestionStream {
  readonly #questions: readonly Question[];
  readonly #seed: number;
  readonly #isShuffled: boolean;
  #epoch = -1;
  #order: readonly Question[] = [];

  constructor(questions: readonly Question[], seed: number, isShuffled: boolean) {
    this.#questions = questions;
    this.#seed = seed;
    this.#isShuffled = isShuffled;
  }

  /** The `count` questions of step `step`, counted from 0. */
  ofStep(step: number, count: number): AskedQuestion[] {
    return Array.from({ length: count }, (_, index) => this.#at(step * count + index));
  }

  #at(position: number): AskedQuestion {
    const epoch = Math.floor(position / this.#questions.length);
    const question = this.#orderOf(epoch)[position % this.#questions.length] as Question;
    return { question, key: questionKey(`train/${epoch}`, question) };
  }

  #orderOf(epoch: number): readonly Question[] {
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#order = this.#isShuffled ? shuffled(this.#questions, this.#seed, `order/${epoch}`) : this.#questions;
    }
    return this.#order;
  }
}
