/**
 * What a Brigade script imports: events to listen to, and jobs to run.
 *
 * ```ts
 * import { events, Job } from "@brigadecore/brigadier";
 *
 * events.on("push", async (event, project) => {
 *   const test = new Job("test", "golang:1.26", ["cd /src", "go test ./..."]);
 *   await test.run();
 * });
 * ```
 *
 * The same module is known as `brigadier`, `brigade`, `@brigadecore/brigadier`
 * and `@azure/brigadier`.
 */

/** A state of the project's repository. Both empty: the head of its default branch. */
export interface Revision {
  /** The full SHA of the commit. */
  commit: string;
  /** The branch or tag, such as `refs/heads/main`. */
  ref: string;
}

/** Why an `after` or `error` event was fired. */
export interface Cause {
  /** The event that the build is about. */
  event: Event;
  /** What went wrong, in `error` events: most often an `Error`. */
  reason?: any;
  /** `success` or `failure` in `after` events, `unhandledRejection` in `error` events. */
  trigger: "success" | "failure" | "unhandledRejection" | "cancel" | (string & {});
}

/** The least severity that the worker logs. */
export type LogLevel = "ALL" | "LOG" | "INFO" | "WARN" | "ERROR" | "NONE";

/** Something that happened outside and started this build. */
export interface Event {
  /** The build's ID, a lower-case ULID. */
  buildID: string;
  /** The worker's name: `brigade-worker-<build ID>`. */
  workerID: string;
  /** What happened: `push`, `exec`, `pull_request:opened` … */
  type: string;
  /** Who sent it: `github`, `brigade-cli`, `GenericWebhook` … */
  provider: string;
  /** Where the source is cloned from. */
  cloneURL: string;
  /** Which state of the source the event is about. */
  revision: Revision;
  /** The event's data as it was received. It is text: use `JSON.parse` where it is JSON. */
  payload: string;
  /** The least severity that the worker logs. */
  logLevel: LogLevel;
  /** Only in `after`, `error` and `cancel` events: what they come from. */
  cause?: Cause;
  /**
   * Aborted when somebody wants the build to end. A script that never asks for
   * it and has no handler for `cancel` is stopped at once.
   */
  readonly signal: CancelSignal;
}

/** An `AbortSignal`: it can be handed to `fetch`, timers and the like. */
export interface CancelSignal {
  readonly aborted: boolean;
  /** Why, once aborted. */
  readonly reason: any;
  throwIfAborted(): void;
  addEventListener(type: "abort", listener: (event: any) => void, options?: any): void;
  removeEventListener(type: "abort", listener: (event: any) => void, options?: any): void;
  dispatchEvent(event: any): boolean;
  onabort: ((event: any) => any) | null;
}

/** The older name of {@link Event}. */
export type BrigadeEvent = Event;

/** A project's repository and what opens it. */
export interface Repository {
  /** The project's name, such as `acme/app`. */
  name: string;
  cloneURL: string;
  /** Whether submodules are fetched as well. */
  initGitSubmodules: boolean;
  /** A private key for the repository, or empty. */
  sshKey: string;
  /** A certificate that goes with the key, or empty. */
  sshCert: string;
  /** A token for the repository, or empty. */
  token: string;
}

/** Settings that only mean something in a cluster. */
export interface KubernetesConfig {
  namespace: string;
  /** The image of the container that fetches the source. */
  vcsSidecar: string;
  /** The size of the directory that the jobs of a build share, such as `50Mi`. */
  buildStorageSize: string;
  buildStorageClass: string;
  cacheStorageClass: string;
  vcsSidecarResourcesLimitsCPU: string;
  vcsSidecarResourcesLimitsMemory: string;
  vcsSidecarResourcesRequestsCPU: string;
  vcsSidecarResourcesRequestsMemory: string;
}

