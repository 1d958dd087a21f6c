// alyx stat: everything the server says about a file.
import { defineCommand } from 'citty'
import { REMOTE } from '../options.ts'
import { openRemote } from '../settings.ts'
import { findFile } from '../target.ts'
import { print, printJson, table } from '../terminal.ts'

export const command = defineCommand({
  meta: { name: 'stat', description: 'show a file object' },
  args: { ...REMOTE, target: { type: 'positional', description: 'bucket/path, bucket:id or an id', required: true } },
  async run({ args }) {
    const file = await findFile(await openRemote(args), args.target)
    if (args.json) printJson(file)
    else
      print(
        table(
          Object.entries(file).map(([name, value]) => [
            name,
            typeof value === 'string' ? value : JSON.stringify(value),
          ]),
        ),
      )
  },
})
