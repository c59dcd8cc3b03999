'use strict';
// readline: the lines of a stream. Nobody answers questions.

const EventEmitter = require('events');
const errors = require('internal/errors');
const { StringDecoder } = require('string_decoder');

class Interface extends EventEmitter {
  #rest = '';
  constructor(options, output) {
    super();
    if (options && typeof options.on === 'function') options = { input: options, output };
    this.input = options.input;
    this.terminal = false;
    this.line = '';
    this.closed = false;
    if (!this.input || typeof this.input.on !== 'function') throw errors.invalidArgType('options.input', 'Stream', this.input);
    const decoder = new StringDecoder('utf8');
    this.input.on('data', (chunk) => this.#feed(typeof chunk === 'string' ? chunk : decoder.write(chunk)));
    this.input.on('end', () => {
      this.#feed(decoder.end());
      if (this.#rest !== '') this.emit('line', this.#rest);
      this.#rest = '';
      this.close();
    });
    this.input.on('error', (err) => { if (this.listenerCount('error') > 0) this.emit('error', err); });
    this.input.resume();
  }
  #feed(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) this.emit('line', line);
  }
  close() {
    if (this.closed) return;
    this.closed = true;
    this.input.pause();
    this.emit('close');
  }
  pause() { this.input.pause(); this.emit('pause'); return this; }
  resume() { this.input.resume(); this.emit('resume'); return this; }
  setPrompt() {}
  getPrompt() { return ''; }
  prompt() {}
  write() {}
  question() { throw errors.unsupported('readline.question', 'a build has nobody who types; pass a value as a secret or in the payload'); }
  [Symbol.asyncIterator]() {
    const lines = [], waiting = [];
    let over = this.closed;
    this.on('line', (line) => { const next = waiting.shift(); if (next) next({ value: line, done: false }); else lines.push(line); });
    this.on('close', () => { over = true; for (const next of waiting.splice(0)) next({ value: undefined, done: true }); });
    const self = this;
    return {
      next() {
        if (lines.length > 0) return Promise.resolve({ value: lines.shift(), done: false });
        return over ? Promise.resolve({ value: undefined, done: true }) : new Promise((resolve) => waiting.push(resolve));
      },
      return() { self.close(); return Promise.resolve({ value: undefined, done: true }); },
      [Symbol.asyncIterator]() { return this; },
    };
  }
}

const nothing = (stream, ...args) => { const callback = args.pop(); if (typeof callback === 'function') require('process').nextTick(callback); return true; };
module.exports = {
  Interface,
  createInterface: (options, output) => new Interface(options, output),
  clearLine: nothing, clearScreenDown: nothing, cursorTo: nothing, moveCursor: nothing, emitKeypressEvents() {},
  promises: { Interface, createInterface: (options) => new Interface(options) },
};
