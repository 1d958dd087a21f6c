import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Archive, alice, openArchive, refused } from './archive.ts'

let archive: Archive
beforeAll(async () => {
  archive = await openArchive()
})
afterAll(() => archive.close())

const textId = (record: Readonly<Record<string, unknown>>): string => String(record.id)

describe('every type of field', () => {
  it.each([
    ['uuid', 'A1B2C3D4-0000-4000-8000-000000000000', 'a1b2c3d4-0000-4000-8000-000000000000', 'must be'],
    ['string', 'Grüße 👋', 'Grüße 👋', 'must be'],
    ['text', 'a\nb', 'a\nb', 'must be'],
    ['richtext', '<p>a<script>alert(1)</script></p>', '<p>a</p>', 'must be'],
    ['int', -10, -10, 'must be'],
    ['float', 0.1, 0.1, 'must be'],
    ['bool', true, true, 'must be'],
    ['timestamp', '2026-11-30T12:00:00+01:00', '2026-11-30T11:00:00.000Z', 'must be'],
    ['date', '2026-11-30', '2026-11-30', 'must be'],
    ['blob', 'AAECAw==', 'AAECAw==', 'must be'],
    ['email', 'a@example.com', 'a@example.com', 'must be'],
    ['url', 'https://example.com/a?b', 'https://example.com/a?b', 'must be'],
    ['select', 'red', 'red', 'must be one of'],
    ['selects', ['blue', 'red'], ['blue', 'red'], 'must be a list'],
  ] as const)('%s takes what fits, gives it back, changes, and refuses the rest', async (name, given, shown, fault) => {
    const { records } = archive
    const created = await records.create(alice, 'kinds', { [name]: given }, null)
    expect(created[name]).toEqual(shown)
    const id = textId(created)
    expect((await records.get(alice, 'kinds', id, null))[name]).toEqual(shown)
    expect((await records.update(alice, 'kinds', id, { [name]: null }, null))[name]).toBeNull()
    expect((await records.update(alice, 'kinds', id, { [name]: given }, null))[name]).toEqual(shown)
    const failure = await refused(records.update(alice, 'kinds', id, { [name]: { not: 'this' } }, null))
    expect(failure).toMatchObject({ code: 'validation_failed', details: { fields: [{ path: name }] } })
    expect(failure.message).toContain(`${name} ${fault}`)
  })

  it('json takes anything', async () => {
    for (const json of [{ a: [1, null, 'x'] }, [], 'text', 0, false, JSON.parse('{"__proto__":{"a":1}}')]) {
      const created = await archive.records.create(alice, 'kinds', { json }, null)
      expect(JSON.stringify((await archive.records.get(alice, 'kinds', textId(created), null)).json)).toBe(
        JSON.stringify(json),
      )
    }
  })

  it('gives defaults of their own', async () => {
    const { today } = await archive.records.create(alice, 'kinds', {}, null)
    expect(today).toBe(new Date(archive.clock.now()).toISOString().slice(0, 10))
  })

  it('relations name the other record’s primary value, whatever its type', async () => {
    await archive.records.create(alice, 'counters', { number: 7, label: 'seven' }, null)
    const kind = await archive.records.create(alice, 'kinds', { relation: 7 }, 'relation')
    expect(kind.relation).toEqual({ number: 7, label: 'seven' })
    expect(await archive.records.get(alice, 'counters', '7', null)).toEqual({ number: 7, label: 'seven' })
  })
})
