// SQLite runs the contract of RecordStore.
import { openSqlite } from '../../../src/meta/sqlite/open.ts'
import { silent } from '../../../src/observe/observer.ts'
import { recordStoreContract } from '../../contract/record-store.ts'
import { recordDatabase } from './record-database.ts'

recordStoreContract('SQLite', async (tables) => {
  const { file, remove } = await recordDatabase(tables)
  return {
    connect: () => openSqlite({ file, durability: 'normal', observer: silent, tables }),
    remove: async () => remove(),
  }
})
