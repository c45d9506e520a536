/// <reference types="node" />

/** The least that is used of a meter of @opentelemetry/api. */
export interface MeterLike {
  createObservableCounter(name: string, options?: { description?: string }): {
    addCallback(callback: (result: any) => void): void;
    removeCallback(callback: (result: any) => void): void;
  };
}

export type Verdict = 'found' | 'not_found' | 'failed' | 'shed';
export type ServedBy = 'replica' | 'replica_retry' | 'primary';
export type Counted = 'replica_retry' | 'primary' | 'proven_absent' | 'primary_shed';
export type LogLevel = 'none' | 'warn' | 'error';

/** How a read ended. */
export interface End {
  /** `shed`: the primary's budget is empty (or maxReads are under way): answer so that the client does
   * not ask again at once, as with HTTP's 429 and Retry-After. */
  verdict: Verdict;
  /** What the last statement or function threw, a miss that was told by an error too. */
  error: any;
  /** Which read gave a verdict of found or not_found. */
  servedBy: ServedBy | null;
  failedDuring: 'replica_retry' | 'primary_fallback' | 'primary_budget' | 'max_reads' | null;
  /** Which counter of the section grew by one. */
  counted: Counted | null;
  /** How to log it, with labels of your own. */
  logLevel: LogLevel;
  /** One sentence. */
  message: string;
}

export interface PolicyEnd<T> extends End {
  /** Of the read that found it. */
  value: T | undefined;
}

export interface ClusterEnd<R> extends End {
  /** [] unless found. */
  rows: R[];
  /** pg's own result of a found read. */
  result: any;
  /** What the cluster knows of why a read failed. */
  reason: string | null;
  /** Where the server that answered was, at least as far as all that the answer shows. */
  position: string | null;
}

declare const outcomeOf: unique symbol;
export interface Missing {
  readonly [outcomeOf]: 'missing';
}
export interface Partial<T> {
  readonly [outcomeOf]: 'partial';
  readonly value: T;
}
/** The known row is not there. */
export function missing(error?: unknown): Missing;
/** The known row is there, but not yet all that must come with it. */
export function partial<T>(value: T, error?: unknown): Partial<T>;

export type Answer<T> = T | Missing | Partial<T> | null | undefined;

export interface PolicyReads<T> {
  readReplica(replica: number, context: { signal?: AbortSignal }): Answer<T> | Promise<Answer<T>>;
  readPrimary(context: { signal?: AbortSignal }): Answer<T> | Promise<Answer<T>>;
}

export interface PolicyReadOptions {
  /** Distinct replicas that can be read, numbered from 0. Default 1; 0: none. */
  replicas?: number;
  /** The read must see its own transaction's writes: the primary, with no retry. */
  inTransaction?: boolean;
  /** No wait goes beyond it: a Date, or milliseconds as of Date.now(). */
  deadline?: Date | number;
  /** Rejects the read with its reason. */
  signal?: AbortSignal;
  /** Whether an error is how the client tells that the row is not there. */
  isMissing?(error: any): boolean;
}

/** A section's reads of the primary for rows that replicas lack. */
export interface Budget {
  /** primary_budget_per_s */
  perSecond: number;
  /** primary_budget_burst, as it counts */
  burst: number;
  /** That would be admitted at once now, 0 to burst, of all sets that share it. For metrics and status
   * pages: it may be gone by the time that a read asks for it. */
  left: number;
}

export class Policy {
  private constructor();
  readonly name: string;
  describe(): string;
  /** In Graphviz's language. */
  diagram(): string;
  /** The primary's budget, of which nothing is charged; null: there is no limit. */
  budget(): Budget | null;
  read<T>(reads: PolicyReads<T>, options?: PolicyReadOptions): Promise<PolicyEnd<T>>;
}

export interface Metric {
  name: string;
  help: string;
  /** '' for a cluster's own. */
  section: string;
  attribute: string | null;
  attributeValue: string | null;
  value: number;
}

export interface PolicySetOptions {
  /** false: for policy.read alone; a policy that needs WAL positions is refused at load, by name. */
  positions?: boolean;
}

export class PolicySet {
  private constructor();
  static fromFile(path: string, options?: PolicySetOptions): PolicySet;
  static fromText(ini: string, options?: PolicySetOptions & { name?: string }): PolicySet;
  reload(ini?: string): void;
  sections(): string[];
  policy(section: string): Policy;
  describe(): string;
  notes(): string;
  metrics(): Metric[];
  observe(meter: MeterLike): () => void;
  sharedMemory(sections?: number): SharedArrayBuffer;
  share(memory: SharedArrayBuffer): void;
  close(): Promise<void>;
}

