// alyx openapi: the document that /openapi.json serves.
import { defineCommand } from 'citty'
import { GLOBAL } from '../options.ts'
import { withStore } from '../store.ts'
import { printJson } from '../terminal.ts'

export const command = defineCommand({
  meta: { name: 'openapi', description: 'print the OpenAPI document' },
  args: GLOBAL,
  async run({ args }) {
    printJson(await withStore(args, (alyx) => alyx.openapi()))
  },
})
