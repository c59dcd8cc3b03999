/**
 * What tests of a Brigade script import. `brig test` runs them: files called
 * `brigade.test.js` (or .ts, .mjs …) beside the script.
 *
 * ```ts
 * import { test, fire } from "brigade/test";
 *
 * test("a failed test stops the release", async () => {
 *   const build = await fire({ type: "push", jobs: { unit: { exitCode: 1 } } });
 *   build.failed(/exit code 1/).ran("unit").notRan("release");
 * });
 * ```
 */

/** Adds a test. It fails when the function throws or its promise is rejected. */
export const test: {
  (name: string, run: () => void | Promise<void>): void;
  /** Only tests added so are run. */
  only(name: string, run: () => void | Promise<void>): void;
  /** The test is named and not run. */
  skip(name: string, run?: () => void | Promise<void>): void;
};

/** What becomes of a job: this, its output, its exit code, or an error. Nothing: it succeeds and prints nothing. */
export type Answer = AnswerObject | string | number | Error | null | undefined | void;

export interface AnswerObject {
  /** Default 0. Any other fails the job. */
  exitCode?: number;
  /** What it prints; what is no text becomes JSON. */
  output?: any;
  /** What it writes to `$BRIGADE_OUTPUT`. */
  outputs?: Record<string, any>;
  /** The files it leaves: names, or more. */
  artifacts?: (string | { name: string; size: number; sha256: string })[];
  /** Why it fails, when no exit code says so. */
  error?: string | Error;
  /** How long it takes, in milliseconds of the build's own time: nobody waits for them. `Infinity`: until its timeout. */
  delay?: number;
}

/** A job as the script made it, with its defaults. */
export interface JobSpec {
  name: string;
  image?: string;
  tasks?: string[];
  args?: string[];
  env?: Record<string, string | object>;
  timeout: number;
  [field: string]: any;
}

export type AnswerOf = Answer | ((job: JobSpec, attempt: number) => Answer | Promise<Answer>);

/** What happens, and to whom. */
export interface FireOptions {
  /** The event; default `exec`. */
  type?: string;
  /** Who sends it; default `brigade-cli`. */
  provider?: string;
  /** Further names it is fired under, where there are handlers. */
  also?: string[];
  /** Text, or a value that becomes JSON. */
  payload?: any;
  revision?: { commit?: string; ref?: string };
  cloneURL?: string;
  logLevel?: string;
  shortTitle?: string;
  longTitle?: string;
  actor?: string;
  /** From a stranger: the build gets no secrets. */
  untrusted?: boolean;
  scriptRef?: string;
  project?: {
    /** Default `acme/app`. */
    name?: string;
    secrets?: Record<string, any>;
    repo?: { cloneURL?: string; initGitSubmodules?: boolean; sshKey?: string; sshCert?: string; token?: string };
    /** Default true. */
    allowPrivilegedJobs?: boolean;
    allowHostMounts?: boolean;
    allowSecretKeyRef?: boolean;
  };
  /** `process.env` of the script. */
  env?: Record<string, string>;
  /** Another script than the one beside the test. */
  script?: string;
  /** After how many milliseconds of its own time the build is canceled, when it goes on for that long. */
  cancel?: number;
  /**
   * What becomes of the jobs, by name; `"*"` is for all others. Of an array
   * each run takes the next answer, and the last one stays.
   */
  jobs?: Record<string, AnswerOf | AnswerOf[]> | ((job: JobSpec, attempt: number) => Answer | Promise<Answer>);
}

/** A job that ran. Times are milliseconds since the build began. */
export interface JobRun {
  id: string;
  name: string;
  image: string;
  tasks: string[] | null;
  env: Record<string, string | object> | null;
  /** All of it. */
  spec: JobSpec;
  state: "succeeded" | "failed" | "canceled" | "running";
  exitCode: number;
  output: string;
  outputs?: Record<string, any>;
  failure?: { code: string; message: string };
  attempts: number;
  started: number;
  ended: number;
  /** Jobs of one step ran side by side. */
  step: number;
  /** The jobs that had ended when it started. */
  after: string[];
  /** The jobs that ran beside it. */
  beside: string[];
}

/** What happened. The functions fail the test when it did not happen so. */
export interface Build {
  id: string;
  state: "succeeded" | "failed" | "canceled";
  exitCode: number;
  /** Whether the event had a handler. */
  handled: boolean;
  /** The events that the script has handlers for. */
  handlers: string[];
  failure?: { code: string; message: string; hint?: string };
  jobs: JobRun[];
  log: { level: "LOG" | "INFO" | "WARN" | "ERROR"; text: string }[];
  events: { name: string; handled: boolean; trigger?: string; reason?: string }[];
  /** The names of the jobs, those that ran side by side in one array. */
  readonly steps: string[][];
  /** The log as one text. */
  readonly text: string;
  /** The job of that name; fails when it did not run. */
  job(name: string): JobRun;
  /** The job of that name, if it ran. */
  find(name: string): JobRun | undefined;
  /** These jobs ran. */
  ran(...names: string[]): Build;
  /** None of these jobs ran. */
  notRan(...names: string[]): Build;
  /** Each of these jobs had ended before the next one started. */
  order(...names: string[]): Build;
  /** These jobs ran side by side. */
  together(...names: string[]): Build;
  succeeded(): Build;
  /** It failed, with that in its reason. */
  failed(reason?: string | RegExp): Build;
  /** It was canceled, see `cancel` of fire. */
  canceled(): Build;
  /** The log has that. */
  logged(text: string | RegExp): Build;
}

/** Fires an event in the script beside the test, and resolves when the build is over. */
export function fire(options?: FireOptions | string): Promise<Build>;

/** The text of a file beside the test, or in `fixtures` or `testdata` there. */
export function fixture(name: string): string;

/** A built-in event to hand to `fire`, such as `example("github", "push")`. */
export function example(provider: string, type?: string): {
  type: string;
  provider: string;
  also: string[];
  payload: string;
  revision: { commit?: string; ref?: string };
};
