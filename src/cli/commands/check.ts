// alyx check: everything that is wrong in schema.yaml, alyx.yml and the files of migrations/, at once.
import { dirname } from 'node:path'
import { defineCommand } from 'citty'
import { loadAlyx } from '../../app.ts'
import { formatProblem } from '../../core/problem.ts'
import { readProjectMigrations } from '../../meta/sqlite/schema-files.ts'
import { EXIT } from '../exit.ts'
import { GLOBAL } from '../options.ts'
import { projectOf, showWarnings } from '../settings.ts'
import { note, print, printJson } from '../terminal.ts'

export const command = defineCommand({
  meta: {
    name: 'check',
    description: 'read schema.yaml, alyx.yml and migrations/ and say what is wrong, line by line',
  },
  args: GLOBAL,
  async run({ args }) {
    const project = projectOf(args)
    const { schema, problems: found, warnings } = await loadAlyx(project)
    const problems = [...found, ...readProjectMigrations(dirname(project.schemaFile)).problems]
    const ok = problems.length === 0
    if (args.json) printJson({ ok, problems: problems.map(inJson), warnings: warnings.map(inJson) })
    else {
      showWarnings(warnings)
      for (const problem of problems) print(formatProblem(problem))
      if (ok)
        print(
          `ok: ${counted(schema?.buckets.size ?? 0, 'bucket')}, ${counted(schema?.collections.size ?? 0, 'collection')}`,
        )
      else note(counted(problems.length, 'problem'))
    }
    if (!ok) process.exitCode = EXIT.failed
  },
})

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

function inJson({ at, path, message }: Parameters<typeof formatProblem>[0]) {
  return { file: at.file, line: at.line, column: at.column, path, message }
}
