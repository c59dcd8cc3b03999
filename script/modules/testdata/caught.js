// Errors that the engine makes itself read as Node's do, wherever a script gets hold of them.
const job = { name: 'a', host: { labels: new Map() } };
const cases = {
  member: () => job.run(), deep: () => job.host.labels.put('a'), unset: () => { let later; later(); }, listener: () => process.onn('x', () => {}),
  newMember: () => new job.Type(), newUnset: () => { const X = undefined; new X(); }, text: () => job.name(), optional: () => job?.go(),
  inherited: () => { class A extends Map { go() { return super.went(); } } new A().go(); },
  lines: () => job
    .host
    .labels.nothing(),
  constant: () => { const x = 1; x = 2; }, unknown: () => unknownName, early: () => { early; let early = 1; },
};
const place = (e) => e.stack.split('\n')[1].replace(/\(.*[/\\]/, '(').replace(/:\d+\)/, ')').replace(/at \w+\./, 'at ');
(async () => {
  for (const name in cases) {
    try { cases[name](); } catch (e) { console.log(name, `${e}`, place(e), e.stack.startsWith(`${e}\n`)); }
    try { await (async () => cases[name]())(); } catch (error) { console.log(name, error.message); }
    await Promise.resolve().then(cases[name]).catch((e) => console.log(name, e.message, e instanceof Error));
    await Promise.resolve().then(cases[name]).then(undefined, (e) => console.log(e.name));
  }
  try { try { job.run(); } finally { console.log('finally'); } } catch (e) { console.log(e.message); }
  try { throw Object.assign(new Error('own'), { code: 5 }); } catch (e) { console.log(e.message, e.code); }
  try { throw null; } catch (e) { console.log(e); }
  try { throw { message: 'plain' }; } catch ({ message }) { console.log(message); }
  try { job.run(); } catch { console.log('no name'); }
  await Promise.reject(new Error('q')).catch(null).catch((e) => console.log(e.message)).then(1, 2).then((v) => console.log(v), ...[]);
  console.log(await Promise.reject(7).then(null, function (v) { return [v, this === undefined || this === globalThis]; }));
  const odd = { catch(f, ...more) { return f(1) + more.join(); }, then: undefined };
  console.log(odd.catch((v) => 'got ' + v, 'x', 'y'));
})();
process.on('unhandledRejection', (e) => console.log('unhandled', e.message));
Promise.resolve().then(() => job.missing());
