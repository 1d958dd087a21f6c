// What tells one encryption key from another is settled once, by whoever comes first, and outlives every process.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openSqlite } from '../../../src/meta/sqlite/open.ts'
import type { MetaStore } from '../../../src/meta/store.ts'
import { silent } from '../../../src/observe/observer.ts'

const NOW = '2026-01-01T00:00:00.000Z'
const LATER = '2026-02-01T00:00:00.000Z'

let directory: string
let open: MetaStore[]
const connect = async (): Promise<MetaStore> => {
  const store = await openSqlite({ file: join(directory, 'alyx.db'), durability: 'normal', observer: silent })
  open.push(store)
  return store
}
const close = async (): Promise<void> => {
  await Promise.all(open.splice(0).map((store) => store.close()))
}
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'alyx-keys-'))
  open = []
})
afterEach(async () => {
  await close()
  await rm(directory, { recursive: true })
})

it('the first value of an id stays, for this process and those after it', async () => {
  const store = await connect()
  expect(await store.settleEncryptionKey('k1', 'first', NOW)).toBe('first')
  expect(await store.settleEncryptionKey('k1', 'second', LATER)).toBe('first')
  expect(await store.settleEncryptionKey('k2', 'second', LATER)).toBe('second')
  await close()
  expect(await (await connect()).settleEncryptionKey('k1', 'third', LATER)).toBe('first')
})

it('of processes that start at once all settle on the same', async () => {
  const stores = [await connect(), await connect(), await connect()]
  const settled = await Promise.all(stores.map((store, at) => store.settleEncryptionKey('k1', `value ${at}`, NOW)))
  expect(new Set(settled).size).toBe(1)
})

it('ids are told apart to the letter', async () => {
  const store = await connect()
  for (const id of ['k1', 'K1', 'k1 ', 'k'])
    expect(await store.settleEncryptionKey(id, `of ${id}`, NOW)).toBe(`of ${id}`)
})
