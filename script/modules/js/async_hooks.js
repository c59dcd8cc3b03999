'use strict';
// async_hooks: AsyncLocalStorage and AsyncResource. There are no hooks.

const { check } = require('internal/errors');

function within(context, fn, self, args) {
  const before = engine.context();
  engine.setContext(context);
  try { return Reflect.apply(fn, self, args); } finally { engine.setContext(before); }
}

class AsyncLocalStorage {
  #enabled = true;
  static bind(fn) {
    check.func(fn, 'fn');
    const context = engine.context();
    return function(...args) { return within(context, fn, this, args); };
  }
  static snapshot() {
    const context = engine.context();
    return (fn, ...args) => within(context, fn, undefined, args);
  }
  #with(store) {
    const stores = new Map(engine.context() || []);
    stores.set(this, store);
    return stores;
  }
  run(store, fn, ...args) {
    this.#enabled = true;
    return within(this.#with(store), fn, undefined, args);
  }
  exit(fn, ...args) {
    return within(this.#with(undefined), fn, undefined, args);
  }
  enterWith(store) {
    this.#enabled = true;
    engine.setContext(this.#with(store));
  }
  getStore() {
    const stores = engine.context();
    return this.#enabled && stores ? stores.get(this) : undefined;
  }
  disable() { this.#enabled = false; }
}

let ids = 1;
class AsyncResource {
  #context = engine.context();
  #id = ++ids;
  constructor(type) { check.string(type, 'type'); }
  runInAsyncScope(fn, self, ...args) { return within(this.#context, fn, self, args); }
  bind(fn, self) {
    check.func(fn, 'fn');
    const resource = this;
    return function(...args) { return resource.runInAsyncScope(fn, self === undefined ? this : self, ...args); };
  }
  static bind(fn, type, self) { return new AsyncResource(type || fn.name || 'bound-anonymous-fn').bind(fn, self); }
  emitDestroy() { return this; }
  asyncId() { return this.#id; }
  triggerAsyncId() { return 1; }
}

module.exports = {
  AsyncLocalStorage, AsyncResource,
  createHook: () => ({ enable() { return this; }, disable() { return this; } }),
  executionAsyncId: () => 1,
  triggerAsyncId: () => 0,
  executionAsyncResource: () => ({}),
  asyncWrapProviders: Object.freeze({ __proto__: null }),
};
Object.defineProperty(module.exports, 'EventEmitterAsyncResource', {
  enumerable: false,
  get() {
    const EventEmitter = require('events');
    return class EventEmitterAsyncResource extends EventEmitter {
      constructor(options) {
        super(options);
        Object.defineProperty(this, 'asyncResource', { value: new AsyncResource('EventEmitterAsyncResource'), enumerable: false });
      }
      emit(...args) { return this.asyncResource.runInAsyncScope(super.emit, this, ...args); }
    };
  },
});
