// alyx doctor: compares the rows, the bytes and the counters, and says where they disagree.
import { defineCommand } from 'citty'
import type { DoctorProblem, DoctorReport } from '../../jobs/doctor.ts'
import { requireByteRate } from '../arguments.ts'
import { EXIT } from '../exit.ts'
import { GLOBAL } from '../options.ts'
import { withStore } from '../store.ts'
import { note, print, printJson } from '../terminal.ts'

export const command = defineCommand({
  meta: { name: 'doctor', description: 'check that rows, bytes and counters agree' },
  args: {
    ...GLOBAL,
    'read-data': { type: 'boolean', description: 'also read every file and compare its SHA-256' },
    rate: {
      type: 'string',
      valueHint: 'SIZE',
      description: 'with --read-data: bytes a second to read at most; 0 = no limit',
      default: '50MB',
    },
    fix: { type: 'boolean', description: 'show what can be set right without losing data, then do it' },
    'dry-run': { type: 'boolean', description: 'with --fix: only show what would be done' },
  },
  async run({ args }) {
    const readData = args['read-data'] === true
    const rate = args.rate === '0' ? null : requireByteRate('rate', args.rate)
    const report = await withStore(args, async (alyx) => {
      const found = await alyx.doctor({ readData, rate, fix: false })
      const plan = found.problems.filter(({ fix }) => fix !== null)
      if (!args.fix) return found
      if (!args.json) showPlan(plan)
      if (args['dry-run'] || plan.length === 0) return found
      return merged(found, await alyx.doctor({ readData: false, fix: true, plan }))
    })
    if (args.json) printJson(report)
    else show(report, args.fix === true)
    if (!report.ok) process.exitCode = EXIT.failed
  },
})

function showPlan(plan: readonly DoctorProblem[]): void {
  if (plan.length === 0) note('there is nothing that --fix can do')
  for (const { fix, kind, id } of plan) note(`plan: ${fix} ${id} (${kind})`)
}

/** What the second look, which reads no data, does not see was seen by the first. */
function merged(first: DoctorReport, second: DoctorReport): DoctorReport {
  const fixed = new Set(second.problems.filter((problem) => problem.fixed).map(nameOf))
  const problems = first.problems.map((problem) =>
    fixed.has(nameOf(problem)) ? { ...problem, fixed: true as const } : problem,
  )
  return { ...second, problems, ok: problems.every((problem) => problem.fixed) }
}

function nameOf({ kind, id, detail }: DoctorProblem): string {
  return `${kind} ${id} ${detail}`
}

function show({ ok, problems }: DoctorReport, fixes: boolean): void {
  for (const { invariant, kind, id, detail, fix, fixed } of problems) {
    const done = fixed ? ` (${fix}: done)` : fix !== null && !fixes ? ` (--fix: ${fix})` : ''
    print(`${invariant} ${kind} ${id}: ${detail}${done}`)
  }
  print(ok ? 'ok: rows, bytes and counters agree' : `${problems.filter(({ fixed }) => !fixed).length} found`)
}
