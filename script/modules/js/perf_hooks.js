'use strict';
// perf_hooks and the global performance.

const errors = require('internal/errors');
const start = native.now();

class PerformanceEntry {
  constructor(name, entryType, startTime, duration, detail) {
    Object.assign(this, { name, entryType, startTime, duration });
    if (detail !== undefined) this.detail = detail;
  }
  toJSON() { return { ...this }; }
}
class PerformanceMark extends PerformanceEntry {}
class PerformanceMeasure extends PerformanceEntry {}

let entries = [];
const observers = new Set();
function record(entry) {
  entries.push(entry);
  if (entries.length > 10000) entries = entries.slice(-5000);
  for (const observer of observers) observer[kNotify](entry);
  return entry;
}
const kNotify = Symbol('notify');

class PerformanceObserver {
  #callback;
  #types = [];
  #queue = [];
  constructor(callback) { errors.check.func(callback, 'callback'); this.#callback = callback; }
  observe(options) {
    this.#types = options.entryTypes || [options.type];
    observers.add(this);
  }
  disconnect() { observers.delete(this); }
  takeRecords() { return this.#queue.splice(0); }
  [kNotify](entry) {
    if (!this.#types.includes(entry.entryType)) return;
    if (this.#queue.push(entry) === 1) {
      setImmediate(() => {
        const list = this.#queue.splice(0);
        const view = { getEntries: () => list, getEntriesByName: (n) => list.filter((e) => e.name === n), getEntriesByType: (t) => list.filter((e) => e.entryType === t) };
        this.#callback(view, this);
      });
    }
  }
}
PerformanceObserver.supportedEntryTypes = ['function', 'mark', 'measure'];

function at(mark) {
  if (typeof mark === 'number') return mark;
  const found = entries.filter((e) => e.name === mark && e.entryType === 'mark').pop();
  if (found === undefined) {
    const { DOMException } = require('internal/dom_exception');
    throw new DOMException(`The "${mark}" performance mark has not been set`, 'SyntaxError');
  }
  return found.startTime;
}

class Performance extends EventTarget {
  get timeOrigin() { return native.origin; }
  now() { return native.now() - start + 0.001; }
  mark(name, options = {}) {
    return record(new PerformanceMark(`${name}`, 'mark', options.startTime === undefined ? this.now() : options.startTime, 0, options.detail === undefined ? null : options.detail));
  }
  measure(name, from, to) {
    const o = from !== null && typeof from === 'object' ? from : { start: from, end: to };
    const begin = o.start === undefined ? 0 : at(o.start), end = o.end === undefined ? this.now() : at(o.end);
    return record(new PerformanceMeasure(`${name}`, 'measure', begin, end - begin, o.detail));
  }
  clearMarks(name) { entries = entries.filter((e) => e.entryType !== 'mark' || (name !== undefined && e.name !== name)); }
  clearMeasures(name) { entries = entries.filter((e) => e.entryType !== 'measure' || (name !== undefined && e.name !== name)); }
  getEntries() { return entries.slice(); }
  getEntriesByName(name, type) { return entries.filter((e) => e.name === name && (type === undefined || e.entryType === type)); }
  getEntriesByType(type) { return entries.filter((e) => e.entryType === type); }
  eventLoopUtilization() { return { idle: 0, active: 0, utilization: 0 }; }
  timerify(fn) {
    errors.check.func(fn, 'fn');
    const performance = this;
    return function timerified(...args) {
      const begin = performance.now();
      const result = new.target ? Reflect.construct(fn, args) : Reflect.apply(fn, this, args);
      record(new PerformanceEntry(fn.name, 'function', begin, performance.now() - begin));
      return result;
    };
  }
  get nodeTiming() { return { name: 'node', entryType: 'node', startTime: 0, duration: this.now() }; }
  toJSON() { return { timeOrigin: this.timeOrigin, nodeTiming: this.nodeTiming }; }
}
Object.defineProperty(Performance.prototype, Symbol.toStringTag, { value: 'Performance', configurable: true });

function histogram() {
  const values = [];
  return {
    record(v) { values.push(Number(v)); },
    enable: () => true, disable: () => true, reset() { values.length = 0; },
    get min() { return Math.min(...values); }, get max() { return Math.max(0, ...values); },
    get mean() { return values.reduce((a, b) => a + b, 0) / values.length; }, get stddev() { return NaN; }, exceeds: 0, get count() { return values.length; },
    percentile(p) { const sorted = [...values].sort((a, b) => a - b); return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] || 0; }, percentiles: new Map(),
  };
}

module.exports = {
  performance: new Performance(), PerformanceEntry, PerformanceMark, PerformanceMeasure, PerformanceObserver, Performance,
  monitorEventLoopDelay: histogram, createHistogram: histogram, constants: {},
};
