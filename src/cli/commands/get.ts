// alyx get: a file into a file, resumed and verified, or onto standard output.
import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { defineCommand } from 'citty'
import { systemClock } from '../../core/clock.ts'
import type { RemoteFile } from '../client.ts'
import { downloadFile, downloadToStdout } from '../download.ts'
import { failed } from '../exit.ts'
import { onInterrupt } from '../interrupt.ts'
import { REMOTE } from '../options.ts'
import { openRemote } from '../settings.ts'
import { findFile } from '../target.ts'
import { createProgress, note, percent, printJson } from '../terminal.ts'

export const command = defineCommand({
  meta: { name: 'get', description: 'download a file, going on with an earlier FILE.part' },
  args: {
    ...REMOTE,
    target: { type: 'positional', description: 'bucket/path, bucket:id or an id', required: true },
    file: {
      type: 'positional',
      description: 'where to; a folder, or - for standard output (default: its name, here)',
      required: false,
    },
  },
  async run({ args }) {
    const client = await openRemote(args)
    const file = await findFile(client, args.target)
    const progress = createProgress(file.name, file.size, systemClock)
    const onResume = (offset: number) => note(`resumed at ${percent(offset, file.size)}`)
    const download = { client, file, progress, onResume }
    onInterrupt(progress.end)
    try {
      if (args.file === '-') return await downloadToStdout(download)
      const place = await placeFor(file, args.file)
      await downloadFile(download, place)
      progress.end()
      if (args.json) printJson({ id: file.id, file: place, size: file.size, checksum: file.checksum })
      else note(`${place}: ${file.size} bytes, verified`)
    } finally {
      progress.end()
    }
  },
})

/** The named place, or the file's own name; that one comes from a server and is therefore never written over anything. */
async function placeFor(file: RemoteFile, named: string | undefined): Promise<string> {
  const folder = named === undefined ? '.' : (await isFolder(named)) ? named : null
  if (folder === null) return named!
  const name = basename(file.name)
  const hint = 'Name the file to write: alyx get TARGET FILE.'
  if (name === '' || name === '.' || name === '..') throw failed(`"${file.name}" is no name for a file here`, hint)
  const place = join(folder, name)
  if (await stat(place).catch(() => null)) throw failed(`${place} is there already`, hint)
  return place
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() ?? false
}
