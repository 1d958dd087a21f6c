// What any text of a record must be: Unicode that every database and every program can hold.

/** What is wrong with other text. */
export const NOT_TEXT = 'must be well-formed text without NUL'

/** Whether a value is text without lone surrogates and without U+0000. */
export function isText(value: unknown): value is string {
  return typeof value === 'string' && value.isWellFormed() && !value.includes('\0')
}
