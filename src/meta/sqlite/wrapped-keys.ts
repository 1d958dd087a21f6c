// The wrapped data keys of encrypted files: part of what `_alyx_files.codecs` says of each.
import type { Database } from 'better-sqlite3'
import type { CodecUse, FileRow } from '../../core/model.ts'
import type { KeyUse, Rewrapped } from '../wrapped-keys.ts'
import { fileRow, SELECT_FILE, type StoredFile } from './rows.ts'

const USES = "json_each(codecs) c WHERE c.value ->> '$.name' = 'aes-256-gcm'"
const KEY_ID = "c.value ->> '$.params.key_id'"

/** The verb of MetaStore that changes them. It must run inside a transaction. */
export function wrappedKeyVerbs(db: Database) {
  const change = db.prepare<[string, string, string]>('UPDATE _alyx_files SET codecs = ? WHERE id = ? AND codecs = ?')
  return {
    rewrapFiles(files: readonly Rewrapped[]): number {
      const text = (codecs: readonly CodecUse[]): string => JSON.stringify(codecs)
      return files.reduce((count, { id, from, to }) => count + change.run(text(to), id, text(from)).changes, 0)
    },
  }
}

/** Prepares the reads of MetaStore on them; both may look at every row. */
export function wrappedKeyReads(db: Database) {
  const use = db.prepare<[], KeyUse>(
    `SELECT ${KEY_ID} AS keyId, count(*) AS files FROM _alyx_files, ${USES} AND encrypted = 1 GROUP BY 1 ORDER BY 1`,
  )
  const others = db.prepare<[string, string, number], StoredFile>(
    `${SELECT_FILE} WHERE encrypted = 1 AND id > ? AND EXISTS (SELECT 1 FROM ${USES} AND ${KEY_ID} IS NOT ?)
      ORDER BY id LIMIT ?`,
  )
  return {
    keyUse: (): readonly KeyUse[] => use.all(),
    filesNotUnder: (keyId: string, afterId: string, limit: number): readonly FileRow[] =>
      others.all(afterId, keyId, limit).map(fileRow),
  }
}
