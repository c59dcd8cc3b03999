const { events } = require("brigadier");
class Counter {
  #n = 0; static #made = 0; static { Counter.ready = true; }
  get n() { return this.#n; } inc() { this.#n ||= 0; this.#n += 1; return this; }
  static has(o) { return #n in o; }
}
events.on("exec", async () => {
  const { a = 1, ...rest } = { b: 2, c: 3 };
  console.log(a, JSON.stringify(rest), new Counter().inc().n, Counter.ready, Counter.has(new Counter()), String(1_000n ** 2n));
  console.log([1, [2, [3]]].flat(Infinity).at(-1), "x".replaceAll("x", "y"), Object.fromEntries([["k", 1]]).k, [3, 1, 2].toSorted().join());
  console.log((await Promise.allSettled([Promise.reject(1), 2])).map(r => r.status).join(), await Promise.any([Promise.reject(1), 3]));
  console.log(JSON.stringify(Object.groupBy([1, 2, 3], n => n % 2 ? "odd" : "even")), /(?<year>\d{4})/.exec("in 2026").groups.year, "aXbX".match(/(?<=b)X/).index);
  const w = Promise.withResolvers(); w.resolve("resolved"); console.log(await w.promise);
  label: for (const i of [1, 2]) { for (;;) continue label; }
  console.log(new Error("outer", { cause: new Error("inner") }).cause.message, structured`t${1}`);
  function structured(s, ...v) { return s.raw.join("|") + v; }
});
