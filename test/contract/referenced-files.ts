// The promises of MetaStore on files that records name, or do not name in time. Any implementation runs them.
import { describe, expect, it } from 'vitest'
import { timestamp } from '../../src/core/clock.ts'
import { isFailure } from '../../src/core/errors.ts'
import type { FileRow, UploadDraft } from '../../src/core/model.ts'
import type { MetaStore } from '../../src/meta/store.ts'
import type { ColumnSpec, TableSpec } from '../../src/schema/tables.ts'
import { freshStores } from './fresh-stores.ts'
import { at, draft, type Fixture, facts, query } from './meta-store.ts'

const fileColumn = (name: string, list: boolean, onFileDelete: 'restrict' | 'set_null'): ColumnSpec => ({
  name,
  type: 'TEXT',
  list,
  reference: { kind: 'file', bucket: 'docs', onDelete: 'keep', onFileDelete },
})

/** The collection that the fixture's database must have. */
export const NOTES: TableSpec = {
  name: 'notes',
  primary: 'id',
  columns: [
    { name: 'id', type: 'TEXT', list: false, reference: null },
    fileColumn('cover', false, 'set_null'),
    fileColumn('contract', false, 'restrict'),
    fileColumn('papers', true, 'set_null'),
  ],
  indexes: [],
}

const HOUR = 3_600_000
const just = (minutes: number): string => timestamp(Date.parse(at(minutes)) - 1)