/** The project that the event belongs to. */
export interface Project {
  /** `brigade-` and 54 hexadecimal digits. */
  id: string;
  /** The repository's full name, such as `github.com/acme/app`. */
  name: string;
  repo: Repository;
  kubernetes: KubernetesConfig;
  /** The project's secrets. Events that are not to be trusted come without. */
  secrets: { [name: string]: any };
  /** Whether jobs may be privileged. */
  allowPrivilegedJobs: boolean;
  /** Whether jobs may mount paths of the machine, the engine's socket among them. */
  allowHostMounts: boolean;
}

/** The older name of {@link Project}. */
export type BrigadeProject = Project;

/**
 * What is called when an event is fired. A promise that it returns is not
 * waited for by the handlers after it, but the build ends only once nothing is
 * left to do; a rejection that nobody handles fails the build.
 */
export type EventHandler = (event: Event, project: Project) => any;

/** Listens to events and fires them, with the semantics of Node's EventEmitter. */
export interface EventRegistry {
  /**
   * Calls the handler whenever an event of that name is fired. Handlers run in
   * the order in which they were registered. Besides the names that gateways
   * send there are `after`, fired when everything succeeded, `error`, fired
   * once when something failed, and `cancel`, fired when somebody wants the
   * build to end: its jobs are stopped then, and the handler may run others to
   * clean up.
   */
  on(name: "after" | "error" | "cancel", handler: (event: Event & { cause: Cause }, project: Project) => any): this;
  on(name: string | symbol, handler: EventHandler): this;
  on(name: string | symbol, handler: (...args: any[]) => any): this;
  addListener(name: string | symbol, handler: (...args: any[]) => any): this;
  /** Calls the handler the first time only. */
  once(name: "after" | "error" | "cancel", handler: (event: Event & { cause: Cause }, project: Project) => any): this;
  once(name: string | symbol, handler: EventHandler): this;
  once(name: string | symbol, handler: (...args: any[]) => any): this;
  prependListener(name: string | symbol, handler: (...args: any[]) => any): this;
  prependOnceListener(name: string | symbol, handler: (...args: any[]) => any): this;
  off(name: string | symbol, handler: (...args: any[]) => any): this;
  removeListener(name: string | symbol, handler: (...args: any[]) => any): this;
  removeAllListeners(name?: string | symbol): this;
  /** Fires an event of your own, or one again. Whether there was a handler. */
  emit(name: string | symbol, ...args: any[]): boolean;
  /** Fires `event.type`. Whether there was a handler. */
  fire(event: Event, project: Project): boolean;
  /** Whether there is a handler for that name. */
  has(name: string | symbol): boolean;
  listenerCount(name: string | symbol, handler?: (...args: any[]) => any): number;
  listeners(name: string | symbol): Function[];
  rawListeners(name: string | symbol): Function[];
  eventNames(): (string | symbol)[];
  setMaxListeners(n: number): this;
  getMaxListeners(): number;
}

/** Where handlers are registered. */
export const events: EventRegistry;

/** The same as `events.fire`. */
export function fire(event: Event, project: Project): boolean;

/** What a job that succeeded came to. */
export interface Result {
  /** What the job printed. */
  toString(): string;
  /** The output, parsed when all of it is a JSON object or array; else the text. */
  data: any;
  /** What the job wrote to the file at `$BRIGADE_OUTPUT`: lines of `key=value`, or JSON. */
  outputs: { [name: string]: any };
  exitCode: number;
  /** The job's ID, in a cluster its pod's name. */
  jobID: string;
  /** Whether the output was too long to be kept whole. */
  truncated: boolean;
  /** The files that were kept. */
  artifacts?: Artifact[];
  /** Why a {@link Job.fallible | fallible} job failed. */
  failure?: { code: string; message: string };
}

/** A file that a job left behind and that was kept. */
export interface Artifact {
  /** Its path, relative to the job's mountPath. */
  name: string;
  /** In bytes. */
  size: number;
  sha256: string;
}

/** How often a job that fails is run again. */
export interface Retry {
  /** At the most, after the first time; 0 to 100. */
  limit: number;
  /** Before the first repeat, doubled each time: milliseconds, or a text such as `"10s"`. Default 1 s. */
  backoff?: number | string;
}

