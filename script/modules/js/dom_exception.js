'use strict';
// DOMException, the error class of the web APIs.

const CODES = {
  IndexSizeError: 1, HierarchyRequestError: 3, WrongDocumentError: 4, InvalidCharacterError: 5,
  NoModificationAllowedError: 7, NotFoundError: 8, NotSupportedError: 9, InUseAttributeError: 10,
  InvalidStateError: 11, SyntaxError: 12, InvalidModificationError: 13, NamespaceError: 14,
  InvalidAccessError: 15, TypeMismatchError: 17, SecurityError: 18, NetworkError: 19, AbortError: 20,
  URLMismatchError: 21, QuotaExceededError: 22, TimeoutError: 23, InvalidNodeTypeError: 24, DataCloneError: 25,
};

// The fields are hidden properties: Error's constructor asks for the name
// before private fields exist.
const kName = Symbol('name'), kMessage = Symbol('message');

class DOMException extends Error {
  constructor(message = '', options = 'Error') {
    super();
    let name;
    if (options !== null && typeof options === 'object') {
      name = options.name === undefined ? 'Error' : `${options.name}`;
      if ('cause' in options) {
        Object.defineProperty(this, 'cause', { value: options.cause, configurable: true, writable: true, enumerable: false });
      }
    } else {
      name = `${options}`;
    }
    delete this.message;
    Object.defineProperty(this, kName, { value: name });
    Object.defineProperty(this, kMessage, { value: `${message}` });
    const frames = `${this.stack}`.replace(/^[^\n]*/, '');
    Object.defineProperty(this, 'stack', {
      value: `${name}: ${message}${frames}`, configurable: true, writable: true, enumerable: false,
    });
  }

  get name() { return this[kName] === undefined ? 'Error' : this[kName]; }
  get message() { return this[kMessage] === undefined ? '' : this[kMessage]; }
  get code() { return CODES[this.name] || 0; }
}

Object.defineProperty(DOMException.prototype, Symbol.toStringTag, { value: 'DOMException', configurable: true });
for (const name of ['name', 'message', 'code']) {
  Object.defineProperty(DOMException.prototype, name, { enumerable: true });
}
for (const [name, code] of Object.entries(CODES)) {
  const constant = name.replace(/Error$/, '').replace(/([a-z])([A-Z])/g, '$1_$2').toUpperCase() + '_ERR';
  Object.defineProperty(DOMException, constant, { value: code, enumerable: true });
  Object.defineProperty(DOMException.prototype, constant, { value: code, enumerable: true });
}

module.exports = { DOMException };
