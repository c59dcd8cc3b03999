export const join = (words) => `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
