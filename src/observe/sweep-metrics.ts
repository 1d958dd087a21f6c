// What is counted of sweeps: how runs ended, and what they cleared, by kind.
import type { Registry } from 'prom-client'
import { SWEEP_KINDS } from '../core/sweep-step.ts'

type Fields = Readonly<Record<string, unknown>>

/** Counts the report of a sweep, which has `dryRun ran more errors clockHeld milliseconds steps` and a number per kind. Dry runs are not counted. */
export function createSweepCounters(
  prometheus: typeof import('prom-client'),
  registers: Registry[],
): (report: Fields) => void {
  const counter = (name: string, help: string, labelNames: string[]) =>
    new prometheus.Counter({ name: `alyx_${name}`, help, labelNames, registers })
  const gauge = (name: string, help: string) => new prometheus.Gauge({ name: `alyx_${name}`, help, registers })
  const runs = counter('sweep_runs_total', 'Sweeps, by how they ended.', ['result'])
  const cleared = counter('sweeps_total', 'What sweeps cleared, by kind.', ['kind'])
  const bytes = counter('sweep_bytes_total', 'Bytes that went with it.', ['kind'])
  const errors = counter('sweep_errors_total', 'What would not go and will be tried again.', ['kind'])
  const seconds = counter('sweep_seconds_total', 'Time spent sweeping.', [])
  const held = gauge('sweep_clock_held', '1 while the clock has leapt ahead and is not believed.')
  const last = gauge('sweep_last_run_timestamp_seconds', 'When this process swept last.')
  for (const kind of SWEEP_KINDS) for (const each of [cleared, bytes, errors]) each.inc({ kind }, 0)

  return (report) => {
    if (report.dryRun === true) return
    runs.inc({ result: resultOf(report) })
    if (report.ran !== true) return
    for (const step of Array.isArray(report.steps) ? (report.steps as readonly Fields[]) : []) {
      const kind = String(step.kind)
      cleared.inc({ kind }, Number(step.cleared ?? 0))
      bytes.inc({ kind }, Number(step.bytes ?? 0))
      errors.inc({ kind }, Number(step.errors ?? 0))
    }
    seconds.inc(Number(report.milliseconds ?? 0) / 1000)
    held.set(report.clockHeld === null ? 0 : 1)
    last.setToCurrentTime()
  }
}

function resultOf({ ran, more, errors, clockHeld }: Fields): string {
  if (ran !== true) return 'busy'
  if (clockHeld !== null && clockHeld !== undefined) return 'clock_held'
  if (Number(errors) > 0) return 'errors'
  return more === true ? 'more' : 'done'
}
