// The counters of Prometheus, fed from events. The library is loaded late: it costs more than the rest of a start.
import type { Registry } from 'prom-client'
import type { EventName, Observer } from './observer.ts'
import { createSweepCounters } from './sweep-metrics.ts'

type Fields = Readonly<Record<string, unknown>>
type Depth = () => Promise<{ readonly pending: number; readonly dead: number }>
type Count = (name: EventName, fields: Fields) => void

export interface Metrics extends Observer {
  /** Everything counted so far, in the text format of Prometheus. */
  render(): Promise<{ readonly contentType: string; readonly body: string }>
  activeUploads(change: 1 | -1): void
  /** Whom to ask for how many events wait for webhooks; without one nothing is said of it. */
  watchOutbox(depth: Depth): void
}

const LOAD_AFTER = 2000
/** Events kept until the library is there. */
const MAX_WAITING = 20_000
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** Counts these fields of events: request `route method status ms`, upload `protocol result bytes`, download `protocol status whole bytes`,
 *  record `operation`, storage_error `backend operation code`, rule_refused `operation`, quota_refused `scope`, rate_refused `limit`,
 *  file_corrupt `backend`, sweep its report. Anybody may read /metrics: no label names a bucket, a collection, a file or a caller. */
export function createMetrics(): Metrics {
  let active = 0
  let depth: Depth | null = null
  let loaded: Promise<{ readonly registry: Registry; readonly count: Count }> | null = null
  let count: Count | null = null
  let waiting: [EventName, Fields][] = []

  const load = (): NonNullable<typeof loaded> => {
    loaded ??= import('prom-client').then(({ default: prometheus }) => {
      const made = createCounters(
        prometheus,
        () => active,
        () => depth,
      )
      for (const [name, fields] of waiting) made.count(name, fields)
      waiting = []
      count = made.count
      return made
    })
    return loaded
  }

  return {
    event(name, fields) {
      if (count !== null) return count(name, fields)
      if (waiting.length === 0 && loaded === null) setTimeout(load, LOAD_AFTER).unref()
      if (waiting.length < MAX_WAITING) waiting.push([name, fields])
    },
    activeUploads(change) {
      active += change
    },
    watchOutbox(given) {
      depth = given
    },
    async render() {
      const { registry } = await load()
      return { contentType: registry.contentType, body: await registry.metrics() }
    },
  }
}

function createCounters(
  prometheus: typeof import('prom-client'),
  active: () => number,
  outbox: () => Depth | null,
): { readonly registry: Registry; readonly count: Count } {
  const registry = new prometheus.Registry()
  const registers = [registry]
  prometheus.collectDefaultMetrics({ register: registry })
  const counter = (name: string, help: string, labelNames: string[]) =>
    new prometheus.Counter({ name: `alyx_${name}`, help, labelNames, registers })

  const requests = counter('http_requests_total', 'Requests answered.', ['route', 'method', 'status'])
  const seconds = new prometheus.Histogram({
    name: 'alyx_http_request_duration_seconds',
    help: 'From the request head to the last byte of the answer.',
    labelNames: ['route', 'method'],
    buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60],
    registers,
  })
  const uploads = counter('uploads_total', 'Uploads that ended, by how.', ['protocol', 'result'])
  const uploadBytes = counter('upload_bytes_total', 'Bytes of files stored.', ['protocol', 'result'])
  const downloads = counter('downloads_total', 'Answers to requests for bytes of files, by how.', [
    'protocol',
    'result',
  ])
  const downloadBytes = counter('download_bytes_total', 'Bytes of files sent.', ['protocol', 'result'])
  const deletes = counter('deletes_total', 'Files deleted.', [])
  const records = counter('record_writes_total', 'Records written, by how.', ['operation'])
  const transforms = counter('transforms_total', 'Other images asked for, by how it ended.', ['result'])
  const storageErrors = counter('storage_errors_total', 'Failures of a backend.', ['backend', 'operation', 'code'])
  const ruleRefusals = counter('rule_refused_total', 'Operations a rule refused.', ['operation'])
  const quotaRefusals = counter('quota_refused_total', 'Uploads a quota refused.', ['scope'])
  const rateRefusals = counter('rate_refused_total', 'Requests a rate limit refused.', ['limit'])
  const corrupt = counter('files_corrupt_total', 'Reads that found damaged bytes.', ['backend'])
  const webhooks = counter('webhook_attempts_total', 'Attempts to send an event, by how they ended.', [
    'type',
    'result',
  ])
  const sweeps = createSweepCounters(prometheus, registers)
  const failures = counter('internal_errors_total', 'Requests that failed through a fault of the server.', ['code'])
  new prometheus.Gauge({
    name: 'alyx_active_uploads',
    help: 'Requests that are bringing a file right now.',
    registers,
    collect() {
      this.set(active())
    },
  })

  new prometheus.Gauge({
    name: 'alyx_webhook_events',
    help: 'Events that wait for webhooks (`pending`), and those that were given up (`dead`).',
    labelNames: ['state'],
    registers,
    async collect() {
      // The rest of the page is worth having when the database does not answer.
      const found = await outbox()?.().catch(() => null)
      this.reset()
      for (const state of ['pending', 'dead'] as const) if (found) this.set({ state }, found[state])
    },
  })

  const COUNTS: Readonly<Partial<Record<EventName, (fields: Fields) => void>>> = {
    request(fields) {
      const method = METHODS.has(label(fields.method)) ? label(fields.method) : 'other'
      const route = label(fields.route)
      requests.inc({ route, method, status: label(fields.status) })
      seconds.observe({ route, method }, amount(fields.ms) / 1000)
    },
    upload(fields) {
      const labels = { protocol: label(fields.protocol), result: label(fields.result) }
      uploads.inc(labels)
      uploadBytes.inc(labels, amount(fields.bytes))
    },
    download(fields) {
      const labels = { protocol: label(fields.protocol), result: downloadResult(fields) }
      downloads.inc(labels)
      downloadBytes.inc(labels, amount(fields.bytes))
    },
    delete: () => deletes.inc(),
    record: (fields) => records.inc({ operation: label(fields.operation) }),
    transform: (fields) => transforms.inc({ result: label(fields.result) }),
    storage_error: (fields) =>
      storageErrors.inc({ backend: label(fields.backend), operation: label(fields.operation), code: codeOf(fields) }),
    rule_refused: (fields) => ruleRefusals.inc({ operation: label(fields.operation) }),
    quota_refused: (fields) => quotaRefusals.inc({ scope: label(fields.scope).replace(/:.*$/, '') }),
    rate_refused: (fields) => rateRefusals.inc({ limit: label(fields.limit) }),
    file_corrupt: (fields) => corrupt.inc({ backend: label(fields.backend) }),
    sweep: sweeps,
    webhook: (fields) => webhooks.inc({ type: label(fields.type), result: label(fields.result) }),
    internal_error: (fields) => failures.inc({ code: codeOf(fields) }),
  }
  return { registry, count: (name, fields) => COUNTS[name]?.(fields) }
}

/** How the sending of a file's bytes ended. */
function downloadResult({ status, whole }: Fields): string {
  if (status === 304) return 'not_modified'
  if (whole === false) return 'broken_off'
  return status === 206 ? 'part' : 'whole'
}

function label(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value).slice(0, 100) : ''
}

function amount(value: unknown): number {
  return typeof value === 'number' && value > 0 ? value : 0
}

/** The event's own code, or that of the error it carries. */
function codeOf({ code, error }: Fields): string {
  if (code !== undefined) return label(code)
  return typeof error === 'object' && error !== null && 'code' in error ? label(error.code) : 'unknown'
}