/** Runs every promise against fresh databases that have NOTES. */
export function referencedFilesContract(name: string, open: () => Promise<Fixture>): void {
  describe(`${name} keeps the promises of a metadata store on files and records:`, () => {
    let store: MetaStore
    const connect = freshStores(open, (first) => {
      store = first
    })

    const put = async (over: Partial<UploadDraft> = {}): Promise<FileRow> => {
      const limits = { bucketTotal: null, openUploads: null }
      const claim = await store.claim(draft(over), limits, { need: 100, want: 100 })
      return store.commit(claim.id, facts(), over.createdAt ?? at(0))
    }
    const note = (id: string, values: Record<string, string | null>, now = at(0), where = store) =>
      where.records.insert('notes', { id, cover: null, contract: null, papers: '[]', ...values }, now)
    const read = async (id: string) => (await store.records.get('notes', id))!
    const code = (promise: Promise<unknown>): Promise<string> =>
      promise.then(
        () => 'resolved',
        (error) => (isFailure(error) ? error.code : String(error)),
      )
    const ids = (rows: readonly FileRow[]): readonly string[] => rows.map(({ id }) => id)

    describe('staging', () => {
      it('a file is staged for as long as its claim said, counted from the commit', async () => {
        const wanted = draft({ staging: HOUR })
        await store.claim(wanted, { bucketTotal: null, openUploads: null }, { need: 100, want: 100 })
        expect(await store.upload(wanted.id)).toMatchObject({ staging: HOUR })
        const file = await store.commit(wanted.id, facts(), at(10))
        expect(file).toMatchObject({ stagedUntil: at(70), expiresAt: null })
        expect(await store.file('docs', file.id)).toEqual(file)
        expect((await put()).stagedUntil).toBeNull()
      })

      it('lists show staged files to nobody, to their owner or to all, and until their time is over', async () => {
        const plain = await put()
        const anns = await put({ staging: HOUR })
        const bobs = await put({ staging: 2 * HOUR, ownerId: 'bob' })
        const nobodys = await put({ staging: 2 * HOUR, ownerId: null })
        const listed = async (staged: Parameters<typeof query>[0]) => {
          const found = await store.list(query(staged))
          expect(await store.count(query(staged))).toBe(found.length)
          return ids(found)
        }
        expect(await listed({ staged: 'none' })).toEqual([plain.id])
        expect(await listed({ staged: { ownerId: 'ann' } })).toEqual([plain.id, anns.id])
        expect(await listed({ staged: { ownerId: 'bob' }, ownerId: 'ann' })).toEqual([plain.id])
        expect(await listed({ staged: 'all' })).toEqual(ids([plain, anns, bobs, nobodys]))
        expect(await listed({ staged: 'all', now: just(60) })).toEqual(ids([plain, anns, bobs, nobodys]))
        expect(await listed({ staged: 'all', now: at(60) })).toEqual(ids([plain, bobs, nobodys]))
        expect(await listed({ staged: { ownerId: 'ann' }, now: at(60) })).toEqual([plain.id])
      })

      it('expiredFiles has those whose time is over either way, oldest first, each once', async () => {
        const late = await put({ staging: HOUR })
        const expired = await put({ fileLifetime: HOUR / 2 })
        const both = await put({ staging: HOUR / 3, fileLifetime: HOUR / 4 })
        await put({ staging: 2 * HOUR, fileLifetime: 3 * HOUR })
        expect(ids(await store.expiredFiles(just(15), 9))).toEqual([])
        expect(ids(await store.expiredFiles(at(60), 9))).toEqual([both.id, expired.id, late.id])
        expect(ids(await store.expiredFiles(at(60), 2))).toEqual([both.id, expired.id])
        await store.condemn('docs', both.id, at(60), true)
        expect(ids(await store.expiredFiles(at(60), 2))).toEqual([expired.id, late.id])
      })

      it('the path of a file that was staged for too long is free at once', async () => {
        const file = await put({ path: 'x', staging: HOUR })
        const again = (now: string) => code(put({ path: 'x', createdAt: now, leaseExpiresAt: at(99) }))
        expect(await again(just(60))).toBe('file_exists')
        expect(await again(at(60))).toBe('resolved')
        expect(await store.file('docs', file.id)).toMatchObject({ state: 'deleting' })
        expect(await store.drift(false)).toEqual([])
      })

      it('a record that names it in time keeps it; one that comes too late is refused', async () => {
        const [cover, paper, missed] = [
          await put({ staging: HOUR }),
          await put({ staging: HOUR }),
          await put({ staging: 1 }),
        ]
        await note('n1', { cover: cover.id, papers: JSON.stringify([paper.id]) }, just(60))
        for (const { id } of [cover, paper]) expect(await store.file('docs', id)).toMatchObject({ stagedUntil: null })
        expect(await code(note('n2', { cover: missed.id }, at(60)))).toBe('file_reference_invalid')
        expect(ids(await store.expiredFiles(at(600), 9))).toEqual([missed.id])
        expect(await store.condemn('docs', cover.id, at(600), true)).toBeNull()
        expect(await store.file('docs', cover.id)).toMatchObject({ state: 'ready' })
      })

      it('of a record that claims a file and a sweep that takes it, whichever comes first has it', async () => {
        const other = await connect()
        const files: FileRow[] = []
        for (let n = 0; n < 30; n++) files.push(await put({ staging: HOUR }))
        const outcomes = await Promise.all(
          files.map(async ({ id }, n) => {
            const claim = () => code(note(`n${n}`, { cover: id }, just(60), n % 3 ? store : other))
            const sweep = () => store.condemn('docs', id, at(60), true)
            const [first, second] = n % 2 ? [claim(), sweep()] : [sweep(), claim()]
            return [await first, await second].map((found) =>
              typeof found === 'string' ? found : (found?.state ?? 'left'),
            )
          }),
        )
        for (const [n, outcome] of outcomes.entries()) {
          expect([
            ['resolved', 'left'],
            ['deleting', 'file_reference_invalid'],
          ]).toContainEqual([...outcome].sort((a, b) => (/^(left|file)/.test(a) ? 1 : /^(left|file)/.test(b) ? -1 : 0)))
          const kept = outcome.includes('resolved')
          expect(await store.file('docs', files[n]!.id)).toMatchObject({ state: kept ? 'ready' : 'deleting' })
        }
        expect(await store.records.faults(9)).toEqual([])
      })
    })

    describe('deletions', () => {
      it('a file that a restrict field names is not condemned, but once it has expired', async () => {
        const file = await put({ fileLifetime: HOUR })
        await note('n1', { contract: file.id })
        const refusal = await store.condemn('docs', file.id, at(1), false).catch((error) => error)
        expect(refusal).toMatchObject({
          code: 'file_in_use',
          details: { collection: 'notes', record_id: 'n1', field: 'contract' },
        })
        expect(await store.condemn('docs', file.id, just(60), true)).toBeNull()
        expect(await store.file('docs', file.id)).toEqual(file)
        expect(await store.condemn('docs', file.id, at(60), true)).toMatchObject({ state: 'deleting' })
        await store.bury('docs', file.id)
        expect(await store.records.references(file.id, 9)).toEqual([])
        expect(await store.records.faults(9)).toEqual([])
      })

      it('a restrict field lets go of its file with its record', async () => {
        const file = await put()
        const { row } = await note('n1', { contract: file.id })
        await store.records.remove('notes', 'n1', row.version, at(1))
        expect(await store.condemn('docs', file.id, at(2), false)).toMatchObject({ state: 'deleting' })
      })

      it('records name a condemned file until it is buried; then the field is null, the list shorter, the version raised', async () => {
        const [file, other] = [await put(), await put()]
        const before = (await note('n1', { cover: file.id, papers: JSON.stringify([other.id, file.id]) })).row
        await store.condemn('docs', file.id, at(1), false)
        expect(await read('n1')).toEqual(before)
        await store.restore('docs', file.id, at(1), at(2))
        expect(await read('n1')).toEqual(before)
        expect((await store.records.references(file.id, 9)).map(({ field }) => field)).toEqual(['cover', 'papers'])
        await store.condemn('docs', file.id, at(3), false)
        await store.bury('docs', file.id)
        const after = await read('n1')
        expect(after.values).toEqual({ ...before.values, cover: null, papers: JSON.stringify([other.id]) })
        expect(after.version).toBeGreaterThan(before.version)
        expect(await store.records.references(file.id, 9)).toEqual([])
        expect(await store.records.faults(9)).toEqual([])
        await store.bury('docs', file.id)
        expect(await read('n1')).toEqual(after)
      })
    })

    describe('look-ups', () => {
      it('files finds those that exist, whatever their bucket and state, once each', async () => {
        const [ready, gone, elsewhere] = [await put(), await put(), await put({ bucket: 'pics' })]
        await store.condemn('docs', gone.id, at(1), false)
        const strange = ['', 'nothing', '"]', '\u0000', '\ud800', ready.id.toUpperCase()]
        const found = await store.files([ready.id, ...strange, gone.id, elsewhere.id, ready.id])
        expect(ids(found).toSorted()).toEqual(ids([ready, gone, elsewhere]))
        expect(found).toContainEqual(ready)
        expect(await store.files([])).toEqual([])
        expect(await store.files([...Array.from({ length: 10_000 }, (_, n) => `x${n}`), ready.id])).toEqual([ready])
      })
    })
  })
}
