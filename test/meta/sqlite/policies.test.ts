// SQLite runs the contract of PolicyStore; and its plans for what policies ask.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { PoliciesConfig } from '../../../src/config/model.ts'
import { connect } from '../../../src/meta/sqlite/connection.ts'
import { applyMigrations, openSqlite } from '../../../src/meta/sqlite/open.ts'
import { FILES_OF_OWNER } from '../../../src/meta/sqlite/storages.ts'
import { silent } from '../../../src/observe/observer.ts'
import { type PolicyFixture, policiesContract } from '../../contract/policies.ts'
import { byHand } from '../../support/policies.ts'

const open = async (policies: PoliciesConfig): Promise<PolicyFixture> => {
  const directory = await mkdtemp(join(tmpdir(), 'alyx-policies-'))
  return {
    connect: () => openSqlite({ file: join(directory, 'alyx.db'), durability: 'normal', observer: silent, policies }),
    byHand: (sql) => void byHand(directory, sql),
    remove: () => rm(directory, { recursive: true }),
  }
}

policiesContract('SQLite', open)

it('a batch of an owner’s files is found in one index', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'alyx-policies-'))
  const file = join(directory, 'alyx.db')
  await applyMigrations({ file })
  const db = connect({ file, durability: 'normal', busyTimeout: 100, cache: 1024, readOnly: true })
  const plan = db.prepare<[], { detail: string }>(`EXPLAIN QUERY PLAN ${FILES_OF_OWNER.replaceAll('?', "'1'")}`).all()
  db.close()
  await rm(directory, { recursive: true })
  expect(plan.map(({ detail }) => detail)).toEqual([
    'SEARCH _alyx_files USING INDEX _alyx_files_owner_created (bucket=? AND owner_id=? AND (created_at,id)>(?,?))',
  ])
})
