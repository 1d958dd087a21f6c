// A fresh database before each test of a contract, and every store on it closed after.
import { afterEach, beforeEach } from 'vitest'
import type { MetaStore } from '../../src/meta/store.ts'

/** One database, which several stores may be opened on. */
export interface Fixture {
  connect(): Promise<MetaStore>
  remove(): Promise<void>
}

/** Hands over the first store on each new database; what it returns opens another one on the same. */
export function freshStores(
  open: () => Promise<Fixture>,
  opened: (store: MetaStore) => void,
): () => Promise<MetaStore> {
  let fixture: Fixture
  let stores: MetaStore[]

  const connect = async (): Promise<MetaStore> => {
    const one = await fixture.connect()
    stores.push(one)
    return one
  }

  beforeEach(async () => {
    stores = []
    fixture = await open()
    opened(await connect())
  })

  afterEach(async () => {
    await Promise.all(stores.map((one) => one.close()))
    await fixture.remove()
  })
  return connect
}
