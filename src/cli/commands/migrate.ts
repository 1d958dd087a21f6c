// alyx migrate: the database's tables, compared with schema.yaml and brought up to date.
import { defineCommand } from 'citty'
import { isUpToDate, type SchemaPlan } from '../../meta/schema-plan.ts'
import { EXIT } from '../exit.ts'
import { GLOBAL } from '../options.ts'
import { applyProject, planProject, refusedPlan } from '../schema-changes.ts'
import { doneLines, planJson, planLines } from '../schema-plan.ts'
import { projectOf } from '../settings.ts'
import { note, print, printJson } from '../terminal.ts'

const status = defineCommand({
  meta: { name: 'status', description: 'show migrations, and what schema.yaml would change; changes nothing' },
  args: GLOBAL,
  async run({ args }) {
    showPlan(await planProject(projectOf(args), args.json), args.json)
  },
})

const apply = defineCommand({
  meta: { name: 'apply', description: 'bring the tables to what schema.yaml says; what would lose data is refused' },
  args: GLOBAL,
  async run({ args }) {
    try {
      const done = await applyProject(projectOf(args), args.json)
      done.warnings.forEach(warn)
      if (args.json) return printJson(planJson(done, true))
      const lines = doneLines(done)
      for (const line of lines.length === 0 ? ['up to date'] : lines) print(line)
    } catch (error) {
      const plan = refusedPlan(error)
      if (plan === null) throw error
      showPlan(plan, args.json)
      if (!args.json) note('refused: nothing was changed')
    }
  },
})

export const command = defineCommand({
  meta: { name: 'migrate', description: 'compare the tables with schema.yaml, and bring them up to date' },
  subCommands: { status, apply },
})

/** Exit code 1 where something is refused. */
function showPlan(plan: SchemaPlan, json: boolean | undefined): void {
  plan.warnings.forEach(warn)
  if (json) printJson(planJson(plan, isUpToDate(plan)))
  else for (const line of planLines(plan)) print(line)
  if (plan.refusals.length > 0) process.exitCode = EXIT.failed
}

function warn(warning: string): void {
  note(`warning: ${warning}`)
}