/** What a job's promise is rejected with when the job failed. */
export interface JobError extends Error {
  /** The kind of failure: `build_failed`, `job_timeout`, `image_pull` … */
  code: string;
  jobID?: string;
  exitCode?: number;
}

/** Kubernetes quantities. */
export interface JobResources {
  /** Such as `"500m"` or `2`. */
  cpu?: string | number;
  /** Such as `"128Mi"`. */
  memory?: string | number;
}

/** On which node a job runs, in a cluster. */
export interface JobHost {
  /** `linux` or `windows`. */
  os?: string;
  /** The node's name. */
  name?: string;
  /** Labels that the node must have. */
  nodeSelector: Map<string, string>;
}

/** A directory that is kept between builds for jobs of this name. */
export interface JobCache {
  /** Default `false`. */
  enabled: boolean;
  /** Default `5Mi`. */
  size: string;
  /** Default `/mnt/brigade/cache`. */
  path: string;
  /**
   * What the cache is for, such as the checksum of a lock file: there is one
   * cache for each key. Without keys there is one for all builds.
   */
  key?: string;
  /**
   * What else will do where there is no cache of that key: the newest whose key
   * begins with the first of these that any begins with.
   */
  restoreKeys?: string[];
}

/** A directory that all jobs of a build share. */
export interface JobStorage {
  /** Default `false`. */
  enabled: boolean;
  /** Default `/mnt/brigade/share`. */
  path: string;
}

/** The socket of the machine's container engine. */
export interface JobDockerMount {
  /** Default `false`. The project has to allow host mounts. */
  enabled: boolean;
}

/** A reference to a key of a Secret or ConfigMap, in a cluster. */
export interface KeyRef {
  name: string;
  key: string;
}

/** The value of a job's environment variable. */
export type EnvValue =
  | string
  | number
  | boolean
  | null
  | undefined
  | { toString(): string; outputs: any }
  | { secretKeyRef: KeyRef }
  | { configMapKeyRef: KeyRef }
  | { fieldRef: { fieldPath: string } };

/** A Kubernetes volume. Outside a cluster there are `emptyDir` and `hostPath`. */
export interface Volume {
  name: string;
  emptyDir?: { medium?: "" | "Memory"; sizeLimit?: string };
  /** The project has to allow host mounts. */
  hostPath?: { path: string; type?: string };
  [kind: string]: any;
}

/** Puts a volume at a path of the job. */
export interface VolumeMount {
  name: string;
  mountPath: string;
  subPath?: string;
  readOnly?: boolean;
}

/** A container that runs a few shell tasks. */
export class Job {
  /** The longest name a job may have: 36 characters. */
  static readonly MAX_JOB_NAME_LENGTH: number;

  /**
   * @param name at most 36 characters of a-z, 0-9, dot and dash, with a letter
   *   or digit at both ends; anything else throws
   * @param image the container's image
   * @param tasks what the shell runs, one after another; the first that fails
   *   ends the job. Without tasks the image's own command runs.
   * @param imageForcePull whether the image is pulled even if it is there
   */
  constructor(name: string, image?: string, tasks?: string[], imageForcePull?: boolean);

  name: string;
  /** What runs the tasks. Default `/bin/sh`. */
  shell: string;
  /** Default none. */
  tasks: string[];
  /** Arguments of the image's own command. */
  args: string[];
  /** Environment variables. Jobs see none but these. */
  env: { [name: string]: EnvValue };
  image?: string;
  /** Default `false`. */
  imageForcePull: boolean;
  /** Names of the credentials with which the image is pulled. */
  imagePullSecrets: string[];
  /** Where the source is. Default `/src`. */
  mountPath: string;
  /** The longest the job may take, in milliseconds. Default 900000, a quarter of an hour. */
  timeout: number;
  /** Whether the job sees the source. Default `true`. */
  useSource: boolean;
  /** Default `false`. The project has to allow it. */
  privileged: boolean;
  /** Under which account the job runs, in a cluster. */
  serviceAccount?: string;
  resourceRequests: JobResources;
  resourceLimits: JobResources;
  host: JobHost;
  cache: JobCache;
  storage: JobStorage;
  docker: JobDockerMount;
  volumes: Volume[];
  volumeMounts: VolumeMount[];
  /** Annotations of the job's pod, in a cluster. */
  annotations: { [name: string]: string };
  /** Whether the job's lines appear in the worker's log as well. Default `false`. */
  streamLogs: boolean;
  /** Whether, and how often, the job is run again when it fails. Default not. */
  retry?: Retry | number;
  /** Whether its failure resolves the promise, with `result.failure` set, instead of rejecting it. */
  fallible?: boolean;
  /** Files to keep: paths and patterns such as `dist/**`, relative to `mountPath`. */
  artifacts?: string[];
  /**
   * A part of a Kubernetes Pod that is merged into the job's, in a cluster:
   * `{ spec: { tolerations: [...] }, metadata: { labels: {...} } }`, or the fields
   * of `spec` alone. The installation says which fields may be set.
   */
  pod?: { [field: string]: any };
  /**
   * Kubernetes containers that run beside the job's, in a cluster: they start
   * before it and are ended after it.
   */
  sidecars?: { name: string; image: string; [field: string]: any }[];

