// alyx sweep: reclaims what expired, was abandoned or is half deleted, now instead of at the next interval.
import { defineCommand } from 'citty'
import { formatSize } from '../../core/units.ts'
import type { SweepReport } from '../../jobs/sweeps.ts'
import { EXIT } from '../exit.ts'
import { GLOBAL } from '../options.ts'
import { withStore } from '../store.ts'
import { note, print, printJson } from '../terminal.ts'

export const command = defineCommand({
  meta: { name: 'sweep', description: 'reclaim expired files, abandoned uploads and unfinished deletions' },
  args: { ...GLOBAL, 'dry-run': { type: 'boolean', description: 'only say what would be done' } },
  async run({ args }) {
    const report = await withStore(args, (alyx) => alyx.sweep({ dryRun: args['dry-run'] === true }))
    if (args.json) printJson(asJson(report))
    else if (report.ran) show(report)
    else print('another process is sweeping; nothing was done')
    if (report.errors > 0) process.exitCode = EXIT.failed
  },
})

/** What scripts read; docs/sweeps-and-doctor.md promises it. */
function asJson({ dryRun, uploadBytes, clockHeld, steps, ...same }: SweepReport) {
  return {
    dry_run: dryRun,
    ...same,
    upload_bytes: uploadBytes,
    clock_held: clockHeld && {
      clock: clockHeld.clock,
      swept_until: clockHeld.sweptUntil,
      believed_at: clockHeld.believedAt,
    },
    steps: steps.map(({ rested, ...step }) => ({ ...step, rested: rested ?? null })),
  }
}

function show({ dryRun, steps, more }: SweepReport): void {
  print(dryRun ? 'would be swept:' : 'swept:')
  for (const { name, cleared, bytes, errors, rested } of steps) {
    const size = bytes > 0 ? `, ${formatSize(bytes)}` : ''
    const trouble = errors > 0 ? `, ${errors} would not go` : ''
    const rests = rested === undefined ? '' : rested === 'skip' ? ' (cleanup.skip)' : ' (a backup is being made)'
    print(`  ${name.replaceAll('_', ' ')}: ${cleared}${size}${trouble}${rests}`)
  }
  if (more) note('more is left: run it again')
}
