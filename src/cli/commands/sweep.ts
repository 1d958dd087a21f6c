// alyx sweep: reclaims what expired, was abandoned or is half deleted, now instead of at the next interval.
import { defineCommand } from 'citty'
import { GLOBAL } from '../options.ts'
import { withStore } from '../store.ts'
import { print, printJson } from '../terminal.ts'

export const command = defineCommand({
  meta: { name: 'sweep', description: 'reclaim expired files, abandoned uploads and unfinished deletions' },
  args: { ...GLOBAL, 'dry-run': { type: 'boolean', description: 'only say what would be done' } },
  async run({ args }) {
    const report = await withStore(args, (alyx) => alyx.sweep({ dryRun: args['dry-run'] === true }))
    const { steps, ...totals } = report
    const entries = Object.entries(totals).map(([name, value]) => [snakeCase(name), value] as const)
    if (args.json) return printJson({ ...Object.fromEntries(entries), steps })
    if (!report.ran) return print('another process is sweeping; nothing was done')
    print(report.dryRun ? 'would be swept:' : 'swept:')
    for (const [name, value] of entries)
      if (typeof value === 'number') print(`  ${name.replaceAll('_', ' ')}: ${value}`)
    if (report.more) print('more is left: run it again')
  },
})

const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
