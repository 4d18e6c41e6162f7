/** Selects the part of the benchmark that the user asks for. */
import { refuse } from "./options.mjs";

/**
 * The groups with the events that `--only` selects: a group by its name, or scenarios by words of their titles. Fewer
 * events play for a shorter time.
 */
export function only(what, groups) {
  const left = groups.flatMap((group) => {
    const { name, events, seconds = 0, quickSeconds = 0 } = group;
    const chosen = events.filter(({ scenario }) => !what || what === name || scenario.title.includes(what));
    const share = chosen.length / events.length;
    return share === 0
      ? []
      : [{ ...group, events: chosen, seconds: seconds * share, quickSeconds: quickSeconds * share }];
  });
  return left.length > 0 ? left : refuse(`--only is ${JSON.stringify(what)}, ${choice(groups)}`);
}

function choice(groups) {
  const names = groups.map(({ name }) => `"${name}"`).join(" or ");
  const titles = groups.flatMap(({ events }) => events.map(({ scenario }) => `\n  ${scenario.title}`));
  return `and nothing is called that. Say ${names}, or words of one of these titles:${titles.join("")}`;
}
