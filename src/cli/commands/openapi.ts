// alyx openapi: the document that /openapi.json serves.
import { defineCommand } from 'citty'
import { failed } from '../exit.ts'
import { GLOBAL } from '../options.ts'
import { withStore } from '../store.ts'
import { printJson } from '../terminal.ts'

export const command = defineCommand({
  meta: { name: 'openapi', description: 'print the OpenAPI document' },
  args: GLOBAL,
  async run({ args }) {
    const document = await withStore(args, (alyx) => alyx.openapi())
    if (typeof document !== 'object' || document === null || !('openapi' in document)) {
      throw failed('the routes make no OpenAPI document', 'This is a fault of Alyx: report it.')
    }
    printJson(document)
  },
})
