'use strict';
// assert.

const errors = require('internal/errors');
const { AssertionError } = require('internal/assert_error');
const { inspect } = require('internal/inspect');
const { isDeepEqual, isDeepStrictEqual } = require('internal/deep_equal');
const { isRegExp, isError } = require('internal/inspect_kinds');

function fail(options) {
  if (options.message instanceof Error) throw options.message;
  throw new AssertionError(options);
}

function truthy(fn, [value, message], count) {
  if (value) return;
  let generated = false;
  if (count === 0) { generated = true; message = 'No value argument passed to `assert.ok()`'; }
  else if (message == null) { generated = true; message = 'The expression evaluated to a falsy value'; }
  else if (message instanceof Error) throw message;
  const err = new AssertionError({ actual: value, expected: true, message, operator: '==', stackStartFn: fn });
  err.generatedMessage = generated;
  throw err;
}

const assert = module.exports = function assert(...args) { truthy(assert, args, args.length); };
assert.ok = function ok(...args) { truthy(assert.ok, args, args.length); };

function comparison(name, test) {
  assert[name] = { [name](actual, expected, message) {
    if (arguments.length < 2) throw errors.missingArgs('actual', 'expected');
    if (!test(actual, expected)) fail({ actual, expected, message, operator: OPERATORS[name] || name, stackStartFn: assert[name] });
  } }[name];
}
const OPERATORS = { equal: '==', notEqual: '!=' };
/* eslint-disable eqeqeq */
comparison('equal', (a, b) => a == b || (a !== a && b !== b));
comparison('notEqual', (a, b) => !(a == b || (a !== a && b !== b)));
comparison('strictEqual', (a, b) => Object.is(a, b));
comparison('notStrictEqual', (a, b) => !Object.is(a, b));
comparison('deepEqual', isDeepEqual);
comparison('notDeepEqual', (a, b) => !isDeepEqual(a, b));
comparison('deepStrictEqual', isDeepStrictEqual);
comparison('notDeepStrictEqual', (a, b) => !isDeepStrictEqual(a, b));

assert.fail = function(actual, expected, message, operator) {
  const count = arguments.length;
  let generated = false;
  if (actual == null && count <= 1) { generated = true; message = 'Failed'; operator = 'fail'; actual = undefined; }
  else if (count === 1) { message = actual; actual = undefined; operator = 'fail'; }
  else if (count === 2) operator = '!=';
  if (message instanceof Error) throw message;
  const options = { operator: operator === undefined ? 'fail' : operator, stackStartFn: assert.fail };
  if (count > 1) Object.assign(options, { actual, expected });
  if (message !== undefined) options.message = message;
  const err = new AssertionError(options);
  if (generated) err.generatedMessage = true;
  throw err;
};
Object.defineProperty(assert.fail, 'name', { value: 'fail' });

function compareKey(actual, expected, key, message, keys, fn) {
  if (key in actual && isDeepStrictEqual(actual[key], expected[key])) return;
  if (key in actual && typeof actual[key] === 'string' && isRegExp(expected[key]) && expected[key].test(actual[key])) return;
  if (message) fail({ actual, expected, message, operator: fn.name });
  const pick = (from, other) => {
    const out = {};
    for (const k of keys) {
      if (!(k in from)) continue;
      out[k] = isRegExp(expected[k]) && typeof actual[k] === 'string' && expected[k].test(actual[k]) && other ? actual[k] : from[k];
    }
    return Object.assign(Object.create({ constructor: { name: 'Comparison' } }), out);
  };
  class Comparison {}
  const left = Object.assign(new Comparison(), pick(actual, false)), right = Object.assign(new Comparison(), pick(expected, true));
  const err = new AssertionError({ actual: left, expected: right, operator: 'deepStrictEqual' });
  err.actual = actual;
  err.expected = expected;
  err.operator = fn.name;
  throw err;
}

// matchesError checks a thrown error against what a test expects of it.
function matchesError(actual, expected, message, fn) {
  let generated = false;
  if (typeof expected !== 'function') {
    if (isRegExp(expected)) {
      if (expected.test(String(actual))) return;
      if (!message) {
        generated = true;
        message = `The input did not match the regular expression ${inspect(expected)}. Input:\n\n${inspect(String(actual))}\n`;
      }
    } else if (typeof actual !== 'object' || actual === null) {
      const err = new AssertionError({ actual, expected, message, operator: 'deepStrictEqual', stackStartFn: fn });
      err.operator = fn.name;
      throw err;
    } else {
      const keys = Object.keys(expected);
      if (isError(expected)) keys.push('name', 'message');
      else if (keys.length === 0) throw errors.invalidArgValue('error', expected, 'may not be an empty object');
      for (const key of keys) compareKey(actual, expected, key, message, keys, fn);
      return;
    }
  } else if (expected.prototype !== undefined && actual instanceof expected) return;
  else if (Object.prototype.isPrototypeOf.call(Error, expected)) {
    if (!message) {
      generated = true;
      message = `The error is expected to be an instance of "${expected.name}". Received `;
      message += isError(actual) ? `"${actual.name}"` : `"${inspect(actual, { depth: -1 })}"`;
    }
    if (isError(actual) && generated) message += `\n\nError message:\n\n${actual.message}`;
  } else {
    const result = Reflect.apply(expected, {}, [actual]);
    if (result === true) return;
    if (!message) {
      generated = true;
      const name = expected.name ? `"${expected.name}" ` : '';
      message = `The ${name}validation function is expected to return "true". Received ${inspect(result)}`;
      if (isError(actual)) message += `\n\nCaught error:\n\n${actual}`;
    }
  }
  const err = new AssertionError({ actual, expected, message, operator: fn.name, stackStartFn: fn });
  err.generatedMessage = generated;
  if (message instanceof Error) throw message;
  throw err;
}

