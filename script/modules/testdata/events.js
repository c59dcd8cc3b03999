const EventEmitter = require('events');
const e = new EventEmitter();
const log = (...a) => console.log(...a);
e.on('newListener', (n, l) => log('newListener', n, l.name)); e.on('removeListener', (n, l) => log('removeListener', n, l.name));
function a(...x) { log('a', this === e, x); } function b() { log('b'); }
e.on('x', a); e.prependListener('x', b); e.once('x', function c() { log('c'); }); log(e.emit('x', 1, 2), e.emit('x'), e.emit('nope'));
log(e.listenerCount('x'), e.listeners('x').map((f) => f.name), e.rawListeners('x').length, e.eventNames()); e.off('x', a).removeAllListeners('x'); log(e.eventNames(), e.getMaxListeners());
const e2 = new EventEmitter(); for (const bad of [() => e2.emit('error', new Error('boom')), () => e2.emit('error', { a: 1 }), () => e2.emit('error'), () => e2.on('x', 5), () => e2.setMaxListeners(-1), () => { EventEmitter.defaultMaxListeners = 'x'; }, () => new EventEmitter().once('a')]) try { bad(); } catch (err) { log(err.name, err.code, err.message, err.context); }
e2.on(EventEmitter.errorMonitor, (err) => log('monitor', err.message)); e2.on('error', (err) => log('handled', err.message)); e2.emit('error', new Error('E'));
const e3 = new EventEmitter(); e3.on('q', () => { log('first'); e3.on('q', () => log('added')); }); e3.emit('q'); e3.once('once', () => log('once')); e3.emit('once'); e3.emit('once'); e3.prependOnceListener('p', () => log('p')); e3.emit('p');
class Sub extends EventEmitter { constructor() { super(); this.own = 1; } } log(new Sub()); log(new Sub() instanceof EventEmitter, EventEmitter.EventEmitter === EventEmitter, typeof EventEmitter.once);
function Old() { EventEmitter.call(this); } require('util').inherits(Old, EventEmitter); const o = new Old(); o.on('z', (v) => log('old', v)); o.emit('z', 1); const plain = Object.assign({}, EventEmitter.prototype); plain.on('k', () => log('mixin')); plain.emit('k');
process.on('warning', (w) => log('warning', w.name, w.count, w.type)); const many = new EventEmitter(); for (let i = 0; i < 12; i++) many.on('m', () => {});
const cap = new EventEmitter({ captureRejections: true }); cap.on('v', async () => { throw new Error('rejected'); }); cap.on('error', (err) => log('captured', err.message)); cap.emit('v');
(async () => {
  const em = new EventEmitter(); setTimeout(() => em.emit('go', 1, 2), 1); log(await EventEmitter.once(em, 'go')); setTimeout(() => em.emit('error', new Error('once-err')), 1); try { await EventEmitter.once(em, 'never'); } catch (err) { log(err.message); }
  const ac = new AbortController(); setTimeout(() => ac.abort(), 1); try { await EventEmitter.once(em, 'never', { signal: ac.signal }); } catch (err) { log(err.name, err.code, err.message); }
  const it = EventEmitter.on(em, 'tick'); em.emit('tick', 'a'); em.emit('tick', 'b'); log(await it.next(), await it.next()); const pend = it.next(); await it.return(); log(await pend, em.listenerCount('tick'));
  const et = new EventTarget(); setTimeout(() => et.dispatchEvent(new Event('dom')), 1); const [ev] = await EventEmitter.once(et, 'dom'); log(ev.type, ev.target === et, ev instanceof Event);
  et.addEventListener('y', { handleEvent(x) { log('object listener', x.type, x.detail); } }); et.addEventListener('y', () => log('once dom'), { once: true }); const fn = (x) => { log('fn', x.defaultPrevented); x.preventDefault(); x.stopImmediatePropagation(); }; et.addEventListener('y', fn); et.addEventListener('y', fn); et.addEventListener('y', () => log('not reached'));
  log(et.dispatchEvent(new CustomEvent('y', { detail: 5, cancelable: true }))); et.removeEventListener('y', fn); log(et.dispatchEvent(new Event('y')));
  try { et.dispatchEvent({}); } catch (err) { log(err.code, err.message); } try { new Event(); } catch (err) { log(err.code, err.message); } try { new AbortSignal(); } catch (err) { log(err.name, err.message); }
  const sig = AbortSignal.abort('why'); log(sig.aborted, sig.reason); try { sig.throwIfAborted(); } catch (err) { log(err); } const c2 = new AbortController(); c2.signal.onabort = (x) => log('onabort', x.type); c2.signal.addEventListener('abort', () => log('abort listener')); c2.abort(); c2.abort(); log(c2.signal.reason.name, c2.signal.reason.code, c2.signal.reason.message, c2.signal.reason instanceof DOMException);
  const any = AbortSignal.any([new AbortController().signal, AbortSignal.timeout(2000)]); await EventEmitter.once(any, 'abort'); log(any.reason.name, any.reason.message, any.reason.code);
  log(new AbortController(), c2.signal, new DOMException('m', 'AbortError').code, String(new DOMException('m', 'DataCloneError')), DOMException.ABORT_ERR);
  log(EventEmitter.getEventListeners(em, 'tick').length, EventEmitter.listenerCount(em, 'error'), require('events').getMaxListeners(em)); EventEmitter.setMaxListeners(5, em); log(em.getMaxListeners());
})();
