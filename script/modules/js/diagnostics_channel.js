'use strict';
// diagnostics_channel.

const { check } = require('internal/errors');
const channels = new Map();

class Channel {
  #subscribers = [];
  constructor(name) { this.name = name; }
  get hasSubscribers() { return this.#subscribers.length > 0; }
  subscribe(fn) { check.func(fn, 'subscription'); this.#subscribers = [...this.#subscribers, fn]; }
  unsubscribe(fn) {
    const at = this.#subscribers.indexOf(fn);
    if (at < 0) return false;
    this.#subscribers = this.#subscribers.filter((_, i) => i !== at);
    return true;
  }
  publish(data) {
    for (const fn of this.#subscribers) {
      try { fn(data, this.name); } catch (err) { require('process').nextTick(() => { throw err; }); }
    }
  }
  bindStore() {}
  unbindStore() { return false; }
  runStores(data, fn, self, ...args) { this.publish(data); return Reflect.apply(fn, self, args); }
}

function channel(name) {
  if (!channels.has(name)) channels.set(name, new Channel(name));
  return channels.get(name);
}

function tracingChannel(name) {
  const of = (event) => (typeof name === 'string' ? channel(`tracing:${name}:${event}`) : name[event]);
  const c = { start: of('start'), end: of('end'), asyncStart: of('asyncStart'), asyncEnd: of('asyncEnd'), error: of('error') };
  return Object.assign(c, {
    subscribe(handlers) { for (const [k, f] of Object.entries(handlers)) c[k].subscribe(f); },
    unsubscribe(handlers) { return Object.entries(handlers).every(([k, f]) => c[k].unsubscribe(f)); },
    traceSync(fn, context = {}, self = undefined, ...args) {
      c.start.publish(context);
      try {
        context.result = Reflect.apply(fn, self, args);
        return context.result;
      } catch (err) {
        context.error = err;
        c.error.publish(context);
        throw err;
      } finally { c.end.publish(context); }
    },
    tracePromise(fn, context = {}, self = undefined, ...args) {
      c.start.publish(context);
      const p = Promise.resolve(Reflect.apply(fn, self, args));
      c.end.publish(context);
      return p.then((v) => { context.result = v; c.asyncStart.publish(context); c.asyncEnd.publish(context); return v; },
        (err) => { context.error = err; c.error.publish(context); c.asyncStart.publish(context); c.asyncEnd.publish(context); throw err; });
    },
    traceCallback(fn, position, context, self, ...args) { return Reflect.apply(fn, self, args); },
  });
}

module.exports = {
  channel, tracingChannel, Channel,
  hasSubscribers: (name) => channels.has(name) && channels.get(name).hasSubscribers,
  subscribe: (name, fn) => channel(name).subscribe(fn),
  unsubscribe: (name, fn) => channel(name).unsubscribe(fn),
};
