// The SQL of a project migration: cut into statements, and those refused that would not stay inside its transaction.

const ALLOWED = /^(alter|analyze|create|delete|drop|insert|reindex|replace|select|update|values|with)\b/i
/** Our own tables; our indexes on the tables of collections may be dropped, since a column cannot go while it has one. */
const INTERNAL = /_alyx_(?!(index|unique)\.)/i
/** A comment, a text or a quoted name, which may hold a semicolon that ends nothing. Left open, each goes on to the end. */
const OPAQUE =
  /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|`(?:[^`]|``)*(?:`|$)|\[[^\]]*(?:\]|$)/g

/** The statements, without their semicolons and comments. */
export function statementsOf(sql: string): readonly string[] {
  const statements: string[] = []
  let current = ''
  let at = 0
  const take = (text: string) => {
    const parts = text.split(';')
    for (const part of parts.slice(0, -1)) {
      statements.push(current + part)
      current = ''
    }
    current += parts.at(-1) ?? ''
  }
  for (const match of sql.matchAll(OPAQUE)) {
    take(sql.slice(at, match.index))
    current += /^(--|\/\*)/.test(match[0]) ? ' ' : match[0]
    at = match.index + match[0].length
  }
  take(sql.slice(at))
  return [...statements, current].map((statement) => statement.trim()).filter((statement) => statement !== '')
}

/** What is wrong with the SQL of a migration, or null. Whether it runs is for the database to say. */
export function sqlFault(sql: string): string | null {
  const statements = statementsOf(sql)
  if (statements.length === 0) return 'holds no statement'
  for (const statement of statements) {
    const word = /^\w+/.exec(statement)?.[0].toUpperCase() ?? statement.slice(0, 10)
    if (/^create\s+(temp(orary)?\s+)?trigger\b/i.test(statement))
      return 'CREATE TRIGGER is not allowed: Alyx must know of every write to a record'
    if (!ALLOWED.test(statement))
      return `a statement that begins with ${word} is not allowed: a migration is one transaction on this database`
    if (INTERNAL.test(statement)) return 'the tables that begin with _alyx_ are not for migrations to name'
  }
  return null
}
