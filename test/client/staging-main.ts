// A process that stages: folder, what to do, and what that needs. It says each step on a line of its own.
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, openFiles } from '../../src/client/node/exports.ts'

const [dir, verb, ...rest] = process.argv.slice(2) as [string, string, ...string[]]
const say = (line: string): void => void process.stdout.write(`${line}\n`)
const client = createClient({ url: 'http://127.0.0.1:9' })
const files = await openFiles({ dir, client, cleanEvery: null })

if (verb === 'forever') {
  // A stream that never ends: whoever kills this does so while it is copied.
  const endless = async function* () {
    for (;;) {
      yield Buffer.alloc(4096, 7)
      await sleep(5)
    }
  }
  await using file = await files.temporary('mine.txt')
  say(file.path)
  await files.stage(endless(), { name: 'endless.bin' })
} else if (verb === 'churn') {
  // Stages the same few contents again and again, and cleans up by force in between.
  const [rounds, own] = rest.map(Number) as [number, number]
  for (let round = 0; round < rounds; round += 1) {
    const staged = await files.stage(Buffer.from(`content ${round % 3}`), { name: `${own}.txt` })
    if (round % 4 === own) await files.cleanUp({ force: true })
    say(staged.id)
  }
  await files.stage(Buffer.from(`kept by ${own}`), { persist: true })
  await files.stage(Buffer.from('kept by both'), { persist: true })
} else if (verb === 'keep') {
  // Stages contents that may go, and keeps each a moment later.
  for (let round = 0; round < Number(rest[0]); round += 1) {
    await files.stage(Buffer.from(`round ${round}`))
    say((await files.stage(Buffer.from(`round ${round}`), { persist: true })).id)
  }
} else if (verb === 'clean') {
  // Cleans by force, until it is killed.
  for (;;) {
    await files.cleanUp({ force: true })
    say('cleaned')
  }
} else if (verb === 'kill-loop') {
  // Stages one after the other until it is killed.
  for (let count = 0; ; count += 1) {
    const { id } = await files.stage(Buffer.from(`${rest[0]} ${count}`), { persist: true })
    say(id)
  }
}
await files.close()
