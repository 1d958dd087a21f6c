// The keys of storage.encryption: the first wraps the data keys of new files, all of them unwrap.
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { fail } from '../core/errors.ts'

const ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const CIPHER = 'aes-256-gcm'
/** Nonce, wrapped key and tag. */
const WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES

export interface KeyringKey {
  readonly id: string
  readonly key: KeyObject
}

export interface Keyring {
  /** Wraps new data keys. */
  readonly active: KeyringKey
  readonly all: readonly KeyringKey[]
  /** Null when the keyring does not hold it. */
  get(id: string): KeyringKey | null
}

/** A data key as it is stored. */
export interface WrappedKey {
  readonly keyId: string
  /** 60 bytes in base64: nonce, wrapped key, tag. */
  readonly wrapped: string
}

/** The first key is the active one. Fails config_invalid unless there is one, all have 32 bytes, and their ids differ and have 1 to 64 of
 *  the characters `A-Z a-z 0-9 _ . -`, a letter or digit first. The given buffers are copied. */
export function createKeyring(keys: readonly { readonly id: string; readonly key: Buffer }[]): Keyring {
  const held = new Map<string, KeyringKey>()
  for (const { id, key } of keys) {
    if (!ID.test(id)) throw fail('config_invalid', `storage.encryption.keys: ${JSON.stringify(id)} is not a key id`)
    if (held.has(id)) throw fail('config_invalid', `storage.encryption.keys: the id ${id} is used twice`)
    if (key.length !== KEY_BYTES) {
      throw fail('config_invalid', `storage.encryption.keys: the key ${id} has ${key.length} bytes instead of 32`)
    }
    held.set(id, { id, key: createSecretKey(key) })
  }
  const all = [...held.values()]
  const [active] = all
  if (active === undefined) throw fail('config_invalid', 'storage.encryption.keys: there is no key')
  return { active, all, get: (id) => held.get(id) ?? null }
}

/** 32 hex digits that a key always gives and that tell nothing of it: stored once, they show a wrong key under a known id. */
export function keyCheck({ key }: KeyringKey): string {
  return createHmac('sha256', key).update('alyx key check v1').digest('hex').slice(0, 32)
}

/** Wraps a data key under the active key. It unwraps with the same `context` only. */
export function wrapKey({ active }: Keyring, dataKey: KeyObject, context: string): WrappedKey {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, active.key, nonce).setAAD(wrapContext(active.id, context))
  const wrapped = Buffer.concat([nonce, cipher.update(dataKey.export()), cipher.final(), cipher.getAuthTag()])
  return { keyId: active.id, wrapped: wrapped.toString('base64') }
}

/** Fails decrypt_failed: unknown key id, wrong key, another context, damaged. */
export function unwrapKey(keyring: Keyring, { keyId, wrapped }: WrappedKey, context: string): KeyObject {
  const holder = keyring.get(keyId)
  if (holder === null) throw fail('decrypt_failed', `the encryption key ${keyId} is not configured`)
  const bytes = Buffer.from(wrapped, 'base64')
  if (bytes.length !== WRAPPED_BYTES) throw fail('decrypt_failed', 'the wrapped key of the file is damaged')
  const decipher = createDecipheriv(CIPHER, holder.key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
    .setAAD(wrapContext(keyId, context))
    .setAuthTag(bytes.subarray(-TAG_BYTES))
  const key = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES))
  try {
    decipher.final()
  } catch (cause) {
    throw fail('decrypt_failed', `the encryption key ${keyId} does not open the file`, { cause })
  }
  const dataKey = createSecretKey(key)
  key.fill(0)
  return dataKey
}

/** A new data key. */
export function newDataKey(): KeyObject {
  const bytes = randomBytes(KEY_BYTES)
  const key = createSecretKey(bytes)
  bytes.fill(0)
  return key
}

function wrapContext(keyId: string, context: string): Buffer {
  return Buffer.from(`alyx data key v1\0${keyId}\0${context}`)
}
