// Run as a process of its own by migrate.test.ts: applies the migrations of a directory and ends. Arguments: database, directory.
import { applyMigrations } from '../../../src/meta/sqlite/open.ts'

const [file, migrationsDir] = process.argv.slice(2) as [string, string]
process.send?.('started')
process.send?.((await applyMigrations({ file, migrationsDir })).map(({ name }) => name))
process.disconnect?.()