  /** The ID of the job's run: `<name>-<build ID>`. Empty until it was run. */
  readonly podName: string;

  /**
   * Starts the job. The promise is settled when it has ended; it is rejected
   * with a {@link JobError} when the job failed. A job that is not awaited runs
   * to its end all the same, and its failure fails the build.
   */
  run(): Promise<Result>;

  /** What the job has printed so far. */
  logs(): Promise<string>;
}

/** Something with a `run` method, such as a {@link Job}. */
export interface Runnable<T = Result> {
  run(): Promise<T>;
}

/** Several jobs. */
export class Group<T = Result> {
  constructor(jobs?: Runnable<T>[]);
  jobs: Runnable<T>[];
  /** Adds jobs at the end. */
  add(...jobs: Runnable<T>[]): void;
  /** How many jobs there are. */
  length(): number;
  /** Runs all at the same time. The results are in the order of the jobs. */
  runAll(): Promise<T[]>;
  /** Runs one after another, up to the first that fails. */
  runEach(): Promise<T[]>;
  static runAll<T>(jobs: Runnable<T>[]): Promise<T[]>;
  static runEach<T>(jobs: Runnable<T>[]): Promise<T[]>;
}

/** An error and the event it comes from. */
export class ErrorReport {
  constructor(cause?: Event, reason?: any);
  cause?: Event;
  reason?: any;
}

// What scripts use of their surroundings. Declare nothing more here: with
// @types/node installed an editor knows all of it, and that wins.
declare global {
  /** @hidden */
  interface BrigadeConsole {
    log(...data: any[]): void;
    info(...data: any[]): void;
    warn(...data: any[]): void;
    error(...data: any[]): void;
    debug(...data: any[]): void;
    trace(...data: any[]): void;
    dir(value: any, options?: any): void;
    table(data: any, columns?: string[]): void;
    time(label?: string): void;
    timeEnd(label?: string): void;
    group(...label: any[]): void;
    groupEnd(): void;
    assert(ok?: any, ...data: any[]): void;
  }
  /** @hidden */
  interface BrigadeProcess {
    /** The worker's variables: `BRIGADE_BUILD_ID`, `BRIGADE_EVENT_TYPE` … */
    env: { [name: string]: string | undefined };
    argv: string[];
    /** What the build's exit code is to be; anything but 0 fails the build. */
    exitCode?: number | string;
    /** Ends the script at once. */
    exit(code?: number): never;
    cwd(): string;
    on(event: string, listener: (...args: any[]) => void): this;
    nextTick(callback: (...args: any[]) => void, ...args: any[]): void;
    [name: string]: any;
  }
  var console: BrigadeConsole;
  var process: BrigadeProcess;
  /** Calls back after so many milliseconds. The build waits for it. */
  function setTimeout(callback: (...args: any[]) => void, ms?: number, ...args: any[]): any;
  function clearTimeout(timer: any): void;
  function setInterval(callback: (...args: any[]) => void, ms?: number, ...args: any[]): any;
  function clearInterval(timer: any): void;
}
