const { events } = require("brigadier");
async function* numbers() { yield 1; yield await Promise.resolve(2); yield* [3]; }
events.on("exec", async () => {
  for await (const n of numbers()) console.log(n);
  for await (const n of [Promise.resolve("a"), "b"]) console.log(n);
  const it = { [Symbol.asyncIterator]: () => { let i = 0; return { next: async () => ({ done: i > 1, value: i++ }) }; } };
  for await (const n of it) console.log("it", n);
});
