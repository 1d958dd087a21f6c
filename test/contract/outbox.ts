// The promises of MetaStore about events and hidden files as tests: each event is written with the change it tells of, or not at all.
import { describe, expect, it } from 'vitest'
import { EVENT_TYPES } from '../../src/core/event-types.ts'
import type { FileRow, UploadDraft } from '../../src/core/model.ts'
import { viewFile } from '../../src/http/rest/view.ts'
import type { OutboxEvent, Subscription } from '../../src/meta/outbox.ts'
import type { MetaStore } from '../../src/meta/store.ts'
import { codeOf } from '../support/outcome.ts'
import { type Fixture, freshStores } from './fresh-stores.ts'
import { at, draft, facts } from './meta-store.ts'

const FREE = { bucketTotal: null, openUploads: null }
const FAR = at(1_000_000)

/** `open` makes databases whose stores know these webhooks. */
export function outboxContract(name: string, open: (subscriptions: readonly Subscription[]) => Promise<Fixture>): void {
  const subscriptions: readonly Subscription[] = [
    { hook: 'all', events: [...EVENT_TYPES, 'file.created'] },
    { hook: 'few', events: ['file.deleted'] },
  ]

  describe(`${name} keeps the promises of an outbox:`, () => {
    let store: MetaStore
    const connect = freshStores(
      () => open(subscriptions),
      (first) => {
        store = first
      },
    )
    const put = async (over: Partial<UploadDraft> = {}, quarantine: string | null = null): Promise<FileRow> => {
      const { id } = await store.claim(draft(over), FREE, { need: 100, want: 100 })
      return store.commit(id, facts(), over.createdAt ?? at(0), { quarantine })
    }
    /** What a webhook would be sent now, in order, if each was taken at once. */
    const told = async (hook = 'all'): Promise<OutboxEvent[]> => {
      const events: OutboxEvent[] = []
      for (;;) {
        const due = await store.dueEvents(hook, FAR, 100)
        if (due.length === 0) return events.sort((a, b) => a.seq - b.seq)
        events.push(...due)
        for (const { seq } of due) await store.eventSent(seq)
      }
    }
    const types = async (hook = 'all') => (await told(hook)).map(({ type }) => type)
    const dataOf = ({ body }: OutboxEvent) => (JSON.parse(body) as { data: Record<string, unknown> }).data

    it('an event holds the File object as the API shows it, when it happened, and what else there is to say', async () => {
      const file = await put({ metadata: { 'ü"': [1, null, { a: null }] }, fileLifetime: 60_000, ownerId: null })
      const [event] = await told()
      expect(JSON.parse(event!.body)).toEqual({
        id: event!.eventId,
        type: 'file.created',
        timestamp: at(0),
        data: { file: viewFile(file) },
      })
      expect(event).toMatchObject({
        eventId: expect.stringMatching(/^evt_[0-9a-f]{32}$/),
        subject: file.id,
        attempts: 0,
      })
    })

    it('a commit that is done twice, or refused, tells nothing more', async () => {
      const file = await put()
      await store.commit(file.id, facts(), at(0))
      expect(await codeOf(store.commit(draft().id, facts(), at(0)))).toBe('upload_expired')
      expect(await types()).toEqual(['file.created'])
    })

    it('changes are told, and changes that fail are not', async () => {
      const file = await put({ path: 'a' })
      await put({ path: 'b' })
      await told()
      expect(await codeOf(store.update('docs', file.id, { path: 'b' }, at(1)))).toBe('file_exists')
      expect(await codeOf(store.update('docs', file.id, { name: 'x' }, at(1), 7))).toBe('precondition_failed')
      const changed = await store.update('docs', file.id, { name: 'x' }, at(1))
      const [event, ...more] = await told()
      expect([event!.type, dataOf(event!), more]).toEqual(['file.updated', { file: viewFile(changed) }, []])
    })

    it('a deletion is told when the row goes; one whose bytes would not go is none', async () => {
      const file = await put()
      await told()
      await store.condemn('docs', file.id, at(1), false)
      await store.restore('docs', file.id, at(1), at(2))
      expect(await told()).toEqual([])
      await store.condemn('docs', file.id, at(3), false)
      await store.bury('docs', file.id)
      await store.bury('docs', file.id)
      const [event, ...more] = await told()
      expect(dataOf(event!)).toMatchObject({ permanent: true, file: { id: file.id, name: file.name, path: file.path } })
      expect([event!.type, more]).toEqual(['file.deleted', []])
      expect(await types('few')).toEqual(['file.deleted'])
    })

    it('a file whose time is over has expired, whoever buries it', async () => {
      const file = await put({ path: 'a', fileLifetime: 60_000 })
      await put({ path: 'b', fileLifetime: 60_000 })
      await told()
      await store.condemn('docs', file.id, at(2), true)
      await store.bury('docs', file.id)
      // Its path is wanted: the old file is condemned on the way.
      await store.claim(draft({ path: 'b', createdAt: at(2) }), FREE, { need: 1, want: 1 })
      const [stuck] = await store.stuckDeletions(at(3), 10)
      await store.bury('docs', stuck!.id)
      expect(await types()).toEqual(['file.expired', 'file.expired'])
    })

    it('the trash tells of going in, of coming back, and of the end', async () => {
      const file = await put()
      await told()
      await store.trash('docs', file.id, at(100), at(1))
      await store.trash('docs', file.id, at(200), at(2))
      const [event, ...more] = await told()
      expect([event!.type, more]).toEqual(['file.deleted', []])
      expect(dataOf(event!)).toEqual({ file: viewFile(file), permanent: false, purge_at: at(100) })
      const restored = await store.untrash('docs', file.id, null, at(3))
      expect((await told()).map(dataOf)).toEqual([{ file: viewFile(restored) }])
      await store.trash('docs', file.id, at(100), at(4))
      expect(await store.condemn('docs', file.id, at(99), true)).toBeNull()
      await store.condemn('docs', file.id, at(100), true)
      await store.bury('docs', file.id)
      expect((await told()).map((one) => [one.type, dataOf(one).permanent])).toEqual([
        ['file.deleted', false],
        ['file.deleted', true],
      ])
    })

    it('quarantine is told instead of creation, and creation when it is over', async () => {
      const file = await put({}, 'odd')
      expect((await told()).map((one) => [one.type, dataOf(one).reason])).toEqual([['file.quarantined', 'odd']])
      expect(await store.commit(file.id, facts(), at(1))).toEqual(file)
      await store.clear('docs', file.id, at(1))
      expect(await codeOf(store.clear('docs', file.id, at(1)))).toBe('file_not_found')
      expect(await types()).toEqual(['file.created'])
    })

    it('a resumable upload that was not finished in time is told, once; a cancelled one is not', async () => {
      const late = draft({ protocol: 'tus', expiresAt: at(1), path: 'late', size: 7 })
      const cancelled = draft({ protocol: 'tus' })
      for (const one of [late, cancelled]) await store.claim(one, FREE, { need: 1, want: 1 })
      await store.abandon(cancelled.id, at(0))
      await store.abandon(late.id, at(2))
      await store.abandon(late.id, at(3))
      const [event, ...more] = await told()
      expect([event!.type, more]).toEqual(['upload.expired', []])
      expect(dataOf(event!)).toEqual({
        upload: {
          id: late.id,
          bucket: 'docs',
          name: late.name,
          path: 'late',
          size: 7,
          offset: 0,
          owner_id: 'ann',
          created_at: at(0),
          expires_at: at(1),
        },
      })
    })

    it('events of one file are due one after the other, those of several at once', async () => {
      const file = await put()
      await store.update('docs', file.id, { name: 'x' }, at(1))
      const other = await put()
      const due = await store.dueEvents('all', FAR, 10)
      expect(due.map(({ subject, type }) => [subject, type])).toEqual([
        [file.id, 'file.created'],
        [other.id, 'file.created'],
      ])
      await store.eventFailed(due[0]!.seq, { nextAt: at(30), error: 'answered 500' }, at(10))
      expect((await store.dueEvents('all', at(29), 10)).map(({ subject }) => subject)).toEqual([other.id])
      expect(await store.dueEvents('all', at(30), 10)).toMatchObject([{ subject: other.id }, { attempts: 1 }])
      await store.eventFailed(due[0]!.seq, { nextAt: null, error: 'answered 500' }, at(30))
      expect((await store.dueEvents('all', FAR, 10)).map(({ type }) => type)).toEqual(['file.created', 'file.updated'])
      expect(await store.outboxDepth()).toEqual({ pending: 2, dead: 1 })
    })

    it('every store on the database writes events, and sees those of the others', async () => {
      const other = await connect()
      const { id } = await other.claim(draft(), FREE, { need: 1, want: 1 })
      await other.commit(id, facts(), at(0))
      expect(await types()).toEqual(['file.created'])
    })

    it('dead letters, and events of webhooks that are no more, are dropped at their time', async () => {
      const file = await put()
      await put()
      await store.trash('docs', file.id, at(100), at(1))
      const [first] = await store.dueEvents('all', FAR, 10)
      await store.eventFailed(first!.seq, { nextAt: null, error: 'no' }, at(5))
      expect(await store.countDroppable(at(5), at(0), ['all'])).toBe(0)
      expect(await store.countDroppable(at(6), at(2), ['all'])).toBe(2)
      expect(await store.dropEvents(at(6), at(2), ['all'], 1)).toBe(1)
      expect(await store.dropEvents(at(6), at(2), ['all'], 9)).toBe(1)
      expect(await store.outboxDepth()).toEqual({ pending: 2, dead: 0 })
      expect(await store.dropEvents(at(6), FAR, [], 9)).toBe(2)
    })
  })

  describe(`${name} without webhooks`, () => {
    let store: MetaStore
    freshStores(
      () => open([]),
      (first) => {
        store = first
      },
    )
    it('writes no event at all', async () => {
      const { id } = await store.claim(draft(), FREE, { need: 1, want: 1 })
      await store.commit(id, facts(), at(0))
      await store.trash('docs', id, at(9), at(1))
      expect(await store.outboxDepth()).toEqual({ pending: 0, dead: 0 })
    })
  })
}
