// alyx doctor: compares the rows, the bytes and the counters, and says where they disagree.
import { defineCommand } from 'citty'
import { EXIT } from '../exit.ts'
import { GLOBAL } from '../options.ts'
import { withStore } from '../store.ts'
import { print, printJson } from '../terminal.ts'

export const command = defineCommand({
  meta: { name: 'doctor', description: 'check that rows, bytes and counters agree' },
  args: {
    ...GLOBAL,
    'read-data': { type: 'boolean', description: 'also read every file and compare its SHA-256' },
    fix: { type: 'boolean', description: 'set right what can be set right without losing data' },
  },
  async run({ args }) {
    const options = { readData: args['read-data'] === true, fix: args.fix === true }
    const report = await withStore(args, (alyx) => alyx.doctor(options))
    if (args.json) printJson(report)
    else {
      for (const { invariant, kind, id, detail } of report.problems)
        print(`${invariant} ${kind} ${id ?? '-'}: ${detail}`)
      print(report.ok ? 'ok: rows, bytes and counters agree' : `${report.problems.length} found`)
    }
    if (!report.ok) process.exitCode = EXIT.failed
  },
})
