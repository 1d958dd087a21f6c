// What happened, told to those who listen: the log and the counters.
import { type DestinationStream, destination as openDestination } from 'pino'
import type { Clock } from '../core/clock.ts'
import { createLog, type LogOptions } from './log.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import type { Observer } from './observer.ts'

export interface ObserveOptions {
  readonly logging: LogOptions
  /** Off: nothing is counted. */
  readonly metrics: { readonly enabled: boolean }
  readonly clock: Clock
  /** Gets whole lines; standard output when left out. */
  readonly destination?: DestinationStream
}

export interface Observe {
  readonly observer: Observer
  /** Null when metrics are off. */
  readonly metrics: Metrics | null
}

/** One observer for all rooms; events go to the log and, when counted, to the metrics. */
export function createObserve(options: ObserveOptions): Observe {
  const destination =
    options.destination ?? openDestination({ dest: 1, sync: false, minLength: 8192, periodicFlush: 50 })
  const log = createLog(options.logging, options.clock, destination)
  const metrics = options.metrics.enabled ? createMetrics() : null
  if (metrics === null) return { observer: log, metrics }
  return {
    observer: {
      event(name, fields) {
        log.event(name, fields)
        metrics.event(name, fields)
      },
    },
    metrics,
  }
}
