// The part of the contract about encryption: what is known of the keys of storage.encryption, and which of them each file needs.
import type { CodecUse, FileRow } from '../core/model.ts'

/** How many files have their data keys wrapped by a key of storage.encryption. */
export interface KeyUse {
  /** Null when what was recorded of a file names none. */
  readonly keyId: string | null
  readonly files: number
}

/** The codecs of a file before and after its data key was wrapped anew. */
export interface Rewrapped {
  readonly id: string
  readonly from: readonly CodecUse[]
  readonly to: readonly CodecUse[]
}

/** Verbs of MetaStore. */
export interface WrappedKeyStore {
  /** The check value of the encryption key `id`: the given one when none was known, which is then kept for good. */
  settleEncryptionKey(id: string, checkValue: string, now: string): Promise<string>

  /** The keys that encrypted files, in any state, have their data keys wrapped by. */
  keyUse(): Promise<readonly KeyUse[]>
  /** Encrypted files, in any state, whose data key is wrapped by another key than `keyId`, in id order after `afterId`. */
  filesNotUnder(keyId: string, afterId: string, limit: number): Promise<readonly FileRow[]>
  /** Changes the codecs of files that have them as they were; how many had. Versions and times stay. */
  rewrapFiles(files: readonly Rewrapped[]): Promise<number>
}
