'use strict';
// Error.captureStackTrace, with the call sites that Error.prepareStackTrace gets.

const { nodeFrames } = require('internal/inspect_names');

class CallSite {
  constructor(text) {
    const m = /^(?:(async )?(new )?(.*?) \()?(.*?):(\d+):(\d+)\)?$/.exec(text);
    Object.defineProperty(this, 'parts', { value: m ? { isNew: Boolean(m[2]), name: m[3] || null, file: m[4], line: Number(m[5]), column: Number(m[6]) } : { name: text, file: null, line: null, column: null } });
    Object.defineProperty(this, 'text', { value: text });
  }
  getThis() { return undefined; }
  getTypeName() { return 'Object'; }
  getFunction() { return undefined; }
  getFunctionName() { return this.parts.name; }
  getMethodName() { return this.parts.name === null ? null : this.parts.name.split('.').pop(); }
  getFileName() { return this.parts.file; }
  getLineNumber() { return this.parts.line; }
  getColumnNumber() { return this.parts.column; }
  getEvalOrigin() { return undefined; }
  getScriptNameOrSourceURL() { return this.parts.file; }
  getScriptHash() { return ''; }
  getEnclosingLineNumber() { return this.parts.line; }
  getEnclosingColumnNumber() { return this.parts.column; }
  getPosition() { return 0; }
  getPromiseIndex() { return null; }
  isToplevel() { return true; }
  isEval() { return false; }
  isNative() { return false; }
  isConstructor() { return Boolean(this.parts.isNew); }
  isAsync() { return false; }
  isPromiseAll() { return false; }
  toString() { return this.text; }
}

// captureStackTrace sets target.stack. Frames of and above the function named
// by above are left out.
function captureStackTrace(target, above) {
  let frames = nodeFrames(`${new Error('').stack}`).split('\n').filter((l) => /^\s+at /.test(l)).map((l) => l.replace(/^\s+at /, ''));
  if (typeof above === 'function' && above.name) {
    const at = frames.findIndex((f) => new RegExp(`^(?:new )?(?:.*\\.)?${above.name.replace(/[^\w$]/g, '\\$&').replace(/\$/g, '\\$')} \\(`).test(f));
    if (at >= 0) frames = frames.slice(at + 1);
  }
  const limit = typeof Error.stackTraceLimit === 'number' ? Error.stackTraceLimit : 10;
  frames = frames.slice(0, Math.max(0, limit));
  let stack;
  if (typeof Error.prepareStackTrace === 'function') stack = Error.prepareStackTrace(target, frames.map((f) => new CallSite(f)));
  else {
    let head = 'Error';
    try { head = target instanceof Error ? Error.prototype.toString.call(target) : `${(target && target.name) || 'Error'}${target && target.message ? `: ${target.message}` : ''}`; } catch { /* odd target */ }
    stack = [head, ...frames.map((f) => `    at ${f}`)].join('\n');
  }
  Object.defineProperty(target, 'stack', { value: stack, writable: true, enumerable: false, configurable: true });
}

module.exports = { captureStackTrace };