const NOTHING = Symbol('nothing thrown');

function expectsError(fn, actual, error, message) {
  if (typeof error === 'string') {
    if (arguments.length === 4) throw errors.invalidArgType('error', ['Object', 'Error', 'Function', 'RegExp'], error);
    if ((isError(actual) && actual.message === error) || actual === error) {
      throw errors.make(TypeError, 'ERR_AMBIGUOUS_ARGUMENT', `The "error/message" argument is ambiguous. The error ${isError(actual) ? `message "${actual.message}"` : `"${actual}"`} is identical to the message.`);
    }
    message = error;
    error = undefined;
  } else if (error != null && typeof error !== 'object' && typeof error !== 'function') {
    throw errors.invalidArgType('error', ['Object', 'Error', 'Function', 'RegExp'], error);
  }
  if (actual === NOTHING) {
    let details = '';
    if (error && error.name) details += ` (${error.name})`;
    details += message ? `: ${message}` : '.';
    const kind = fn === assert.rejects ? 'rejection' : 'exception';
    fail({ actual: undefined, expected: error, operator: fn.name, message: message instanceof Error ? message : `Missing expected ${kind}${details}`, stackStartFn: fn });
  }
  if (error) matchesError(actual, error, message, fn);
}

function expectsNoError(fn, actual, error, message) {
  if (actual === NOTHING) return;
  if (typeof error === 'string') { message = error; error = undefined; }
  let hit = !error;
  if (error) {
    if (typeof error !== 'function') hit = isRegExp(error) && error.test(String(actual));
    else hit = error.prototype !== undefined && actual instanceof error ? true : Object.prototype.isPrototypeOf.call(Error, error) ? false : error.call({}, actual) === true;
  }
  if (!hit) throw actual;
  const kind = fn === assert.doesNotReject ? 'rejection' : 'exception';
  fail({ actual, expected: error, operator: fn.name, message: `Got unwanted ${kind}${message ? `: ${message}` : '.'}\nActual message: "${actual && actual.message}"`, stackStartFn: fn });
}

function caught(fn) {
  errors.check.func(fn, 'fn');
  try { fn(); } catch (err) { return err; }
  return NOTHING;
}

async function caughtAsync(promise) {
  let result = promise;
  if (typeof promise === 'function') {
    result = promise();
    if (result === null || typeof result !== 'object' || typeof result.then !== 'function') {
      throw errors.make(TypeError, 'ERR_INVALID_RETURN_VALUE', `Expected instance of Promise to be returned from the "promiseFn" function but got ${errors.received(result)}.`);
    }
  } else if (promise === null || typeof promise !== 'object' || typeof promise.then !== 'function') {
    throw errors.invalidArgType('promiseFn', ['Function', 'Promise'], promise);
  }
  try { await result; } catch (err) { return err; }
  return NOTHING;
}

assert.throws = function throws(fn, ...args) { expectsError(throws, caught(fn), ...args); };
assert.doesNotThrow = function doesNotThrow(fn, ...args) { expectsNoError(doesNotThrow, caught(fn), ...args); };
assert.rejects = async function rejects(promise, ...args) { expectsError(rejects, await caughtAsync(promise), ...args); };
assert.doesNotReject = async function doesNotReject(promise, ...args) { expectsNoError(doesNotReject, await caughtAsync(promise), ...args); };

assert.ifError = function ifError(err) {
  if (err === null || err === undefined) return;
  let message = 'ifError got unwanted exception: ';
  if (typeof err === 'object' && typeof err.message === 'string') {
    message += err.message.length === 0 && err.constructor ? err.constructor.name : err.message;
  } else message += inspect(err);
  throw new AssertionError({ actual: err, expected: null, operator: 'ifError', message, stackStartFn: ifError });
};

function matching(fn, text, regexp, message) {
  if (!isRegExp(regexp)) throw errors.invalidArgType('regexp', 'RegExp', regexp);
  const wanted = fn === assert.match;
  if (typeof text === 'string' && (regexp.exec(text) !== null) === wanted) return;
  if (message instanceof Error) throw message;
  const generated = !message;
  message = message || (typeof text !== 'string' ? `The "string" argument must be of type string. Received type ${typeof text} (${inspect(text)})` :
    `${wanted ? 'The input did not match the regular expression ' : 'The input was expected to not match the regular expression '}${inspect(regexp)}. Input:\n\n${inspect(text)}\n`);
  const err = new AssertionError({ actual: text, expected: regexp, message, operator: fn.name, stackStartFn: fn });
  err.generatedMessage = generated;
  throw err;
}
assert.match = function match(text, regexp, message) { matching(match, text, regexp, message); };
assert.doesNotMatch = function doesNotMatch(text, regexp, message) { matching(doesNotMatch, text, regexp, message); };
assert.AssertionError = AssertionError;
assert.CallTracker = class CallTracker {
  #calls = [];
  calls(fn = () => {}, expected = 1) {
    const entry = { count: 0, expected };
    this.#calls.push(entry);
    return (...args) => { entry.count++; return fn(...args); };
  }
  verify() { for (const { count, expected } of this.#calls) if (count !== expected) fail({ message: `Expected ${expected} calls, got ${count}`, operator: 'fail' }); }
};

const strict = assert.strict = function strict(...args) { truthy(strict, args, args.length); };
Object.assign(strict, assert, {
  equal: assert.strictEqual, deepEqual: assert.deepStrictEqual, notEqual: assert.notStrictEqual, notDeepEqual: assert.notDeepStrictEqual,
});
strict.strict = strict;
