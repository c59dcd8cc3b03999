'use strict';
// http: the client. A script serves nobody.

const EventEmitter = require('events');
const errors = require('internal/errors');
const messages = require('internal/http_messages');
const { ClientRequest, toOptions } = require('internal/http_client');

const METHODS = ['ACL', 'BIND', 'CHECKOUT', 'CONNECT', 'COPY', 'DELETE', 'GET', 'HEAD', 'LINK', 'LOCK', 'M-SEARCH', 'MERGE', 'MKACTIVITY',
  'MKCALENDAR', 'MKCOL', 'MOVE', 'NOTIFY', 'OPTIONS', 'PATCH', 'POST', 'PROPFIND', 'PROPPATCH', 'PURGE', 'PUT', 'REBIND', 'REPORT', 'SEARCH',
  'SOURCE', 'SUBSCRIBE', 'TRACE', 'UNBIND', 'UNLINK', 'UNLOCK', 'UNSUBSCRIBE'];
const STATUS_CODES = {
  100: 'Continue', 101: 'Switching Protocols', 102: 'Processing', 103: 'Early Hints', 200: 'OK', 201: 'Created', 202: 'Accepted',
  203: 'Non-Authoritative Information', 204: 'No Content', 205: 'Reset Content', 206: 'Partial Content', 207: 'Multi-Status',
  208: 'Already Reported', 226: 'IM Used', 300: 'Multiple Choices', 301: 'Moved Permanently', 302: 'Found', 303: 'See Other',
  304: 'Not Modified', 305: 'Use Proxy', 307: 'Temporary Redirect', 308: 'Permanent Redirect', 400: 'Bad Request', 401: 'Unauthorized',
  402: 'Payment Required', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed', 406: 'Not Acceptable',
  407: 'Proxy Authentication Required', 408: 'Request Timeout', 409: 'Conflict', 410: 'Gone', 411: 'Length Required',
  412: 'Precondition Failed', 413: 'Payload Too Large', 414: 'URI Too Long', 415: 'Unsupported Media Type', 416: 'Range Not Satisfiable',
  417: 'Expectation Failed', 418: "I'm a Teapot", 421: 'Misdirected Request', 422: 'Unprocessable Entity', 423: 'Locked',
  424: 'Failed Dependency', 425: 'Too Early', 426: 'Upgrade Required', 428: 'Precondition Required', 429: 'Too Many Requests',
  431: 'Request Header Fields Too Large', 451: 'Unavailable For Legal Reasons', 500: 'Internal Server Error', 501: 'Not Implemented',
  502: 'Bad Gateway', 503: 'Service Unavailable', 504: 'Gateway Timeout', 505: 'HTTP Version Not Supported', 506: 'Variant Also Negotiates',
  507: 'Insufficient Storage', 508: 'Loop Detected', 509: 'Bandwidth Limit Exceeded', 510: 'Not Extended', 511: 'Network Authentication Required',
};

// Agent is accepted everywhere; connections are kept by Go's client.
function Agent(options) {
  if (!(this instanceof Agent)) return new Agent(options);
  EventEmitter.call(this);
  this.defaultPort = 80;
  this.protocol = 'http:';
  this.options = { __proto__: null, path: null, ...options };
  this.requests = Object.create(null);
  this.sockets = Object.create(null);
  this.freeSockets = Object.create(null);
  this.keepAlive = Boolean(this.options.keepAlive);
  this.keepAliveMsecs = this.options.keepAliveMsecs || 1000;
  this.maxSockets = this.options.maxSockets || Infinity;
  this.maxFreeSockets = this.options.maxFreeSockets || 256;
  this.maxTotalSockets = this.options.maxTotalSockets || Infinity;
  this.scheduling = this.options.scheduling || 'lifo';
  this.totalSocketCount = 0;
}
Object.setPrototypeOf(Agent.prototype, EventEmitter.prototype);
Object.setPrototypeOf(Agent, EventEmitter);
Agent.defaultMaxSockets = Infinity;
Agent.prototype.destroy = function() {};
Agent.prototype.addRequest = function() {};
Agent.prototype.createConnection = function() {
  throw errors.unsupported('agent.createConnection', 'use http, https or fetch, which make their own connections');
};
Agent.prototype.getName = function(options = {}) {
  return `${options.host || 'localhost'}:${options.port || ''}:${options.localAddress || ''}`;
};

function makeClient(agent, defaults) {
  function request(...args) {
    const [options, callback] = toOptions(...args);
    if (options.agent === undefined) options.agent = http.globalAgent.protocol === defaults.protocol ? agent : agent;
    if (options.protocol && options.protocol !== defaults.protocol && !(options.agent && options.agent.protocol === options.protocol) && options.agent === agent) {
      throw errors.make(TypeError, 'ERR_INVALID_PROTOCOL', `Protocol "${options.protocol}" not supported. Expected "${defaults.protocol}"`);
    }
    if (!options.protocol) options.defaultProtocol = defaults.protocol;
    if (!options.defaultPort) options.defaultPort = (options.protocol || defaults.protocol) === 'https:' ? 443 : 80;
    return new ClientRequest(options, callback);
  }
  function get(...args) {
    const req = request(...args);
    req.end();
    return req;
  }
  return { request, get };
}

function OutgoingMessage() {}
Object.setPrototypeOf(OutgoingMessage.prototype, ClientRequest.prototype);

function noServer(what) {
  return () => { throw errors.unsupported(what, 'a script is not a server; start one in a job, or let events reach the build through a gateway'); };
}

const http = module.exports = {
  METHODS, STATUS_CODES, Agent, ClientRequest, IncomingMessage: messages.IncomingMessage, OutgoingMessage,
  globalAgent: new Agent({ keepAlive: true }),
  validateHeaderName: messages.validateHeaderName, validateHeaderValue: messages.validateHeaderValue,
  createServer: noServer('http.createServer'), maxHeaderSize: 16384, setMaxIdleHTTPParsers() {},
};
for (const name of ['Server', 'ServerResponse']) {
  http[name] = function() { return noServer(`http.${name}`)(); };
  Object.defineProperty(http[name], 'name', { value: name });
}
Object.setPrototypeOf(http.ServerResponse.prototype, require('stream').Writable.prototype);
Object.assign(http, makeClient(http.globalAgent, { protocol: 'http:' }));
Object.defineProperty(http, Symbol.for('brigade.http'), { value: { makeClient, noServer } });
