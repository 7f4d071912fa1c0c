// When a goal is met. A figure that is missing, or taken on a busy machine, proves nothing; a fast but wrong one fails.

/** true, false, or null for unknown. `foreignCpu`: the largest share of the machine that others took in a run behind it. */
export function isMet({ value, goal, atMost = false, foreignCpu = 0 }, { foreignLimit }) {
  if (value === null) return null;
  if (foreignCpu > foreignLimit) return null;
  return atMost ? value <= goal : value >= goal;
}

/**
 * The goals with `met`. A goal that rests on others, which compare answers, is not met while one of them fails, and
 * unknown while one is unknown. Those that were not measured in this run do not count.
 */
export function judge(goals, { foreignLimit }) {
  const met = new Map(goals.map((goal) => [goal.name, isMet(goal, { foreignLimit })]));
  return goals.map((goal) => {
    const answers = (goal.rests ?? []).filter((name) => met.has(name)).map((name) => met.get(name));
    if (goal.value !== null && answers.includes(false)) return { ...goal, met: false };
    return { ...goal, met: answers.includes(null) ? null : met.get(goal.name) };
  });
}

/** What `--json` prints: names and figures alone. */
export const publicGoals = (goals) => ({
  goals: goals.map(({ name, value, goal, met }) => ({ name, value, goal, met })),
});
