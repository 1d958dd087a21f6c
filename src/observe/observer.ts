// How rooms say what happened: one call, no knowledge of logs or metrics.

/** Names of things that happen. Metrics and log levels are chosen from them in observe/. */
export type EventName =
  | 'request'
  | 'upload'
  | 'download'
  | 'delete'
  /** A file came back from the trash: `{ bucket, id, size }`. */
  | 'restore'
  /** The `inspect` of the program said or did something: `{ bucket, id, result, ms, error? }`. */
  | 'inspection'
  /** An attempt to send an event: `{ hook, type, id, result, attempts, error? }`. */
  | 'webhook'
  /** Another image was asked for: `{ bucket, result, bytes }`, result `made` or the code of the failure. */
  | 'transform'
  /** A record was written: `{ collection, operation }`. */
  | 'record'
  | 'rule_refused'
  | 'quota_refused'
  /** A caller was told to wait: `{ limit }`. */
  | 'rate_refused'
  | 'storage_error'
  | 'file_corrupt'
  | 'sweep'
  | 'server'
  | 'config_warning'
  | 'internal_error'
  /** A durable step was passed: `{ point }`. Logged at trace; tests kill the process on it. */
  | 'step'

export interface Observer {
  /** `fields` must not hold secrets or file contents; `error` is logged with its causes. */
  event(name: EventName, fields: Readonly<Record<string, unknown>>): void
}

/** Hears nothing. */
export const silent: Observer = { event: () => {} }