/** What is used of a pg.Pool. */
export interface PoolLike {
  connect(callback: (error: any, client: any, release: any) => void): void;
  on(event: any, listener: (...args: any[]) => void): any;
  off(event: any, listener: (...args: any[]) => void): any;
  end(): Promise<void>;
  readonly options: any;
}
/** What is used of a pg.Client. */
export interface ClientLike {
  query(query: any, callback: (error: any, result: any) => void): any;
}

/** A pool of pg's, its options, or a connection string. */
export type Target = PoolLike | string | { host?: string; port?: number; [option: string]: any };
export type Expect = 'any' | 'primary' | 'replica';
export type ServerState = 'on' | 'drain' | 'off';

export interface ServerOptions {
  pool?: Target;
  expect?: Expect;
  state?: ServerState;
}

export interface Notice {
  level: LogLevel;
  server: string | null;
  dropped: number;
  text: string;
}

export interface ConnectOptions {
  /** A set, or the path of an INI file. */
  set: PolicySet | string;
  primary?: Target;
  replicas?: Target[];
  /** Instead of primary and replicas: who is what is observed, `expect` is optional. */
  servers?: (ServerOptions & { name?: string; pool: Target })[];
  /** The module pg, if it cannot be found from here. */
  pg?: any;
  /** How often every server is asked; 100 to 5000, default 1000. */
  pollMs?: number;
  /** Of a read without a deadline; default 5000. */
  timeoutMs?: number;
  /** Reads at once, default 16384; what comes beyond is shed. */
  maxReads?: number;
  maxServers?: number;
  /** Mistakes in the use of the cluster become notices. */
  strict?: boolean;
  /** A rehearsal: first reads of replicas count as missing. */
  firstMisses?: boolean;
  /** For all reads; see ReadOptions. */
  wantPosition?: boolean;
  /** Default: warnings and errors go to the console. */
  onNotice?(notice: Notice): void;
}

export interface Statement<R> {
  sql: string;
  values?: unknown[];
  /** Prepared under this name. */
  name?: string;
  rowMode?: 'array';
  types?: any;
  /** Default: found if there are rows. */
  outcome?(rows: R[], result: any): 'found' | 'partial' | 'missing';
  /** The answer's position, of a column that the statement has for it (AFTER_COLUMN). */
  position?(rows: R[]): string | null | undefined;
}

export interface ReadOptions {
  /** A WAL position that the answer must not be behind, "16/B374D848". */
  position?: string | null;
  /** end.position is wanted: costs a transaction where there is none, unless the statement has it. */
  wantPosition?: boolean;
  deadline?: Date | number;
  signal?: AbortSignal;
  /** The host's own client, in its own transaction on the primary. */
  client?: ClientLike;
}

export interface ServerInfo {
  name: string;
  role: 'unknown' | 'primary' | 'replica' | 'out';
  expect: Expect;
  state: ServerState;
  answers: boolean;
  inRecovery: boolean | null;
  timeline: number;
  version: number;
  instance: string | null;
  system: string | null;
  position: string | null;
  lagBytes: number | null;
  lagMs: number | null;
  lagAtLeastMs: number;
  backingOffMs: number;
  why: string;
  grants: string;
  /** Why its last question was not answered; null: it was. */
  error: string | null;
}

export interface ClusterInfo {
  settled: boolean;
  split: boolean;
  primary: string | null;
  primaryAnswers: boolean;
  timeline: number;
  reads: number;
  replicas: number;
  system: string | null;
}

export class Cluster {
  private constructor();
  read<R = any>(section: string, statement: Statement<R>, options?: ReadOptions): Promise<ClusterEnd<R>>;
  servers(): ServerInfo[];
  info(): ClusterInfo;
  setServer(name: string, options?: ServerOptions): Promise<void>;
  forgetHistory(): void;
  isPosition(text: string): boolean;
  metrics(): Metric[];
  observe(meter: MeterLike): () => void;
  readonly policies: PolicySet;
  close(): Promise<void>;
}

export function connect(options: ConnectOptions): Promise<Cluster>;

export const AFTER_COLUMN: string;
export const version: string;
