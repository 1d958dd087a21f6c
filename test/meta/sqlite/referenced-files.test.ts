// SQLite runs the contract of MetaStore on files that records name.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '../../../src/meta/sqlite/connection.ts'
import { applyMigrations, openSqlite } from '../../../src/meta/sqlite/open.ts'
import { createTableSql } from '../../../src/meta/sqlite/table-sql.ts'
import { silent } from '../../../src/observe/observer.ts'
import { NOTES, referencedFilesContract } from '../../contract/referenced-files.ts'

referencedFilesContract('SQLite', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'alyx-referenced-'))
  const file = join(directory, 'alyx.db')
  await applyMigrations({ file })
  const db = connect({ file, durability: 'full', busyTimeout: 100, cache: 1024, readOnly: false })
  db.exec(createTableSql(NOTES))
  db.close()
  return {
    connect: () => openSqlite({ file, durability: 'full', observer: silent, tables: [NOTES] }),
    remove: () => rm(directory, { recursive: true }),
  }
})
