// alyx generate: the typed client of the schema, as a module of the project's own.
import { join, relative } from 'node:path'
import { defineCommand } from 'citty'
import { loadAlyx } from '../../app.ts'
import { generateTypescript } from '../../codegen/typescript.ts'
import { isWritten, writeModule } from '../../codegen/write.ts'
import { failed } from '../exit.ts'
import { GLOBAL } from '../options.ts'
import { problemsOf, projectOf } from '../settings.ts'
import { print, printJson } from '../terminal.ts'

export const command = defineCommand({
  meta: { name: 'generate', description: 'write the typed client of schema.yaml: alyx.ts' },
  args: {
    ...GLOBAL,
    out: { type: 'string', valueHint: 'DIR', description: 'the folder of alyx.ts', default: 'generated' },
    check: { type: 'boolean', description: 'write nothing; exit 1 when alyx.ts is not what schema.yaml says' },
  },
  async run({ args }) {
    const { config, schema, problems } = await loadAlyx(projectOf(args))
    if (config === null || schema === null || problems.length > 0) throw problemsOf(problems, args.json)
    const text = generateTypescript(schema, config.uploads.maxFileSize)
    const file = join(args.out, 'alyx.ts')
    const written = args.check === true ? false : await write(file, text)
    if (args.check === true && !(await isWritten(file, text)))
      throw failed(`${file} is not what schema.yaml says`, 'Run alyx generate.')
    const counts = { buckets: schema.buckets.size, collections: schema.collections.size }
    if (args.json) printJson({ file, written, ...counts })
    else print(`${relative('.', file)}: ${written ? 'written' : 'up to date'}`)
  },
})

async function write(file: string, text: string): Promise<boolean> {
  try {
    return await writeModule(file, text)
  } catch (error) {
    throw failed(`${file} cannot be written: ${(error as Error).message}`, 'Name another folder with --out.')
  }
}
