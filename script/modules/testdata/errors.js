process.on('uncaughtException', (err, origin) => console.log('uncaught', err.message, origin)); process.on('unhandledRejection', (reason) => console.log('unhandled', reason && reason.message || reason));
// Each step is over before the next: what it leaves behind runs before a timer that is set before it.
const steps = [
  () => { throw new Error('in timer'); }, () => console.log('still alive'), () => { Promise.reject(new Error('late')).catch(() => console.log('caught')); },
  () => { process.nextTick(() => { throw new Error('in tick'); }); process.nextTick(() => console.log('tick after throw')); },
  () => queueMicrotask(() => { throw new Error('in microtask'); }), () => setImmediate(() => { throw new Error('in immediate'); }),
  () => { const t = new EventTarget(); t.addEventListener('e', () => { throw new Error('in listener'); }); t.addEventListener('e', () => console.log('second listener')); t.dispatchEvent(new Event('e')); console.log('dispatched'); },
  () => Promise.reject(new Error('rejected')), () => Promise.reject(), () => (async () => { throw 'text'; })(),
  () => { process.exitCode = 3; console.log(process.exitCode); process.on('exit', (c) => { console.log('exit', c, process.exitCode); process.exitCode = 0; }); },
  () => { try { process.exitCode = 'abc'; } catch (e) { console.log(e.code, e.message); } try { process.exit(1.5); } catch (e) { console.log(e.code, e.message); } process.stdout.write('partial '); process.stdout.write('line\n'); process.stdout.write(Buffer.from('tail\n')); try { process.exit(0); } finally { console.log('never'); } },
];
function next() { const step = steps.shift(); if (steps.length > 0) setTimeout(next, 5); step(); }
console.log('end of script');
next2(); function next2() { setTimeout(next, 5); }
