const log = (x) => console.log(x);
setTimeout(() => { log('t0a'); process.nextTick(() => log('tick in t0a')); Promise.resolve().then(() => log('micro in t0a')); }, 0);
setTimeout(() => log('t0b'), 0); setTimeout(() => log('t10'), 60); setTimeout((a, b) => log('args ' + a + b), 1, 'x', 'y');
process.nextTick((v) => { log('tick1 ' + v); process.nextTick(() => log('nested tick')); Promise.resolve().then(() => log('micro from tick')); }, 'arg');
Promise.resolve().then(() => { log('micro1'); process.nextTick(() => log('tick from micro')); }).then(() => log('micro2')); queueMicrotask(() => log('queued'));
(async () => { log('async start'); await null; log('async after'); await new Promise((r) => setTimeout(r, 160)); log('async slept'); })();
process.nextTick(() => log('tick2'));
log('sync');
setTimeout(() => {
  setImmediate(() => { log('imm1'); process.nextTick(() => log('tick in imm1')); Promise.resolve().then(() => log('micro in imm1')); setImmediate(() => log('imm3')); });
  setImmediate(() => log('imm2')); setTimeout(() => log('inner timeout'), 500); process.nextTick(() => log('before imm'));
}, 90);
const i = setInterval(() => { log('interval ' + (++n)); if (n === 3) clearInterval(i); }, 400); let n = 0; 
const un = setTimeout(() => log('never'), 100000); un.unref(); log(un.hasRef()); const cl = setTimeout(() => log('cleared'), 1); clearTimeout(cl); const byNum = setTimeout(() => log('never num'), 1); clearTimeout(+byNum); clearTimeout(undefined); clearTimeout('x'); const im = setImmediate(() => log('never imm')); clearImmediate(im);
const rf = setTimeout(() => log('refreshed'), 700); setTimeout(() => rf.refresh(), 200); 
process.on('exit', (c) => log('exit ' + c)); process.once('beforeExit', (c) => { log('beforeExit ' + c); setTimeout(() => log('after beforeExit'), 1); });
for (const bad of [() => setTimeout('code'), () => setInterval(), () => setImmediate(1), () => queueMicrotask(2), () => process.nextTick()]) try { bad(); } catch (e) { log(e.code + ' ' + e.message); }
const tp = require('timers/promises'); tp.setTimeout(250, 'value').then((v) => log('tp ' + v)); tp.setImmediate('iv').then((v) => v); (async () => { let k = 0; const it = tp.setInterval(1500, 'iv')[Symbol.asyncIterator](); while (k++ < 2) log((await it.next()).value); await it.return(); const ac = new AbortController(); const p = tp.setTimeout(100000, 0, { signal: ac.signal }); ac.abort('r'); await p.catch((e) => log(e.name + ' ' + e.code + ' ' + e.cause)); await require('util').promisify(setTimeout)(1); log('promisified'); })();
const { AsyncLocalStorage, AsyncResource } = require('async_hooks'); const als = new AsyncLocalStorage(); als.run({ id: 7 }, () => { setTimeout(() => log('als timer ' + als.getStore().id), 1350); Promise.resolve().then(() => log('als micro ' + als.getStore().id)); process.nextTick(() => log('als tick ' + als.getStore().id)); (async () => { await 1; await 2; log('als await ' + als.getStore().id); als.exit(() => log('exit ' + als.getStore())); })(); setTimeout(AsyncResource.bind(() => log('bound ' + als.getStore().id)), 1400); }); log('outside ' + als.getStore());
