// A keyring is either right or refused, and a wrong key under a known id shows.
import { describe, expect, it } from 'vitest'
import { createKeyring, keyCheck, newDataKey, unwrapKey, wrapKey } from '../../src/blobs/keyring.ts'
import { seededBytes } from '../support/random.ts'

const k1 = { id: 'k1', key: seededBytes(1, 32) }
const k2 = { id: 'k2', key: seededBytes(2, 32) }

describe('a keyring', () => {
  it('writes with its first key and reads with all of them', () => {
    const keyring = createKeyring([k2, k1])
    expect(keyring.active.id).toBe('k2')
    expect(keyring.all.map(({ id }) => id)).toEqual(['k2', 'k1'])
    expect(keyring.get('k1')?.key.export().equals(k1.key)).toBe(true)
    expect(keyring.get('k3')).toBeNull()
    const dataKey = newDataKey()
    const old = wrapKey(createKeyring([k1]), dataKey, 'here')
    expect(unwrapKey(keyring, old, 'here').equals(dataKey)).toBe(true)
    expect(wrapKey(keyring, dataKey, 'here').keyId).toBe('k2')
  })

  it('is refused without keys, with keys of another length, with ids that are none or are used twice', () => {
    for (const keys of [
      [],
      [{ id: 'k1', key: seededBytes(1, 31) }],
      [{ id: 'k1', key: seededBytes(1, 33) }],
      [{ id: '', key: k1.key }],
      [{ id: 'a b', key: k1.key }],
      [{ id: 'a'.repeat(65), key: k1.key }],
      [k1, { id: 'k1', key: k2.key }],
    ]) {
      expect(() => createKeyring(keys)).toThrow(expect.objectContaining({ code: 'config_invalid' }))
    }
  })

  it('does not change when the buffer it was made of does', () => {
    const key = Buffer.from(k1.key)
    const keyring = createKeyring([{ id: 'k1', key }])
    key.fill(0)
    expect(keyring.active.key.export().equals(k1.key)).toBe(true)
  })

  it('has the same check value for the same key for ever, and another for another', () => {
    const check = keyCheck(createKeyring([{ id: 'any', key: Buffer.alloc(32, 7) }]).active)
    expect(check).toBe('52dd9ac8f2ce626d26ef7fe2d599e130')
    expect(keyCheck(createKeyring([k1]).active)).not.toBe(keyCheck(createKeyring([k2]).active))
  })

  it('opens a wrapped key in its own context only, and never the same way twice', () => {
    const keyring = createKeyring([k1])
    const dataKey = newDataKey()
    const one = wrapKey(keyring, dataKey, 'here')
    expect(wrapKey(keyring, dataKey, 'here').wrapped).not.toBe(one.wrapped)
    const decryptFailed = expect.objectContaining({ code: 'decrypt_failed' })
    expect(() => unwrapKey(keyring, one, 'there')).toThrow(decryptFailed)
    expect(() => unwrapKey(createKeyring([k2]), one, 'here')).toThrow(decryptFailed)
    expect(() => unwrapKey(createKeyring([{ id: 'k1', key: k2.key }]), one, 'here')).toThrow(decryptFailed)
    // The id is sealed too.
    const renamed = { ...one, keyId: 'k2' }
    expect(() => unwrapKey(createKeyring([{ id: 'k2', key: k1.key }]), renamed, 'here')).toThrow(decryptFailed)
  })
})
