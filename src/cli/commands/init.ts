// alyx init: a schema and a configuration to start from.
import { writeFile } from 'node:fs/promises'
import { defineCommand } from 'citty'
import { systemCode } from '../../core/errors.ts'
import { failed } from '../exit.ts'
import { GLOBAL } from '../options.ts'
import { CONFIG_TEMPLATE, SCHEMA_TEMPLATE } from '../templates.ts'
import { print, printJson } from '../terminal.ts'

export const command = defineCommand({
  meta: { name: 'init', description: 'write schema.yaml and alyx.yml; never over files that are there' },
  args: GLOBAL,
  async run({ args }) {
    const created: string[] = []
    const kept: string[] = []
    for (const [file, text] of [
      [args.schema, SCHEMA_TEMPLATE],
      [args.config, CONFIG_TEMPLATE],
    ] as const) {
      ;((await writeNew(file, text)) ? created : kept).push(file)
    }
    if (args.json) printJson({ created, kept })
    else {
      for (const file of created) print(`wrote ${file}`)
      for (const file of kept) print(`kept  ${file}, which was there`)
      if (created.length > 0) print('next: alyx dev')
    }
  },
})

/** False when there is something of that name already. */
async function writeNew(file: string, text: string): Promise<boolean> {
  try {
    await writeFile(file, text, { flag: 'wx' })
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw failed(
      `${file} cannot be written: ${(error as Error).message}`,
      'Choose a folder that exists and that you may write to.',
    )
  }
}
